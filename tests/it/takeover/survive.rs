//! One push that meets one fault, and everything that must be as if it had not.

use std::time::Duration;

use tokio::time::Instant;

use crate::harness::http::answer::Answer;
use crate::harness::image::digest;
use crate::registry::stage::blob;

use super::courier::{Courier, Form, Moment};
use super::trial::{Fault, Trial};

/// A push that was disturbed.
#[derive(Debug)]
pub(super) struct Ordeal {
    pub(super) repository: String,
    pub(super) content: Vec<u8>,
    pub(super) form: Form,
    /// The node that began it.
    pub(super) holder: String,
    pub(super) answers: Vec<Answer>,
    pub(super) took: Duration,
    /// From whom to whom it went.
    pub(super) takeovers: Vec<(String, String)>,
}

/// A blob that nobody has seen before.
pub(super) fn random(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::fill(&mut bytes);
    bytes
}

/// A repository that nobody has used before.
pub(super) fn fresh() -> String {
    format!("lab/t{:012x}", fastrand::u64(..1 << 48))
}

/// Pushes a blob; the test strikes when it likes. It is told the node that began the upload.
pub(super) async fn undergo(
    trial: &mut Trial,
    courier: &Courier,
    (form, size): (Form, usize),
    mut strike: impl AsyncFnMut(&mut Trial, usize, Moment),
) -> Ordeal {
    let (repository, content) = (fresh(), random(size));
    let before = trial.takeovers("upload").len();
    let mut holder = 0;
    trial.progress = (repository.clone(), 0);
    let began = Instant::now();
    let push = courier.push(&repository, (&content, form), async |moment| {
        match moment {
            Moment::Begun => holder = trial.holder(&repository).await,
            Moment::Body(percent) => trial.progress.1 = content.len() as u64 * percent / 100,
            Moment::Between | Moment::Committing => {}
        }
        strike(trial, holder, moment).await;
    });
    let answers = push.await;
    let took = began.elapsed();
    trial.recorded(&repository, answers.len()).await;
    let holder = trial.node(holder).name.clone();
    let takeovers = trial.takeovers("upload").split_off(before);
    Ordeal {
        repository,
        content,
        form,
        holder,
        answers,
        took,
        takeovers,
    }
}

impl Ordeal {
    /// Panics unless one other node took over; its name.
    #[track_caller]
    pub(super) fn expect_one_takeover(&self) -> &str {
        match self.takeovers.as_slice() {
            [(from, to)] => {
                assert_eq!(*from, self.holder);
                assert_ne!(to, from);
                to
            }
            others => panic!("{} began it, then {others:?}", self.holder),
        }
    }

    /// Panics unless client, storage and books have what they would have had without the fault.
    pub(super) fn expect_whole(&self, trial: &Trial, keeper: &str) {
        expect_answers(&self.answers, self.form, &self.content);
        let digest = digest(&self.content);
        let stored = blob(&trial.storage_of(keeper), &digest);
        assert!(stored == self.content, "other bytes are stored");
        let booked = trial.stage.cluster.database.booked_size(&digest);
        assert_eq!(booked, Some(self.content.len() as u64), "the booked size");
        assert_eq!(trial.asked(&self.repository).len(), self.answers.len());
    }
}

/// What happens when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) form: Form,
    pub(super) moment: Moment,
    pub(super) fault: Fault,
}

/// A push without a fault: how long it takes.
pub(super) async fn undisturbed(trial: &mut Trial, courier: &Courier, form: Form) -> Duration {
    let push = undergo(trial, courier, (form, SIZE), async |_, _, _| ());
    let ordeal = push.await;
    assert_eq!(ordeal.takeovers, []);
    ordeal.expect_whole(trial, &ordeal.holder);
    ordeal.took
}

/// A push whose node meets the fault at the moment.
pub(super) async fn survive(
    trial: &mut Trial,
    courier: &Courier,
    case: Case,
    usual: Duration,
) -> Ordeal {
    let strike = async |trial: &mut Trial, holder, moment| {
        if moment == case.moment {
            if let Moment::Body(_) = moment {
                trial.reached(holder).await;
            }
            trial.strike(holder, case.fault).await;
        }
    };
    let ordeal = undergo(trial, courier, (case.form, SIZE), strike).await;
    tell(
        &format!("{case:?} over {:?}", courier.offer),
        &ordeal,
        usual,
    );
    // Whoever was stopped goes on now with what it had: nothing of it may show.
    trial.heal().await;
    let keeper = ordeal.expect_one_takeover();
    ordeal.expect_whole(trial, keeper);
    ordeal
}

/// One line for the table of seconds lost.
pub(super) fn tell(what: &str, ordeal: &Ordeal, usual: Duration) {
    let lost = ordeal.took.saturating_sub(usual).as_secs_f64();
    println!("lost {lost:.2} s: {what}, {:?}", ordeal.takeovers);
}

/// Panics unless these are the answers to a push that met nothing.
#[track_caller]
pub(super) fn expect_answers(answers: &[Answer], form: Form, content: &[u8]) {
    let shown = |answer: &Answer| format!("{} {}", answer.status, answer.text());
    let all = answers.iter().map(shown).collect::<Vec<_>>();
    let statuses = answers.iter().map(|answer| answer.status);
    let expected: &[u16] = match form {
        Form::Streamed | Form::Patched => &[202, 202, 201, 200],
        Form::Put => &[202, 201, 200],
        Form::Chunks => &[202, 202, 202, 202, 202, 201, 200],
    };
    assert_eq!(statuses.collect::<Vec<_>>(), expected, "{all:?}");
    let id = answers[0].header("docker-upload-uuid").unwrap();
    let patched = answers[1..].iter().filter(|answer| answer.status == 202);
    let mut last = String::new();
    for answer in patched {
        assert_eq!(answer.header("docker-upload-uuid"), Some(id));
        answer.header("range").unwrap().clone_into(&mut last);
    }
    if form != Form::Put {
        assert_eq!(last, format!("0-{}", content.len() - 1));
    }
    let digest = digest(content);
    let created = answers.iter().find(|answer| answer.status == 201);
    let created = created.expect("a commit");
    let told = created.header("docker-content-digest");
    assert_eq!(told, Some(digest.as_str()));
    let location = created.header("location").unwrap();
    let end = format!("/blobs/{digest}");
    assert!(location.ends_with(&end), "{location}");
    assert!(location.starts_with("https://registry.pilotage.test:"));
    let head = answers.last().unwrap();
    let length = content.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
}

/// More than fits into the spool's memory.
pub(super) const SIZE: usize = 3_000_001;
