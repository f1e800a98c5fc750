//! What became of a push that began on one node.

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::release::Release;
use super::super::said::Said;
use super::super::told::listed;

/// A push of a few bytes through one node.
#[derive(Debug, Clone)]
pub(in super::super) struct Push {
    pub(in super::super) node: String,
    pub(in super::super) release: Release,
    /// The POST.
    pub(in super::super) begun: Said,
    /// The PUT of all bytes; none when the upload could not begin.
    pub(in super::super) committed: Option<Said>,
    pub(in super::super) elsewhere: Vec<Elsewhere>,
}

/// What another node knew of it.
#[derive(Debug, Clone)]
pub(in super::super) struct Elsewhere {
    pub(in super::super) node: String,
    /// To the question how far the upload is.
    pub(in super::super) status: Said,
    /// To an empty PATCH, where the status tells nothing because nobody checks the state for it (version 3).
    pub(in super::super) patched: Option<Said>,
    /// The blob after the commit.
    pub(in super::super) read: Read,
}

/// Reading a blob that another node took.
#[derive(Debug, Clone)]
pub(in super::super) enum Read {
    /// The push did not come so far.
    NotTried,
    /// It was there after so many milliseconds.
    After(u128),
    /// It was not there in time.
    Never(Said),
    /// Something else was there.
    Other,
}

/// Whether all nodes sign upload addresses with the same secret.
pub(in super::super) fn http_secret(pushes: &[Push]) -> Outcome {
    let mut refused = Vec::new();
    let mut seen = Seen::Nothing;
    for push in pushes {
        for other in &push.elsewhere {
            let asked = match &other.patched {
                Some(_) => format!("an empty PATCH to an upload that began on {}", push.node),
                None => format!("the status of an upload that began on {}", push.node),
            };
            let said = other.patched.as_ref().unwrap_or(&other.status);
            match (said.status(), code(said).as_deref()) {
                (Some(404), Some("BLOB_UPLOAD_INVALID")) => {
                    refused.push((other.node.as_str(), asked, said.words(), push.release));
                }
                (Some(202 | 204), _) => seen = Seen::Good,
                _ if seen == Seen::Nothing => seen = Seen::Unclear,
                _ => {}
            }
        }
    }
    let Some((.., release)) = refused.first() else {
        return match seen {
            Seen::Good => Outcome::passed("each node knows the uploads of the others"),
            Seen::Unclear => Outcome::skipped("no node found the upload of another at all"),
            Seen::Nothing => Outcome::skipped("no upload could begin"),
        };
    };
    let what = "the registries of the nodes have different http secrets";
    let remedy = remedy(*release);
    refused
        .into_iter()
        .fold(
            Finding::new(Check::HttpSecret, Severity::Error, what),
            |finding, (node, asked, said, _)| finding.told(node, asked, said),
        )
        .remedy(remedy)
        .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Unclear,
    Good,
}

fn remedy(release: Release) -> &'static str {
    match release {
        Release::Plain => {
            "write the same text under http: secret: in the registry's config.yml of every node (or \
             REGISTRY_HTTP_SECRET) and restart them; without one each makes up its own at every start"
        }
        Release::First | Release::Second | Release::Exactly(_) => {
            "write the same text under http: secret: in common/config/registry/config.yml of every node and restart \
             the registry; the installer writes the same word everywhere, so one was changed by hand. Two releases of \
             the Helm chart differ: set registry.secret"
        }
    }
}

/// Whether all nodes have the same storage, and how soon.
pub(in super::super) fn storage(pushes: &[Push]) -> Outcome {
    let mut findings = Vec::new();
    let (mut missing, mut slow, mut slowest) = (Vec::new(), Vec::new(), None);
    for push in pushes {
        let asked = format!("a blob that {} had just taken", push.node);
        for other in &push.elsewhere {
            let place = (other.node.as_str(), asked.clone());
            match &other.read {
                Read::NotTried => {}
                Read::After(lag) => {
                    slowest = slowest.max(Some(*lag));
                    if *lag > TOLERATED_MS {
                        slow.push((place, format!("there after {lag} ms")));
                    }
                }
                Read::Never(said) => missing.push((place, said.words())),
                Read::Other => {
                    missing.push((place, "other bytes under the same digest".to_owned()));
                }
            }
        }
    }
    if !missing.is_empty() {
        let finding = Finding::new(
            Check::Storage,
            Severity::Error,
            "what one node takes, the others do not have",
        );
        findings.push(filled(finding, &missing).remedy(
            "give every node the same storage_service in harbor.yml (one bucket, or one shared file system mounted at \
             the same data_volume with its registry folder), then ./prepare and docker compose up -d; look on the node \
             itself whether the mount is really there (findmnt)",
        ));
    }
    if !slow.is_empty() {
        let nodes = listed(slow.iter().map(|((node, _), _)| *node));
        let what = format!("new blobs are seen late by {nodes}");
        let finding = Finding::new(Check::Storage, Severity::Warning, what);
        findings.push(filled(finding, &slow).remedy(
            "mount NFS with lookupcache=positive or noac and a short actimeo; pilotage sends reads of what was just \
             pushed to the node that took it for [affinity] recent_lifetime, which must be longer than this",
        ));
    }
    match slowest {
        Some(lag) => Outcome::of(findings, format!("read everywhere within {lag} ms")),
        None if findings.is_empty() => Outcome::skipped("no push came to its end"),
        None => Outcome::Found(findings),
    }
}

fn filled(finding: Finding, told: &[((&str, String), String)]) -> Finding {
    told.iter().fold(finding, |finding, ((node, asked), said)| {
        finding.told(*node, asked, said)
    })
}

/// Whether the account could push, on every node.
pub(in super::super) fn account(pushes: &[Push], tokens: &[(&str, &str, &Said)]) -> Outcome {
    let failed = |said: &Said| !matches!(said.status(), Some(200..=299));
    let mut refused: Vec<_> = tokens
        .iter()
        .filter(|(.., said)| failed(said))
        .map(|(node, asked, said)| (*node, *asked, said.words()))
        .collect();
    for push in pushes {
        if failed(&push.begun) {
            refused.push((&push.node, "POST of an upload", push.begun.words()));
        }
        if let Some(committed) = push.committed.as_ref().filter(|said| failed(said)) {
            refused.push((&push.node, "PUT of a blob", committed.words()));
        }
    }
    if refused.is_empty() {
        return Outcome::passed("can pull and push on every node");
    }
    let nodes = listed(refused.iter().map(|(node, ..)| *node));
    let what = format!("the account cannot push on {nodes}");
    refused
        .into_iter()
        .fold(
            Finding::new(Check::Account, Severity::Error, what),
            |finding, (node, asked, said)| finding.told(node, asked, said),
        )
        .remedy(
            "look at name and password file, and at the rights: a robot account with push and pull on the project of \
             --project is enough. 403 is a read-only Harbor or a full quota; when only some nodes refuse, look at the \
             checks database and token-key first",
        )
        .into()
}

fn code(said: &Said) -> Option<String> {
    said.answer()?.code()
}

/// Longer than shared storage takes, shorter than a client waits between two requests.
const TOLERATED_MS: u128 = 1_000;

#[cfg(test)]
mod tests {
    use super::super::super::said::answer;
    use super::*;

    fn error(status: u16, code: &str) -> Said {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":""}}]}}"#);
        answer(status, &[], &body)
    }

    fn push(status: Said, patched: Option<Said>, read: Read) -> Push {
        let elsewhere = Elsewhere {
            node: "b".to_owned(),
            status,
            patched,
            read,
        };
        Push {
            node: "a".to_owned(),
            release: Release::Second,
            begun: answer(202, &[], ""),
            committed: Some(answer(201, &[], "")),
            elsewhere: vec![elsewhere],
        }
    }

    #[test]
    fn an_invalid_upload_is_another_secret_and_an_unknown_one_is_not() {
        let known = push(answer(204, &[], ""), None, Read::After(3));
        assert!(matches!(http_secret(&[known]), Outcome::Passed(_)));
        let invalid = push(error(404, "BLOB_UPLOAD_INVALID"), None, Read::After(3));
        assert_eq!(http_secret(&[invalid]).severity(), Some(Severity::Error));
        let unknown = push(error(404, "BLOB_UPLOAD_UNKNOWN"), None, Read::NotTried);
        assert!(matches!(http_secret(&[unknown]), Outcome::Skipped(_)));
    }

    #[test]
    fn where_the_status_checks_nothing_the_empty_patch_decides() {
        let status = || answer(204, &[], "");
        let invalid = Some(error(404, "BLOB_UPLOAD_INVALID"));
        let differs = push(status(), invalid, Read::After(3));
        assert_eq!(http_secret(&[differs]).severity(), Some(Severity::Error));
        let agrees = push(status(), Some(answer(202, &[], "")), Read::After(3));
        assert!(matches!(http_secret(&[agrees]), Outcome::Passed(_)));
    }

    #[test]
    fn a_blob_that_is_missing_is_an_error_and_a_late_one_a_warning() {
        let of = |read: Read| storage(&[push(answer(204, &[], ""), None, read)]);
        assert!(matches!(of(Read::After(900)), Outcome::Passed(_)));
        assert_eq!(of(Read::After(2_500)).severity(), Some(Severity::Warning));
        let never = Read::Never(error(404, "BLOB_UNKNOWN"));
        assert_eq!(of(never).severity(), Some(Severity::Error));
        assert_eq!(of(Read::Other).severity(), Some(Severity::Error));
        assert!(matches!(of(Read::NotTried), Outcome::Skipped(_)));
    }

    #[test]
    fn an_account_that_one_node_refuses_is_found_there() {
        let good = push(answer(204, &[], ""), None, Read::After(3));
        assert!(matches!(account(&[good], &[]), Outcome::Passed(_)));
        let said = answer(401, &[], "");
        let tokens = [("b", "a token", &said)];
        assert_eq!(account(&[], &tokens).severity(), Some(Severity::Error));
    }
}
