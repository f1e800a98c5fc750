use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::fleet::health::{
    Component, Observation, Part, PartState, Ping, Report, Settings, Unreachable,
};
use crate::fleet::node::{Duty, Listing, NodeId};
use crate::fleet::orders::Stamp;
use crate::observe::names::METRICS;
use crate::observe::status::Stage;

fn fleet(now: Instant) -> Arc<Fleet> {
    let listing = |name: &str, duty| Listing {
        id: NodeId::parse(name).unwrap(),
        address: format!("http://{name}.internal"),
        weight: 100,
        duty,
    };
    let listings = vec![
        listing("harbor-1", Duty::Active),
        listing("harbor-2", Duty::Draining),
    ];
    Arc::new(Fleet::new(listings, &Settings::default(), now))
}

struct Bench {
    admin: Views,
    fleet: Arc<Fleet>,
    now: Instant,
}

impl Bench {
    fn serving() -> Self {
        let now = tokio::time::Instant::now().into_std();
        let fleet = fleet(now);
        let readiness = Arc::new(Readiness::new());
        readiness.enter(Stage::Serving);
        let shown = Arc::clone(&fleet);
        let metrics = Arc::new(Metrics::new("1.2.3"));
        let admin = Views::new(
            metrics,
            move || Arc::clone(&shown),
            readiness,
            Arc::default(),
        );
        Self { admin, fleet, now }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer = match path {
            "/readyz" => self.admin.readyz(self.now),
            "/metrics" => self.admin.metrics(self.now),
            "/nodes" => self.admin.nodes(self.now, None),
            name => self.admin.node(name, self.now).unwrap(),
        };
        (
            answer.status.as_u16(),
            String::from_utf8(answer.body).unwrap(),
        )
    }

    fn lose_all(&mut self) {
        for _ in 0..10 {
            self.now += Duration::from_secs(5);
            for node in self.fleet.nodes() {
                let report = Report::Unreachable(Unreachable::TimedOut);
                node.observe(Observation::Probed(report), self.now);
            }
        }
    }
}

#[test]
fn alive_is_not_ready() {
    let mut bench = Bench::serving();
    assert_eq!(bench.get("/readyz"), (200, "ready\n".to_owned()));
    bench.lose_all();
    let (status, why) = bench.get("/readyz");
    assert_eq!(status, 503);
    assert!(why.starts_with("no node takes requests"), "{why}");
}

#[test]
fn a_fleet_that_takes_nothing_new_is_not_ready() {
    let bench = Bench::serving();
    let stamp = || Stamp {
        by: "ann".to_owned(),
        at: 0,
    };
    let active = &bench.fleet.nodes()[0];
    for rests in [Duty::Draining, Duty::Off] {
        // The other drains already: what is left is well, and takes nothing all the same.
        active.order_duty(rests, stamp());
        let (status, why) = bench.get("/readyz");
        assert_eq!(status, 503, "{rests:?}");
        assert!(why.contains("draining or off"), "{why}");
        active.order_duty(Duty::Active, stamp());
        assert_eq!(bench.get("/readyz").0, 200, "{rests:?}");
    }
}

#[test]
fn only_a_process_that_serves_is_ready() {
    let bench = Bench::serving();
    for stage in [Stage::Starting, Stage::Stopping] {
        bench.admin.readiness().enter(stage);
        assert_eq!(bench.get("/readyz").0, 503, "{stage:?}");
    }
}

#[test]
fn the_nodes_page_tells_state_and_reason() {
    let mut bench = Bench::serving();
    bench.lose_all();
    let (status, page) = bench.get("/nodes");
    assert_eq!(status, 200);
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["stage"], "serving");
    assert_eq!(page["nodes"][0]["id"], "harbor-1");
    assert_eq!(page["nodes"][1]["duty"], "draining");
    let pull = &page["nodes"][0]["health"]["traffic"][0];
    assert_eq!(pull["traffic"], "pull");
    assert_eq!(pull["standing"], "down");
    assert!(!pull["why"].as_str().unwrap().is_empty());
}

#[test]
fn gauges_of_the_fleet_are_those_of_the_moment() {
    let mut bench = Bench::serving();
    let running = bench.fleet.nodes()[0].begin();
    let up = "pilotage_fleet_node_up{node=\"harbor-1\",traffic=\"pull\"}";
    let (_, page) = bench.get("/metrics");
    assert!(page.contains(&format!("{up} 1\n")), "{page}");
    assert!(page.contains("pilotage_fleet_node_up{node=\"harbor-2\",traffic=\"pull\"} 0\n"));
    assert!(page.contains("pilotage_fleet_requests_in_flight{node=\"harbor-1\"} 1\n"));
    drop(running);
    bench.lose_all();
    let (_, page) = bench.get("/metrics");
    assert!(page.contains(&format!("{up} 0\n")), "{page}");
    assert!(page.contains("pilotage_fleet_requests_in_flight{node=\"harbor-1\"} 0\n"));
}

#[test]
fn a_component_is_well_only_when_all_its_parts_are() {
    let bench = Bench::serving();
    let part = |name: &str, state| Part {
        name: name.to_owned(),
        component: Component::Other,
        state,
    };
    let parts = vec![
        part(
            "clair",
            PartState::Unhealthy {
                error: "gone".to_owned(),
            },
        ),
        part("notary", PartState::Healthy),
    ];
    let report = Report::Answered {
        parts,
        ping: Ping::Answered,
    };
    bench.fleet.nodes()[0].observe(Observation::Probed(report), bench.now);
    let (_, page) = bench.get("/metrics");
    let line = "pilotage_fleet_component_up{component=\"other\",node=\"harbor-1\"} 0\n";
    assert!(page.contains(line), "{page}");
}

#[test]
fn the_numbers_page_shows_only_declared_names_with_their_help() {
    let bench = Bench::serving();
    let (_, page) = bench.get("/metrics");
    let helps: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .collect();
    assert!(helps.len() > 10);
    for help in helps {
        let (name, text) = help.split_once(' ').unwrap();
        assert!(
            METRICS
                .iter()
                .any(|metric| metric.name == name && metric.help == text),
            "{help}"
        );
    }
    assert!(page.contains("pilotage_app_build_info{version=\"1.2.3\"} 1\n"));
    assert!(page.contains("pilotage_config_reloads_total{outcome=\"refused\"} 0\n"));
}

#[test]
fn a_node_that_is_off_is_told_as_such_and_has_no_part_in_anything() {
    let bench = Bench::serving();
    let node = &bench.fleet.nodes()[0];
    let stamp = Stamp {
        by: "token ann".to_owned(),
        at: 7,
    };
    node.order_duty(Duty::Off, stamp);
    let (_, page) = bench.get("harbor-1");
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["duty"], "off");
    assert_eq!(page["orders"]["duty"]["by"], "token ann");
    assert_eq!(page["orders"]["duty"]["at"], 7);
    let (_, page) = bench.get("/metrics");
    assert!(page.contains("pilotage_fleet_node_up{node=\"harbor-1\",traffic=\"pull\"} 0\n"));
}
