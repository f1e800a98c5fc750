//! Harbor's user interface through the balancer: sessions, CSRF, cookies.

use std::collections::BTreeSet;

use serde_json::json;

use super::hand::Hand;
use super::stage::Stage;
use crate::harness::balancer::field;
use crate::harness::certs::Offer;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;
use crate::harness::jar::Jar;

/// A browser that is shown only cookies which a plain connection never carries.
#[derive(Debug, Default)]
struct Browser {
    jar: Jar,
}

impl Browser {
    async fn send(&mut self, hand: &Hand, request: Request) -> Answer {
        let answer = hand.send(self.jar.dress(request)).await;
        for cookie in answer.all("set-cookie") {
            assert!(cookie.contains("; Secure"), "{cookie}");
            assert_eq!(cookie.matches("Secure").count(), 1, "{cookie}");
        }
        self.jar.keep(&answer);
        answer
    }
}

fn login(password: &str) -> Request {
    let form = format!("principal=admin&password={password}");
    Request::new("POST", "/c/login")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form.into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_and_works_over_all_nodes() {
    let stage = Stage::set().await;
    for offer in [Offer::Http1, Offer::Http2] {
        let hand = Hand::anonymous(&stage.balancer, offer).await;
        let mut browser = Browser::default();
        let page = browser.send(&hand, Request::get("/")).await.expect(200);
        assert!(page.text().contains("<title>Harbor</title>"));
        let info = Request::get("/api/v2.0/systeminfo");
        browser.send(&hand, info).await.expect(200);
        assert!(browser.jar.cookies.contains_key("sid"));
        let current = Request::get("/api/v2.0/users/current");
        browser.send(&hand, current.clone()).await.expect(401);
        let mut forger = Browser::default();
        let refused = forger.send(&hand, login("Harbor12345")).await;
        assert_eq!(refused.expect(403).error_code(), "FORBIDDEN");
        browser.send(&hand, login("wrong")).await.expect(401);
        browser.send(&hand, login("Harbor12345")).await.expect(200);
        for _ in 0..20 {
            let user = browser.send(&hand, current.clone()).await.expect(200);
            assert_eq!(user.json()["username"], "admin");
        }
        let name = format!("made-{offer:?}").to_lowercase();
        let wish = json!({ "project_name": name }).to_string();
        let create = Request::new("POST", "/api/v2.0/projects").body(wish.into_bytes());
        let created = browser.send(&hand, create).await.expect(201);
        let location = created.header("location").unwrap();
        assert!(location.starts_with("/api/v2.0/projects/"), "{location}");
        let out = Request::get("/c/log_out");
        browser.send(&hand, out).await.expect(200);
        browser.send(&hand, current).await.expect(401);
    }
    let records = stage.balancer.access_log();
    let api = records
        .iter()
        .filter(|record| field(record, "route") == "api");
    let nodes = api
        .filter_map(|record| field(record, "node").as_str())
        .collect::<BTreeSet<_>>();
    assert_eq!(nodes.len(), 3, "the browser met {nodes:?} alone");
}
