//! nginx in the manner of Harbor's installer: its locations, limits and headers, on the node's own address.

use std::net::SocketAddr;
use std::path::Path;

use super::{Addresses, Entrance, ForwardedProto, Ground, Plan};
use crate::harness::process::{Process, Spec};

pub(super) fn start(plan: &Plan, ground: &Ground, addresses: &Addresses) -> Process {
    let folder = ground.folder.join("nginx");
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("nginx.conf");
    std::fs::write(&config, front(plan, ground, addresses, &folder)).unwrap();
    run("nginx", &folder, &config)
}

/// The portal: a page for every path, from an nginx of its own as in Harbor.
pub(super) fn start_portal(folder: &Path, address: SocketAddr) -> Process {
    let folder = folder.join("portal");
    std::fs::create_dir_all(folder.join("html")).unwrap();
    let page =
        "<!doctype html><html><head><title>Harbor</title></head><body>portal</body></html>\n";
    std::fs::write(folder.join("html/index.html"), page).unwrap();
    let config = folder.join("nginx.conf");
    let server = format!(
        "server {{\n  listen {address};\n  root {}/html;\n  location / {{\n    \
         try_files $uri $uri/ /index.html;\n    \
         add_header Cache-Control \"no-store, no-cache, must-revalidate\";\n  }}\n}}\n",
        folder.display()
    );
    std::fs::write(&config, main_context(&folder, &server)).unwrap();
    run("portal", &folder, &config)
}

fn run(name: &str, folder: &Path, config: &Path) -> Process {
    let log = folder.join("error.log");
    let spec = Spec::new(name, "nginx", folder);
    Process::start(
        spec.argument("-c")
            .argument(config)
            .argument("-e")
            .argument(log),
    )
}

/// One process in the foreground, so that one signal reaches all of it.
fn main_context(folder: &Path, servers: &str) -> String {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log warn;\n\
         worker_rlimit_nofile 8192;\nevents {{ worker_connections 3096; }}\nhttp {{\n{temporary}  \
         access_log off;\n  default_type text/html;\n  server_tokens off;\n  tcp_nodelay on;\n  \
         keepalive_timeout 65;\n  client_header_buffer_size 4k;\n  large_client_header_buffers 8 16k;\n\
         {servers}}}\n"
    )
}

fn front(plan: &Plan, ground: &Ground, addresses: &Addresses, folder: &Path) -> String {
    let Addresses {
        nginx,
        redirect,
        core,
        portal,
        ..
    } = addresses;
    let proto = match plan.forwarded_proto {
        ForwardedProto::Passed => "$forwarded_proto",
        ForwardedProto::Overwritten => "$scheme",
    };
    let (listen, secure, cookies) = match plan.entrance {
        Entrance::Http => (format!("listen {nginx};"), String::new(), ""),
        Entrance::Https | Entrance::Redirecting => {
            let (chain, key) = ground.certificate.write(folder, "node");
            let tls = format!(
                "ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.2 TLSv1.3;\n    \
                 add_header Strict-Transport-Security \"max-age=31536000; includeSubdomains; preload\";\n",
                chain.display(),
                key.display()
            );
            let cookies = "proxy_cookie_path / \"/; HttpOnly; Secure\";";
            (format!("listen {nginx} ssl;"), tls, cookies)
        }
    };
    let location = |path: &str, upstream: &str, host: &str, more: &str| {
        format!(
            "    location {path} {{\n      proxy_pass http://{upstream};\n      proxy_set_header Host {host};\n      \
             proxy_set_header X-Real-IP $remote_addr;\n      \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n      \
             proxy_set_header X-Forwarded-Proto {proto};\n      {cookies}\n      proxy_buffering off;\n      \
             proxy_request_buffering off;\n      {more}\n    }}\n"
        )
    };
    let patient = "proxy_send_timeout 900;\n      proxy_read_timeout 900;";
    let locations = [
        location("/", "portal/", "$host", ""),
        location("/c/", "core/c/", "$host", patient),
        location("/api/", "core/api/", "$host", ""),
        "    location /v1/ { return 404; }\n".to_owned(),
        location("/v2/", "core/v2/", "$http_host", patient),
        location("/service/", "core/service/", "$host", ""),
        "    location /service/notifications { return 404; }\n".to_owned(),
    ]
    .concat();
    let mut servers = format!(
        "  upstream core {{ server {core}; }}\n  upstream portal {{ server {portal}; }}\n  \
         map $http_x_forwarded_proto $forwarded_proto {{ default $http_x_forwarded_proto; \"\" $scheme; }}\n  \
         proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  \
         server {{\n    {listen}\n    {secure}    client_max_body_size 0;\n    chunked_transfer_encoding on;\n    \
         add_header X-Frame-Options DENY;\n    add_header Content-Security-Policy \"frame-ancestors 'none'\";\n\
         {locations}  }}\n"
    );
    if plan.entrance == Entrance::Redirecting {
        servers.push_str(&format!(
            "  server {{ listen {redirect}; return 308 https://{nginx}$request_uri; }}\n"
        ));
    }
    main_context(folder, &servers)
}
