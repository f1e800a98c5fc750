//! Chromium without a window, driven over its debugging pipe.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};
use tokio::time::timeout;

use super::process::{Process, Spec};
use super::wait::SOON;

/// One browser with one page.
#[derive(Debug)]
pub struct Chrome {
    process: Process,
    to: Sender,
    from: Receiver,
    unread: Vec<u8>,
    page: String,
    asked: u64,
    /// What it said without being asked.
    pub heard: Vec<Value>,
}

impl Chrome {
    /// Starts it in a folder of its own, with an empty page.
    pub async fn start(folder: &Path, arguments: &[String]) -> Self {
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
            process: start(folder, arguments),
            to: sender,
            from: receiver,
            unread: Vec::new(),
            page: String::new(),
            asked: 0,
            heard: Vec::new(),
        };
        let blank = json!({ "url": "about:blank" });
        let target = chrome.ask("Target.createTarget", blank).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let page = chrome.ask("Target.attachToTarget", attach).await;
        page["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut chrome.page);
        chrome
    }

    /// The value of an expression in the page.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let wish = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        self.ask("Runtime.evaluate", wish).await["result"]["value"].take()
    }

    /// One command of the debugging protocol.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
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
                self.heard.push(answer);
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

fn start(folder: &Path, arguments: &[String]) -> Process {
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
        .arguments(arguments)
        .environment("HOME", folder)
        .environment("XDG_CONFIG_HOME", folder)
        .environment("XDG_CACHE_HOME", folder);
    Process::start(spec)
}
