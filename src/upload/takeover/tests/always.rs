//! Whatever happens, some things never do.

use proptest::prelude::*;

use super::super::*;
use super::{EVENTS, WHOLE};

fn request() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Patch),
        Just(WHOLE),
        Just(Step::PutLast),
        Just(Step::Commit)
    ]
}

/// Mostly what can happen next, sometimes anything at all.
fn event() -> impl Strategy<Value = Event> {
    let anything = prop::sample::select(EVENTS.map(|(_, event)| event).to_vec());
    prop_oneof![3 => anything, 2 => Just(Event::Opened), 1 => Just(Event::Lost(Sent::Partly))]
}

/// What was seen so far.
struct Watch {
    attempts: u32,
    opens: u32,
    /// A session was opened and nothing was written to it yet.
    fresh: bool,
    /// The latest request was a replayed PATCH.
    patched: bool,
    over: bool,
}

impl Watch {
    /// Says what must hold of `action`, which answers `event`.
    fn see(&mut self, event: Option<Event>, action: Action, kept: Protection) {
        if self.over {
            assert_eq!(action, Action::Refuse(Refusal::Lost), "after the end");
            return;
        }
        self.fresh = event == Some(Event::Opened);
        let patched = std::mem::take(&mut self.patched);
        match action {
            Action::Forward => assert_eq!(event, None, "the client's request is sent once"),
            Action::Open => {
                self.opens += 1;
                assert!(self.opens <= self.attempts, "too many sessions");
            }
            Action::ReplayPatch | Action::ReplayPut => {
                assert!(self.fresh, "{action:?} to a session that is not new");
                self.patched = action == Action::ReplayPatch;
            }
            Action::Commit => {
                let stored = event == Some(Event::Answered(Answer::Accepted));
                assert!(patched && stored, "a commit of what is not stored");
            }
            Action::Acknowledge => {
                let stored = [
                    Event::Answered(Answer::Accepted),
                    Event::Answered(Answer::Created),
                    Event::Sought(Sought::Found),
                ];
                let known = event.is_some_and(|event| stored.contains(&event));
                assert!(known, "acknowledged after {event:?}");
            }
            Action::Seek | Action::Hash | Action::Pass | Action::Refuse(_) => {}
        }
        let needs = action.needs_kept_bytes();
        assert!(
            !needs || kept == Protection::Kept,
            "{action:?} out of nothing"
        );
        self.over = action.is_last();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn no_chain_of_events_breaks_a_promise(
        step in request(),
        spent in any::<bool>(),
        kept in prop::bool::weighted(0.8),
        attempts in 0_u32..5,
        authorized in any::<bool>(),
        events in prop::collection::vec((event(), 0_u8..20), 0..40),
    ) {
        let session = if spent { Session::Spent } else { Session::Clean };
        let mut kept = if kept { Protection::Kept } else { Protection::None };
        let (mut machine, first) = Takeover::new(step, session, kept, attempts, authorized);
        let mut watch = Watch { attempts, opens: 0, fresh: false, patched: false, over: false };
        prop_assert_eq!(first == Action::Forward, session == Session::Clean);
        watch.see(None, first, kept);
        for (event, chance) in events {
            if chance == 0 {
                machine.unprotect();
                kept = Protection::None;
            }
            let action = machine.step(event);
            if event == Event::Unprotected {
                kept = Protection::None;
            }
            watch.see(Some(event), action, kept);
        }
    }

    #[test]
    fn a_request_always_comes_to_its_end(
        step in request(),
        events in prop::collection::vec(event(), 300),
    ) {
        let (mut machine, mut action) =
            Takeover::new(step, Session::Clean, Protection::Kept, 4, true);
        for event in events {
            action = machine.step(event);
        }
        prop_assert!(action.is_last());
    }
}
