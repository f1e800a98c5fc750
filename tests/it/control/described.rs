//! The description of the pages, held against a running process.

use serde_json::{Value, json};

use super::schema::misfits;
use crate::harness::front::Front;
use crate::harness::http::Request;
use crate::harness::http::answer::Answer;

/// The description, by the process itself.
async fn document(front: &Front) -> Value {
    let answer = front.balancer.admin("/v1/openapi.json").await;
    answer.expect(200).json()
}

/// One operation of the description.
struct Operation {
    path: String,
    method: String,
    about: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, about) in operations.as_object().unwrap() {
            if method != "parameters" {
                all.push(Operation {
                    path: path.clone(),
                    method: method.to_uppercase(),
                    about: about.clone(),
                });
            }
        }
    }
    all
}

/// The answer is one that the description knows, in the form that it describes.
fn expect_described(document: &Value, operation: &Operation, answer: &Answer) {
    let Operation {
        path,
        method,
        about,
    } = operation;
    let mut described = &about["responses"][answer.status.to_string()];
    if let Some(place) = described["$ref"].as_str() {
        described = document.pointer(place.trim_start_matches('#')).unwrap();
    }
    let what = format!("{method} {path}: {} {}", answer.status, answer.text());
    assert!(described.is_object(), "not described: {what}");
    let kind = answer.header("content-type").unwrap();
    let schema = &described["content"][kind]["schema"];
    assert!(schema.is_object(), "no schema for {kind}: {what}");
    let value = match kind {
        "application/json" => answer.json(),
        _ => json!(answer.text()),
    };
    let found = misfits(document, schema, &value);
    assert!(found.is_empty(), "{what}\n{found:#?}");
}

fn request(operation: &Operation, name: &str, body: Option<&Value>) -> Request {
    let path = operation.path.replace("{name}", name).replace("{id}", name);
    let request = Request::new(&operation.method, &path);
    match body {
        Some(body) => request
            .header("Content-Type", "application/json")
            .body(body.to_string()),
        None => request,
    }
}

/// What a good question has in its body.
fn good_body(id: &str) -> Option<Value> {
    match id {
        "drain" | "off" => Some(json!({ "force": false })),
        "undrain" | "on" | "reload" => Some(json!({})),
        "weigh" => Some(json!({ "weight": 50 })),
        "setMaintenance" => Some(json!({ "on": true, "message": "soon back", "scope": "all" })),
        "setLog" => Some(json!({ "filter": "info" })),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_as_it_is_described() {
    let front = Front::scripted(2, |_| (), |_, _| None).await;
    let document = document(&front).await;
    assert_eq!(document["openapi"], "3.1.0");
    let pull = Request::get("/v2/lab/app/manifests/v1").header("X-Request-Id", "node-1");
    front.h1().send(pull).await.expect(200);
    front.balancer.records(1, |_| true).await;
    let desk = front.balancer.desk();
    let operations = operations(&document);
    assert!(operations.len() >= 20, "{}", operations.len());
    // In this order a node is drained and undrained, switched off and on.
    let order = ["drain", "undrain", "off", "on"];
    let place = |one: &Operation| {
        let id = one.about["operationId"].as_str().unwrap();
        order.iter().position(|wanted| *wanted == id)
    };
    let mut sorted: Vec<_> = operations.iter().collect();
    sorted.sort_by_key(|one| place(one));
    for operation in sorted {
        let id = operation.about["operationId"].as_str().unwrap();
        let body = good_body(id);
        if let Some(body) = &body {
            let schema = &operation.about["requestBody"]["content"]["application/json"]["schema"];
            let found = misfits(&document, schema, body);
            assert!(found.is_empty(), "{id}: {found:#?}");
        }
        // The request has the name of a node as its id, so that one word fits both.
        let answer = desk
            .send(request(operation, "node-1", body.as_ref()))
            .await
            .expect(200);
        expect_described(&document, operation, &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_described_too() {
    let front = Front::scripted(2, |_| (), |_, _| None).await;
    let document = document(&front).await;
    let desk = front.balancer.desk();
    let mut seen = std::collections::BTreeSet::new();
    for operation in operations(&document) {
        let id = operation.about["operationId"].as_str().unwrap();
        let body = good_body(id);
        let mut asked = vec![
            request(&operation, "nobody", body.as_ref()),
            request(&operation, "node-1", body.as_ref()).header("Host", "evil.example"),
        ];
        if body.is_some() {
            let json = || request(&operation, "node-1", Some(&json!({ "surprise": 1 })));
            asked.push(json());
            asked.push(request(&operation, "node-1", None));
            asked.push(json().header("Origin", "https://evil.example"));
            asked.push(Request {
                body: b"{".to_vec(),
                ..json()
            });
            asked.push(Request {
                body: vec![b' '; 20_000],
                ..json()
            });
        }
        for request in asked {
            let answer = desk.send(request).await;
            seen.insert(answer.status);
            expect_described(&document, &operation, &answer);
        }
    }
    for status in [400, 403, 404, 413, 415, 421, 422] {
        assert!(seen.contains(&status), "{status}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_described_is_not_served() {
    let front = Front::start(|_| ()).await;
    let document = document(&front).await;
    let desk = front.balancer.desk();
    for (path, known) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "node-1").replace("{id}", "x");
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            if known.get(method.to_lowercase()).is_some() {
                continue;
            }
            let refused = desk.send(Request::new(method, &path)).await.expect(405);
            assert!(
                !refused.header("allow").unwrap().contains(method),
                "{method} {path}"
            );
        }
    }
    for path in [
        "/page",
        "/v1",
        "/v1/",
        "/v2/",
        "/v1/nodes/",
        "/v1/openapi",
        "/livez/",
    ] {
        desk.send(Request::get(path)).await.expect(404);
    }
}
