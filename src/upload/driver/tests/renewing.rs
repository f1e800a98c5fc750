//! A push that gets on may lose more nodes than one that does not.

use super::*;

/// Four pieces of this size, before nodes that are each lost one piece later than the one before.
async fn push(size: usize) -> (Ended, bool) {
    let spools = Spools::new(&SpoolSettings::of(1 << 30));
    let mut spool = Some(spools.open());
    let piece = Given::Bytes(vec![7; size].into());
    let mut client = Client::new([vec![piece; 4], vec![Given::End]].concat());
    let mut body = Body::new(&mut client, &mut spool, 0, None);
    let lost = |pieces: usize| Plan::answers(Head::Never).breaking_at(size * pieces + 1);
    let mut script = Script::new(vec![
        Call::Forward(lost(1)),
        Call::Open(Ok(())),
        Call::AnyReplay(lost(2)),
        Call::Open(Ok(())),
        Call::AnyReplay(lost(3)),
        Call::Open(Ok(())),
        Call::AnyReplay(Plan::answers(Head::AtEnd(202))),
    ]);
    let protection = Protection::Kept;
    let machine = Takeover::new(Request::Patch, Session::Clean, protection, 2, false);
    let ended = carry(machine, &mut script, &mut body).await;
    (ended, script.is_done())
}

#[tokio::test(start_paused = true)]
async fn a_push_that_gets_on_has_all_its_tries_again() {
    let (ended, done) = push(1_200_000).await;
    assert!(matches!(ended, Ended::Acknowledge) && done, "{ended:?}");
    let (ended, done) = push(10).await;
    let refused = matches!(ended, Ended::Refuse(Refusal::Lost, None));
    assert!(refused && !done, "{ended:?}");
}
