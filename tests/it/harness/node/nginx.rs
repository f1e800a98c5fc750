//! nginx in the manner of Harbor's installer: its locations, limits and headers, on the node's own
//! address.

use std::net::SocketAddr;
use std::path::Path;

use super::{Addresses, Entrance, ForwardedProto, Ground, Plan, filled};
use crate::harness::process::{Process, Spec};

pub(super) fn start(plan: &Plan, ground: &Ground, addresses: &Addresses) -> Process {
    let folder = ground.folder.join("nginx");
    std::fs::create_dir_all(&folder).unwrap();
    run("nginx", &folder, &front(plan, ground, addresses, &folder))
}

/// The portal: a page for every path, from an nginx of its own as in Harbor.
pub(super) fn start_portal(folder: &Path, address: SocketAddr) -> Process {
    let folder = folder.join("portal");
    std::fs::create_dir_all(folder.join("html")).unwrap();
    std::fs::write(
        folder.join("html/index.html"),
        include_str!("templates/portal.html"),
    )
    .unwrap();
    let address = address.to_string();
    let known = [
        ("portal", address.as_str()),
        ("folder", folder.to_str().unwrap()),
    ];
    run(
        "portal",
        &folder,
        &filled(include_str!("templates/portal.conf"), &known),
    )
}

fn run(name: &str, folder: &Path, servers: &str) -> Process {
    let known = [("servers", servers), ("folder", folder.to_str().unwrap())];
    let config = folder.join("nginx.conf");
    std::fs::write(&config, filled(include_str!("templates/main.conf"), &known)).unwrap();
    let log = folder.join("error.log");
    let spec = Spec::new(name, "nginx", folder);
    Process::start(
        spec.argument("-c")
            .argument(config)
            .argument("-e")
            .argument(log),
    )
}

fn front(plan: &Plan, ground: &Ground, addresses: &Addresses, folder: &Path) -> String {
    let (core, portal) = (addresses.core.to_string(), addresses.portal.to_string());
    let listen = match plan.entrance {
        Entrance::Http => addresses.nginx.to_string(),
        Entrance::Https | Entrance::Redirecting => format!("{} ssl", addresses.nginx),
    };
    let (secure, cookies) = match plan.entrance {
        Entrance::Http => (String::new(), ""),
        Entrance::Https | Entrance::Redirecting => {
            ground.certificate.write(folder, "node");
            let known = [
                ("folder", folder.to_str().unwrap()),
                ("protocols", plan.protocols),
            ];
            let secure = filled(include_str!("templates/secure.conf"), &known);
            (secure, "proxy_cookie_path / \"/; HttpOnly; Secure\";")
        }
    };
    let proto = match plan.forwarded_proto {
        ForwardedProto::Passed => "$passed_proto",
        ForwardedProto::Overwritten => "$scheme",
    };
    // Harbor keeps the port of the Host for the registry's paths alone, and is patient where bodies
    // are large.
    let locations = [
        ("/", "portal/", "$host", "60"),
        ("/c/", "core/c/", "$host", "900"),
        ("/api/", "core/api/", "$host", "60"),
        ("/v2/", "core/v2/", "$http_host", "900"),
        ("/service/", "core/service/", "$host", "60"),
    ]
    .map(|(path, upstream, host, timeout)| {
        let known = [
            ("path", path),
            ("upstream", upstream),
            ("host", host),
            ("timeout", timeout),
            ("proto", proto),
            ("cookies", cookies),
        ];
        filled(include_str!("templates/location.conf"), &known)
    })
    .concat();
    let known = [
        ("locations", locations.as_str()),
        ("core", &core),
        ("portal", &portal),
        ("listen", &listen),
        ("secure", &secure),
    ];
    let known = [&known[..], &limits(plan)].concat();
    let servers = filled(include_str!("templates/front.conf"), &known);
    match plan.entrance {
        Entrance::Http | Entrance::Https => servers,
        Entrance::Redirecting => {
            let Addresses {
                nginx, redirect, ..
            } = addresses;
            let target = format!("https://{nginx}$request_uri");
            format!(
                "{servers}\n  server {{\n    listen {redirect};\n    return 308 {target};\n  }}\n"
            )
        }
    }
}

/// What nginx makes of bodies and of the time.
fn limits(plan: &Plan) -> [(&'static str, &'static str); 4] {
    // nginx tells its own time unless it is told to tell core's.
    let date = if plan.clock == 0 {
        ""
    } else {
        "proxy_pass_header Date;"
    };
    [
        ("limit", plan.body_limit),
        ("buffering", plan.buffering),
        ("patience", plan.body_timeout),
        ("date", date),
    ]
}
