//! curl: a push and a pull as a script would make them, over both protocols.

use serde_json::Value;

use crate::harness::clients::curl::Curl;
use crate::harness::core::Account;
use crate::harness::image::digest;
use crate::registry::hand::Hand;
use crate::registry::stage::{Stage, blob};

/// The value of a header in what `--dump-header -` printed.
fn header<'p>(printed: &'p str, name: &str) -> &'p str {
    let mut lines = printed.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_pushes_and_pulls_a_blob_over_http1_and_http2() {
    let stage = Stage::set().await;
    let destination = stage.balancer.destination();
    let curl = Curl::new(&destination);
    for protocol in ["--http1.1", "--http2"] {
        let content = format!("pushed by curl {protocol}").repeat(100_000);
        let file = stage.cluster.scratch.write("content", &content);
        let (body, digest) = (format!("@{}", file.display()), digest(content.as_bytes()));
        let scope = "/service/token?service=harbor-registry&scope=repository:lab/curl:pull,push";
        let login = [protocol, "--user", "builder:Builder12345"];
        let answer = curl.get(scope, &login).await.expect_success();
        let token: Value = serde_json::from_str(&answer.stdout).unwrap();
        let bearer = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
        let with_token = [
            protocol,
            "--header",
            &bearer,
            "--fail",
            "--dump-header",
            "-",
        ];
        let post = [with_token.as_slice(), &["--request", "POST"]].concat();
        let started = curl.get("/v2/lab/curl/blobs/uploads/", &post).await;
        let started = started.expect_success().stdout;
        let version = if protocol == "--http2" {
            "HTTP/2 202"
        } else {
            "HTTP/1.1 202"
        };
        assert!(started.starts_with(version), "{started}");
        let path = header(&started, "location")
            .strip_prefix(&format!("https://{}", destination.authority))
            .unwrap_or_else(|| panic!("{started}"));
        let octets = "Content-Type: application/octet-stream";
        let sending = ["--header", octets, "--data-binary", &body];
        let appending = [with_token.as_slice(), &["--request", "PATCH"], &sending].concat();
        let appended = curl.get(path, &appending).await.expect_success().stdout;
        let path = header(&appended, "location")
            .strip_prefix(&format!("https://{}", destination.authority))
            .unwrap_or_else(|| panic!("{appended}"));
        let put = [with_token.as_slice(), &["--request", "PUT"]].concat();
        let path = format!("{path}&digest={digest}");
        let done = curl.get(&path, &put).await.expect_success().stdout;
        assert_eq!(header(&done, "docker-content-digest"), digest);
        assert_eq!(blob(&stage.storage(), &digest), content.as_bytes());
        let path = format!("/v2/lab/curl/blobs/{digest}");
        let pull = [protocol, "--header", &bearer, "--fail"];
        let pulled = curl.get(&path, &pull).await.expect_success();
        assert_eq!(pulled.stdout, content);
    }
    let wrong = ["--fail", "--user", "builder:wrong"];
    let refused = curl.get("/v2/", &wrong).await.expect_failure();
    assert!(refused.stderr.contains("401"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_an_early_refusal_while_it_sends_a_large_body() {
    let stage = Stage::set().await;
    let curl = Curl::new(&stage.balancer.destination());
    let file = stage.cluster.scratch.write("large", vec![7; 24 << 20]);
    let body = format!("@{}", file.display());
    let patch = ["--request", "PATCH", "--data-binary", &body];
    let quiet = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let [hand, _] = Hand::both(&stage.balancer, Account::BUILDER, &["lab/curl"]).await;
    let upload = hand.start("lab/curl").await;
    let forged = upload.forged("stale").path;
    for protocol in ["--http1.1", "--http2"] {
        // One is the answer of a node, the other is ours.
        for (path, status) in [(&upload.path, "401"), (&forged, "404")] {
            for _ in 0..5 {
                let bad = ["--header", "Authorization: Bearer expired", protocol];
                // Without this curl waits a moment before it sends.
                let now = ["--header", "Expect:"];
                let options = [patch.as_slice(), &quiet, &bad, &now].concat();
                let refused = curl.get(path, &options).await;
                assert_eq!(refused.stdout, status, "{protocol}: {}", refused.stderr);
            }
        }
    }
}
