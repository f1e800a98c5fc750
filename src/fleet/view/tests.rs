use std::time::Duration;

use super::*;
use crate::fleet::health::{Observation, Part, PartState, Ping, Report, Unreachable};
use crate::fleet::orders::Stamp;

struct Scene {
    fleet: Fleet,
    now: Instant,
}

impl Scene {
    /// Three nodes called a, b and c, all up.
    fn new() -> Self {
        let mut scene = Self::unprobed();
        scene.probe(&[("a", &[]), ("b", &[]), ("c", &[])]);
        scene
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to start from"
    )]
    fn unprobed() -> Self {
        let now = Instant::now();
        let listings = ["a", "b", "c"].map(listing).into();
        Self {
            fleet: Fleet::new(listings, &Settings::default(), now),
            now,
        }
    }

    /// One round of probes five seconds later: which components of which node fail.
    fn probe(&mut self, nodes: &[(&str, &[Component])]) {
        self.now += Duration::from_secs(5);
        for (name, broken) in nodes {
            let part = |component: &Component| Part {
                component: *component,
                name: component.to_string(),
                state: PartState::Unhealthy {
                    error: "broken".into(),
                },
            };
            let parts = broken.iter().map(part).collect();
            self.tell(
                name,
                &Observation::Probed(Report::Answered {
                    parts,
                    ping: Ping::NotAsked,
                }),
            );
        }
    }

    fn tell(&self, name: &str, observation: &Observation) {
        self.node(name).observe(observation.clone(), self.now);
    }

    fn order(&self, name: &str, duty: Duty) {
        self.node(name).order_duty(duty, stamp());
    }

    fn node(&self, name: &str) -> &Node {
        self.fleet.node(&NodeId::parse(name).unwrap()).unwrap()
    }

    fn ranks(&self, traffic: Traffic) -> [Rank; 3] {
        let ranks = self
            .fleet
            .candidates(traffic, self.now, 10)
            .into_iter()
            .map(|c| c.rank);
        ranks.collect::<Vec<_>>().try_into().unwrap()
    }
}

fn listing(name: &str) -> Listing {
    Listing {
        id: NodeId::parse(name).unwrap(),
        address: format!("http://{name}.test"),
        weight: 100,
        duty: Duty::Active,
    }
}

const UNREACHABLE: Observation = Observation::Probed(Report::Unreachable(Unreachable::Refused));
const BAD_GATEWAY: Observation = Observation::BadGateway(Traffic::Pull);

#[test]
fn before_the_first_probe_every_node_serves() {
    let scene = Scene::unprobed();
    assert_eq!(scene.ranks(Traffic::Push), [Rank::Suspect; 3]);
    assert_eq!(scene.fleet.cluster_faults(scene.now), []);
}

#[test]
fn a_draining_node_is_marked_so_and_a_dead_draining_one_is_down() {
    let scene = Scene::new();
    scene.order("a", Duty::Draining);
    assert_eq!(
        scene.ranks(Traffic::Pull),
        [Rank::Draining, Rank::Up, Rank::Up]
    );
    for _ in 0..3 {
        scene.tell("a", &UNREACHABLE);
    }
    assert_eq!(scene.ranks(Traffic::Pull), [Rank::Down, Rank::Up, Rank::Up]);
}

#[test]
fn a_fault_of_its_own_registry_takes_a_node_out_for_pulls_only() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        scene.probe(&[("a", &[Component::Registry]), ("b", &[]), ("c", &[])]);
    }
    assert_eq!(scene.ranks(Traffic::Pull), [Rank::Down, Rank::Up, Rank::Up]);
    assert_eq!(scene.ranks(Traffic::Ui), [Rank::Up; 3]);
    assert_eq!(scene.fleet.cluster_faults(scene.now), []);
}

#[test]
fn a_fault_that_all_nodes_share_takes_nobody_out() {
    for shared in SHARED {
        let mut scene = Scene::new();
        for _ in 0..5 {
            scene.probe(&[("a", &[shared]), ("b", &[shared]), ("c", &[shared])]);
        }
        assert_eq!(scene.fleet.cluster_faults(scene.now), [shared]);
        assert_eq!(scene.ranks(Traffic::Pull), [Rank::Suspect; 3], "{shared}");
    }
}

#[test]
fn a_dead_node_does_not_hide_a_cluster_fault() {
    let mut scene = Scene::new();
    for _ in 0..5 {
        let shared: &[_] = &[Component::Database];
        scene.probe(&[("a", shared), ("b", shared)]);
        scene.tell("c", &UNREACHABLE);
    }
    assert_eq!(scene.fleet.cluster_faults(scene.now), [Component::Database]);
    assert_eq!(
        scene.ranks(Traffic::Push),
        [Rank::Suspect, Rank::Suspect, Rank::Down]
    );
}

#[test]
fn a_node_that_alone_lost_the_database_is_down_after_enough_probes() {
    let mut scene = Scene::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        scene.probe(&[("a", &[Component::Database]), ("b", &[]), ("c", &[])]);
        seen.push(scene.ranks(Traffic::Push)[0]);
    }
    assert_eq!(seen, [Rank::Suspect, Rank::Suspect, Rank::Down]);
    assert_eq!(scene.ranks(Traffic::Ui)[0], Rank::Suspect);
}

#[test]
fn a_node_cut_off_from_the_database_is_no_last_resort() {
    let mut scene = Scene::new();
    scene.order("b", Duty::Draining);
    scene.order("c", Duty::Draining);
    for _ in 0..3 {
        scene.probe(&[("a", &[Component::Database]), ("b", &[]), ("c", &[])]);
    }
    assert_eq!(
        scene.ranks(Traffic::Push),
        [Rank::Down, Rank::Draining, Rank::Draining]
    );
}

#[test]
fn while_a_cluster_fault_ends_there_is_always_a_node() {
    let mut scene = Scene::new();
    let broken: &[_] = &[Component::Database];
    for _ in 0..5 {
        scene.probe(&[("a", broken), ("b", broken), ("c", broken)]);
    }
    for round in [
        [true, false, false],
        [true, true, false],
        [true, true, true],
    ] {
        let state = |well: bool| if well { &[][..] } else { broken };
        scene.probe(&[
            ("a", state(round[0])),
            ("b", state(round[1])),
            ("c", state(round[2])),
        ]);
        assert_ne!(scene.ranks(Traffic::Push)[0], Rank::Down, "{round:?}");
    }
    scene.probe(&[("a", &[]), ("b", &[]), ("c", &[])]);
    assert_eq!(
        scene.ranks(Traffic::Push),
        [Rank::Up; 3],
        "nobody has to start slowly"
    );
}

#[test]
fn requests_alone_never_take_the_last_node() {
    let scene = Scene::new();
    for (name, signal) in [
        ("a", &UNREACHABLE),
        ("b", &UNREACHABLE),
        ("c", &BAD_GATEWAY),
    ] {
        for _ in 0..9 {
            scene.tell(name, signal);
        }
    }
    assert_eq!(
        scene.node("c").standing(Traffic::Pull, scene.now),
        Standing::Down
    );
    assert_eq!(
        scene.ranks(Traffic::Pull),
        [Rank::Down, Rank::Down, Rank::Suspect]
    );
    for _ in 0..3 {
        scene.tell("c", &UNREACHABLE);
    }
    assert_eq!(scene.ranks(Traffic::Pull), [Rank::Down; 3], "probes may");
}

#[test]
fn a_node_taken_out_by_requests_stays_out_while_another_is_usable() {
    let scene = Scene::new();
    for _ in 0..9 {
        scene.tell("c", &BAD_GATEWAY);
    }
    assert_eq!(scene.ranks(Traffic::Pull), [Rank::Up, Rank::Up, Rank::Down]);
    assert_eq!(scene.ranks(Traffic::Ui), [Rank::Up; 3]);
}

#[test]
fn a_node_is_full_at_its_cap() {
    let scene = Scene::new();
    let running: Vec<_> = (0..10).map(|_| scene.node("b").begin()).collect();
    assert!(scene.node("b").admit(10).is_none());
    assert!(scene.node("b").admit(11).is_some());
    let candidates = scene.fleet.candidates(Traffic::Pull, scene.now, 10);
    let rooms: Vec<_> = candidates.iter().map(|candidate| candidate.room).collect();
    assert_eq!(rooms, [Room::Free, Room::Full, Room::Free]);
    assert!(candidates[1].bytes > candidates[0].bytes);
    drop(running);
    assert_eq!(
        scene.fleet.candidates(Traffic::Pull, scene.now, 10)[1].room,
        Room::Free
    );
}

#[test]
fn a_reload_keeps_what_is_known_of_a_node_at_the_same_address() {
    let scene = Scene::new();
    for _ in 0..3 {
        scene.tell("a", &UNREACHABLE);
        scene.tell("b", &UNREACHABLE);
    }
    let mut listings = ["a", "b", "d"].map(listing);
    listings[0].weight = 7;
    listings[1].address = "http://elsewhere.test".into();
    let next = scene
        .fleet
        .relisted(listings.into(), &Settings::default(), scene.now);
    assert!(Arc::ptr_eq(&next.nodes()[0], &scene.fleet.nodes()[0]));
    assert_eq!(next.nodes()[0].weight(), 7);
    let candidates = next.candidates(Traffic::Pull, scene.now, 10);
    let ranks: Vec<_> = candidates
        .into_iter()
        .map(|candidate| candidate.rank)
        .collect();
    assert_eq!(ranks, [Rank::Down, Rank::Suspect, Rank::Suspect]);
}

#[test]
fn a_reload_keeps_what_was_ordered_also_for_a_node_that_moves() {
    let scene = Scene::new();
    scene.order("a", Duty::Draining);
    scene.order("b", Duty::Off);
    scene.node("b").order_weight(Some(3), stamp());
    let mut listings = ["a", "b", "c"].map(listing);
    listings[0].duty = Duty::Draining;
    listings[1].address = "http://elsewhere.test".into();
    let next = |listings: &[Listing; 3]| {
        let settings = Settings::default();
        let next = scene
            .fleet
            .relisted(listings.to_vec(), &settings, scene.now);
        let [a, b, c] = next.nodes() else { panic!() };
        (a.duty(), b.duty(), b.weight(), c.duty())
    };
    let ordered = (Duty::Draining, Duty::Off, 3, Duty::Active);
    assert_eq!(next(&listings), ordered);
    listings[0].duty = Duty::Active;
    assert_eq!(next(&listings), ordered);
}

#[test]
fn what_is_off_is_asked_for_nothing_and_blames_nobody() {
    let mut scene = Scene::new();
    scene.order("a", Duty::Off);
    let (a, push) = (NodeId::parse("a").unwrap(), Traffic::Push);
    let candidates = scene.fleet.candidates(push, scene.now, 10);
    let asked: Vec<_> = candidates.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(asked, ["b", "c"]);
    assert!(scene.fleet.is_given_up(&a, push, scene.now));
    // The node at rest is well, and all that serve fail alike: that is nobody's own fault.
    let broken: &[_] = &[Component::Database];
    for _ in 0..5 {
        scene.probe(&[("a", &[]), ("b", broken), ("c", broken)]);
    }
    assert_eq!(scene.fleet.cluster_faults(scene.now), [Component::Database]);
    scene.order("a", Duty::Active);
    assert_eq!(scene.fleet.cluster_faults(scene.now), []);
}

#[test]
fn a_node_that_comes_back_starts_with_a_small_share() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        scene.tell("a", &UNREACHABLE);
    }
    scene.probe(&[("a", &[])]);
    scene.probe(&[("a", &[])]);
    let share = |scene: &Scene| scene.fleet.candidates(Traffic::Pull, scene.now, 10)[0].share;
    assert_eq!(share(&scene), 100 * 10);
    scene.now += Duration::from_secs(15);
    assert_eq!(share(&scene), 100 * 55);
    scene.now += Duration::from_secs(16);
    assert_eq!(share(&scene), 100 * 100);
}

#[test]
fn a_node_is_given_up_when_it_is_down_and_not_the_last_resort() {
    let mut scene = Scene::new();
    let id = |name| NodeId::parse(name).unwrap();
    let given_up = |scene: &Scene, name| {
        let traffic = Traffic::Push;
        scene.fleet.is_given_up(&id(name), traffic, scene.now)
    };
    assert!(!given_up(&scene, "a"));
    assert!(given_up(&scene, "nobody"));
    for _ in 0..5 {
        scene.tell("a", &Observation::Died(Traffic::Push));
    }
    assert!(given_up(&scene, "a"));
    let gone = Observation::Probed(Report::Unreachable(Unreachable::Refused));
    for _ in 0..3 {
        scene.now += Duration::from_secs(5);
        for name in ["b", "c"] {
            scene.tell(name, &gone);
        }
    }
    assert!(!given_up(&scene, "a"), "nobody else is left");
    assert!(given_up(&scene, "b"));
}

fn stamp() -> Stamp {
    Stamp {
        by: "ann".to_owned(),
        at: 0,
    }
}
