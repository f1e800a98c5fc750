use super::*;

struct Scene {
    health: Health,
    now: Instant,
}

impl Scene {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some moment to start from"
    )]
    fn unprobed() -> Self {
        let now = Instant::now();
        Self {
            health: Health::new(Settings::default(), now),
            now,
        }
    }

    fn up() -> Self {
        let mut scene = Self::unprobed();
        scene.probe(&[]);
        scene
    }

    fn down() -> Self {
        let mut scene = Self::up();
        for _ in 0..3 {
            scene.unreachable();
        }
        assert_eq!(scene.standing(Traffic::Pull), "down");
        scene
    }

    /// A probe, five seconds later, that finds these components broken.
    fn probe(&mut self, broken: &[Component]) -> Vec<Change> {
        self.now += Duration::from_secs(5);
        self.observe(Observation::Probed(answer(broken)))
    }

    fn unreachable(&mut self) -> Vec<Change> {
        self.now += Duration::from_secs(5);
        self.observe(Observation::Probed(Report::Unreachable(
            Unreachable::TimedOut,
        )))
    }

    fn observe(&mut self, observation: Observation) -> Vec<Change> {
        self.health.observe(observation, self.now)
    }

    fn standing(&self, traffic: Traffic) -> &'static str {
        self.health.standing(traffic, self.now).as_str()
    }

    fn percent(&self) -> u32 {
        self.health.percent(Traffic::Pull, self.now)
    }
}

/// A report in which all parts are listed, and these are broken.
fn answer(broken: &[Component]) -> Report {
    let all = [
        Component::Core,
        Component::Registry,
        Component::Redis,
        Component::Trivy,
    ];
    let part = |component: Component| Part {
        component,
        name: component.to_string(),
        state: if broken.contains(&component) {
            PartState::Unhealthy {
                error: "gone".into(),
            }
        } else {
            PartState::Healthy
        },
    };
    Report::Answered {
        parts: all.map(part).into(),
        ping: Ping::Answered,
    }
}

fn steps(changes: &[Change]) -> Vec<(usize, &'static str, &'static str)> {
    let step = |change: &Change| match change {
        Change::Standing {
            traffic, from, to, ..
        } => Some((traffic.len(), from.as_str(), to.as_str())),
        Change::Failed { .. } | Change::Recovered { .. } => None,
    };
    changes.iter().filter_map(step).collect()
}

#[test]
fn the_first_good_probe_makes_a_node_up_at_once_and_wholly() {
    let mut scene = Scene::unprobed();
    assert_eq!(scene.standing(Traffic::Pull), "suspect");
    let changes = scene.probe(&[]);
    assert_eq!(steps(&changes), [(5, "suspect", "up")]);
    assert_eq!(scene.percent(), 100);
}

#[test]
fn a_bad_first_probe_leaves_it_suspect_and_then_it_takes_several_good_ones() {
    let mut scene = Scene::unprobed();
    assert_eq!(steps(&scene.unreachable()), []);
    assert_eq!(steps(&scene.probe(&[])), []);
    assert_eq!(steps(&scene.probe(&[])), [(5, "suspect", "up")]);
}

#[test]
fn bad_probes_make_a_node_suspect_at_once_and_down_at_the_threshold() {
    let mut scene = Scene::up();
    assert_eq!(steps(&scene.unreachable()), [(5, "up", "suspect")]);
    assert_eq!(steps(&scene.unreachable()), []);
    let changes = scene.unreachable();
    assert_eq!(steps(&changes), [(5, "suspect", "down")]);
    let Change::Standing { why, .. } = &changes[0] else {
        panic!("{changes:?}")
    };
    assert_eq!(*why, Why::Unreachable(Unreachable::TimedOut));
    assert_eq!(steps(&scene.unreachable()), []);
}

#[test]
fn a_good_probe_between_bad_ones_starts_the_count_again() {
    let mut scene = Scene::up();
    for _ in 0..4 {
        scene.unreachable();
        scene.unreachable();
        scene.probe(&[]);
    }
    assert_eq!(scene.standing(Traffic::Pull), "suspect");
}

#[test]
fn a_node_that_was_down_comes_back_on_probation_with_a_growing_share() {
    let mut scene = Scene::down();
    assert_eq!(steps(&scene.probe(&[])), []);
    assert_eq!(steps(&scene.probe(&[])), [(5, "down", "probation")]);
    assert_eq!(scene.percent(), 10);
    let mut last = 10;
    for _ in 0..5 {
        scene.probe(&[]);
        assert!(scene.percent() > last);
        last = scene.percent();
    }
    assert_eq!((last, scene.standing(Traffic::Pull)), (85, "probation"));
    assert_eq!(steps(&scene.probe(&[])), [(5, "probation", "up")]);
    assert_eq!(scene.percent(), 100);
}

#[test]
fn a_component_acts_only_on_the_traffic_that_needs_it() {
    let mut scene = Scene::up();
    let changes = scene.probe(&[Component::Registry, Component::Trivy]);
    assert_eq!(steps(&changes), [(3, "up", "suspect")]);
    scene.probe(&[Component::Registry]);
    scene.probe(&[Component::Registry]);
    let standing = Traffic::ALL.map(|traffic| scene.standing(traffic));
    assert_eq!(standing, ["down", "down", "up", "suspect", "up"]);
}

#[test]
fn a_component_is_told_once_when_it_fails_and_once_when_it_recovers() {
    let mut scene = Scene::up();
    let failed = |changes: Vec<Change>| {
        changes
            .into_iter()
            .filter(|change| !matches!(change, Change::Standing { .. }))
            .collect()
    };
    let name = String::from("trivy");
    let error = String::from("gone");
    let component = Component::Trivy;
    let told: Vec<_> = failed(scene.probe(&[component]));
    assert_eq!(
        told,
        [Change::Failed {
            component,
            name: name.clone(),
            error
        }]
    );
    let told: Vec<_> = failed(scene.probe(&[component]));
    assert_eq!(told, []);
    let told: Vec<_> = failed(scene.probe(&[]));
    assert_eq!(told, [Change::Recovered { component, name }]);
}

#[test]
fn degraded_traffic_is_suspect_but_never_down() {
    let mut scene = Scene::up();
    for _ in 0..20 {
        scene.probe(&[Component::Redis]);
        assert_eq!(scene.standing(Traffic::Push), "suspect");
    }
    scene.probe(&[]);
    scene.probe(&[]);
    assert_eq!(scene.standing(Traffic::Push), "up");
}

#[test]
fn a_node_that_was_down_and_is_still_degraded_comes_back_as_suspect() {
    let mut scene = Scene::down();
    scene.probe(&[Component::Redis]);
    assert_eq!(scene.standing(Traffic::Push), "down");
    scene.probe(&[Component::Redis]);
    assert_eq!(scene.standing(Traffic::Push), "suspect");
    assert_eq!(scene.percent(), 10);
}

#[test]
fn a_failed_connect_makes_every_traffic_suspect_until_probes_are_good_again() {
    let mut scene = Scene::up();
    assert_eq!(
        steps(&scene.observe(Observation::ConnectFailed)),
        [(5, "up", "suspect")]
    );
    scene.observe(Observation::Served(Traffic::Pull));
    scene.probe(&[]);
    assert_eq!(scene.standing(Traffic::Pull), "suspect");
    scene.probe(&[]);
    assert_eq!(scene.standing(Traffic::Pull), "up");
}

#[test]
fn each_kind_of_trouble_takes_its_traffic_down_within_the_window() {
    let troubles = [
        Observation::Died,
        Observation::BadGateway,
        Observation::Stalled,
    ];
    for trouble in troubles {
        let mut scene = Scene::up();
        for _ in 0..4 {
            assert_eq!(steps(&scene.observe(trouble(Traffic::Push))), []);
        }
        let changes = scene.observe(trouble(Traffic::Push));
        assert_eq!(steps(&changes), [(1, "up", "down")]);
        assert_eq!(scene.standing(Traffic::Pull), "up");
        assert_eq!(scene.health.appeal(Traffic::Push), Appeal::Open);
    }
}

#[test]
fn trouble_spread_over_more_than_the_window_takes_nobody_down() {
    let mut scene = Scene::up();
    for _ in 0..50 {
        scene.now += Duration::from_millis(2600);
        scene.observe(Observation::Died(Traffic::Pull));
    }
    assert_eq!(scene.standing(Traffic::Pull), "up");
}

#[test]
fn rare_trouble_among_many_good_answers_takes_nobody_down() {
    let mut scene = Scene::up();
    for round in 0..600 {
        scene.observe(Observation::Served(Traffic::Pull));
        if round % 30 == 29 {
            scene.observe(Observation::BadGateway(Traffic::Pull));
        }
    }
    assert_eq!(scene.standing(Traffic::Pull), "up");
    for _ in 0..60 {
        scene.observe(Observation::BadGateway(Traffic::Pull));
    }
    assert_eq!(scene.standing(Traffic::Pull), "down");
}

#[test]
fn only_probes_bring_a_node_back() {
    let mut scene = Scene::down();
    for _ in 0..100 {
        scene.now += Duration::from_secs(1);
        scene.observe(Observation::Served(Traffic::Pull));
    }
    assert_eq!(scene.standing(Traffic::Pull), "down");
}

#[test]
fn an_unanswered_probe_says_nothing_about_components() {
    let mut scene = Scene::unprobed();
    assert_eq!(
        scene.health.component(Component::Redis),
        ComponentState::Unknown
    );
    for expected in [
        ComponentState::Failing,
        ComponentState::Failing,
        ComponentState::Failed,
    ] {
        scene.probe(&[Component::Redis]);
        assert_eq!(scene.health.component(Component::Redis), expected);
    }
    scene.unreachable();
    assert_eq!(
        scene.health.component(Component::Redis),
        ComponentState::Unknown
    );
    scene.probe(&[]);
    assert_eq!(
        scene.health.component(Component::Redis),
        ComponentState::Healthy
    );
}

#[test]
fn the_summary_says_what_is_wrong_and_since_when() {
    let mut scene = Scene::up();
    for _ in 0..3 {
        scene.probe(&[Component::Registry]);
    }
    scene.now += Duration::from_mins(1);
    let summary = scene.health.summary(scene.now);
    let pull = &summary.traffic[0];
    assert_eq!((pull.standing, pull.for_seconds), ("down", 60));
    assert_eq!(pull.why, "registry is unhealthy: gone");
    let registry = summary
        .components
        .iter()
        .find(|part| part.name == "registry")
        .unwrap();
    assert_eq!((registry.healthy, registry.for_seconds), (false, 70));
    assert_eq!(registry.error.as_deref(), Some("gone"));
    assert_eq!(summary.probed_seconds_ago, Some(60));
    assert!(registry.current);
    scene.unreachable();
    let silent = scene.health.summary(scene.now).components;
    assert!(silent.iter().all(|part| !part.current), "{silent:?}");
}
