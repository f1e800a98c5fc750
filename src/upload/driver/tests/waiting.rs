//! A client is kept waiting while there is no room for its bytes.

use tokio::time::{Instant, sleep};

use super::*;

/// Room for `total` bytes of all uploads.
fn spools(total: u64, when_full: WhenFull) -> Spools {
    Spools::new(&SpoolSettings {
        total_limit: total,
        when_full,
        ..SpoolSettings::of(1 << 20)
    })
}

/// A PATCH of five bytes that may wait up to half a minute, before nodes that do as they are told.
async fn push(spools: &Spools, patience: Option<Duration>, plan: Plan) -> (Ended, Script) {
    let mut spool = Some(spools.open());
    let mut client = Client::new(vec![bytes(b"fresh"), Given::End]);
    let body = Body::new(&mut client, &mut spool, 0, Some(5));
    let mut body = body.patient(patience);
    let mut script = Script::new(vec![Call::Forward(plan)]);
    let protection = Protection::Kept;
    let machine = Takeover::new(Request::Patch, Session::Clean, protection, 2, false);
    let ended = carry(machine, &mut script, &mut body).await;
    (ended, script)
}

const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

#[tokio::test(start_paused = true)]
async fn a_push_waits_until_another_gives_its_room_back() {
    let spools = spools(8, WhenFull::Wait);
    let mut other = spools.open();
    other.append(Bytes::from_static(b"four")).await.unwrap();
    let begin = Instant::now();
    let gone = async {
        sleep(Duration::from_secs(5)).await;
        drop(other);
    };
    let plan = Plan::answers(Head::AtEnd(202));
    let ((ended, script), ()) = tokio::join!(push(&spools, PATIENCE, plan), gone);
    assert_eq!(status(&ended), 202);
    assert_eq!(
        (begin.elapsed().as_secs(), script.sent(0)),
        (5, &b"fresh"[..])
    );
    let [waited] = script.waited.as_slice() else {
        panic!("{:?}", script.waited);
    };
    assert_eq!((waited.outcome, waited.time.as_secs()), (Room::Found, 5));
    assert_eq!(script.unprotected, []);
}

#[tokio::test(start_paused = true)]
async fn a_push_waits_for_room_no_longer_than_it_may() {
    let spools = spools(8, WhenFull::Wait);
    let mut other = spools.open();
    other.append(Bytes::from_static(b"four")).await.unwrap();
    let begin = Instant::now();
    let plan = Plan::answers(Head::AtEnd(202));
    let (ended, script) = push(&spools, PATIENCE, plan).await;
    assert_eq!(status(&ended), 202);
    assert_eq!(
        (begin.elapsed().as_secs(), script.sent(0)),
        (30, &b"fresh"[..])
    );
    assert_eq!(script.waited[0].outcome, Room::Missing);
    assert_eq!(script.unprotected, [Full::Total]);
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_is_heard_by_a_push_that_waits() {
    let spools = spools(8, WhenFull::Wait);
    let mut other = spools.open();
    other.append(Bytes::from_static(b"four")).await.unwrap();
    let plan = Plan::answers(Head::After(0, 413));
    let (ended, script) = push(&spools, PATIENCE, plan).await;
    assert_eq!((status(&ended), script.sent(0)), (413, &b""[..]));
}

#[tokio::test(start_paused = true)]
async fn a_push_that_is_too_large_by_itself_waits_for_nobody() {
    let mut settings = vec![(8, None)];
    settings.push((4, PATIENCE));
    for (total, patience) in settings {
        let spools = Spools::new(&SpoolSettings {
            upload_limit: 4,
            when_full: WhenFull::Wait,
            ..SpoolSettings::of(total)
        });
        let begin = Instant::now();
        let plan = Plan::answers(Head::AtEnd(202));
        let (ended, script) = push(&spools, patience, plan).await;
        assert_eq!((status(&ended), begin.elapsed()), (202, Duration::ZERO));
        assert_eq!(
            (script.unprotected, script.waited),
            (vec![Full::Upload], vec![])
        );
    }
}
