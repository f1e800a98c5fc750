use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::collection::vec;
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

fn token(head: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(head), part(claims), part("signature"))
}

fn told(key: &str) -> Peek {
    let head = format!(r#"{{"alg":"RS256","kid":"{key}","typ":"JWT"}}"#);
    Peek::at(&token(&head, r#"{"exp":2000}"#)).unwrap()
}

fn untold(claims: &str) -> Peek {
    Peek::at(&token(r#"{"alg":"RS256"}"#, claims)).unwrap()
}

const NOW: u64 = 1_000;

#[test]
fn a_key_is_told_by_its_id_its_certificate_or_itself() {
    let heads = [
        r#"{"alg":"RS256","kid":"B6HZ:3N2Z","typ":"JWT"}"#,
        r#"{"alg":"RS256","x5c":["MIIC","MIID"]}"#,
        r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"x"}}"#,
    ];
    let peeks = heads.map(|head| Peek::at(&token(head, "{}")).unwrap());
    for (index, peek) in peeks.iter().enumerate() {
        assert_eq!(peek.name, KeyName::Told, "{index}");
        let other = Peek::at(&token(heads[index], r#"{"exp":7}"#)).unwrap();
        assert_eq!((other.key, other.expires), (peek.key, Some(7)), "{index}");
    }
    assert_ne!(peeks[0].key, peeks[1].key);
    assert_ne!(peeks[1].key, peeks[2].key);
}

#[test]
fn a_token_that_names_no_key_stands_for_itself() {
    let (one, two) = (untold(r#"{"jti":"1"}"#), untold(r#"{"jti":"2"}"#));
    assert_eq!(one.name, KeyName::Untold);
    assert_ne!(one.key, two.key);
}

#[test]
fn what_is_no_token_is_not_looked_at() {
    let no_json = token("no json", "{}");
    let four = token(r#"{"kid":"a"}"#, "{}") + ".x";
    for text in ["", "a", "a.b.c", "..", &no_json, &four, "not.a.token"] {
        assert_eq!(Peek::at(text), None, "{text}");
    }
    let good = token(r#"{"kid":"a"}"#, "{}");
    for value in [
        format!("Basic {good}"),
        good.clone(),
        format!("Bearer{good}"),
    ] {
        assert_eq!(Peek::at_authorization(value.as_bytes()), None, "{value}");
    }
    for value in [format!("Bearer {good}"), format!("bearer  {good} ")] {
        let found = Peek::at_authorization(value.as_bytes());
        assert_eq!(found, Peek::at(&good), "{value}");
    }
}

#[test]
fn the_answer_of_a_token_service_is_read_in_both_of_its_forms() {
    let good = token(r#"{"kid":"a"}"#, "{}");
    for body in [
        format!(r#"{{"token":"{good}","access_token":"","expires_in":1800}}"#),
        format!(r#"{{"access_token":"{good}","scope":""}}"#),
        format!(r#"{{"token":"","access_token":"{good}"}}"#),
    ] {
        assert_eq!(Peek::at_answer(body.as_bytes()), Peek::at(&good), "{body}");
    }
    for body in ["", "{}", r#"{"token":7}"#, r#"{"token":"#, "<html>"] {
        assert_eq!(Peek::at_answer(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn nothing_changes_while_all_sign_with_one_key() {
    let (issuers, now) = (Issuers::default(), start());
    for (name, new) in [
        ("a", true),
        ("b", true),
        ("a", false),
        ("c", true),
        ("b", false),
    ] {
        let change = issuers.issued(&node(name), told("one"), now);
        assert_eq!(change, new.then_some(Change::Seen), "{name}");
    }
    assert!(!issuers.differ());
    let opinion = issuers.opinion(told("one"), &node("b"), NOW, now);
    assert_eq!(opinion, Opinion::None);
}

#[test]
fn a_difference_and_its_end_are_each_told_once() {
    let (issuers, now) = (Issuers::default(), start());
    issuers.issued(&node("a"), told("one"), now);
    issuers.issued(&node("b"), told("one"), now);
    let differ = issuers.issued(&node("c"), told("two"), now);
    assert_eq!(differ, Some(Change::Differ));
    let mut groups = issuers.groups();
    groups.sort();
    assert_eq!(groups, [vec![node("a"), node("b")], vec![node("c")]]);
    assert!(issuers.differ());
    assert_eq!(issuers.issued(&node("c"), told("two"), now), None);
    let acceptors = issuers.acceptors(told("one").key, now);
    assert_eq!(acceptors, [node("a"), node("b")]);
    assert_eq!(issuers.acceptors(told("two").key, now), [node("c")]);
    let end = issuers.issued(&node("c"), told("one"), now);
    assert_eq!(end, Some(Change::Agree));
    assert!(!issuers.differ());
}

#[test]
fn whoever_accepts_the_key_is_asked_after_a_refusal() {
    let (issuers, now) = (Issuers::default(), start());
    issuers.issued(&node("a"), told("one"), now);
    issuers.issued(&node("b"), told("two"), now);
    let opinion = |peek, refuser, seconds| issuers.opinion(peek, &node(refuser), seconds, now);
    let of = |name| Opinion::Of(vec![node(name)]);
    assert_eq!(opinion(told("one"), "b", NOW), of("a"));
    assert_eq!(opinion(told("one"), "a", NOW), Opinion::None);
    assert_eq!(opinion(told("two"), "a", NOW), of("b"));
    assert_eq!(opinion(told("three"), "a", NOW), Opinion::OfAnyone);
    assert_eq!(opinion(told("one"), "b", 2_001), Opinion::None);
}

#[test]
fn what_two_nodes_refuse_is_left_alone_for_a_while() {
    let (issuers, now) = (Issuers::default(), start());
    let peek = told("three");
    issuers.refused_twice(peek.key, now);
    let opinion = |now| issuers.opinion(peek, &node("a"), NOW, now);
    assert_eq!(opinion(now), Opinion::None);
    assert_eq!(opinion(now + REST), Opinion::OfAnyone);
}

#[test]
fn a_trial_proves_a_difference_until_both_show_their_keys() {
    let (issuers, now) = (Issuers::default(), start());
    let key = told("one").key;
    let change = issuers.taken(key, &node("a"), &node("b"), now);
    let groups = vec![vec![node("a")], vec![node("b")]];
    assert_eq!(change, Some(Change::Differ));
    assert_eq!(issuers.groups(), groups);
    assert_eq!(issuers.acceptors(key, now), [node("a")]);
    assert_eq!(issuers.taken(key, &node("a"), &node("b"), now), None);
    let seen = issuers.issued(&node("a"), told("new"), now);
    assert_eq!(seen, Some(Change::Seen));
    let end = issuers.issued(&node("b"), told("new"), now);
    assert_eq!(end, Some(Change::Agree));
}

#[test]
fn who_refused_a_key_is_known_until_it_takes_one() {
    let (issuers, now) = (Issuers::default(), start());
    let key = told("one").key;
    issuers.taken(key, &node("a"), &node("c"), now);
    issuers.taken(key, &node("b"), &node("d"), now);
    assert_eq!(issuers.refusers(key, now), [node("c"), node("d")].into());
    issuers.taken(key, &node("c"), &node("d"), now);
    assert_eq!(issuers.refusers(key, now), [node("d")].into());
    issuers.issued(&node("d"), told("one"), now);
    assert!(issuers.refusers(key, now).is_empty());
}

#[test]
fn a_token_whose_key_has_no_name_belongs_to_its_node() {
    let (issuers, now) = (Issuers::default(), start());
    let (one, two) = (untold(r#"{"jti":"1"}"#), untold(r#"{"jti":"2"}"#));
    assert_eq!(issuers.issued(&node("a"), one, now), None);
    assert_eq!(issuers.issued(&node("b"), two, now), None);
    assert!(!issuers.differ());
    let opinion = issuers.opinion(one, &node("b"), NOW, now);
    assert_eq!(opinion, Opinion::Of(vec![node("a")]));
}

#[test]
fn nodes_that_are_gone_differ_from_nobody() {
    let (issuers, now) = (Issuers::default(), start());
    issuers.issued(&node("a"), told("one"), now);
    issuers.issued(&node("b"), told("two"), now);
    assert_eq!(issuers.retain(&[node("a")]), Some(Change::Agree));
    assert_eq!(issuers.keys(), [(told("one").key, vec![node("a")])]);
}

#[test]
fn a_key_is_shown_by_a_few_letters_of_its_hash() {
    let text = STANDARD.encode("x");
    let shown = told(&text).key.to_string();
    assert_eq!(shown.len(), 8);
    assert!(!shown.contains(&text));
}

proptest! {
    #[test]
    fn nothing_that_is_no_token_does_harm(text in "[ -~]{0,300}", body in vec(any::<u8>(), 0..300)) {
        let _at = Peek::at(&text);
        let _authorization = Peek::at_authorization(&body);
        let _answer = Peek::at_answer(&body);
        let head = URL_SAFE_NO_PAD.encode(&body);
        let _near = Peek::at(&format!("{head}.{head}.{head}"));
    }

    #[test]
    fn nodes_differ_just_when_their_last_keys_do(steps in vec((0..4_u8, 0..3_u8), 1..60)) {
        let (issuers, now) = (Issuers::default(), start());
        let mut last = BTreeMap::new();
        let mut differed = false;
        for (who, key) in steps {
            let change = issuers.issued(&node(&format!("n{who}")), told(&key.to_string()), now);
            last.insert(who, key);
            let differ = last.values().collect::<BTreeSet<_>>().len() > 1;
            prop_assert_eq!(issuers.differ(), differ);
            let turned = matches!(change, Some(Change::Differ | Change::Agree));
            prop_assert_eq!(turned, differ != differed);
            differed = differ;
            for (who, key) in &last {
                let acceptors = issuers.acceptors(told(&key.to_string()).key, now);
                let signer = node(&format!("n{who}"));
                prop_assert!(acceptors.contains(&signer));
            }
        }
    }
}
