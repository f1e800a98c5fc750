//! Access records: one for each request, whatever became of it, and never a reason to wait.

use std::time::Duration;

use pilotage::observe::names::RECORD_FIELDS;
use serde_json::Value;

use crate::harness::balancer::field;
use crate::harness::front::Front;
use crate::harness::http::{Request, h2};
use crate::harness::recorder::answer;
use crate::harness::wait::{SOON, until};

/// What is sent, with status, route and fault of its record.
const REQUESTS: [(&str, &str, u64, &str, &str); 9] = [
    ("GET", "/v2/_catalog?n=1", 200, "catalog", ""),
    ("HEAD", "/v2/lab/app/manifests/v1", 200, "manifest", ""),
    ("PUT", "/v2/lab/app/manifests/v2", 201, "manifest", ""),
    (
        "GET",
        "/service/token?scope=repository:lab/app:pull",
        200,
        "token",
        "",
    ),
    ("GET", "/harbor/projects", 200, "ui", ""),
    ("GET", "/v2/lab/app/manifests/missing", 404, "manifest", ""),
    ("PATCH", "/v2/lab/app/tags/list", 405, "tags", "method"),
    ("GET", "/v2/lab/../x", 400, "unknown", "odd_target"),
    ("GET", "/v1/_ping", 404, "internal", "internal_path"),
];

async fn front(format: &'static str) -> Front {
    Front::scripted(
        1,
        move |config| {
            config.set("log", "format", format);
        },
        |_, request| {
            request
                .target
                .contains("missing")
                .then(|| answer(404, &[], "{}"))
        },
    )
    .await
}

async fn send_all(front: &Front) {
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    for (method, path, status, _, _) in REQUESTS {
        let request = Request::new(method, path).body(if method == "PUT" { "12345" } else { "" });
        let request = request.header("X-Request-Id", &format!("id-{}", path.len()));
        front.h1().send(request.clone()).await.expect(status as u16);
        client.send(&request).await.unwrap().expect(status as u16);
    }
    let malformed = super::super::harness::http::Target::connect(&front.h1()).await;
    let mut malformed = malformed.unwrap();
    malformed.write(b"NOT HTTP\r\n\r\n").await.unwrap();
    malformed.answer_head().await.unwrap().expect(400);
}

/// Nothing but known fields, and those that every request has.
fn assert_fields(record: &Value) {
    let frame = ["timestamp", "level", "target", "message"];
    let what = (&record["message"], &record["target"]);
    assert_eq!(what, (&"request".into(), &"access".into()));
    for key in record.as_object().unwrap().keys() {
        let known = RECORD_FIELDS.contains(&key.as_str()) || frame.contains(&key.as_str());
        assert!(known, "{key}: {record}");
    }
    let always = [
        "request_id",
        "client",
        "method",
        "route",
        "status",
        "outcome",
        "total_ms",
    ];
    for key in always {
        assert!(!record[key].is_null(), "{key}: {record}");
    }
    assert_eq!(record["client"], "127.0.0.1");
    assert!(!record.to_string().contains('?'), "no query: {record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_one_record_with_the_fields_of_the_conventions() {
    let front = front("json").await;
    send_all(&front).await;
    let count = REQUESTS.len() * 2 + 1;
    let records = until("all records", SOON, async || {
        let records = front.balancer.access_log();
        (records.len() >= count).then_some(records)
    })
    .await;
    assert_eq!(records.len(), count);
    let text = front.balancer.process.stderr();
    assert!(
        text.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{text}"
    );
    for record in &records {
        assert_fields(record);
    }
    // A client may be answered before its record is written, and send its next request on another connection.
    let of = |method: &str, path: &str, route: &str, protocol: &str| {
        let id = format!("id-{}", path.len());
        let mut same = records.iter().filter(|record| {
            record["request_id"] == id.as_str()
                && record["route"] == route
                && record["method"] == method
                && record["protocol"] == protocol
        });
        let record = same.next().expect("a record of each request");
        assert!(same.next().is_none(), "{method} {path} over {protocol}");
        record
    };
    for (method, path, status, route, fault) in REQUESTS {
        for protocol in ["HTTP/1.1", "HTTP/2"] {
            let record = of(method, path, route, protocol);
            let shown = format!("{method} {path}: {record}");
            assert_eq!(record["status"], status, "{shown}");
            assert_eq!(record["tls"], "TLSv1.3", "{shown}");
            assert_eq!(
                record["fault"].as_str().unwrap_or_default(),
                fault,
                "{shown}"
            );
            let node = if fault.is_empty() {
                Value::from("node-1")
            } else {
                Value::Null
            };
            assert_eq!(record["node"], node, "{shown}");
            let outcome = if fault.is_empty() {
                "answered"
            } else {
                "refused"
            };
            assert_eq!(record["outcome"], outcome, "{shown}");
        }
    }
    let put = of("PUT", "/v2/lab/app/manifests/v2", "manifest", "HTTP/1.1");
    assert_eq!(
        (&put["repo"], &put["reference"]),
        (&"lab/app".into(), &"v2".into())
    );
    assert_eq!((&put["bytes_in"], &put["attempt"]), (&5.into(), &1.into()));
    assert!(put["first_byte_ms"].as_f64() <= put["total_ms"].as_f64());
    let mut faults = records
        .iter()
        .map(|record| (&record["status"], &record["fault"]));
    assert!(faults.any(|told| told == (&400.into(), &"malformed".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_form_says_the_same_in_one_line_each() {
    let front = front("text").await;
    send_all(&front).await;
    let count = REQUESTS.len() * 2 + 1;
    let lines = until("all records", SOON, async || {
        let text = front.balancer.process.stderr();
        let lines = text
            .lines()
            .filter(|line| line.contains(" INFO access: request "));
        let lines = lines.map(str::to_owned).collect::<Vec<_>>();
        (lines.len() >= count).then_some(lines)
    })
    .await;
    assert_eq!(lines.len(), count);
    for (method, path, status, route, fault) in REQUESTS {
        let mut wanted = vec![
            format!(" method={method} "),
            format!(" route={route} "),
            format!(" status={status} "),
            format!(" request_id=id-{} ", path.len()),
        ];
        if !fault.is_empty() {
            wanted.push(format!(" fault={fault} "));
        }
        let as_wanted = |line: &&String| wanted.iter().all(|part| line.contains(part));
        let both = lines.iter().filter(as_wanted).count();
        assert_eq!(both, 2, "{wanted:?}: {lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_no_request_and_is_counted() {
    let mut pipe = None;
    let mut front = Front::start(|config| {
        // Standard error becomes a pipe that takes 64 KiB and then no more.
        let path = config.folder().join("pilotage.err");
        let made = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let mut options = std::fs::OpenOptions::new();
        pipe = Some(options.read(true).write(true).open(&path).unwrap());
        config.set("log", "queue", 16);
    })
    .await;
    // It is open on both sides; nobody is to look into it by its name and wait for ever.
    std::fs::remove_file(front.scratch.path().join("balancer/pilotage.err")).unwrap();
    let client = h2::Client::connect(&front.h2()).await.unwrap();
    let dropped = "pilotage_observe_log_dropped_total";
    let flood = async {
        let path = format!("/v2/lab/{}/tags/list", "long".repeat(50));
        while front.balancer.metric(dropped).await < Some(50.0) {
            for _ in 0..100 {
                client.send(&Request::get(&path)).await.unwrap().expect(200);
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), flood).await;
    assert!(in_time.is_ok(), "requests wait for the log");
    front.serves().await;
    front.balancer.reload(|_| ());
    super::reloads(&front.balancer, "done", 1.0).await;
    // Nor does it hold up the end.
    let status = front.balancer.stop(SOON).await;
    assert!(status.success(), "{status}");
    drop(pipe);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_puts_into_a_name_cannot_forge_a_line() {
    let front = front("text").await;
    let request = Request::get("/v2/_catalog")
        .header("X-Request-Id", "x status=200\" outcome=answered")
        .header("User-Agent", "y\u{1b}[31m");
    front.h1().send(request).await;
    let host = Request::get("/v2/_catalog").header("Host", "a b\" status=1");
    front.h1().send(host).await;
    let lines = until("both records", SOON, async || {
        let text = front.balancer.process.stderr();
        let lines = text.lines().filter(|line| line.contains("access: request"));
        let lines = lines.map(str::to_owned).collect::<Vec<_>>();
        (lines.len() == 2).then_some(lines)
    })
    .await;
    for line in lines {
        assert_eq!(line.matches(" status=").count(), 1, "{line}");
        assert_eq!(line.matches(" outcome=").count(), 1, "{line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }
    assert_eq!(field(&Value::Null, "x"), &Value::Null);
}
