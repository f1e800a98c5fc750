//! The admin listener's pages.

use std::collections::BTreeMap;

use pilotage::observe::names::{Kind, METRICS};

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, program};
use crate::harness::front::Front;
use crate::harness::http::{Request, Target};
use crate::harness::ports::{self, Subnet};
use crate::harness::scratch::Scratch;
use crate::harness::wait::{SOON, until};

fn admin(balancer: &Balancer) -> Target {
    let out: serde_json::Value =
        serde_json::from_str(balancer.process.stdout().trim_end()).unwrap();
    let address = out["admin"].as_str().unwrap().parse().unwrap();
    Target::local(address)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_answers_get_and_head_and_nothing_else() {
    let front = Front::start(|_| ()).await;
    let admin = admin(&front.balancer);
    for path in ["/livez", "/readyz", "/metrics", "/nodes"] {
        let page = admin.send(Request::get(path)).await.expect(200);
        assert!(!page.body.is_empty());
        let head = admin.send(Request::new("HEAD", path)).await.expect(200);
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-type"), page.header("content-type"));
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let refused = admin.send(Request::new(method, path)).await.expect(405);
            assert_eq!(
                refused.header("allow"),
                Some("GET, HEAD"),
                "{method} {path}"
            );
        }
    }
    let missing = admin.send(Request::get("/v2/")).await.expect(404);
    assert!(missing.text().contains("/readyz"));
    // The public listeners know none of these pages.
    front.h1().send(Request::get("/metrics")).await.expect(200);
    assert_eq!(
        front.seen()[0].target,
        "/metrics",
        "it is the node's, not ours"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pages_come_over_one_connection_and_leave_no_record() {
    let front = Front::start(|_| ()).await;
    let admin = admin(&front.balancer);
    let mut connection = admin.connect().await.unwrap();
    for path in ["/livez", "/metrics", "/nodes", "/readyz"] {
        let request = Request::get(path).header("Connection", "keep-alive");
        connection.write(&request.bytes("localhost")).await.unwrap();
        connection.answer("GET").await.unwrap().expect(200);
    }
    drop(connection);
    front.serves().await;
    until("a record", SOON, async || {
        (!front.balancer.access_log().is_empty()).then_some(())
    })
    .await;
    assert_eq!(front.balancer.access_log().len(), 1);
    until("no client is left: operators are none", SOON, async || {
        let open = front.balancer.metric("pilotage_edge_connections ").await;
        (open == Some(0.0)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_depends_on_nodes_and_life_does_not() {
    let scratch = Scratch::new();
    let mut config = Config::new(scratch.path());
    let nobody = ports::free(Subnet::take().host(1));
    config.node("node-1", &format!("http://{nobody}"));
    let balancer = Balancer::start(&program(), scratch.path(), config).await;
    balancer.node_is("node-1", "pull", "down").await;
    let page = balancer.admin("/readyz").await.expect(503);
    assert!(
        page.text().contains("no node takes requests"),
        "{}",
        page.text()
    );
    balancer.admin("/livez").await.expect(200);
    let nodes = balancer.nodes().await;
    let why = nodes[0].to_string();
    assert!(why.contains("refused"), "why it is down: {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_page_tells_state_load_and_components() {
    let front = Front::start(|_| ()).await;
    let page = front.balancer.admin("/nodes").await.expect(200);
    let kind = page.header("content-type").unwrap();
    assert!(kind.starts_with("application/json"), "{kind}");
    let page = page.json();
    assert_eq!(page["stage"], "serving");
    let node = &page["nodes"][0];
    assert_eq!(node["id"], "node-1");
    for number in ["requests_in_flight", "bytes_in_flight", "weight"] {
        assert!(node[number].is_number(), "{number}: {node}");
    }
    let parts = node["health"]["components"].as_array().unwrap();
    for name in ["core", "database", "registry", "redis"] {
        let part = parts
            .iter()
            .find(|part| part["name"] == name || part["component"] == name);
        let part = part.unwrap_or_else(|| panic!("{name}: {parts:#?}"));
        assert_eq!(part["healthy"], true, "{part}");
    }
}

/// One sample of a page of metrics: name, labels, value.
fn samples(page: &str) -> Vec<(String, String, f64)> {
    let lines = page
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let samples = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').expect(line);
        (
            name.to_owned(),
            labels.to_owned(),
            value.parse().expect(line),
        )
    });
    samples.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_are_a_valid_exposition_of_declared_names() {
    let front = Front::start(|_| ()).await;
    for path in ["/v2/_catalog", "/v2/..", "/harbor"] {
        front.h1().send(Request::get(path)).await;
    }
    let page = front.balancer.admin("/metrics").await.expect(200);
    let kind = page.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let page = page.text();
    let mut types = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("# TYPE ")) {
        let mut words = line.split(' ').skip(2);
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!(types.insert(name, kind), None, "{name} twice");
        assert!(page.contains(&format!("# HELP {name} ")), "{name}");
    }
    let mut seen = BTreeMap::<_, u32>::new();
    for (name, labels, value) in samples(&page) {
        assert_eq!(
            seen.insert((name.clone(), labels.clone()), 1),
            None,
            "{name}{{{labels}}}"
        );
        assert!(value.is_finite() && value >= 0.0, "{name} {value}");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| {
                name.strip_suffix(end)
                    .filter(|base| types.contains_key(base))
            })
            .unwrap_or(&name);
        let metric = METRICS.iter().find(|metric| metric.name == family);
        let metric = metric.unwrap_or_else(|| panic!("{name} is not declared"));
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        assert_eq!(types[family], kind, "{family}");
        for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once("=\"").expect(pair);
            let known = label == "le" || metric.keys.iter().any(|key| key.name == label);
            assert!(known, "{name}: {label}");
            assert!(
                !value.trim_end_matches('"').contains('"'),
                "{name}: {value}"
            );
        }
    }
    let refused = "pilotage_edge_refused_total{fault=\"odd_target\"}";
    assert_eq!(front.balancer.metric(refused).await, Some(1.0));
}
