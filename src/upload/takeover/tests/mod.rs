//! The decision table, row by row. A row tells what happens and what has to be done about it.

mod always;

use super::*;

const WHOLE: Step = Step::PutWhole { length: 9 };

/// The name of a row, the request, and the chain of `event>action`.
type Row = (&'static str, Step, &'static str);

/// All events and actions, by the words of the rows.
const EVENTS: [(&str, Event); 17] = [
    ("opened", Event::Opened),
    ("partly", Event::Lost(Sent::Partly)),
    ("wholly", Event::Lost(Sent::Wholly)),
    ("202", Event::Answered(Answer::Accepted)),
    ("201", Event::Answered(Answer::Created)),
    ("unknown", Event::Answered(Answer::SessionUnknown)),
    ("digest", Event::Answered(Answer::DigestInvalid)),
    ("trouble", Event::Answered(Answer::Trouble)),
    ("401", Event::Answered(Answer::Unauthorized)),
    ("final", Event::Answered(Answer::Final)),
    ("found", Event::Sought(Sought::Found)),
    ("missing", Event::Sought(Sought::Missing)),
    ("unsure", Event::Sought(Sought::Unknown)),
    ("right", Event::Hashed(Hashed::Right)),
    ("wrong", Event::Hashed(Hashed::Wrong)),
    ("nobody", Event::NoNode),
    ("unkept", Event::Unprotected),
];
const ACTIONS: [(&str, Action); 11] = [
    ("forward", Action::Forward),
    ("open", Action::Open),
    ("patch", Action::ReplayPatch),
    ("put", Action::ReplayPut),
    ("commit", Action::Commit),
    ("seek", Action::Seek),
    ("hash", Action::Hash),
    ("pass", Action::Pass),
    ("acknowledge", Action::Acknowledge),
    ("refuse", Action::Refuse(Refusal::Lost)),
    ("no-node", Action::Refuse(Refusal::NoNode)),
];

fn word<T: Copy>(words: &[(&str, T)], word: &str) -> T {
    let found = words.iter().find(|(name, _)| *name == word);
    found.unwrap_or_else(|| panic!("no such word: {word}")).1
}

fn play(session: Session, protection: Protection, rows: &[Row]) {
    for (name, step, chain) in rows {
        let (mut machine, first) = Takeover::new(*step, session, protection, 3, true);
        let mut chain = chain.split(' ');
        assert_eq!(
            Some(first),
            chain.next().map(|next| word(&ACTIONS, next)),
            "{name}"
        );
        for link in chain {
            let (event, action) = link.split_once('>').unwrap();
            let done = machine.step(word(&EVENTS, event));
            assert_eq!(done, word(&ACTIONS, action), "{name}, at {link}");
        }
    }
}

/// Requests on a clean session whose bytes are kept.
fn kept(rows: &[Row]) {
    play(Session::Clean, Protection::Kept, rows);
}

/// The same when nothing is kept.
fn bare(rows: &[Row]) {
    play(Session::Clean, Protection::None, rows);
}

#[test]
fn what_works_is_passed_on() {
    let rows = [
        ("PATCH", Step::Patch, "forward 202>pass"),
        ("PUT with everything", WHOLE, "forward 201>pass"),
        ("PUT with the last bytes", Step::PutLast, "forward 201>pass"),
        ("empty PUT", Step::Commit, "forward 201>pass"),
    ];
    kept(&rows);
    bare(&rows);
}

#[test]
fn a_body_whose_node_is_lost_is_replayed_in_a_new_session() {
    kept(&[
        (
            "PATCH, no connection",
            Step::Patch,
            "forward partly>open opened>patch 202>acknowledge",
        ),
        (
            "PATCH, no answer",
            Step::Patch,
            "forward wholly>open opened>patch 202>acknowledge",
        ),
        (
            "PUT with everything",
            WHOLE,
            "forward partly>open opened>put 201>acknowledge",
        ),
        (
            "PUT with the last bytes is never replayed as such",
            Step::PutLast,
            "forward partly>open opened>patch 202>commit 201>acknowledge",
        ),
        (
            "A dead when the empty PUT arrives",
            Step::Commit,
            "forward partly>open opened>put 201>acknowledge",
        ),
        (
            "further nodes are lost as well",
            Step::Patch,
            "forward partly>open opened>patch partly>open partly>open opened>patch 202>acknowledge",
        ),
        (
            "all tries",
            Step::Patch,
            "forward partly>open partly>open partly>open partly>refuse",
        ),
        (
            "nobody is up",
            Step::Patch,
            "forward partly>open nobody>no-node",
        ),
        ("nobody is up at all", Step::Patch, "forward nobody>no-node"),
        (
            "kept no longer",
            Step::Patch,
            "forward partly>open opened>patch unkept>refuse",
        ),
    ]);
    bare(&[
        ("PATCH", Step::Patch, "forward partly>refuse"),
        ("PUT", WHOLE, "forward partly>refuse"),
    ]);
}

#[test]
fn answers_to_a_body_in_flight() {
    kept(&[
        (
            "5xx, or no envelope: at most so many times",
            Step::Patch,
            "forward trouble>open opened>patch trouble>open trouble>open opened>patch trouble>refuse",
        ),
        (
            "unknown session: on another node once, then the client may know",
            Step::Patch,
            "forward unknown>open opened>patch unknown>pass",
        ),
        (
            "403, 413, 429, 404 of another kind",
            Step::Patch,
            "forward final>pass",
        ),
        (
            "the same from who takes over",
            Step::Patch,
            "forward partly>open final>pass",
        ),
        (
            "the same to a replay",
            WHOLE,
            "forward partly>open opened>put final>pass",
        ),
        (
            "a 201 to a PATCH is nothing",
            Step::Patch,
            "forward 201>open",
        ),
        (
            "success without a session is nothing",
            Step::Patch,
            "forward partly>open 202>open 201>open unknown>refuse",
        ),
    ]);
    bare(&[
        ("unknown session", Step::Patch, "forward unknown>pass"),
        ("5xx", Step::Patch, "forward trouble>refuse"),
    ]);
}

#[test]
fn credentials_that_were_good_before_are_tried_on_one_more_node() {
    kept(&[
        (
            "one differs",
            Step::Patch,
            "forward 401>open opened>patch 202>acknowledge",
        ),
        ("two agree", Step::Patch, "forward 401>open 401>pass"),
        (
            "two agree, late",
            Step::Patch,
            "forward 401>open opened>patch 401>pass",
        ),
    ]);
    bare(&[("nothing to try it with", Step::Patch, "forward 401>pass")]);
    let (mut machine, _) = Takeover::new(Step::Patch, Session::Clean, Protection::Kept, 3, false);
    let action = machine.step(Event::Answered(Answer::Unauthorized));
    assert_eq!(action, Action::Pass, "never accepted anywhere");
}

#[test]
fn a_commit_that_may_have_taken_effect_is_settled_by_asking() {
    let either = [
        (
            "201 lost",
            Step::Commit,
            "forward wholly>seek found>acknowledge",
        ),
        (
            "500, before or after it was stored",
            Step::Commit,
            "forward trouble>seek found>acknowledge",
        ),
        (
            "an earlier commit of ours won",
            Step::Commit,
            "forward unknown>seek found>acknowledge",
        ),
        (
            "a 202 to a PUT is no commit",
            Step::Commit,
            "forward 202>seek",
        ),
    ];
    kept(&either);
    bare(&either);
    kept(&[
        (
            "not stored",
            Step::Commit,
            "forward wholly>seek missing>open opened>put 201>acknowledge",
        ),
        ("nobody can say", WHOLE, "forward wholly>seek unsure>open"),
        (
            "asking breaks off",
            WHOLE,
            "forward wholly>seek wholly>open",
        ),
        (
            "the replay's 201 is lost",
            WHOLE,
            "forward partly>open opened>put wholly>seek found>acknowledge",
        ),
        (
            "the empty PUT behind a replay is lost",
            Step::PutLast,
            "forward partly>open opened>patch 202>commit wholly>seek missing>open",
        ),
    ]);
    bare(&[
        (
            "unknown, and not stored",
            Step::Commit,
            "forward unknown>seek missing>pass",
        ),
        (
            "lost, and not stored",
            Step::Commit,
            "forward wholly>seek missing>refuse",
        ),
    ]);
}

#[test]
fn a_digest_that_a_node_doubts_is_computed() {
    kept(&[
        (
            "the node has other bytes",
            Step::Commit,
            "forward digest>hash right>open opened>put 201>acknowledge",
        ),
        (
            "the client is wrong",
            Step::Commit,
            "forward digest>hash wrong>pass",
        ),
        (
            "two doubt it",
            WHOLE,
            "forward digest>hash right>open opened>put digest>pass",
        ),
        (
            "what is kept cannot be read",
            Step::Commit,
            "forward digest>hash unkept>refuse",
        ),
    ]);
    bare(&[(
        "nothing to compute from",
        Step::Commit,
        "forward digest>pass",
    )]);
}

#[test]
fn a_spent_session_gets_a_new_one_at_once() {
    let rows = [
        ("it works", Step::Patch, "open opened>patch 202>acknowledge"),
        (
            "it is lost",
            Step::Commit,
            "open partly>open opened>put 201>acknowledge",
        ),
    ];
    play(Session::Spent, Protection::Kept, &rows);
    play(
        Session::Spent,
        Protection::None,
        &[("not kept", Step::Patch, "refuse")],
    );
}

#[test]
fn an_upload_that_is_no_longer_kept_lives_as_long_as_its_node() {
    let (mut machine, _) = Takeover::new(Step::PutLast, Session::Clean, Protection::Kept, 3, true);
    assert_eq!(machine.step(Event::Lost(Sent::Partly)), Action::Open);
    assert_eq!(machine.step(Event::Opened), Action::ReplayPatch);
    machine.unprotect();
    assert_eq!(
        machine.step(Event::Answered(Answer::Accepted)),
        Action::Commit
    );
    assert_eq!(
        machine.step(Event::Answered(Answer::Created)),
        Action::Acknowledge
    );
    let (mut machine, _) = Takeover::new(Step::Patch, Session::Clean, Protection::Kept, 3, true);
    machine.unprotect();
    let lost = machine.step(Event::Lost(Sent::Partly));
    assert_eq!(lost, Action::Refuse(Refusal::Lost));
}
