use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;

use super::*;

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some moment to start from"
)]
fn start() -> Instant {
    Instant::now()
}

fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

fn marker(keys: &[u8]) -> Marker {
    let keys: Vec<_> = keys.iter().map(|byte| Key::from([*byte; 32])).collect();
    Marker::new(&keys).unwrap()
}

fn names() -> Vec<String> {
    ["sid", "beegosessionID"].map(str::to_owned).to_vec()
}

fn headers(name: &header::HeaderName, lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_str(line).unwrap());
    }
    headers
}

#[test]
fn a_session_cookie_is_found_among_others_and_by_the_order_of_names() {
    let cases: [(&[&str], Option<&str>); 9] = [
        (&["sid=abc"], Some("abc")),
        (&["_gorilla_csrf=x==; sid=abc; lang=en"], Some("abc")),
        (&["lang=en", "sid=abc"], Some("abc")),
        (&["beegosessionID=old; sid=abc"], Some("abc")),
        (&["beegosessionID=old"], Some("old")),
        (&["sid=; beegosessionID=old"], Some("old")),
        (&["xsid=abc; sidx=abc; SID=abc"], None),
        (&["sid"], None),
        (&[], None),
    ];
    for (lines, expected) in cases {
        let headers = headers(&header::COOKIE, lines);
        let found = read(&headers, &names());
        assert_eq!(found, expected.map(str::as_bytes), "{lines:?}");
    }
}

#[test]
fn an_endless_cookie_is_none() {
    let headers = headers(&header::COOKIE, &[&format!("sid={}", "a".repeat(5000))]);
    assert_eq!(read(&headers, &names()), None);
}

#[test]
fn an_answer_sets_or_clears_the_session_cookie() {
    let headers = headers(
        &header::SET_COOKIE,
        &[
            "_gorilla_csrf=x; Path=/",
            "sid=new; Path=/; HttpOnly",
            "sid=; Path=/; Expires=Mon, 23 Nov 2026 05:21:38 GMT",
            "beegosessionID=gone; Max-Age=0",
            "sid=gone; max-age = -1; Secure",
            "sid=kept; Max-Age=3600",
            "sidx=other",
        ],
    );
    let found: Vec<_> = given(&headers, &names()).collect();
    let expected = [
        Given::Set(b"new"),
        Given::Cleared,
        Given::Cleared,
        Given::Cleared,
        Given::Set(b"kept"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_mark_depends_on_the_key_and_tells_nothing_of_the_cookie() {
    let (one, two) = (marker(&[1]), marker(&[2]));
    assert_eq!(one.mark(b"abc"), one.mark(b"abc"));
    assert_ne!(one.mark(b"abc"), two.mark(b"abc"));
    assert_ne!(one.mark(b"abc"), one.mark(b"abd"));
    assert!(!one.mark(b"abc").to_string().contains("616263"));
    assert_eq!(format!("{one:?}"), "Marker");
}

#[test]
fn a_session_outlives_the_change_of_the_key() {
    let (old, new) = (marker(&[1]), marker(&[2, 1]));
    let (sessions, now) = (Sessions::new(Duration::from_hours(1)), start());
    sessions.note(old.mark(b"abc"), &node("a"), now);
    assert_eq!(sessions.find(new.marks(b"abc"), now), Some(node("a")));
    let own = old.holder(b"abc", &node("a"));
    let nodes = [node("b"), node("a")];
    let holder = new.held_by(b"abc", own.as_bytes(), nodes.iter());
    assert_eq!(holder, Some(node("a")));
}

#[test]
fn our_cookie_is_good_for_its_session_and_its_node_only() {
    let marker = marker(&[1]);
    let own = marker.holder(b"abc", &node("a"));
    let nodes = [node("a"), node("b")];
    let held = |cookie: &[u8], own: &str, nodes: &[NodeId]| {
        marker.held_by(cookie, own.as_bytes(), nodes.iter())
    };
    assert_eq!(held(b"abc", &own, &nodes), Some(node("a")));
    assert_eq!(held(b"abd", &own, &nodes), None);
    assert_eq!(held(b"abc", &own, &nodes[1..]), None);
    for wrong in ["", "a", &own[1..], &own.replace(&own[..1], "_"), "....."] {
        if wrong != own {
            assert_eq!(held(b"abc", wrong, &nodes), None, "{wrong}");
        }
    }
}

#[test]
fn a_session_that_is_over_is_forgotten() {
    let (marker, now) = (marker(&[1]), start());
    let sessions = Sessions::new(Duration::from_hours(1));
    let mark = marker.mark(b"abc");
    assert_eq!(sessions.note(mark, &node("a"), now).before, None);
    assert_eq!(sessions.note(mark, &node("b"), now).before, Some(node("a")));
    assert_eq!(sessions.count(), 1);
    sessions.forget(marker.marks(b"abc"), now);
    assert_eq!(sessions.find(marker.marks(b"abc"), now), None);
}

#[test]
fn others_hear_of_a_session_when_it_is_new_moves_or_lasts() {
    let (marker, now) = (marker(&[1]), start());
    let sessions = Sessions::new(Duration::from_hours(1));
    let mark = marker.mark(b"abc");
    let steps = [
        ("a", 0, News::Tell),
        ("a", 59, News::Old),
        ("a", 60, News::Tell),
        ("a", 61, News::Old),
        ("b", 62, News::Tell),
        ("b", 121, News::Old),
        ("b", 122, News::Tell),
    ];
    for (name, seconds, news) in steps {
        let noted = sessions.note(mark, &node(name), now + Duration::from_secs(seconds));
        assert_eq!(noted.news, news, "{name} {seconds}");
    }
}

#[test]
fn a_session_stays_until_its_node_drains_or_is_down() {
    assert_eq!(stays(Some(Rank::Up)), Ok(()));
    assert_eq!(stays(Some(Rank::Suspect)), Ok(()));
    assert_eq!(stays(Some(Rank::Draining)), Err(Leaving::Draining));
    assert_eq!(stays(Some(Rank::Down)), Err(Leaving::Down));
    assert_eq!(stays(None), Err(Leaving::Gone));
}

proptest! {
    #[test]
    fn any_header_is_read_without_harm(line in "[ -~]{0,200}", other in "[ -~]{0,60}") {
        let headers = headers(&header::COOKIE, &[&line, &format!("sid=x; {other}")]);
        prop_assert!(read(&headers, &names()).is_some());
        let set = self::headers(&header::SET_COOKIE, &[&line]);
        for one in given(&set, &names()) {
            prop_assert!(one == Given::Cleared || line.contains('='));
        }
    }

    #[test]
    fn only_the_holder_is_found(cookie in "[a-f0-9]{32}", held in 0..5_usize, count in 0..5_usize) {
        let marker = marker(&[7]);
        let all: Vec<_> = (0..5).map(|number| node(&format!("n{number}"))).collect();
        let own = marker.holder(cookie.as_bytes(), &all[held]);
        let found = marker.held_by(cookie.as_bytes(), own.as_bytes(), all[..count].iter());
        prop_assert_eq!(found, all[..count].get(held).cloned());
    }
}
