//! Maintenance: pushes that begin are refused, pulls go on.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::edge::maintenance::{self as edge, Notice};
use crate::observe::control::Pushes;
use crate::observe::labels::{Label as _, SharedState};

use super::super::answer::{Answer, Refusal};
use super::body::{parse, unfit};
use super::{Desk, Operator, unix_seconds};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    on: bool,
    message: Option<String>,
    #[serde(default)]
    scope: Scope,
    /// How whoever wants to push is refused.
    #[serde(default)]
    refusal: edge::Refusal,
}

/// For whom it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    #[default]
    Instance,
    All,
}

/// What is in force.
#[derive(Debug, Serialize)]
struct Page<'n> {
    on: bool,
    /// What those read who want to push.
    message: Option<String>,
    instance: Option<&'n Notice>,
    all: Option<&'n Notice>,
    redis: &'static str,
    /// What there is to know about the change that was asked for.
    note: Option<&'static str>,
}

impl Desk {
    pub(super) fn maintenance_page(&self) -> Answer {
        self.maintenance_with(None)
    }

    fn maintenance_with(&self, note: Option<&'static str>) -> Answer {
        let now = unix_seconds();
        let in_force = self.maintenance.in_force(now);
        let (own, all) = (self.maintenance.own(), self.maintenance.shared(now));
        Answer::json(&Page {
            on: in_force.is_some(),
            message: in_force.map(|notice| notice.message.clone()),
            instance: own.as_deref(),
            all: all.as_deref(),
            redis: self.views.readiness().shared().as_str(),
            note,
        })
    }

    pub(super) async fn set_maintenance(
        &self,
        body: &[u8],
        path: &str,
        who: &Operator,
    ) -> Result<Answer, Refusal> {
        let wanted: Wanted = parse(body, path)?;
        let message = message(wanted.message, path)?;
        let notice = wanted.on.then(|| Notice {
            message,
            by: who.0.clone(),
            since: unix_seconds(),
            until: None,
            refusal: wanted.refusal,
        });
        let shared = self.views.readiness().shared();
        let (scope, note) = match (wanted.scope, shared) {
            (Scope::Instance, _) => (Scope::Instance, None),
            (Scope::All, SharedState::Off) => (Scope::Instance, Some(ALONE)),
            (Scope::All, SharedState::Up) => (Scope::All, Some(SHARED)),
            (Scope::All, SharedState::Away) => return Err(away(path)),
        };
        match scope {
            Scope::Instance => self.maintenance.set_own(notice),
            Scope::All => self.share(notice, path).await?,
        }
        tracing::warn!(
            target: "control",
            by = who.0,
            to = if wanted.on { "on" } else { "off" },
            reason = match scope {
                Scope::Instance => "for this instance",
                Scope::All => "for all instances",
            },
            "maintenance ordered"
        );
        self.show_maintenance();
        Ok(self.maintenance_with(note.filter(|_| wanted.on)))
    }

    async fn share(&self, notice: Option<Notice>, path: &str) -> Result<(), Refusal> {
        let notice = notice.map(|notice| Notice {
            until: Some(notice.since + LIFETIME.as_secs()),
            ..notice
        });
        let written = match &notice {
            Some(notice) => {
                let text = serde_json::to_string(notice).unwrap_or_default();
                self.shared.begin_maintenance(&text, LIFETIME).await
            }
            None => self.shared.end_maintenance().await,
        };
        if written.found().is_none() {
            return Err(away(path));
        }
        self.maintenance.set_shared(notice);
        Ok(())
    }

    fn show_maintenance(&self) {
        let in_force = self.maintenance.in_force(unix_seconds());
        self.metrics.pushes_are(match in_force {
            Some(_) => Pushes::Refused,
            None => Pushes::Taken,
        });
    }
}

fn message(given: Option<String>, path: &str) -> Result<String, Refusal> {
    let Some(message) = given else {
        return Ok(DEFAULT.to_owned());
    };
    let fits = !message.trim().is_empty()
        && message.chars().count() <= LONGEST
        && !message.chars().any(char::is_control);
    if fits {
        return Ok(message);
    }
    let remedy = format!("write one line of at most {LONGEST} characters, or leave it out");
    let place = format!("{path}: message");
    Err(unfit(
        "the message is empty, too long or not one line",
        place,
        remedy,
    ))
}

fn away(path: &str) -> Refusal {
    let what = "Redis is away: other instances cannot be told";
    let remedy = "ask again when it is back, or tell each instance with scope \"instance\"";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what, path, remedy)
}

/// What those read who want to push, unless the operator has better words.
const DEFAULT: &str = "the registry is in maintenance and takes no pushes; pulls go on";
/// A client prints it on one line.
const LONGEST: usize = 300;
/// How long all instances keep to it without a further word: nobody has to be there to refresh it, and nobody can
/// forget it for ever.
const LIFETIME: Duration = Duration::from_hours(12);
const ALONE: &str = "there is no Redis: only this instance was told, tell the others too";
const SHARED: &str =
    "all instances keep to it within seconds, for 12 hours unless it is ended or said again";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let said = |text: &str| message(Some(text.to_owned()), "/x").map_err(|_| ());
        assert_eq!(said("back at 18:00"), Ok("back at 18:00".to_owned()));
        assert_eq!(message(None, "/x").unwrap(), DEFAULT);
        for bad in ["", "  ", "a\nb", "\u{1b}[2J", &"x".repeat(LONGEST + 1)] {
            assert_eq!(said(bad), Err(()), "{bad:?}");
        }
        assert!(said(&"ä".repeat(LONGEST)).is_ok());
    }
}
