//! Who sees the page where a token is asked for, and what a browser is told about it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::window::{Scripts, Window};
use crate::harness::balancer::Balancer;
use crate::harness::cluster::Cluster;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::registry::stage::Stage;

const TOKEN: &str = "0123456789abcdef-of-a-test";

async fn page(balancer: &Balancer, request: Request) -> Answer {
    balancer.desk().send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_load_nothing_from_elsewhere() {
    let front = Front::start(|_| ()).await;
    for path in ["/", "/page.css", "/page.js", "/page.svg"] {
        let answer = page(&front.balancer, Request::get(path)).await.expect(200);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let head = page(&front.balancer, Request::new("HEAD", path))
            .await
            .expect(200);
        assert!(head.body.is_empty());
        page(&front.balancer, Request::new("POST", path))
            .await
            .expect(405);
    }
    let kind = |answer: Answer| answer.header("content-type").unwrap().to_owned();
    let html = page(&front.balancer, Request::get("/")).await;
    assert_eq!(kind(html), "text/html; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_the_password_of_a_browser() {
    let stage = Stage::with(Cluster::builder().nodes(2), |config| {
        let file = config.folder().join("tokens");
        std::fs::write(&file, format!("ann:{TOKEN}\n")).unwrap();
        config.set("admin", "token_file", file.to_str().unwrap());
    });
    let stage = stage.await;
    let balancer = &stage.balancer;
    let refused = page(balancer, Request::get("/")).await.expect(401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Basic realm=\"pilotage\""),
        "{challenge}"
    );
    assert!(!refused.text().contains("node-1"));
    page(balancer, Request::get("/").basic("me", "wrong-wrong-wrong"))
        .await
        .expect(401);
    let shown = page(balancer, Request::get("/").basic("me", TOKEN))
        .await
        .expect(200);
    assert!(shown.text().contains("token ann"));
    assert!(!shown.text().contains(TOKEN));

    let mut window = Window::closed(balancer).await;
    let pair = STANDARD.encode(format!("me:{TOKEN}"));
    let headers = json!({ "headers": { "Authorization": format!("Basic {pair}") } });
    window
        .chrome
        .ask("Network.setExtraHTTPHeaders", headers)
        .await;
    window.load(Scripts::Run).await;
    window.sees("link", "Live").await;
    window.click("[data-act='drain'][data-node='node-2']").await;
    window.click("#question-yes").await;
    window
        .sees_in("[data-key='node-node-2'] .state", "draining by token ann")
        .await;
    window.expect_no_complaint();
}
