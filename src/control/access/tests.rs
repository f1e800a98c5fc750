use std::net::Ipv4Addr;

use http::{HeaderName, HeaderValue};

use super::*;

const TOKEN: &str = "0123456789abcdef0123";

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        })
        .collect()
}

fn ask(
    guarding: &Guarding,
    list: &[(&'static str, &str)],
    intent: Intent,
) -> Result<String, Denied> {
    let headers = headers(list);
    let caller = Caller {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        headers: &headers,
        certificate: None,
    };
    admit(guarding, &caller, intent)
}

fn guarded() -> Guarding {
    Guarding::Credentials(Tokens::parse(&format!("# who\nann:{TOKEN}\n")).unwrap())
}

#[test]
fn the_machine_itself_needs_no_credential() {
    let who = ask(&Guarding::Open, &[("host", "127.0.0.1:9090")], Intent::Read);
    assert_eq!(who.unwrap(), "127.0.0.1 without credentials");
}

#[test]
fn a_name_that_anybody_can_point_here_is_refused_where_nobody_needs_a_credential() {
    let rebound = [("host", "evil.example:9090")];
    let denied = ask(&Guarding::Open, &rebound, Intent::Read).unwrap_err();
    assert_eq!(denied, Denied::ForeignHost);
    let known = format!("Bearer {TOKEN}");
    let named = [("host", "balancer.internal"), ("authorization", &known)];
    assert_eq!(ask(&guarded(), &named, Intent::Read).unwrap(), "token ann");
}

#[test]
fn only_a_whole_and_right_token_is_let_in() {
    let cases = [
        (None, Denied::Unknown),
        (Some("Digest YTpi".to_owned()), Denied::Unknown),
        (Some("Basic !".to_owned()), Denied::Unknown),
        (Some("Bearer ".to_owned()), Denied::WrongToken),
        (Some(format!("Bearer {}", &TOKEN[1..])), Denied::WrongToken),
        (Some(format!("Bearer {TOKEN}0")), Denied::WrongToken),
    ];
    for (shown, denied) in cases {
        let list: Vec<_> = shown
            .iter()
            .map(|shown| ("authorization", shown.as_str()))
            .collect();
        assert_eq!(
            ask(&guarded(), &list, Intent::Read),
            Err(denied),
            "{shown:?}"
        );
    }
    let right = format!("bearer {TOKEN}");
    assert!(ask(&guarded(), &[("authorization", &right)], Intent::Read).is_ok());
}

#[test]
fn a_certificate_that_was_checked_is_enough() {
    let headers = HeaderMap::new();
    let caller = Caller {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        headers: &headers,
        certificate: Some("CN=ann".to_owned()),
    };
    let who = admit(&guarded(), &caller, Intent::Read);
    assert_eq!(who.unwrap(), "certificate CN=ann");
}

#[test]
fn a_foreign_page_changes_nothing() {
    let host = ("host", "127.0.0.1:9090");
    let json = ("content-type", "application/json; charset=utf-8");
    let change = |list: &[_]| ask(&Guarding::Open, list, Intent::Change);
    assert!(change(&[host, json]).is_ok());
    assert!(change(&[host, json, ("origin", "http://127.0.0.1:9090")]).is_ok());
    assert!(change(&[host, json, ("sec-fetch-site", "same-origin")]).is_ok());
    // A form can send these without asking first.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
    ] {
        assert_eq!(
            change(&[host, ("content-type", kind)]),
            Err(Denied::NotJson),
            "{kind}"
        );
    }
    assert_eq!(change(&[host]), Err(Denied::NotJson));
    for foreign in [
        ("origin", "https://evil.example"),
        ("origin", "http://127.0.0.1:8080"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(
            change(&[host, json, foreign]),
            Err(Denied::ForeignPage),
            "{foreign:?}"
        );
    }
}

#[test]
fn a_list_of_tokens_is_read_line_by_line_and_never_quoted() {
    assert_eq!(Tokens::parse("\n# none\n").unwrap_err(), TokensError::Empty);
    assert_eq!(Tokens::parse("short").unwrap_err(), TokensError::Weak(1));
    let spaced = format!("{TOKEN} {TOKEN}");
    assert_eq!(Tokens::parse(&spaced).unwrap_err(), TokensError::Weak(1));
    let bad = format!("\na b:{TOKEN}");
    assert_eq!(Tokens::parse(&bad).unwrap_err(), TokensError::Name(2));
    let two = format!("ann:{TOKEN}\n{TOKEN}x\n");
    let tokens = Tokens::parse(&two).unwrap();
    assert_eq!(tokens.owner(&format!("{TOKEN}x")), Some(NAMELESS));
    assert!(!format!("{tokens:?}").contains(TOKEN));
    assert_eq!(first_token(&two), Some(TOKEN));
}

#[test]
fn a_browser_shows_the_token_as_a_password_with_any_name() {
    let shown = |pair: &str| {
        let known = format!("Basic {}", STANDARD.encode(pair));
        ask(
            &guarded(),
            &[("host", "x"), ("authorization", &known)],
            Intent::Read,
        )
    };
    assert_eq!(shown(&format!("me:{TOKEN}")).unwrap(), "token ann");
    assert_eq!(shown(&format!(":{TOKEN}")).unwrap(), "token ann");
    assert_eq!(shown("me:wrong").unwrap_err(), Denied::WrongToken);
    assert_eq!(
        shown(TOKEN).unwrap_err(),
        Denied::Unknown,
        "a name alone is none"
    );
}

#[test]
fn a_link_to_the_page_may_stand_elsewhere_and_a_change_may_not() {
    let followed = [
        ("host", "127.0.0.1:9090"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("content-type", "application/json"),
    ];
    assert!(ask(&Guarding::Open, &followed, Intent::Read).is_ok());
    let denied = ask(&Guarding::Open, &followed, Intent::Change).unwrap_err();
    assert_eq!(denied, Denied::ForeignPage);
    let mut framed = followed;
    framed[3].1 = "iframe";
    let denied = ask(&Guarding::Open, &framed, Intent::Read).unwrap_err();
    assert_eq!(denied, Denied::ForeignPage);
}
