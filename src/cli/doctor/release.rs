//! Which Harbor a node is, and what to write where in it.

use std::fmt;

use serde_json::Value;

use super::said::Said;

/// What is known about the release of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Release {
    /// No Harbor: a registry alone.
    Plain,
    /// 1.x.
    First,
    /// 2.x, whichever it is.
    Second,
    /// 2.x with this number.
    Exactly(u32),
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("no Harbor"),
            Self::First => f.write_str("Harbor 1"),
            Self::Second => f.write_str("Harbor 2"),
            Self::Exactly(minor) => write!(f, "Harbor 2.{minor}"),
        }
    }
}

impl Release {
    /// By the generation of the API that answers.
    pub(super) fn of_pings(second: &Said, first: &Said) -> Self {
        let pong = |said: &Said| {
            let body = said.with(200).map(|answer| &answer.body);
            body.is_some_and(|body| {
                let text = body.trim_ascii();
                text == b"Pong" || text == b"\"Pong\""
            })
        };
        if pong(second) {
            Self::Second
        } else if pong(first) {
            Self::First
        } else {
            Self::Plain
        }
    }

    /// The same, with what the system information adds when an account asked.
    pub(super) fn refined(self, info: &Said) -> Self {
        let minor = version(info).and_then(|version| {
            let rest = version.trim_start_matches('v').strip_prefix("2.")?;
            rest.split(['.', '-']).next()?.parse().ok()
        });
        match (self, minor) {
            (Self::Second, Some(minor)) => Self::Exactly(minor),
            (other, _) => other,
        }
    }

    /// Whether it is known to be older than 2.`minor`.
    pub(super) fn is_before(self, minor: u32) -> bool {
        match self {
            Self::First => true,
            Self::Exactly(known) => known < minor,
            Self::Second | Self::Plain => false,
        }
    }

    /// Whether it is known to be 2.`minor` or newer.
    pub(super) fn is_from(self, minor: u32) -> bool {
        matches!(self, Self::Exactly(known) if known >= minor)
    }
}

/// The version as the node itself writes it; only those who are logged in are told.
pub(super) fn version(info: &Said) -> Option<String> {
    let document = info.with(200)?.json()?;
    let Value::String(version) = document.get("harbor_version")? else {
        return None;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let told = version.len() > 1 && version.len() < 64 && version.chars().all(plain);
    told.then(|| version.clone())
}

#[cfg(test)]
mod tests {
    use super::super::said::answer;
    use super::*;

    #[test]
    fn the_generation_is_that_of_the_api_that_answers() {
        let pong = || answer(200, &[], "Pong\n");
        let other = || answer(404, &[], "");
        assert_eq!(Release::of_pings(&pong(), &other()), Release::Second);
        assert_eq!(Release::of_pings(&other(), &pong()), Release::First);
        assert_eq!(Release::of_pings(&other(), &other()), Release::Plain);
        let portal = answer(200, &[], "<html>");
        assert_eq!(Release::of_pings(&portal, &other()), Release::Plain);
    }

    #[test]
    fn the_system_information_names_the_release() {
        let info =
            |version: &str| answer(200, &[], &format!(r#"{{"harbor_version":"{version}"}}"#));
        let refined = |text: &str| Release::Second.refined(&info(text));
        assert_eq!(refined("v2.9.5-1a2b"), Release::Exactly(9));
        assert_eq!(refined("-"), Release::Second);
        assert!(refined("v2.2.0").is_before(3) && !refined("v2.3.0").is_before(3));
        assert!(refined("v2.14.1").is_from(14) && !Release::Second.is_from(14));
    }
}
