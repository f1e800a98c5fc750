//! Our certificates.

use crate::config::Settings;
use crate::edge::tls::{About, CertificateStore};

use super::super::ask::now_ms;
use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::judge::certificate::{covers, ending};

/// Whether they can be used, cover the public names, and are good for some time.
pub(super) fn certificates(settings: &Settings) -> Outcome {
    let mut findings = Vec::new();
    let mut known: Vec<About> = Vec::new();
    for pair in &settings.certificates.files {
        match CertificateStore::load(std::slice::from_ref(pair)) {
            Ok(store) => known.extend(store.about()),
            Err(error) => findings.push(
                Finding::new(Check::Certificate, Severity::Error, "a certificate cannot be used")
                    .told("[[tls.certificate]]", "chain and key", error.to_string())
                    .remedy(
                        "let chain_file name the certificate itself and then those that lead to its authority, and \
                         key_file its own key, both as PEM and readable for the user that pilotage runs as",
                    ),
            ),
        }
    }
    let now = now_ms() / 1000;
    for about in &known {
        let file = about.chain_file.display().to_string();
        let ending = ending(Check::Certificate, &file, about.expires, now);
        let remedy = "renew it and replace both files: pilotage looks at them every [tls] recheck and serves the new \
                      ones without a reload";
        findings.extend(ending.map(|finding| finding.remedy(remedy)));
    }
    // Where none could be read, every name would only say so again.
    if !known.is_empty() {
        findings.extend(
            settings
                .public
                .names
                .iter()
                .filter_map(|name| uncovered(name, &known)),
        );
    }
    let ends = known.iter().map(|about| about.expires).min().unwrap_or(now);
    let days = (ends - now) / 86_400;
    Outcome::of(
        findings,
        format!("covers all public names, good for {days} days"),
    )
}

fn uncovered(name: &str, known: &[About]) -> Option<Finding> {
    let (host, _) = super::parted(name);
    if known.iter().any(|about| covers(&about.names, host)) {
        return None;
    }
    let what = format!("no certificate covers the public name {host}");
    let finding = Finding::new(Check::Certificate, Severity::Error, what);
    let finding = known.iter().fold(finding, |finding, about| {
        let file = about.chain_file.display().to_string();
        finding.told(file, "the names in it", about.names.join(", "))
    });
    Some(finding.remedy(format!(
        "get a certificate with the DNS name {host} and add it as another [[tls.certificate]], or take the name out of \
         [public] names"
    )))
}
