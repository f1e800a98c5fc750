//! A browser window with the page in it, and the eyes and hands of whoever looks.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::balancer::Balancer;
use crate::harness::chrome::Chrome;
use crate::harness::scratch::Scratch;
use crate::harness::wait::{SOON, until};

/// A window with the page in it.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) chrome: Chrome,
    url: String,
    /// Where the browser keeps its things; goes with it.
    _folder: Scratch,
}

/// Whether the browser runs scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    Run,
    Off,
}

impl Window {
    /// Opens the page of a balancer, as on a desk.
    pub(super) async fn open(balancer: &Balancer) -> Self {
        let mut window = Self::closed(balancer).await;
        window.load(Scripts::Run).await;
        window.sees("link", "Live").await;
        window
    }

    /// A browser that has not asked for the page yet.
    pub(super) async fn closed(balancer: &Balancer) -> Self {
        let folder = Scratch::new();
        let mut chrome = Chrome::start(folder.path(), &[]).await;
        for part in ["Page", "Runtime", "Log", "Network"] {
            chrome.ask(&format!("{part}.enable"), json!({})).await;
        }
        let mut window = Self {
            chrome,
            url: format!("http://{}/", balancer.desk().address),
            _folder: folder,
        };
        window.is_wide(1280).await;
        window
    }

    pub(super) async fn load(&mut self, scripts: Scripts) {
        let off = json!({ "value": scripts == Scripts::Off });
        self.chrome
            .ask("Emulation.setScriptExecutionDisabled", off)
            .await;
        let url = json!({ "url": self.url });
        self.chrome.ask("Page.navigate", url).await;
        let ready = "document.readyState === 'complete' && document.styleSheets.length";
        self.is("the page is there", ready).await;
    }

    /// The window is so wide; below 600 it is a phone.
    pub(super) async fn is_wide(&mut self, width: u32) {
        let phone = width < 600;
        let metrics = json!({
            "width": width, "height": if phone { 740 } else { 900 },
            "deviceScaleFactor": 1, "mobile": phone,
        });
        self.chrome
            .ask("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// What the operator likes: `light` or `dark`.
    pub(super) async fn prefers(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.chrome
            .ask(
                "Emulation.setEmulatedMedia",
                json!({ "features": features }),
            )
            .await;
    }

    /// The text of a part, as it is laid out.
    pub(super) async fn text(&mut self, id: &str) -> String {
        self.text_of(&format!("#{id}")).await
    }

    /// The text of the first element that a selector finds, in one line.
    pub(super) async fn text_of(&mut self, selector: &str) -> String {
        let look = format!("document.querySelector({selector:?})?.innerText ?? ''");
        let text = self.chrome.evaluate(&look).await;
        let words = text.as_str().unwrap_or_default().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    }

    /// Waits until a part shows a text.
    pub(super) async fn sees(&mut self, id: &str, text: &str) {
        self.sees_in(&format!("#{id}"), text).await;
    }

    /// The same, for the first element that a selector finds.
    pub(super) async fn sees_in(&mut self, selector: &str, text: &str) {
        let mut last = String::new();
        let found = crate::harness::wait::found(SOON, async || {
            last = self.text_of(selector).await;
            last.contains(text).then_some(())
        });
        let found = found.await;
        assert!(
            found.is_some(),
            "{selector} shows {last:?} and not {text:?}"
        );
    }

    /// Waits until an expression holds.
    pub(super) async fn is(&mut self, what: &str, expression: &str) {
        let expression = format!("Boolean({expression})");
        until(what, SOON, async || {
            let holds = self.chrome.evaluate(&expression).await;
            (holds == true).then_some(())
        })
        .await;
    }

    pub(super) async fn click(&mut self, selector: &str) {
        let click = format!("document.querySelector({selector:?}).click()");
        self.chrome.evaluate(&click).await;
    }

    /// Presses a key, as a keyboard does.
    pub(super) async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            other => panic!("what is {other}?"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
            });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.chrome.ask("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Role and name of everything that a screen reader finds, in its order.
    pub(super) async fn heard_by_a_reader(&mut self) -> Vec<(String, String)> {
        let tree = self
            .chrome
            .ask("Accessibility.getFullAXTree", json!({}))
            .await;
        let nodes = tree["nodes"].as_array().unwrap();
        let shown = nodes.iter().filter(|node| node["ignored"] != true);
        let text = |node: &Value, key| node[key]["value"].as_str().unwrap_or_default().to_owned();
        shown
            .map(|node| (text(node, "role"), text(node, "name")))
            .collect()
    }

    /// Takes a picture of the page, down to so many pixels.
    pub(super) async fn picture(&mut self, file: &Path, tallest: u32) {
        let size = self.chrome.ask("Page.getLayoutMetrics", json!({})).await;
        let size = &size["cssContentSize"];
        let height = size["height"].as_f64().unwrap().min(f64::from(tallest));
        let clip = json!({
            "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1,
        });
        let wish = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let taken = self.chrome.ask("Page.captureScreenshot", wish).await;
        let picture = STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, picture).unwrap();
    }

    /// Panics if the browser had anything to complain about: errors, violations of the policy, missing files.
    #[track_caller]
    pub(super) fn expect_no_complaint(&self) {
        let complaints: Vec<_> = self
            .chrome
            .heard
            .iter()
            .filter(|said| complains(said))
            .collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

fn complains(said: &Value) -> bool {
    match said["method"].as_str() {
        Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded") => true,
        Some("Network.responseReceived") => {
            said["params"]["response"]["status"].as_u64() >= Some(400)
        }
        _ => false,
    }
}
