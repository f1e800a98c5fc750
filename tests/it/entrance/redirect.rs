//! The plain port serves nothing: it sends browsers on and tells registry clients what is wrong.

use super::status_of;
use crate::harness::cluster::PUBLIC_NAME;
use crate::harness::front::Front;
use crate::harness::http::Request;

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_port_sends_browsers_to_the_public_name_and_registry_clients_nowhere() {
    let front = Front::start(|_| ()).await;
    let plain = front.plain();
    let public = front.balancer.url();
    for (method, status) in [("GET", 301), ("HEAD", 301), ("POST", 308), ("PUT", 308)] {
        let path = "/harbor/projects?page=2&name=a%2Fb";
        let answer = plain.send(Request::new(method, path).body("x")).await;
        assert_eq!(answer.status, status, "{method}");
        let wanted = format!("{public}{path}");
        assert_eq!(answer.header("location"), Some(wanted.as_str()), "{method}");
    }
    let paths = [
        "/v2/",
        "/v2",
        "/v2/lab/app/manifests/v1",
        "/service/token?service=x",
    ];
    for path in paths {
        for method in ["GET", "HEAD", "POST"] {
            let answer = plain.send(Request::new(method, path)).await;
            assert_eq!(answer.status, 400, "{method} {path}");
            assert_eq!(answer.header("location"), None, "{method} {path}");
            let kind = answer.header("content-type").unwrap_or_default();
            assert!(
                kind.starts_with("application/json"),
                "{method} {path}: {kind}"
            );
            if method == "HEAD" {
                assert_eq!(answer.text(), "");
            } else {
                assert_eq!(answer.error_code(), "UNSUPPORTED", "{method} {path}");
                assert!(answer.text().contains("https"), "{}", answer.text());
                let id = answer.header("x-request-id").unwrap();
                assert!(answer.text().contains(id), "{}", answer.text());
            }
        }
    }
    assert_eq!(front.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_port_never_sends_anybody_to_a_name_that_is_not_ours() {
    let front = Front::start(|_| ()).await;
    let plain = front.plain();
    let foreign = Request::get("/harbor/projects").header("Host", "evil.test");
    let answer = plain.send(foreign).await.expect(421);
    assert_eq!(answer.header("location"), None);
    let no_port = Request::get("/").header("Host", PUBLIC_NAME);
    let answer = plain.send(no_port).await.expect(301);
    let wanted = format!("{}/", front.balancer.url());
    assert_eq!(answer.header("location"), Some(wanted.as_str()));
    // Oddities end here as well, and a path cannot become an authority.
    let host = &plain.authority;
    for target in ["/a b", "/x\\y\0", "/v2//x"] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(status_of(&plain, bytes.as_bytes()).await, 400, "{target:?}");
    }
    let answer = plain.send(Request::get("//evil.test/x")).await;
    let location = answer
        .header("location")
        .unwrap_or(&public(&front))
        .to_owned();
    assert!(location.starts_with(&public(&front)), "{location}");
    assert_eq!(front.seen().len(), 0);
}

fn public(front: &Front) -> String {
    format!("{}/", front.balancer.url())
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_and_internal_paths_are_not_found_on_either_port() {
    let front = Front::start(|_| ()).await;
    for target in [front.plain(), front.h1()] {
        let path = "/.well-known/acme-challenge/some-token";
        for host in [PUBLIC_NAME, "new-name.test"] {
            let request = Request::get(path).header("Host", host);
            target.send(request).await.expect(404);
        }
        for path in ["/service/notifications/jobs/1", "/v1/_ping", "/v1/"] {
            let answer = target.send(Request::get(path)).await.expect(404);
            assert_eq!(answer.error_code(), "UNSUPPORTED", "{path}");
        }
    }
    assert_eq!(front.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_is_misdirected_in_the_form_of_the_registry() {
    let front = Front::start(|_| ()).await;
    let hosts = [
        "evil.test",
        "registry.pilotage.test:1",
        "pilotage.test",
        "[::1]",
    ];
    for host in hosts {
        let answer = front
            .h1()
            .send(Request::get("/v2/").header("Host", host))
            .await
            .expect(421);
        assert_eq!(answer.error_code(), "UNSUPPORTED", "{host}");
        assert!(answer.header("x-request-id").is_some());
    }
    let browser = Request::get("/harbor").header("Host", "evil.test");
    let page = front.h1().send(browser).await.expect(421);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(front.seen().len(), 0);
    let ours = Request::get("/v2/_catalog").header("Host", &PUBLIC_NAME.to_uppercase());
    front.h1().send(ours).await.expect(200);
}
