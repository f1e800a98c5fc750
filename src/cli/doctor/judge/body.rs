//! What the proxies of a node make of large bodies.

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::release::Release;
use super::super::said::{Said, Silence};
use super::super::told::listed;

/// A node, and what it said to the head of a body of so many bytes of which none followed.
#[derive(Debug, Clone)]
pub(in super::super) struct Announced {
    pub(in super::super) node: String,
    pub(in super::super) release: Release,
    /// Descending.
    pub(in super::super) sizes: Vec<(u64, Said)>,
}

/// What is announced, from the largest to the smallest: a size that is refused is followed by the next.
pub(in super::super) const SIZES: [u64; 5] = [1 << 40, 64 << 30, 10 << 30, 1 << 30, 64 << 20];

impl Announced {
    /// The largest size that was not refused for its size.
    fn taken(&self) -> Option<u64> {
        let taken = self.sizes.iter().find(|(_, said)| !is_refused(said));
        taken.map(|(size, _)| *size)
    }

    fn refused(&self) -> impl Iterator<Item = &(u64, Said)> {
        self.sizes.iter().filter(|(_, said)| is_refused(said))
    }

    /// A proxy that waits for the body before it asks anybody is silent here.
    fn waits(&self) -> bool {
        let silent = |said: &Said| matches!(said, Said::Nothing(Silence::TimedOut));
        self.sizes.iter().any(|(_, said)| silent(said))
    }
}

/// Whether this is the refusal of a body for its size.
pub(in super::super) fn is_refused(said: &Said) -> bool {
    said.status() == Some(413)
}

/// Whether layers of any size are taken.
pub(in super::super) fn limit(announced: &[Announced]) -> Outcome {
    let limited: Vec<_> = announced
        .iter()
        .filter(|one| one.refused().next().is_some())
        .collect();
    let Some(first) = limited.first() else {
        return Outcome::passed(format!("{} is refused by none", size(largest())));
    };
    let small = limited.iter().any(|one| one.taken() < Some(LARGE_LAYER));
    let severity = if small {
        Severity::Error
    } else {
        Severity::Warning
    };
    let nodes = listed(limited.iter().map(|one| one.node.as_str()));
    let what = format!("layers above a certain size are refused by {nodes}");
    let mut finding = Finding::new(Check::BodyLimit, severity, what);
    for one in &limited {
        for (bytes, said) in &one.sizes {
            let asked = format!("the head of an upload of {}", size(*bytes));
            let verdict = if is_refused(said) { "refused" } else { "taken" };
            finding = finding.told(&one.node, asked, format!("{verdict}: {}", said.words()));
        }
    }
    finding
        .remedy(format!(
            "set client_max_body_size 0; in {} of that node and restart its nginx; behind an ingress the annotation \
             nginx.ingress.kubernetes.io/proxy-body-size: \"0\"; any further proxy between pilotage and the node has \
             such a limit too",
            file(first.release)
        ))
        .into()
}

/// Whether layers are passed on while they arrive.
pub(in super::super) fn buffering(announced: &[Announced]) -> Outcome {
    let waiting: Vec<_> = announced.iter().filter(|one| one.waits()).collect();
    let Some(first) = waiting.first() else {
        return Outcome::passed("each node answers before the body came");
    };
    let nodes = listed(waiting.iter().map(|one| one.node.as_str()));
    let what = format!("layers are stored before they are passed on by {nodes}");
    let asked = "the head of an upload without credentials, and not one byte of it";
    let said = "waits for the body, where a node that streams refuses at once";
    Finding::new(Check::RequestBuffering, Severity::Warning, what)
        .all_told(asked, waiting.iter().map(|one| (one.node.as_str(), said)))
        .remedy(format!(
            "set proxy_request_buffering off; in location /v2/ in {} of that node and restart its nginx; behind an \
             ingress the annotation nginx.ingress.kubernetes.io/proxy-request-buffering: \"off\"",
            file(first.release)
        ))
        .into()
}

fn file(release: Release) -> &'static str {
    match release {
        Release::Plain => "the configuration of the nginx before the registry",
        Release::First | Release::Second | Release::Exactly(_) => "common/config/nginx/nginx.conf",
    }
}

fn largest() -> u64 {
    SIZES.first().copied().unwrap_or_default()
}

fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 40 => format!("{} TiB", bytes >> 40),
        bytes if bytes >= 1 << 30 => format!("{} GiB", bytes >> 30),
        bytes => format!("{} MiB", bytes >> 20),
    }
}

/// Layers of machine learning reach this.
const LARGE_LAYER: u64 = 64 << 30;

#[cfg(test)]
mod tests {
    use super::super::super::said::answer;
    use super::*;

    fn announced(sizes: Vec<(u64, Said)>) -> Announced {
        Announced {
            node: "a".to_owned(),
            release: Release::Second,
            sizes,
        }
    }

    #[test]
    fn a_node_that_answers_before_the_body_is_good() {
        let good = [announced(vec![(1 << 40, answer(401, &[], ""))])];
        assert!(matches!(limit(&good), Outcome::Passed(_)));
        assert!(matches!(buffering(&good), Outcome::Passed(_)));
    }

    #[test]
    fn a_limit_is_an_error_only_below_what_layers_reach() {
        let refuses = |size: u64| (size, answer(413, &[], "<html>"));
        let takes = |size: u64| (size, answer(401, &[], ""));
        let high = [announced(vec![refuses(1 << 40), takes(64 << 30)])];
        assert_eq!(limit(&high).severity(), Some(Severity::Warning));
        let low = [announced(vec![
            refuses(1 << 40),
            refuses(64 << 30),
            takes(10 << 30),
        ])];
        assert_eq!(limit(&low).severity(), Some(Severity::Error));
        assert!(matches!(buffering(&low), Outcome::Passed(_)));
    }

    #[test]
    fn a_node_that_waits_for_the_body_buffers() {
        let waits = [announced(vec![(1 << 40, Said::Nothing(Silence::TimedOut))])];
        assert_eq!(buffering(&waits).severity(), Some(Severity::Warning));
        assert!(matches!(limit(&waits), Outcome::Passed(_)));
    }
}
