//! The logins of browsers: where they live, and how they are told apart.

use crate::affinity::settings::{SessionMode, SessionSettings};
use crate::config::file::{Sessions, Texts};
use crate::config::problem::Problems;
use crate::config::table::Raw;

use super::value::{choice, each, period, refuse_twins};

/// Where sessions of browsers live, and how they are told apart.
pub(super) fn sessions(problems: &mut Problems, raw: &Sessions) -> Option<SessionSettings> {
    let modes = [
        ("shared", SessionMode::Shared),
        ("pinned", SessionMode::Pinned),
    ];
    let mode = choice(problems, &raw.mode, &modes);
    let cookies = cookies(problems, &raw.cookies);
    let lifetime = period(problems, &raw.lifetime);
    let own_cookie = own_cookie(problems, raw);
    Some(SessionSettings {
        mode: mode?,
        cookies: cookies?,
        lifetime: lifetime?,
        own_cookie: own_cookie?,
    })
}

fn cookies(problems: &mut Problems, raw: &Texts) -> Option<Vec<String>> {
    if raw.value.is_empty() {
        let hint = "write the names of Harbor's session cookie: [\"sid\", \"beegosessionID\"]";
        return problems.refuse(raw, "is empty", hint);
    }
    let names = raw.value.iter().map(|name| (name, name.value.as_str()));
    refuse_twins(problems, names, "write each name once");
    each(problems, &raw.value, cookie)
}

/// Nothing else may name a cookie: RFC 6265, section on the syntax of `Set-Cookie`.
fn cookie(problems: &mut Problems, raw: &Raw<String>) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !raw.value.is_empty() && raw.value.chars().all(fits) {
        return Some(raw.value.clone());
    }
    let what = format!("{:?} is not the name of a cookie", raw.value);
    problems.refuse(raw, what, "write a name such as \"sid\"")
}

#[expect(
    clippy::option_option,
    reason = "the outer none is a problem, the inner one is none given"
)]
fn own_cookie(problems: &mut Problems, raw: &Sessions) -> Option<Option<String>> {
    let own = &raw.own_cookie;
    if own.value.is_empty() {
        return Some(None);
    }
    if raw.cookies.value.iter().any(|name| name.value == own.value) {
        let what = format!("{:?} is a cookie of the nodes", own.value);
        return problems.refuse(own, what, "write a name of its own, such as \"pilotage\"");
    }
    cookie(problems, own).map(Some)
}

/// What an operator reads of it; nothing while it is as usual.
pub(in crate::config) fn describe(sessions: &SessionSettings) -> Option<String> {
    match sessions.mode {
        SessionMode::Shared => None,
        SessionMode::Pinned => {
            let cookies = sessions.cookies.join(" or ");
            Some(format!(
                "keeps browsers on the node that logged them in, by their cookie {cookies}"
            ))
        }
    }
}
