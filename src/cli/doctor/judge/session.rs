//! What nodes know of each other's browser sessions.

use crate::affinity::settings::SessionMode;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::release::Release;
use super::super::told::listed;

/// Whether a node took a cookie for its own, or made a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Taken {
    Known,
    Replaced,
    /// No answer, or no cookie to show.
    Unclear,
}

/// What one node made of the cookies of another.
#[derive(Debug, Clone)]
pub(in super::super) struct Visit {
    pub(in super::super) from: String,
    pub(in super::super) at: String,
    pub(in super::super) release: Release,
    pub(in super::super) session: Taken,
    pub(in super::super) csrf: Taken,
}

/// Whether sessions are shared. Where pilotage keeps browsers on their node, it is only to be known.
pub(in super::super) fn ui_session(visits: &[Visit], mode: SessionMode) -> Outcome {
    let cookie = |visit: &Visit| visit.session;
    let what = "sessions of browsers are not shared";
    let finding = match compared(visits, cookie, (Check::UiSession, severity(mode), what)) {
        Ok(outcome) => return outcome,
        Err(finding) => finding,
    };
    let release = visits
        .first()
        .map_or(Release::Second, |visit| visit.release);
    let remedy = match release {
        Release::First => {
            "give every node the same _REDIS_URL (host:port,pool,password,db) in common/config/core/env (ui/env up to \
             1.6), and restart core; without it sessions stay in the memory of one node"
        }
        release if release.is_before(1) => {
            "give every node the same _REDIS_URL (host:port,pool,password,db) in common/config/core/env: external_redis \
             in harbor.yml, then ./prepare and docker compose up -d"
        }
        _ => {
            "give every node the same Redis, with the same database index: external_redis in harbor.yml (it becomes \
             _REDIS_URL_CORE in common/config/core/env from 2.1 on, _REDIS_URL in 2.0), then ./prepare and docker \
             compose up -d"
        }
    };
    let ours = "; or let pilotage keep each browser on its node: mode = \"pinned\" in [sessions]";
    finding.remedy(format!("{remedy}{ours}")).into()
}

/// Whether forms of one node are taken by the others. Where pilotage keeps browsers on their node, it is only to be
/// known.
pub(in super::super) fn csrf_key(visits: &[Visit], mode: SessionMode) -> Outcome {
    let of_first = |visit: &Visit| visit.release == Release::First;
    if !visits.is_empty() && visits.iter().all(of_first) {
        return Outcome::skipped("Harbor 1 has no key for that");
    }
    let cookie = |visit: &Visit| visit.csrf;
    let what = "the nodes have different CSRF keys";
    match compared(visits, cookie, (Check::CsrfKey, severity(mode), what)) {
        Ok(outcome) => outcome,
        Err(finding) => finding
            .remedy(
                "write the same CSRF_KEY, of 32 characters, into common/config/core/env of every node and restart core, \
                 again after every ./prepare, which makes a new one; in the Helm chart set core.xsrfKey. A key of \
                 another length is silently replaced by a random one in releases up to 2.13",
            )
            .into(),
    }
}

fn severity(mode: SessionMode) -> Severity {
    match mode {
        SessionMode::Shared => Severity::Error,
        SessionMode::Pinned => Severity::Info,
    }
}

/// The outcome when there is nothing to mend, else the finding without its remedy.
fn compared(
    visits: &[Visit],
    cookie: impl Fn(&Visit) -> Taken,
    (check, severity, what): (Check, Severity, &str),
) -> Result<Outcome, Finding> {
    let of = |taken: Taken| {
        visits
            .iter()
            .filter(|visit| cookie(visit) == taken)
            .collect()
    };
    let (known, replaced): (Vec<&Visit>, Vec<&Visit>) = (of(Taken::Known), of(Taken::Replaced));
    if replaced.is_empty() {
        return Ok(if known.is_empty() {
            Outcome::skipped("no node gave a cookie that another could be shown")
        } else {
            let at = listed(known.iter().map(|visit| visit.at.as_str()));
            Outcome::passed(format!("known to {at} as well"))
        });
    }
    let finding = Finding::new(check, severity, what);
    Err(replaced.iter().fold(finding, |finding, visit| {
        let asked = format!("a page, with the cookie that {} set", visit.from);
        finding.told(&visit.at, asked, "set another one")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(session: Taken, csrf: Taken) -> Visit {
        Visit {
            from: "a".to_owned(),
            at: "b".to_owned(),
            release: Release::Second,
            session,
            csrf,
        }
    }

    #[test]
    fn a_replaced_cookie_is_a_finding_of_its_own_check_alone() {
        let csrf = [visit(Taken::Known, Taken::Replaced)];
        assert!(matches!(
            ui_session(&csrf, SessionMode::Shared),
            Outcome::Passed(_)
        ));
        assert_eq!(
            csrf_key(&csrf, SessionMode::Shared).severity(),
            Some(Severity::Error)
        );
        let session = [visit(Taken::Replaced, Taken::Known)];
        assert_eq!(
            ui_session(&session, SessionMode::Shared).severity(),
            Some(Severity::Error)
        );
        assert!(matches!(
            csrf_key(&session, SessionMode::Shared),
            Outcome::Passed(_)
        ));
    }

    #[test]
    fn browsers_that_are_kept_on_their_node_need_no_shared_sessions() {
        let both = [visit(Taken::Replaced, Taken::Replaced)];
        let pinned = SessionMode::Pinned;
        assert_eq!(ui_session(&both, pinned).severity(), Some(Severity::Info));
        assert_eq!(csrf_key(&both, pinned).severity(), Some(Severity::Info));
    }

    #[test]
    fn no_cookie_is_no_verdict() {
        let unclear = [visit(Taken::Unclear, Taken::Unclear)];
        assert!(matches!(
            ui_session(&unclear, SessionMode::Shared),
            Outcome::Skipped(_)
        ));
        assert!(matches!(
            csrf_key(&unclear, SessionMode::Shared),
            Outcome::Skipped(_)
        ));
    }
}
