//! The loop against scripted nodes, on a clock that does not run.

mod renewing;
mod script;
mod waiting;

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use ring::digest::{SHA256, digest};

use super::super::takeover::{Protection, Session, Step as Request};
use super::*;
use crate::spool::file::Spools;
use crate::spool::settings::{SpoolSettings, WhenFull};
use script::{Call, Client, Given, Head, Plan, Script};

/// One request of a client, and what is needed to keep it.
struct Scene {
    request: Request,
    /// Bytes that earlier requests brought.
    before: &'static [u8],
    client: Vec<Given>,
    length: Option<u64>,
    upload_limit: u64,
    memory: u64,
    folder: Option<PathBuf>,
    authorized: bool,
}

/// A PATCH of unknown length.
fn patch(client: Vec<Given>) -> Scene {
    Scene {
        request: Request::Patch,
        before: b"",
        client,
        length: None,
        upload_limit: 1 << 20,
        memory: 1 << 20,
        folder: None,
        authorized: false,
    }
}

impl Scene {
    /// Plays the request; tells how it ended, and what each flight was sent.
    async fn play(self, calls: Vec<Call>) -> (Ended, Script) {
        let settings = SpoolSettings {
            folder: self.folder.unwrap_or_else(std::env::temp_dir),
            memory: self.memory,
            upload_limit: self.upload_limit,
            ..SpoolSettings::of(1 << 20)
        };
        let mut spool = Spools::new(&settings).open();
        spool.append(Bytes::from_static(self.before)).await.unwrap();
        let mut spool = Some(spool);
        let mut client = Client::new(self.client);
        let start = u64::try_from(self.before.len()).unwrap();
        let mut body = Body::new(&mut client, &mut spool, start, self.length);
        let mut script = Script::new(calls);
        let protection = Protection::Kept;
        let machine = Takeover::new(self.request, Session::Clean, protection, 2, self.authorized);
        let ended = carry(machine, &mut script, &mut body).await;
        assert!(script.is_done(), "not all that was expected was done");
        (ended, script)
    }
}

fn bytes(text: &'static [u8]) -> Given {
    Given::Bytes(Bytes::from_static(text))
}

fn status(ended: &Ended) -> u16 {
    match ended {
        Ended::Pass(reply, _) => reply.head.status.as_u16(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    for early in [401, 403, 413] {
        let client = vec![bytes(b"some"), bytes(b"more"), Given::Silence];
        let node = Plan::answers(Head::After(8, early));
        let (ended, script) = patch(client).play(vec![Call::Forward(node)]).await;
        assert_eq!(status(&ended), early);
        assert_eq!(script.sent(0), b"somemore");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_read_before_a_node_that_stops_reading_is_given_up() {
    let client = || vec![bytes(b"some"), bytes(b"more"), Given::End];
    let full = Plan::answers(Head::Late(413)).breaking_at(4);
    let (ended, _) = patch(client()).play(vec![Call::Forward(full)]).await;
    assert_eq!(status(&ended), 413);
    let dead = Plan::answers(Head::Never).breaking_at(4);
    let calls = vec![
        Call::Forward(dead),
        Call::Open(Ok(())),
        Call::Replay(
            Framing::Patch { length: None },
            Plan::answers(Head::AtEnd(202)),
        ),
    ];
    let (ended, script) = patch(client()).play(calls).await;
    assert!(matches!(ended, Ended::Acknowledge), "{ended:?}");
    assert_eq!(script.sent(1), b"somemore");
    assert_eq!(
        (script.lost.as_slice(), script.replayed),
        (&[Failure::Broken][..], 8)
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_for_a_client_that_has_left() {
    let forward = || vec![Call::Forward(Plan::answers(Head::AtEnd(202)))];
    let client = vec![bytes(b"some"), Given::Left];
    let (ended, script) = patch(client).play(forward()).await;
    assert!(matches!(ended, Ended::ClientLeft), "{ended:?}");
    assert!(script.lost.is_empty(), "no node is to blame");
    let mut short = patch(vec![bytes(b"some"), Given::End]);
    short.length = Some(9);
    let (ended, _) = short.play(forward()).await;
    assert!(matches!(ended, Ended::ClientLeft), "it had promised more");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_goes_on_and_ends_with_its_node() {
    let client = || vec![bytes(b"first"), bytes(b"second"), Given::End];
    for (limit, head, expected) in [(7, Head::AtEnd(202), Some(202)), (7, Head::Never, None)] {
        let mut scene = patch(client());
        scene.upload_limit = limit;
        let (ended, script) = scene.play(vec![Call::Forward(Plan::answers(head))]).await;
        assert_eq!(script.sent(0), b"firstsecond");
        assert_eq!(script.unprotected, [Full::Upload]);
        match expected {
            Some(expected) => assert_eq!(status(&ended), expected),
            None => assert!(
                matches!(ended, Ended::Refuse(Refusal::Lost, None)),
                "{ended:?}"
            ),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_fails_no_upload() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("spool");
    std::fs::write(&in_the_way, "").unwrap();
    let piece = Bytes::from(vec![7; 600_000]);
    let mut scene = patch(vec![Given::Bytes(piece.clone()), Given::End]);
    scene.memory = 0;
    scene.folder = Some(in_the_way);
    let calls = vec![Call::Forward(Plan::answers(Head::AtEnd(202)))];
    let (ended, script) = scene.play(calls).await;
    assert_eq!(status(&ended), 202);
    assert_eq!(script.sent(0), piece);
    assert_eq!(script.unprotected, [Full::Failed]);
}

#[tokio::test(start_paused = true)]
async fn a_success_before_the_end_of_the_body_is_not_believed() {
    let client = || vec![bytes(b"some"), bytes(b"more"), Given::End];
    let hasty = || Call::Forward(Plan::answers(Head::After(4, 202)));
    let calls = vec![
        hasty(),
        Call::Open(Ok(())),
        Call::Replay(
            Framing::Patch { length: None },
            Plan::answers(Head::AtEnd(202)),
        ),
    ];
    let (ended, script) = patch(client()).play(calls).await;
    assert!(matches!(ended, Ended::Acknowledge), "{ended:?}");
    assert_eq!(script.sent(1), b"somemore");
}

#[tokio::test(start_paused = true)]
async fn the_last_bytes_are_replayed_as_a_whole_and_committed_apart() {
    let mut scene = patch(vec![bytes(b"last"), Given::End]);
    scene.request = Request::PutLast;
    scene.before = b"first and ";
    scene.length = Some(4);
    let calls = vec![
        Call::Forward(Plan::answers(Head::Never)),
        Call::Seek(Sought::Missing),
        Call::Open(Ok(())),
        Call::Replay(
            Framing::Patch { length: Some(14) },
            Plan::answers(Head::AtEnd(202)),
        ),
        Call::Replay(Framing::Commit, Plan::answers(Head::AtEnd(201))),
    ];
    let (ended, script) = scene.play(calls).await;
    assert!(matches!(ended, Ended::Acknowledge), "{ended:?}");
    assert_eq!(script.sent(0), b"last");
    assert_eq!(script.sent(1), b"first and last");
    assert_eq!(script.sent(2), b"");
}

#[tokio::test(start_paused = true)]
async fn kept_bytes_are_hashed_when_a_node_doubts_them() {
    for (named, calls) in [
        (
            &b"all of it"[..],
            vec![
                Call::Open(Ok(())),
                Call::Replay(Framing::Put { length: 9 }, Plan::answers(Head::AtEnd(201))),
            ],
        ),
        (b"others", vec![]),
    ] {
        let mut scene = patch(vec![]);
        scene.request = Request::Commit;
        scene.before = b"all of it";
        scene.length = Some(0);
        let doubt = Call::Forward(Plan::answers(Head::AtEnd(400)));
        let named = Call::Compare(digest(&SHA256, named).as_ref().try_into().unwrap());
        let right = !calls.is_empty();
        let (ended, _) = scene.play([vec![doubt, named], calls].concat()).await;
        if right {
            assert!(matches!(ended, Ended::Acknowledge), "{ended:?}");
        } else {
            assert_eq!(status(&ended), 400);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_answers_alike_everywhere_is_quoted() {
    let trouble = || Plan::answers(Head::AtEnd(500));
    let framing = Framing::Patch { length: Some(4) };
    let calls = vec![
        Call::Forward(trouble()),
        Call::Open(Ok(())),
        Call::Replay(framing, trouble()),
        Call::Open(Err(Failure::NoNode)),
    ];
    let (ended, _) = patch(vec![bytes(b"some"), Given::End]).play(calls).await;
    match ended {
        Ended::Refuse(Refusal::NoNode, Some(last)) => assert_eq!(last.head.status, 500),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn a_replay_has_every_byte_once_and_in_order(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..12),
        known in any::<bool>(),
        memory in 0_u64..300,
        (first, second) in (0_usize..400, 0_usize..400),
    ) {
        let all: Vec<u8> = pieces.concat();
        let given = pieces.into_iter().map(|piece| Given::Bytes(piece.into()));
        let mut scene = patch(given.chain([Given::End]).collect());
        scene.length = known.then(|| u64::try_from(all.len()).unwrap());
        scene.memory = memory;
        let calls = vec![
            Call::Forward(Plan::answers(Head::Never).breaking_at(first)),
            Call::Open(Ok(())),
            Call::AnyReplay(Plan::answers(Head::Never).breaking_at(second)),
            Call::Open(Ok(())),
            Call::AnyReplay(Plan::answers(Head::AtEnd(202))),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (ended, script) = runtime.block_on(scene.play(calls));
        prop_assert!(matches!(ended, Ended::Acknowledge), "{:?}", ended);
        prop_assert_eq!(script.sent(2), all.as_slice());
        for lost in [script.sent(0), script.sent(1)] {
            prop_assert!(all.starts_with(lost));
        }
    }
}
