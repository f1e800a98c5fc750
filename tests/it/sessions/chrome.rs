//! A browser before the registry's pages. It trusts the one key of the balancers' certificate; everything else about a
//! certificate it would refuse.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::pair::Pair;
use crate::harness::chrome;
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::wait::{SOON, until};

/// One browser with one page.
#[derive(Debug)]
pub(super) struct Chrome(chrome::Chrome);

impl Chrome {
    /// Starts it, and opens the registry's page.
    pub(super) async fn open(pair: &Pair) -> Self {
        let folder = pair.cluster.scratch.folder("chromium");
        let arguments = [
            format!("--host-resolver-rules=MAP {PUBLIC_NAME} 127.0.0.1"),
            format!("--ignore-certificate-errors-spki-list={}", key_hash(pair)),
        ];
        let mut chrome = Self(chrome::Chrome::start(&folder, &arguments).await);
        chrome.visit(&format!("https://{}/", pair.name())).await;
        chrome
    }

    /// Opens an address, and waits until the page shows who is logged in.
    pub(super) async fn visit(&mut self, url: &str) -> String {
        self.0.ask("Page.navigate", json!({ "url": url })).await;
        self.shown().await
    }

    /// Fills in the form, sends it, and waits for what the page shows then.
    pub(super) async fn log_in(&mut self, name: &str, password: &str) -> String {
        let fill = format!(
            "form.principal.value = {name:?}; form.password.value = {password:?}; form.requestSubmit()"
        );
        self.0.evaluate(&fill).await;
        self.shown().await
    }

    /// Who is logged in, by the page, as soon as it says so.
    async fn shown(&mut self) -> String {
        let mut shown = String::new();
        for _ in 0..LOOKS {
            let text = self
                .0
                .evaluate("document.getElementById('user')?.textContent || ''")
                .await;
            text.as_str().unwrap_or_default().clone_into(&mut shown);
            if !shown.is_empty() {
                break;
            }
            self.0
                .evaluate("new Promise((done) => setTimeout(done, 50))")
                .await;
        }
        shown
    }
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
const LOOKS: usize = 1200;
