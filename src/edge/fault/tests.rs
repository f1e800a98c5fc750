use std::collections::HashSet;

use super::*;
use crate::registry::error::{envelope, parse_envelope};

/// One of every kind.
fn all() -> Vec<Fault> {
    let header = [
        HeaderFault::NoHost,
        HeaderFault::TwoHosts,
        HeaderFault::BadHost,
        HeaderFault::ForeignTarget,
        HeaderFault::BareLineFeed,
        HeaderFault::TooLarge,
        HeaderFault::ControlByte,
        HeaderFault::RequestLine,
        HeaderFault::Fragment,
        HeaderFault::TwoLengths,
        HeaderFault::Coding,
    ];
    let node = [
        NodeTrouble::Unreachable,
        NodeTrouble::Broken,
        NodeTrouble::Stalled,
        NodeTrouble::BadAnswer,
        NodeTrouble::Unverified,
    ];
    let others = [
        Fault::Target(Oddity::DotSegment),
        Fault::WrongHost,
        Fault::Method,
        Fault::Internal,
        Fault::NoChallenge,
        Fault::PlainRegistry,
        Fault::UnknownUpload,
        Fault::NoNode,
        Fault::Busy,
        Fault::Maintenance,
        Fault::Client,
        Fault::Ours,
        Fault::TooMany(TooMany {
            limit: Limit::LoginsOfPair,
            wait: Duration::from_millis(1_500),
        }),
    ];
    let header = header.into_iter().map(Fault::Header);
    let node = node.into_iter().map(Fault::Node);
    others.into_iter().chain(header).chain(node).collect()
}

#[test]
fn the_status_says_whose_fault_it_is() {
    for fault in all() {
        let told = fault.told();
        match fault.blame() {
            Blame::Client => assert!(told.status.is_client_error(), "{fault:?}"),
            Blame::Node | Blame::Fleet => {
                assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
                assert_eq!(told.code, Code::Unavailable, "{fault:?}");
            }
            Blame::Us => assert_eq!(told.status, StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

#[test]
fn only_what_may_pass_by_itself_is_worth_another_try() {
    for fault in all() {
        let passes = matches!(fault.blame(), Blame::Node | Blame::Fleet)
            || matches!(fault, Fault::TooMany(_));
        assert_eq!(fault.told().retry_after.is_some(), passes, "{fault:?}");
    }
}

#[test]
fn the_words_fit_every_form_and_name_no_address() {
    for fault in all() {
        let Told { code, message, .. } = fault.told();
        assert!(message.len() > 20, "{fault:?}: {message}");
        assert!(!message.ends_with('.'), "{message}");
        assert!(
            !message.contains(['<', '&', '\n']),
            "it goes into a page: {message}"
        );
        let spelled = message.split(|c: char| !c.is_ascii_digit() && c != '.');
        let address = spelled.filter_map(|word| word.parse::<std::net::IpAddr>().ok());
        assert_eq!(address.count(), 0, "{message}");
        assert!(!message.contains("://"), "{message}");
        let body = envelope(code, &message, &[]);
        let read = parse_envelope(body.as_bytes()).unwrap();
        assert_eq!((read.len(), &read[0].message), (1, &message));
    }
}

#[test]
fn labels_are_words_and_tell_what_happened_apart() {
    let mut seen = HashSet::new();
    for fault in all() {
        let label = fault.label();
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(label.bytes().all(is_word), "{label}");
        let known = !seen.insert(label);
        let shared = matches!(fault, Fault::Header(_));
        assert!(!known || shared, "{label} twice");
    }
}

#[test]
fn whoever_asks_too_much_is_told_when_to_come_back_and_nothing_else() {
    let told = |limit, wait| Fault::TooMany(TooMany { limit, wait }).told();
    let wait = Duration::from_millis(1_500);
    let one = told(Limit::LoginsOfPair, wait);
    assert_eq!(one.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(one.code.as_str(), "TOOMANYREQUESTS");
    assert_eq!(one.retry_after, Some(Duration::from_secs(2)));
    for limit in [
        Limit::LoginsOfCredential,
        Limit::LoginsOfClient,
        Limit::LoginsOfAccount,
    ] {
        assert_eq!(told(limit, wait), one);
    }
}

#[test]
fn clients_begin_a_lost_upload_again() {
    let told = Fault::UnknownUpload.told();
    assert_eq!(told.status, StatusCode::NOT_FOUND);
    assert_eq!(told.code, Code::BlobUploadUnknown);
}

#[test]
fn a_finding_is_a_fault_of_the_header() {
    assert_eq!(Option::<HeaderFault>::from(Finding::Clean), None);
    let fault = Option::from(Finding::BareLineFeed);
    assert_eq!(fault, Some(HeaderFault::BareLineFeed));
    assert_eq!(Option::from(Finding::TooLarge), Some(HeaderFault::TooLarge));
}
