//! Where several instances meet: how Redis is reached.

use std::time::Duration;

use crate::affinity::settings::{CertificateFiles, Place, SharedSettings};
use crate::affinity::shared::address::{Address, AddressError, Transport};
use crate::config::file;
use crate::config::problem::Problems;
use crate::config::table::Raw;

use super::value::{optional_path, period};

/// How Redis is reached; the inner none means that nothing is shared.
#[expect(
    clippy::option_option,
    reason = "the outer none is a problem, the inner one is no redis"
)]
pub(super) fn redis(
    problems: &mut Problems,
    raw: &file::Redis,
    key_file: &Raw<String>,
) -> Option<Option<SharedSettings>> {
    let place = place(problems, raw);
    let user = (!raw.username.value.is_empty()).then(|| raw.username.value.clone());
    let password_file = optional_path(problems, &raw.password_file);
    let sentinel_password_file = optional_path(problems, &raw.sentinel_password_file);
    let ca_file = optional_path(problems, &raw.ca_file);
    let certificate = certificate(problems, raw);
    let prefix = prefix(problems, &raw.prefix);
    let timeout = deadline(problems, &raw.timeout);
    let Some(place) = place? else {
        return Some(None);
    };
    if key_file.value.is_empty() {
        let hint = "write [affinity] key_file and give every instance the same file";
        let what = "is of no use to instances that do not share their keys";
        return problems.refuse(written(raw), what, hint);
    }
    let (ca_file, certificate) = (ca_file?, certificate?);
    if let Place::Written(address) = &place
        && address.transport == Transport::Plain
        && (ca_file.is_some() || certificate.is_some())
    {
        let what = "is not spoken to over TLS, and has certificates";
        return problems.refuse(&raw.url, what, "write the url with rediss instead of redis");
    }
    Some(Some(SharedSettings {
        place,
        user,
        password_file: password_file?,
        sentinel_password_file: sentinel_password_file?,
        ca_file,
        certificate,
        prefix: prefix?,
        timeout: timeout?,
    }))
}

#[expect(
    clippy::option_option,
    reason = "the outer none is a problem, the inner one is no redis"
)]
fn place(problems: &mut Problems, raw: &file::Redis) -> Option<Option<Place>> {
    let file = optional_path(problems, &raw.url_file);
    if raw.url.value.is_empty() {
        return Some(file?.map(Place::InFile));
    }
    if !raw.url_file.value.is_empty() {
        let hint = "keep one of the two";
        return problems.refuse(&raw.url_file, "is written beside url", hint);
    }
    match Address::parse(&raw.url.value) {
        Ok(address) if address.password.is_some() => {
            let what = "holds a password, and this file holds no secrets";
            let hint = "leave it out and write password_file, or put the whole url into a file and \
                        write url_file";
            problems.refuse(&raw.url, what, hint)
        }
        Ok(address) => Some(Some(Place::Written(address))),
        // Not shown again: it may hold a password.
        Err(error) => problems.refuse(&raw.url, error.to_string(), hint(error)),
    }
}

fn hint(error: AddressError) -> &'static str {
    match error {
        AddressError::Missing | AddressError::Scheme | AddressError::Endpoint => {
            "write such as \"redis://10.0.0.5:6379/0\", or rediss for TLS"
        }
        AddressError::Several => {
            "write such as \"redis+sentinel://a:26379,b:26379/mymaster\" or \"redis+cluster://a,b,c\""
        }
        AddressError::Master => "write such as \"redis+sentinel://a:26379,b:26379/mymaster\"",
        AddressError::Database => "write a number behind the last slash, or none",
        AddressError::Escape => "write a percent sign in a name as %25",
    }
}

/// A certificate and its key stand together or not at all.
#[expect(
    clippy::option_option,
    reason = "the outer none is a problem, the inner one is no certificate"
)]
fn certificate(problems: &mut Problems, raw: &file::Redis) -> Option<Option<CertificateFiles>> {
    let chain = optional_path(problems, &raw.chain_file);
    let key = optional_path(problems, &raw.key_file);
    let alone: (&Raw<String>, &str) = match (chain?, key?) {
        (None, None) => return Some(None),
        (Some(chain_file), Some(key_file)) => {
            return Some(Some(CertificateFiles {
                chain_file,
                key_file,
            }));
        }
        (Some(_), None) => (&raw.chain_file, "write key_file as well"),
        (None, Some(_)) => (&raw.key_file, "write chain_file as well"),
    };
    problems.refuse(alone.0, "stands alone", alone.1)
}

fn prefix(problems: &mut Problems, raw: &Raw<String>) -> Option<String> {
    let text = raw.value.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:{}".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(fits) {
        return Some(text.to_owned());
    }
    let hint = "write 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.', ':', '{' and '}'";
    problems.refuse(raw, format!("{text:?} cannot begin every key"), hint)
}

/// Requests wait for it: a long one is a mistake.
fn deadline(problems: &mut Problems, raw: &Raw<String>) -> Option<Duration> {
    let timeout = period(problems, raw)?;
    if timeout <= LONGEST {
        return Some(timeout);
    }
    let hint = "write \"1s\" or less: requests wait for it when redis is slow";
    problems.refuse(raw, format!("{:?} is too long", raw.value), hint)
}

/// The key by which the operator asked for Redis.
fn written(raw: &file::Redis) -> &Raw<String> {
    if raw.url.value.is_empty() {
        &raw.url_file
    } else {
        &raw.url
    }
}

const LONGEST: Duration = Duration::from_secs(1);

/// How Redis is reached, for a person.
pub(in crate::config) fn describe(settings: &SharedSettings) -> String {
    let place = match &settings.place {
        Place::Written(address) => address.to_string(),
        Place::InFile(path) => format!("the redis that {} names", path.display()),
    };
    format!("shares what instances know through {place}")
}
