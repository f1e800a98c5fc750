//! A host of its own for a node, as far as the network tells: it can vanish without a word.

use std::path::Path;
use std::process::{Command, Output};

use super::process::{Process, Spec};

/// A network namespace that leads to a node. Dropping it removes the namespace and its cable.
#[derive(Debug)]
pub struct Remote {
    name: String,
    /// The ends of the cable: here, and in the namespace.
    near: String,
    far: String,
    relays: Vec<Process>,
}

impl Remote {
    /// A host through which the server at `target` is reached.
    pub fn before(target: &str, folder: &Path) -> Self {
        // One of the networks that are set aside for measurements.
        let number = fastrand::u16(..) & !3;
        let [high, low] = number.to_be_bytes();
        let mut remote = Self {
            name: format!("pilotage{number}"),
            near: format!("198.18.{high}.{}", low + 1),
            far: format!("198.18.{high}.{}", low + 2),
            relays: Vec::new(),
        };
        let (name, near, far) = (remote.name.clone(), remote.near.clone(), remote.far.clone());
        let cable = (format!("pn{number}"), format!("pf{number}"));
        for line in [
            format!("netns add {name}"),
            format!(
                "link add {} type veth peer name {} netns {name}",
                cable.0, cable.1
            ),
            format!("addr add {near}/30 dev {}", cable.0),
            format!("link set {} up", cable.0),
            format!("-n {name} addr add {far}/30 dev {}", cable.1),
            format!("-n {name} link set {} up", cable.1),
        ] {
            expect(&line, &ip(&line));
        }
        let relay = |program: &str, before: &[&str], from: &str, to: &str| {
            let listen = format!("TCP-LISTEN:{PORT},bind={from},reuseaddr,fork,nodelay");
            let spec = Spec::new(&format!("{name}-{from}"), program, folder);
            let spec = spec.arguments(before.iter().copied());
            Process::start(spec.arguments([listen, format!("TCP:{to},nodelay")]))
        };
        let inside = ["netns", "exec", &name, "socat"];
        remote.relays = vec![
            relay("ip", &inside, &far, &format!("{near}:{PORT}")),
            relay("socat", &[], &near, target),
        ];
        remote
    }

    /// Where the node is reached.
    pub fn authority(&self) -> String {
        format!("{}:{PORT}", self.far)
    }

    /// From now on nothing comes back, not even that nothing comes: no reset, no end, no acknowledgement.
    pub fn vanish(&self) {
        self.route("add");
    }

    /// It is there again, with all connections that are still remembered.
    pub fn appear(&self) {
        self.route("del");
    }

    fn route(&self, verb: &str) {
        // More exact than the route of the cable: every packet to us is thrown away without a word.
        let line = format!("-n {} route {verb} blackhole {}/32", self.name, self.near);
        expect(&line, &ip(&line));
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.relays.clear();
        drop(ip(&format!("netns del {}", self.name)));
    }
}

fn ip(line: &str) -> Output {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut command = Command::new("ip");
    command.env("PATH", path).args(line.split(' '));
    command.output().expect("ip can be started")
}

fn expect(line: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {line}: {said}");
}

/// Its own network has all ports free.
const PORT: u16 = 8080;
