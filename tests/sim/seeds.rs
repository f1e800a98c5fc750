//! Plays many seeds, and shows how one failed.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// What happened in one run, kept only when somebody will read it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    steps: u64,
    kept: Option<Vec<String>>,
}

impl Trace {
    /// Notes one step.
    pub(crate) fn note(&mut self, step: impl FnOnce() -> String) {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "the run does not come to an end");
        if let Some(kept) = &mut self.kept {
            kept.push(format!("{:4}  {}", self.steps, step()));
        }
    }
}

/// Plays one seed, panics when something is wrong, and tells how it ended.
pub(crate) type Run = fn(u64, &mut Trace) -> &'static str;

/// Plays so many seeds, unless the environment says otherwise. A sweep of some size must have seen all
/// outcomes, or the world has become too mild.
pub(crate) fn sweep(name: &str, usual: u64, outcomes: &[&'static str], run: Run) {
    if let Some(seed) = number("PILOTAGE_SIM_SEED") {
        if let Err(told) = replay(seed, run) {
            panic!("{name}: {told}");
        }
        return;
    }
    let seeds = number("PILOTAGE_SIM_SEEDS").unwrap_or(usual);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let workers = u64::try_from(workers).unwrap().min(seeds.max(1));
    let play = |worker| {
        let mut seen = BTreeSet::new();
        for seed in (worker..seeds).step_by(usize::try_from(workers).unwrap()) {
            match attempt(seed, &mut Trace::default(), run) {
                Ok(outcome) => seen.insert(outcome),
                Err(_) => return Err(seed),
            };
        }
        Ok(seen)
    };
    let played: Result<Vec<_>, _> = thread::scope(|scope| {
        let started: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || play(worker)))
            .collect();
        let ended = started.into_iter().map(|worker| worker.join().unwrap());
        ended.collect()
    });
    match played {
        Ok(sets) => {
            let seen: BTreeSet<_> = sets.into_iter().flatten().collect();
            let known = outcomes.iter().copied().collect();
            let enough = seeds >= ENOUGH;
            assert!(!enough || seen == known, "{name}: only {seen:?} were seen");
        }
        Err(failed) => {
            let told = replay(failed, run).expect_err("a seed plays the same way twice");
            panic!(
                "{name}: {told}\n\nreplay: PILOTAGE_SIM_SEED={failed} cargo test --test sim {name}"
            );
        }
    }
}

/// Plays one seed and keeps its steps.
fn replay(seed: u64, run: Run) -> Result<&'static str, String> {
    let mut trace = Trace {
        steps: 0,
        kept: Some(Vec::new()),
    };
    attempt(seed, &mut trace, run).map_err(|message| {
        let steps = trace.kept.unwrap_or_default();
        let last = steps.len().saturating_sub(SHOWN);
        let shown = steps[last..].join("\n");
        let step = trace.steps;
        format!("seed {seed} failed at step {step}: {message}\n\n{shown}")
    })
}

fn attempt(seed: u64, trace: &mut Trace, run: Run) -> Result<&'static str, String> {
    catch_unwind(AssertUnwindSafe(|| run(seed, trace))).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

/// From so many seeds on, every outcome has to be among them.
const ENOUGH: u64 = 5_000;
/// The last steps tell how it failed.
const SHOWN: usize = 60;
const MOST_STEPS: u64 = 1_000_000;
