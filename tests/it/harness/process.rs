//! Child processes that never outlive the test: each has a process group of its own, which is
//! killed when the guard drops, and the kernel kills the child should the test process itself die.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::wait;

/// What to start, so that it can be started again.
#[derive(Debug, Clone)]
pub struct Spec {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    hosts_file: Option<PathBuf>,
    hidden: Vec<PathBuf>,
    socket: Option<Arc<TcpListener>>,
}

impl Spec {
    /// A program by name; its output goes to `<name>.out` and `<name>.err` in `folder`.
    pub fn new(name: &str, program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: folder.to_path_buf(),
            hosts_file: None,
            hidden: Vec::new(),
            socket: None,
        }
    }

    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, all: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(all.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs it with this file in place of `/etc/hosts`, in a mount namespace of its own: nothing of
    /// the machine changes.
    #[must_use]
    pub fn hosts_file(mut self, file: &Path) -> Self {
        self.hosts_file = Some(file.to_path_buf());
        self
    }

    /// Shows it an empty folder here, in the same namespace: what programs leave in fixed places
    /// would reach from one test to the next.
    #[must_use]
    pub fn hide(mut self, folder: impl Into<PathBuf>) -> Self {
        self.hidden.push(folder.into());
        self
    }

    /// Hands it a bound socket in the way of a service manager.
    #[must_use]
    pub fn socket(mut self, socket: TcpListener) -> Self {
        self.socket = Some(Arc::new(socket));
        self
    }

    /// The whole command line: the program behind what makes it die with us and see its own hosts
    /// file.
    pub fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Some(hosts) = &self.hosts_file {
            let mut script = "mount --bind \"$0\" /etc/hosts".to_owned();
            for folder in &self.hidden {
                write!(script, " && mount -t tmpfs tmpfs {}", folder.display()).unwrap();
            }
            script.push_str(" && exec \"$@\"");
            command.args([
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                &script,
            ]);
            command.arg(hosts);
        }
        // Servers are not on the path of everybody who may run them.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        command.env("PATH", path);
        if let Some(socket) = &self.socket {
            let socket = socket.try_clone().unwrap();
            command.stdin(Stdio::from(OwnedFd::from(socket)));
            let hand_over = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null";
            command.args(["sh", "-c", hand_over]);
        } else {
            command.stdin(Stdio::null());
        }
        command
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        command.current_dir(&self.folder).process_group(0);
        command
    }

    fn output(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", self.name))
    }
}

/// A started child. Dropping it kills it and everything in its group; while a test fails, the end
/// of what it wrote is shown.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Option<Child>,
}

impl Process {
    /// Starts it; it need not be ready yet.
    pub fn start(spec: Spec) -> Self {
        let mut process = Self { spec, child: None };
        process.start_again();
        process
    }

    /// Starts the same command again after it ended; output is appended.
    pub fn start_again(&mut self) {
        self.kill();
        let open = |end| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.spec.output(end))
        };
        let mut command = self.spec.command();
        command
            .stdout(open("out").unwrap())
            .stderr(open("err").unwrap());
        let child = spawn(command).unwrap_or_else(|error| {
            panic!(
                "cannot start {} ({}): {error}",
                self.spec.name,
                self.spec.program.display()
            )
        });
        self.child = Some(child);
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("the process runs").id()
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Whether it still runs (a paused one does).
    pub fn running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            // A group that is gone already is no failure.
            let _gone = kill_process_group(Pid::from_child(child), signal);
        }
    }

    /// Kills the group the hard way and waits for the end of the child.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            drop(child.wait());
        }
    }

    /// Stops the group in its tracks: connections stay open, nothing moves.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        // The others of a process go on until the thread that took the signal has had its turn.
        let deadline = Instant::now() + wait::SOON;
        while self.child.as_ref().is_some_and(|child| moves(child.id())) {
            assert!(Instant::now() < deadline, "{} goes on", self.spec.name);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a paused group go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended(within).await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let what = format!("end of {}", self.spec.name);
        let child = self.child.as_mut().expect("the process was started");
        let status = wait::until(&what, within, async || child.try_wait().unwrap()).await;
        self.child = None;
        status
    }

    /// All it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        read(&self.spec.output("out"))
    }

    /// All it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.spec.output("err"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (end, text) in [("out", self.stdout()), ("err", self.stderr())] {
                let lines: Vec<&str> = text.lines().collect();
                let end_of_it = lines[lines.len().saturating_sub(25)..].join("\n");
                if !end_of_it.is_empty() {
                    eprintln!("--- {} ({end}) ---\n{end_of_it}", self.spec.name);
                }
            }
        }
        self.kill();
    }
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned()
}

type Order = (Command, Sender<std::io::Result<Child>>);

/// Starts children from one thread that lives as long as the process: the kernel's "kill me when my
/// parent dies" means the thread that started the child, and the threads of tests and runtimes come
/// and go.
fn spawn(command: Command) -> std::io::Result<Child> {
    static KEEPER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, received) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in received {
                drop(answer.send(command.spawn()));
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = channel();
    KEEPER
        .lock()
        .unwrap()
        .send((command, answer))
        .expect("the keeper thread runs");
    child.recv().expect("the keeper thread answers")
}

/// What a command that ran to its end left behind.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub command: String,
    pub success: bool,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The outcome of something that must work; panics with all output otherwise.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(
            self.success,
            "failed: {}\n{}{}",
            self.command, self.stdout, self.stderr
        );
        self
    }

    /// The outcome of something that must not work.
    #[track_caller]
    pub fn expect_failure(self) -> Self {
        assert!(
            !self.success,
            "worked: {}\n{}{}",
            self.command, self.stdout, self.stderr
        );
        self
    }

    /// Both outputs, one after the other.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a command to its end, with `input` as its standard input; kills it when it takes longer
/// than `within`.
pub async fn run(spec: &Spec, input: &[u8], within: Duration) -> Outcome {
    let shown = format!("{} {:?}", spec.program.display(), spec.arguments);
    let mut command = spec.command();
    let given = spec
        .folder
        .join(format!(".{}.{}.in", spec.name, fastrand::u64(..)));
    std::fs::write(&given, input).unwrap();
    command.stdin(File::open(&given).unwrap());
    std::fs::remove_file(&given).unwrap();
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap());
    let child = spawn(command).unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let mut process = Process {
        spec: spec.clone(),
        child: Some(child),
    };
    let status = wait::found(within, async || process.child.as_mut()?.try_wait().unwrap()).await;
    process.kill();
    let mut outcome = Outcome {
        command: shown,
        success: status.is_some_and(|status| status.success()),
        code: status.and_then(|status| status.code()),
        stdout: rewind_and_read(&mut out),
        stderr: rewind_and_read(&mut err),
    };
    if status.is_none() {
        outcome.stderr.push_str("\n(killed: it took too long)");
    }
    outcome
}

fn rewind_and_read(file: &mut File) -> String {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a thread of this process group has not been stopped yet.
fn moves(group: u32) -> bool {
    let folders = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let processes = folders(Path::new("/proc")).filter(|entry| {
        let told = told(&entry.path());
        told.is_some_and(|(_, its)| its == group)
    });
    let threads = processes.flat_map(|entry| folders(&entry.path().join("task")));
    threads
        .filter_map(|entry| told(&entry.path()))
        .any(|(state, _)| !"TZX".contains(state))
}

/// The state and the process group of a process or thread, by the folder that the system has for it.
fn told(folder: &Path) -> Option<(char, u32)> {
    let line = std::fs::read_to_string(folder.join("stat")).ok()?;
    // A name may hold anything; what follows its last parenthesis is plain.
    let mut words = line.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?.chars().next()?;
    let group = words.nth(1)?.parse().ok()?;
    Some((state, group))
}
