//! `pilotage maintenance`: refuses pushes that begin, while all else goes on.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::tell::text;
use super::{Asking, Question};

#[derive(Debug, Args)]
pub(in crate::cli) struct MaintenanceOptions {
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Refuses pushes that begin, with a message; running uploads and pulls go on
    On(On),
    /// Takes pushes again
    Off(Scope),
    /// Tells whether there is maintenance, and who began it
    Status,
}

#[derive(Debug, Args)]
struct On {
    #[command(flatten)]
    scope: Scope,
    /// One line that clients are shown
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Refuses with 403 instead of 503: clients show the message at once and do not try again
    #[arg(long)]
    denied: bool,
}

#[derive(Debug, Args)]
struct Scope {
    /// All instances that share the Redis, for 12 hours, instead of this one
    #[arg(long)]
    all: bool,
}

impl MaintenanceOptions {
    pub(super) fn question(&self) -> Question<'static> {
        let body = match &self.order {
            Order::Status => None,
            Order::On(on) => Some(json!({
                "on": true, "message": on.message, "scope": on.scope.word(),
                "refusal": if on.denied { "denied" } else { "try_again" },
            })),
            Order::Off(scope) => Some(json!({ "on": false, "scope": scope.word() })),
        };
        Question {
            method: if body.is_some() { "PUT" } else { "GET" },
            path: "/v1/maintenance".to_owned(),
            body,
            tell,
        }
    }
}

impl Scope {
    fn word(&self) -> &'static str {
        if self.all { "all" } else { "instance" }
    }
}

fn tell(page: &Value) -> Vec<String> {
    let mut lines = vec![match text(page, "/message") {
        message if message.is_empty() => "off: pushes are taken".to_owned(),
        message => format!("on: pushes are refused with: {message}"),
    }];
    for (place, whose) in [("/instance", "this instance"), ("/all", "all instances")] {
        let by = text(page, &format!("{place}/by"));
        if !by.is_empty() {
            lines.push(format!("for {whose}, by {by}"));
        }
    }
    let note = text(page, "/note");
    lines.extend((!note.is_empty()).then_some(note));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_told_with_who_said_it() {
        let off = json!({ "on": false, "message": null, "instance": null, "all": null });
        assert_eq!(tell(&off), ["off: pushes are taken"]);
        let on = json!({
            "on": true, "message": "back at 18:00", "instance": null,
            "all": { "by": "token ann" }, "note": "12 hours",
        });
        let expected = [
            "on: pushes are refused with: back at 18:00",
            "for all instances, by token ann",
            "12 hours",
        ];
        assert_eq!(tell(&on), expected);
    }
}
