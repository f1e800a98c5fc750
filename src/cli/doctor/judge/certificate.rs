//! What a certificate says, and what is wrong with it.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::catalog::Check;
use super::super::finding::{Finding, Severity};

/// What an operator wants to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Card {
    /// DNS names and addresses, lower case.
    pub(in super::super) names: Vec<String>,
    pub(in super::super) issuer: String,
    /// Seconds since 1970.
    pub(in super::super) starts: i64,
    /// Seconds since 1970.
    pub(in super::super) ends: i64,
}

impl Card {
    /// Reads a certificate as it travels.
    pub(in super::super) fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternative = certificate.subject_alternative_name().ok()?;
        let names = alternative.map(|extension| extension.value.general_names.as_slice());
        let name = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        };
        Some(Self {
            names: names.unwrap_or_default().iter().filter_map(name).collect(),
            issuer: certificate.issuer().to_string(),
            starts: certificate.validity().not_before.timestamp(),
            ends: certificate.validity().not_after.timestamp(),
        })
    }

    /// Whether it is for this host; a star stands for one label.
    pub(in super::super) fn covers(&self, host: &str) -> bool {
        covers(&self.names, host)
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let six = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    four.or(six).ok().map(|address| address.to_string())
}

/// Whether one of the names is for this host.
pub(in super::super) fn covers(names: &[String], host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let parent = host.split_once('.').map(|(_, parent)| parent);
    names.iter().any(|name| {
        *name == host
            || name
                .strip_prefix("*.")
                .is_some_and(|rest| Some(rest) == parent)
    })
}

/// Why a certificate is not believed, as far as it tells by itself: what is left is its authority.
pub(in super::super) fn distrust(card: &Card, name: &str, now: i64) -> String {
    if now >= card.ends {
        format!("its certificate ended {}", days(now - card.ends, "ago"))
    } else if now < card.starts {
        format!(
            "its certificate begins only in {}",
            days(card.starts - now, "")
        )
    } else if !card.covers(name) {
        let names = card.names.join(", ");
        format!("its certificate is for {names}, and not for {name}")
    } else {
        format!(
            "its certificate is from {}, which is not trusted here",
            card.issuer
        )
    }
}

/// A finding about the end of a certificate, if that is near.
pub(in super::super) fn ending(check: Check, of: &str, ends: i64, now: i64) -> Option<Finding> {
    let left = ends - now;
    let severity = match left {
        left if left <= 0 => Severity::Error,
        left if left < SOON => Severity::Warning,
        _ => return None,
    };
    let said = if left <= 0 {
        format!("ended {}", days(-left, "ago"))
    } else {
        format!("ends in {}", days(left, ""))
    };
    let what = format!("the certificate of {of} {said}");
    Some(Finding::new(check, severity, what).told(of, "its certificate", said))
}

fn days(seconds: i64, after: &str) -> String {
    let days = seconds / 86_400;
    let text = if days == 1 {
        "1 day".to_owned()
    } else {
        format!("{days} days")
    };
    format!("{text} {after}").trim_end().to_owned()
}

/// Time for somebody who is on holiday.
const SOON: i64 = 21 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            names: vec![
                "node.example.com".to_owned(),
                "*.inner.example.com".to_owned(),
            ],
            issuer: "CN=somebody".to_owned(),
            starts: 1_000,
            ends: 100 * 86_400,
        }
    }

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(card().covers("Node.example.com") && card().covers("a.inner.example.com"));
        assert!(!card().covers("inner.example.com") && !card().covers("a.b.inner.example.com"));
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_its_own_words() {
        let why = |name: &str, now: i64| distrust(&card(), name, now);
        assert!(why("node.example.com", 200 * 86_400).contains("ended 100 days ago"));
        assert!(why("node.example.com", 0).contains("begins only"));
        assert!(why("other", 5_000).contains("not for other"));
        assert!(why("node.example.com", 5_000).contains("CN=somebody"));
    }

    #[test]
    fn an_end_within_three_weeks_is_a_warning_and_a_past_one_an_error() {
        let at =
            |now: i64| ending(Check::Certificate, "x", card().ends, now).map(|one| one.severity);
        assert_eq!(at(0), None);
        assert_eq!(at(90 * 86_400), Some(Severity::Warning));
        assert_eq!(at(101 * 86_400), Some(Severity::Error));
    }
}
