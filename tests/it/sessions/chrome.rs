//! Chromium without a window, driven over its debugging pipe. It trusts the one key of the balancers' certificate;
//! everything else about a certificate it would refuse.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};
use tokio::time::timeout;

use super::pair::Pair;
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::process::{Process, Spec};
use crate::harness::wait::{SOON, until};

/// One browser with one page.
#[derive(Debug)]
pub(super) struct Chrome {
    process: Process,
    to: Sender,
    from: Receiver,
    unread: Vec<u8>,
    page: String,
    asked: u64,
}

impl Chrome {
    /// Starts it, and opens the registry's page.
    pub(super) async fn open(pair: &Pair) -> Self {
        let folder = pair.cluster.scratch.folder("chromium");
        let [to, from] = ["to", "from"].map(|name| folder.join(name));
        let made = Command::new("mkfifo").args([&to, &from]).status().unwrap();
        assert!(made.success());
        // Open both ways, so that neither waits for the other.
        let sender = OpenOptions::new()
            .read_write(true)
            .open_sender(&to)
            .unwrap();
        let receiver = OpenOptions::new()
            .read_write(true)
            .open_receiver(&from)
            .unwrap();
        let mut chrome = Self {
            process: start(&folder, &key_hash(pair)),
            to: sender,
            from: receiver,
            unread: Vec::new(),
            page: String::new(),
            asked: 0,
        };
        let target = chrome
            .ask("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let page = chrome.ask("Target.attachToTarget", attach).await;
        page["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut chrome.page);
        chrome.visit(&format!("https://{}/", pair.name())).await;
        chrome
    }

    /// Opens an address, and waits until the page shows who is logged in.
    pub(super) async fn visit(&mut self, url: &str) -> String {
        self.ask("Page.navigate", json!({ "url": url })).await;
        self.shown().await
    }

    /// Fills in the form, sends it, and waits for what the page shows then.
    pub(super) async fn log_in(&mut self, name: &str, password: &str) -> String {
        let fill = format!(
            "form.principal.value = {name:?}; form.password.value = {password:?}; form.requestSubmit()"
        );
        self.evaluate(&fill).await;
        self.shown().await
    }

    /// Who is logged in, by the page, as soon as it says so.
    async fn shown(&mut self) -> String {
        let mut shown = String::new();
        for _ in 0..LOOKS {
            let text = self
                .evaluate("document.getElementById('user')?.textContent || ''")
                .await;
            text.as_str().unwrap_or_default().clone_into(&mut shown);
            if !shown.is_empty() {
                break;
            }
            self.evaluate("new Promise((done) => setTimeout(done, 50))")
                .await;
        }
        shown
    }

    /// The value of an expression in the page.
    async fn evaluate(&mut self, expression: &str) -> Value {
        let wish = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        self.ask("Runtime.evaluate", wish).await["result"]["value"].take()
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.page.is_empty() {
            message["sessionId"] = json!(self.page);
        }
        let message = format!("{message}\0");
        self.to.write_all(message.as_bytes()).await.unwrap();
        let answer = timeout(SOON * 2, async {
            loop {
                let mut answer = self.next().await;
                if answer["id"] == id {
                    break answer["result"].take();
                }
            }
        });
        let answer = answer.await;
        answer.unwrap_or_else(|_| panic!("no answer to {method}: {}", self.process.stderr()))
    }

    /// The next message, which a zero byte ends.
    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.unread.drain(..=end).collect();
                return serde_json::from_slice(&message[..end]).unwrap();
            }
            let mut piece = vec![0; 65_536];
            let read = self.from.read(&mut piece).await.unwrap();
            self.unread.extend_from_slice(&piece[..read]);
        }
    }
}

fn start(folder: &Path, key: &str) -> Process {
    let profile = folder.join("profile");
    std::fs::create_dir_all(&profile).unwrap();
    let script = "exec \"$0\" \"$@\" 3<to 4>from";
    let spec = Spec::new("chromium", "sh", folder)
        .arguments(["-c", script, "chromium", "--headless=new", "--no-sandbox"])
        .arguments([
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .arguments([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
        ])
        .arguments([
            "--disable-component-update",
            "--disable-extensions",
            "--no-proxy-server",
        ])
        .argument(format!("--user-data-dir={}", profile.display()))
        .argument(format!("--host-resolver-rules=MAP {PUBLIC_NAME} 127.0.0.1"))
        .argument(format!("--ignore-certificate-errors-spki-list={key}"))
        .environment("HOME", folder)
        .environment("XDG_CONFIG_HOME", folder)
        .environment("XDG_CACHE_HOME", folder);
    Process::start(spec)
}

/// The hash of the public key, as the browser wants to be told of it.
fn key_hash(pair: &Pair) -> String {
    let (_, certificate) = x509_parser::parse_x509_certificate(&pair.certificate.der).unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, certificate.public_key().raw);
    STANDARD.encode(hash)
}

/// Waits for a page to show this; it is opened again and again.
pub(super) async fn shows(chrome: &mut Chrome, url: &str, wanted: &str) {
    let what = format!("the page shows {wanted}");
    until(&what, SOON, async || {
        (chrome.visit(url).await == wanted).then_some(())
    })
    .await;
}

/// How often a page is looked at, with a pause between.
const LOOKS: usize = 400;
