//! What is refused before a node sees it, as far as the header shows it.
//!
//! Proxies that disagree about a request are what smuggling is made of. What is let through here reaches the
//! node byte for byte, so everything ambiguous must end here. The target's own oddities are found by the route
//! parser.

use http::{HeaderMap, Uri, header};

use super::fault::HeaderFault;
use super::scan::Finding;

/// The authority that the client addressed, or why the header is refused.
///
/// On HTTP/2 the authority is part of the target (`:authority`); a `Host` beside it must be the same.
pub(super) fn authority<'a>(
    headers: &'a HeaderMap,
    uri: &'a Uri,
    finding: Finding,
) -> Result<&'a str, HeaderFault> {
    if let Some(fault) = Option::<HeaderFault>::from(finding) {
        return Err(fault);
    }
    for value in headers.values() {
        if value.as_bytes().iter().any(|byte| is_control(*byte)) {
            return Err(HeaderFault::ControlByte);
        }
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(HeaderFault::Coding);
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(HeaderFault::TwoHosts);
    }
    let host = match host {
        Some(value) => Some(value.to_str().map_err(|_| HeaderFault::BadHost)?),
        None => None,
    };
    let named = uri.authority().map(http::uri::Authority::as_str);
    let authority = match (host, named) {
        (None, None) => return Err(HeaderFault::NoHost),
        (Some(host), Some(named)) if !host.eq_ignore_ascii_case(named) => {
            return Err(HeaderFault::ForeignTarget);
        }
        (Some(host), _) => host,
        (None, Some(named)) => named,
    };
    if is_host_and_port(authority) {
        Ok(authority)
    } else {
        Err(HeaderFault::BadHost)
    }
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// A registered name, IPv4 or bracketed IPv6 literal with an optional port: no user, no spaces, no escapes.
fn is_host_and_port(authority: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !authority.is_empty() && authority.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(hosts: &[&str], target: &str) -> Result<String, HeaderFault> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        authority(&headers, &target.parse().unwrap(), Finding::Clean).map(str::to_owned)
    }

    #[test]
    fn one_host_is_needed_and_one_is_enough() {
        assert_eq!(
            judge(&["r.test:8443"], "/v2/"),
            Ok("r.test:8443".to_owned())
        );
        assert_eq!(judge(&[], "/v2/"), Err(HeaderFault::NoHost));
        assert_eq!(
            judge(&["r.test", "r.test"], "/v2/"),
            Err(HeaderFault::TwoHosts)
        );
        assert_eq!(judge(&[""], "/v2/"), Err(HeaderFault::BadHost));
        assert_eq!(judge(&["user@r.test"], "/v2/"), Err(HeaderFault::BadHost));
    }

    #[test]
    fn an_absolute_target_must_name_the_same_host() {
        assert_eq!(
            judge(&["r.test"], "https://R.test/v2/"),
            Ok("r.test".to_owned())
        );
        assert_eq!(
            judge(&["r.test"], "https://evil.test/v2/"),
            Err(HeaderFault::ForeignTarget)
        );
        assert_eq!(judge(&[], "https://r.test/v2/"), Ok("r.test".to_owned()));
    }

    #[test]
    fn what_the_raw_bytes_showed_comes_first() {
        let headers = HeaderMap::new();
        let uri = Uri::from_static("/");
        let found = authority(&headers, &uri, Finding::BareLineFeed);
        assert_eq!(found, Err(HeaderFault::BareLineFeed));
        assert_eq!(
            authority(&headers, &uri, Finding::TooLarge),
            Err(HeaderFault::TooLarge)
        );
    }

    #[test]
    fn a_body_is_chunked_once_or_not_at_all() {
        let judge = |codings: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.append(header::HOST, "r.test".parse().unwrap());
            for coding in codings {
                headers.append(header::TRANSFER_ENCODING, coding.parse().unwrap());
            }
            authority(&headers, &Uri::from_static("/"), Finding::Clean).map(drop)
        };
        assert_eq!(judge(&["Chunked"]), Ok(()));
        for wrong in [
            &["chunked, chunked"][..],
            &["chunked", "chunked"],
            &["gzip"],
        ] {
            assert_eq!(judge(wrong), Err(HeaderFault::Coding), "{wrong:?}");
        }
    }

    #[test]
    fn control_bytes_are_refused_and_tabs_are_not() {
        assert!(is_control(0) && is_control(0x1f) && is_control(0x7f));
        assert!(!is_control(b'\t') && !is_control(b' ') && !is_control(0xff));
    }
}
