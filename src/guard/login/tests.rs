use proptest::collection::vec;
use proptest::prelude::*;

use super::super::who::tests::tried;
use super::*;

const SETTINGS: LoginSettings = LoginSettings {
    failures: 5,
    client_failures: 20,
    account_failures: 40,
    pause: Duration::from_secs(5),
    longest_pause: Duration::from_mins(15),
    memory: Duration::from_mins(15),
    trust: Duration::from_hours(168),
};

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to start from"
)]
fn start() -> Instant {
    Instant::now()
}

/// Tries once; tells the pause instead of trying, if there is one.
fn attempt(guard: &LoginGuard, tried: &Try, right: Outcome, now: Instant) -> Result<(), Duration> {
    match guard.ask(tried, None, &SETTINGS, now) {
        Verdict::Pause(_, left) => Err(left),
        Verdict::Pass(undecided) => {
            guard.settle(tried, right, &SETTINGS, now);
            drop(undecided);
            Ok(())
        }
    }
}

fn wrong(guard: &LoginGuard, tried: &Try, now: Instant) -> Result<(), Duration> {
    attempt(guard, tried, Outcome::Wrong, now)
}

fn right(guard: &LoginGuard, tried: &Try, now: Instant) -> Result<(), Duration> {
    attempt(guard, tried, Outcome::Right, now)
}

fn guess(number: u32) -> Try {
    tried("admin", &number.to_string(), "192.0.2.1")
}

#[test]
fn after_so_many_guesses_each_further_one_doubles_the_pause() {
    let (guard, mut now) = (LoginGuard::default(), start());
    for number in 0..5 {
        assert_eq!(wrong(&guard, &guess(number), now), Ok(()));
    }
    for (number, seconds) in [(5, 5), (6, 10), (7, 20), (8, 40)] {
        let length = Duration::from_secs(seconds);
        assert_eq!(wrong(&guard, &guess(number), now), Err(length));
        now += length;
        assert_eq!(wrong(&guard, &guess(number), now), Ok(()));
    }
    for number in 9..20 {
        let left = wrong(&guard, &guess(number), now).unwrap_err();
        assert!(left <= SETTINGS.longest_pause);
        now += left;
        assert_eq!(wrong(&guard, &guess(number), now), Ok(()));
    }
    assert_eq!(wrong(&guard, &guess(20), now), Err(SETTINGS.longest_pause));
}

#[test]
fn failures_are_forgotten_some_time_after_the_pause() {
    let (guard, mut now) = (LoginGuard::default(), start());
    for number in 0..5 {
        wrong(&guard, &guess(number), now).unwrap();
    }
    now += SETTINGS.pause + SETTINGS.memory;
    for number in 10..15 {
        assert_eq!(wrong(&guard, &guess(number), now), Ok(()));
    }
    wrong(&guard, &guess(16), now).unwrap_err();
}

#[test]
fn a_job_that_repeats_one_outdated_password_pauses_itself_alone() {
    let (guard, now) = (LoginGuard::default(), start());
    let outdated = tried("robot$ci", "old", "192.0.2.1");
    for _ in 0..5 * REPEATS {
        assert_eq!(wrong(&guard, &outdated, now), Ok(()));
    }
    wrong(&guard, &outdated, now).unwrap_err();
    let good = tried("robot$ci", "new", "192.0.2.1");
    assert_eq!(right(&guard, &good, now), Ok(()));
}

#[test]
fn an_account_is_held_up_where_it_was_guessed_and_nowhere_else() {
    let (guard, now) = (LoginGuard::default(), start());
    for number in 0..5 {
        wrong(&guard, &guess(number), now).unwrap();
    }
    right(&guard, &tried("admin", "good", "192.0.2.1"), now).unwrap_err();
    assert_eq!(
        right(&guard, &tried("admin", "good", "192.0.2.2"), now),
        Ok(())
    );
    assert_eq!(
        right(&guard, &tried("other", "good", "192.0.2.1"), now),
        Ok(())
    );
}

#[test]
fn whoever_tries_many_accounts_pauses_and_proven_neighbours_do_not() {
    let (guard, now) = (LoginGuard::default(), start());
    let neighbour = tried("robot$ci", "good", "192.0.2.1");
    right(&guard, &neighbour, now).unwrap();
    for number in 0..20 {
        let spray = tried(&format!("user{number}"), "Spring2026", "192.0.2.1");
        assert_eq!(wrong(&guard, &spray, now), Ok(()));
    }
    let next = tried("user20", "Spring2026", "192.0.2.1");
    assert_eq!(wrong(&guard, &next, now), Err(SETTINGS.pause));
    assert_eq!(right(&guard, &neighbour, now), Ok(()));
}

#[test]
fn guesses_from_many_places_slow_strangers_for_a_short_time_only() {
    let (guard, mut now) = (LoginGuard::default(), start());
    let home = tried("robot$ci", "good", "198.51.100.1");
    right(&guard, &home, now).unwrap();
    let from = |number: u32| {
        let address = format!("203.0.{}.{}", number / 250, number % 250);
        tried("robot$ci", &number.to_string(), &address)
    };
    let mut tries = 0;
    for number in 0..400 {
        if let Err(left) = wrong(&guard, &from(number), now) {
            assert!(left <= ACCOUNT_PAUSE, "{left:?}");
            now += left;
        } else {
            tries += 1;
        }
        assert_eq!(right(&guard, &home, now), Ok(()), "the robot at home");
    }
    assert!(
        tries >= 40 && now - start() > Duration::from_hours(1),
        "{tries}"
    );
    // A new place gets in as soon as the pause is over.
    now += ACCOUNT_PAUSE;
    assert_eq!(
        right(&guard, &tried("robot$ci", "good", "198.51.100.99"), now),
        Ok(())
    );
}

#[test]
fn a_success_gives_those_at_the_same_address_no_new_guesses() {
    let (guard, now) = (LoginGuard::default(), start());
    let robot = tried("admin", "good", "192.0.2.1");
    let mut guessed = 0;
    for number in 0..50 {
        if right(&guard, &robot, now).is_ok() && wrong(&guard, &guess(number), now).is_ok() {
            guessed += 1;
        }
    }
    assert_eq!(guessed, 5);
}

#[test]
fn guesses_at_one_time_are_no_more_than_one_after_the_other() {
    let (guard, now) = (LoginGuard::default(), start());
    let mut running = Vec::new();
    for number in 0..5 {
        match guard.ask(&guess(number), None, &SETTINGS, now) {
            Verdict::Pass(undecided) => running.push(undecided),
            Verdict::Pause(..) => panic!("{number}"),
        }
    }
    assert!(matches!(
        guard.ask(&guess(5), None, &SETTINGS, now),
        Verdict::Pause(Level::Pair, CROWDED)
    ));
    // The same once more is no other guess: a thousand jobs may start with one password.
    assert!(matches!(
        guard.ask(&guess(0), None, &SETTINGS, now),
        Verdict::Pass(_)
    ));
    drop(running);
    assert!(guard.undecided.lock().unwrap().is_empty());
    assert!(matches!(
        guard.ask(&guess(5), None, &SETTINGS, now),
        Verdict::Pass(_)
    ));
}

#[test]
fn what_was_right_not_long_ago_is_no_guess() {
    let (guard, now) = (LoginGuard::default(), start());
    let robot = tried("robot$ci", "good", "192.0.2.1");
    right(&guard, &robot, now).unwrap();
    // The database is away, and every node takes it for a stranger.
    for _ in 0..100 {
        assert_eq!(wrong(&guard, &robot, now), Ok(()));
    }
}

#[test]
fn an_unclear_answer_counts_for_nothing() {
    let (guard, now) = (LoginGuard::default(), start());
    for number in 0..100 {
        assert_eq!(
            attempt(&guard, &guess(number), Outcome::Unclear, now),
            Ok(())
        );
    }
    assert!(!guard.is_proven(guess(0).pair, now));
}

#[test]
fn the_pauses_that_begin_are_told() {
    let (guard, now) = (LoginGuard::default(), start());
    for number in 0..4 {
        let began = guard.settle(&guess(number), Outcome::Wrong, &SETTINGS, now);
        assert_eq!(began, []);
    }
    let began = guard.settle(&guess(4), Outcome::Wrong, &SETTINGS, now);
    let expected = Began {
        level: Level::Pair,
        length: SETTINGS.pause,
        failures: 5,
    };
    assert_eq!(began, [expected]);
}

#[test]
fn what_all_instances_know_counts_as_well() {
    let (guard, now) = (LoginGuard::default(), start());
    let known = |pauses, failures, proven| Known {
        pauses,
        failures,
        proven,
        credential_proven: Duration::ZERO,
    };
    let (none, some) = (Duration::ZERO, Duration::from_secs(7));
    for (about, expected) in [
        (known([none; 4], 0, false), None),
        (
            known([some, none, none, none], 0, true),
            Some(Level::Credential),
        ),
        (known([none, some, none, none], 9, true), Some(Level::Pair)),
        (
            known([none, none, some, none], 0, false),
            Some(Level::Client),
        ),
        (
            known([none, none, none, some], 0, false),
            Some(Level::Account),
        ),
        (known([none, none, some, some], 0, true), None),
    ] {
        let paused = match guard.ask(&guess(0), Some(&about), &SETTINGS, now) {
            Verdict::Pass(_) => None,
            Verdict::Pause(level, left) => {
                assert_eq!(left, some);
                Some(level)
            }
        };
        assert_eq!(paused, expected, "{about:?}");
    }
    // Four failures elsewhere leave one guess at a time here.
    let about = known([none; 4], 4, false);
    let first = guard.ask(&guess(0), Some(&about), &SETTINGS, now);
    assert!(matches!(first, Verdict::Pass(_)));
    let second = guard.ask(&guess(1), Some(&about), &SETTINGS, now);
    assert!(matches!(second, Verdict::Pause(Level::Pair, CROWDED)));
}

/// What somebody does: which account, which password, from which address, after how many seconds.
type Step = (u8, u8, u8, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec((0_u8..3, 0_u8..40, 0_u8..4, 0_u64..60), 1..400)
}

fn named(account: u8, password: u8, address: u8) -> Try {
    let account = ["admin", "robot$ci", "nobody"][usize::from(account)];
    tried(
        account,
        &password.to_string(),
        &format!("192.0.2.{address}"),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_one_can_lock_out_who_logs_in_correctly_from_elsewhere(steps in steps()) {
        let (guard, mut now) = (LoginGuard::default(), start());
        let robot = tried("robot$ci", "good", "198.51.100.7");
        prop_assert_eq!(right(&guard, &robot, now), Ok(()));
        for (account, password, address, seconds) in steps {
            now += Duration::from_secs(seconds);
            wrong(&guard, &named(account, password, address), now).ok();
            prop_assert_eq!(right(&guard, &robot, now), Ok(()));
        }
    }

    #[test]
    fn whether_an_account_exists_changes_nothing(steps in steps()) {
        // "nobody" does not exist and "admin" does: a node refuses both alike, and so do we.
        let (one, other) = (LoginGuard::default(), LoginGuard::default());
        let mut now = start();
        for (_, password, address, seconds) in steps {
            now += Duration::from_secs(seconds);
            prop_assert_eq!(
                wrong(&one, &named(0, password, address), now),
                wrong(&other, &named(2, password, address), now)
            );
        }
    }

    #[test]
    fn guesses_of_a_pair_are_few_however_they_are_spaced(pauses in vec(0_u64..30, 1..300)) {
        let (guard, begin) = (LoginGuard::default(), start());
        let mut now = begin;
        let mut passed = 0_u64;
        for (number, pause) in (0_u32..).zip(pauses) {
            now += Duration::from_secs(pause);
            passed += u64::from(wrong(&guard, &guess(number), now).is_ok());
        }
        // Five, then one after 5 s, 10 s, 20 s and so on, up to one in a quarter of an hour.
        let elapsed = (now - begin).as_secs();
        let doubled = u64::from((elapsed / 5 + 1).ilog2());
        prop_assert!(passed <= 5 + doubled + 1 + elapsed / 900, "{} in {} s", passed, elapsed);
    }
}
