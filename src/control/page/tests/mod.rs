//! Each state as it is drawn, and texts from outside that stay texts.

pub(super) mod samples;

use std::sync::Arc;

use proptest::prelude::*;

use super::alarm::{Alarm, Weight};
use super::board::{Announced, Board, RescueRow, Scope};
use super::{Drawing, HEADERS, SCRIPT, STYLE, document};
use crate::edge::maintenance::{Notice, Refusal};
use crate::fleet::health::Traffic;
use crate::fleet::node::Duty;
use crate::fleet::orders::{Order, Stamp};
use crate::observe::history::Remembered;
use crate::observe::status::{Instance, Stage};
use samples::{board, down, failed, id, node, row, transfer, unhealthy};

fn part(board: &Board, id: &str) -> String {
    Drawing::of(board).parts[id].clone()
}

/// The words of a piece of markup, as somebody who listens has them: without what is hidden from him.
fn words(markup: &str) -> String {
    let mut words = String::new();
    for piece in markup.split('<') {
        let (tag, text) = piece.split_once('>').unwrap_or(("", piece));
        if !tag.starts_with("/span") && !tag.starts_with("span class=\"unseen\"") {
            words.push(' ');
        }
        words.push_str(text);
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(markup: &str, expected: &[&str]) {
    let words = words(markup);
    for part in expected {
        assert!(words.contains(part), "{part:?} is not in {words:?}");
    }
}

#[test]
fn the_document_has_every_number_without_a_script() {
    let mut board = board();
    board.traffic.rates.bytes_out.now = Some(12_300_000.0);
    board.transfers = vec![transfer(Some(1_000_000_000))];
    let page = document(&Drawing::of(&board), "token ann");
    let told = [
        "12.3 MB/s",
        "harbor-1",
        "harbor-2",
        "25 %",
        "token ann",
        "1.2.3",
        "2 h 1 min",
    ];
    says(&page, &told);
    for part in Drawing::of(&board).parts.keys() {
        assert_eq!(page.matches(&format!("id=\"{part}\"")).count(), 1, "{part}");
    }
    assert!(
        page.starts_with("<!DOCTYPE html><html lang=\"en\">"),
        "{page}"
    );
    assert!(page.contains("<title>All is well · registry.example.com · pilotage</title>"));
}

#[test]
fn a_state_is_always_a_word_too() {
    let mut board = board();
    let partly = down("harbor-2", &[Traffic::Pull, Traffic::Push]);
    board.nodes = vec![
        row(node("harbor-1")),
        row(partly),
        row(down("harbor-3", &Traffic::ALL)),
    ];
    let fleet = part(&board, "fleet");
    says(
        &fleet,
        &[
            "pull up push up",
            "partly down",
            "pull down push down token up",
            "connection refused",
        ],
    );
    assert!(
        words(&fleet).contains("https://harbor-3.example:443 down by")
            || words(&fleet).contains("harbor-3.example:443 down")
    );
    board.nodes = vec![row(unhealthy("harbor-1", "trivy"))];
    says(
        &part(&board, "fleet"),
        &["core healthy", "trivy unhealthy", "dial tcp: refused"],
    );
}

#[test]
fn a_node_that_rests_says_who_wanted_it_and_offers_the_way_back() {
    let mut draining = node("harbor-1");
    draining.duty = Duty::Draining;
    draining.orders.duty = Some(Order {
        value: Duty::Draining,
        stamp: Stamp {
            by: "token ann".to_owned(),
            at: 1_800_000_000 - 180,
        },
    });
    let mut board = board();
    board.nodes = vec![row(draining)];
    let fleet = part(&board, "fleet");
    says(&fleet, &["draining", "by token ann, 3 min ago", "Undrain…"]);
    assert!(fleet.contains("data-act=\"undrain\""), "{fleet}");
    board.nodes[0].node.orders.duty = None;
    says(&part(&board, "fleet"), &["by the configuration file"]);
    board.nodes[0].node.duty = Duty::Off;
    assert!(part(&board, "fleet").contains("data-act=\"on\""));
}

#[test]
fn the_question_tells_what_draining_means_now() {
    let mut board = board();
    let fleet = part(&board, "fleet");
    let told = "harbor-1 is given nothing new. Its 3 running requests and the uploads that it has begun go on to \
                their end. New requests go to harbor-9.";
    assert!(fleet.contains(told), "{fleet}");
    board.nodes[0].others.clear();
    assert!(part(&board, "fleet").contains("No other node takes pulls now"));
}

#[test]
fn a_transfer_of_unknown_size_claims_no_percentage() {
    let mut board = board();
    board.transfers = vec![transfer(None)];
    let running = part(&board, "running");
    assert!(
        running.contains("<progress aria-label=\"Push of library/app\">"),
        "{running}"
    );
    says(&running, &["250 MB so far", "12.0 MB/s", "harbor-1"]);
    assert!(!running.contains('%'), "{running}");
    board.transfers = vec![transfer(Some(500_000_000))];
    board.transfers[0].transfer.takeovers = 2;
    board.transfers[0].transfer.node = None;
    board.further_transfers = 7;
    let running = part(&board, "running");
    assert!(running.contains("value=\"50\""), "{running}");
    says(
        &running,
        &[
            "50 % , 250 MB of 500 MB",
            "waits for a node",
            "2 takeovers",
            "and 7 more",
        ],
    );
}

#[test]
fn what_happened_names_both_nodes_and_leads_to_its_steps() {
    let mut board = board();
    board.rescues = vec![RescueRow {
        seconds_ago: 12,
        kind: "upload",
        repo: Some("library/app".to_owned()),
        from: Some(id("harbor-1")),
        to: Some(id("harbor-2")),
        reason: "stalled",
        request_id: "0f3c".to_owned(),
    }];
    let rescues = part(&board, "rescues");
    says(
        &rescues,
        &[
            "Push of library/app",
            "12 s ago",
            "harbor-1 → harbor-2",
            "it stood still",
        ],
    );
    assert!(rescues.contains("href=\"/v1/requests/0f3c\""), "{rescues}");
}

#[test]
fn maintenance_and_alarms_come_first_in_words() {
    let mut board = board();
    says(&part(&board, "alarms"), &["Nothing needs you."]);
    board.notices = vec![Announced {
        notice: Arc::new(Notice {
            message: "back at 18:00".to_owned(),
            by: "token ann".to_owned(),
            since: 1,
            until: None,
            refusal: Refusal::TryAgain,
        }),
        scope: Scope::All,
    }];
    let alarm = |weight, what: &str| Alarm {
        weight,
        what: what.to_owned(),
        remedy: "Look at it.".to_owned(),
    };
    board.alarms = vec![
        alarm(Weight::Alarm, "harbor-1 is down"),
        alarm(Weight::Warning, "Redis is away"),
    ];
    let alarms = part(&board, "alarms");
    says(
        &alarms,
        &[
            "Maintenance of all instances",
            "back at 18:00",
            "by token ann",
        ],
    );
    says(
        &alarms,
        &["Alarm harbor-1 is down", "Warning Redis is away"],
    );
    says(&part(&board, "state"), &["1 alarm", "End maintenance…"]);
    assert!(part(&board, "state").contains("data-scope=\"all\""));
}

#[test]
fn instances_are_shown_where_they_are_known() {
    let mut board = board();
    says(&part(&board, "instances"), &["knows of no other"]);
    let instance = |id: &str, stage| Instance {
        id: id.to_owned(),
        version: "1.2.3".to_owned(),
        started: 1_800_000_000 - 600,
        stage,
        listeners: 2,
    };
    board.instances = vec![
        instance("0123456789abcdef", Stage::Serving),
        instance("f00", Stage::Stopping),
    ];
    says(
        &part(&board, "instances"),
        &["01234567 serving 10 min 1.2.3 2", "f00 stopping 10 min"],
    );
}

#[test]
fn nothing_in_the_page_needs_what_its_policy_forbids() {
    let mut board = board();
    board.transfers = vec![transfer(None)];
    let page = document(&Drawing::of(&board), "x");
    for inline in [
        "style=",
        "<style",
        "onclick",
        "javascript:",
        "http://",
        "data:",
    ] {
        assert!(!page.contains(inline), "{inline}");
    }
    assert_eq!(page.matches("<script").count(), 1);
    let policy = HEADERS
        .iter()
        .find(|(name, _)| *name == "Content-Security-Policy");
    let policy = policy.unwrap().1;
    assert!(
        !policy.contains("unsafe") && policy.starts_with("default-src 'none'"),
        "{policy}"
    );
    for file in [STYLE, SCRIPT] {
        for outside in ["http:", "https:", "@import", "url("] {
            assert!(!file.contains(outside), "{outside}");
        }
    }
}

/// A board whose every text is this one.
fn filled_with(text: &str) -> Board {
    let own = || text.to_owned();
    let mut full = unhealthy("harbor-1", "trivy");
    full.address = own();
    full.health.components[3].name = own();
    full.health.components[3].error = Some(own());
    full.health.traffic[0].standing = "down";
    full.health.traffic[0].why = own();
    let stamp = Stamp { by: own(), at: 1 };
    full.orders.duty = Some(Order {
        value: Duty::Draining,
        stamp: stamp.clone(),
    });
    full.orders.weight = Some(Order { value: 5, stamp });
    let mut running = transfer(Some(10));
    running.transfer.request_id = own();
    running.transfer.client = own();
    running.transfer.repo = Some(own());
    running.transfer.reference = Some(own());
    let rescue = RescueRow {
        seconds_ago: 1,
        kind: "upload",
        repo: Some(own()),
        from: None,
        to: None,
        reason: "lost",
        request_id: own(),
    };
    let notice = Notice {
        message: own(),
        by: own(),
        since: 1,
        until: None,
        refusal: Refusal::Denied,
    };
    let mut board = board();
    board.about.names = vec![own()];
    board.notices = vec![Announced {
        notice: Arc::new(notice),
        scope: Scope::Instance,
    }];
    board.alarms = vec![Alarm {
        weight: Weight::Alarm,
        what: own(),
        remedy: own(),
    }];
    board.nodes = vec![row(full)];
    board.transfers = vec![running];
    board.rescues = vec![rescue];
    board.failures = vec![Arc::new(Remembered {
        request_id: own(),
        method: own(),
        repo: Some(own()),
        ..failed()
    })];
    board.instances = vec![Instance {
        id: own(),
        version: own(),
        started: 1,
        stage: Stage::Serving,
        listeners: 1,
    }];
    board
}

/// How the markup of a page is built, without its texts and the values of its attributes.
fn skeleton(page: &str) -> String {
    let mut skeleton = String::new();
    let (mut in_tag, mut in_value) = (false, false);
    for letter in page.chars() {
        match letter {
            '<' if !in_value => in_tag = true,
            '"' if in_tag => in_value = !in_value,
            _ => {}
        }
        if in_tag && !in_value {
            skeleton.push(letter);
        }
        if letter == '>' && !in_value {
            in_tag = false;
        }
    }
    skeleton
}

proptest! {
    #[test]
    fn no_text_from_outside_becomes_markup(text in "[<>\"'&/=a-z `\\\\-]{1,40}") {
        let drawn = |text: &str| document(&Drawing::of(&filled_with(text)), text);
        prop_assert_eq!(skeleton(&drawn(&text)), skeleton(&drawn("harmless")));
    }
}

#[test]
fn a_script_in_a_name_is_shown_as_it_is_written() {
    let page = document(&Drawing::of(&filled_with("<script>alert(1)</script>")), "x");
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}
