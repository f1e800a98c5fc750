use proptest::prelude::*;

use super::*;
use crate::registry::reference::Tag;

const DIGEST: &str = "sha256:4721cf3139b604914ab0c7f0a807caae88f3ab34b68783f05a8e18be57ccc6c7";

fn route(text: &str) -> Route {
    let target = Target::parse(text).unwrap_or_else(|oddity| panic!("{text}: {oddity}"));
    assert_eq!(target.to_string(), text);
    target.route
}

fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

fn tag(text: &str) -> Reference {
    Reference::Tag(Tag::parse(text).unwrap())
}

fn digest() -> Digest {
    Digest::parse(DIGEST).unwrap()
}

fn session(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

#[test]
fn every_endpoint_is_known() {
    assert_eq!(route("/v2/"), Route::Ping);
    assert_eq!(route("/v2/_catalog?n=1"), Route::Catalog);
    assert_eq!(
        route("/v2/lab/app/tags/list?n=1;last=v1"),
        Route::Tags(name("lab/app"))
    );
    assert_eq!(
        route("/v2/lab/app/manifests/v1"),
        Route::Manifest(name("lab/app"), tag("v1"))
    );
    assert_eq!(
        route(&format!("/v2/lab/app/manifests/{DIGEST}")),
        Route::Manifest(name("lab/app"), Reference::Digest(digest()))
    );
    assert_eq!(
        route(&format!("/v2/lab/app/blobs/{DIGEST}")),
        Route::Blob(name("lab/app"), digest())
    );
    assert_eq!(
        route(&format!("/v2/a/blobs/uploads/?mount={DIGEST}&from=lab/app")),
        Route::UploadStart(name("a"))
    );
    assert_eq!(
        route("/v2/a/blobs/uploads/e4d4c18f-edd2?_state=x%3D"),
        Route::Upload(name("a"), session("e4d4c18f-edd2"))
    );
    assert_eq!(
        route(&format!("/v2/a/referrers/{DIGEST}?artifactType=x")),
        Route::Referrers(name("a"), digest())
    );
    assert_eq!(
        route("/service/token?service=x&scope=a:b:pull,push"),
        Route::Token
    );
}

#[test]
fn a_repository_may_be_called_like_an_endpoint() {
    let upload = |repository, id| Route::Upload(name(repository), session(id));
    for (text, expected) in [
        (
            "/v2/blobs/uploads/blobs/uploads/",
            Route::UploadStart(name("blobs/uploads")),
        ),
        (
            "/v2/blobs/uploads/blobs/uploads/x",
            upload("blobs/uploads", "x"),
        ),
        (
            "/v2/a/tags/list/tags/list",
            Route::Tags(name("a/tags/list")),
        ),
        (
            "/v2/a/blobs/uploads/tags/list",
            Route::Tags(name("a/blobs/uploads")),
        ),
        ("/v2/manifests/tags/list", Route::Tags(name("manifests"))),
        (
            "/v2/manifests/manifests/manifests",
            Route::Manifest(name("manifests"), tag("manifests")),
        ),
        (
            "/v2/a/blobs/uploads/manifests/list",
            Route::Manifest(name("a/blobs/uploads"), tag("list")),
        ),
        (
            "/v2/a/manifests/b/blobs/uploads/list",
            upload("a/manifests/b", "list"),
        ),
        ("/v2/v2/blobs/uploads/uploads", upload("v2", "uploads")),
    ] {
        assert_eq!(route(text), expected, "{text}");
    }
    assert_eq!(
        route(&format!("/v2/a/manifests/blobs/{DIGEST}")),
        Route::Blob(name("a/manifests"), digest())
    );
}

#[test]
fn what_is_no_endpoint_goes_on_as_it_came() {
    for text in [
        "/v2",
        "/v2/x",
        "/v2/tags/list",
        "/v2/_catalog/",
        "/v2/lab/APP/blobs/uploads/",
        "/v2/lab/app/blobs/uploads",
        "/v2/lab/app/blobs/uploads/x/",
        "/v2/lab/app/blobs/uploads/x%3D",
        "/v2/lab/app/blobs/sha256:xyz",
        &format!("/v2/lab/app/blobs/{}", DIGEST.replace(':', "%3A")),
        "/v2/lab/app/manifests/",
        "/v2/lab/app/manifests/a%2bb",
        "/v2/lab/app/tags/list/",
        "/v2/lab/app/referrers/v1",
        "/v2/blobs/uploads/",
        "/v2/lab/app/frobnicate/x?a=b",
        "/v2/?x",
    ] {
        let kind = route(text).kind();
        let expected = if text == "/v2/?x" {
            Kind::Ping
        } else {
            Kind::OtherV2
        };
        assert_eq!(kind, expected, "{text}");
    }
}

#[test]
fn the_rest_of_harbor_is_told_apart() {
    for (text, kind) in [
        ("/", Kind::Ui),
        ("/harbor/projects?x=/v2/", Kind::Ui),
        ("/V2/", Kind::Ui),
        ("/v2x", Kind::Ui),
        ("/%zz", Kind::Ui),
        ("/a%2fb/../c", Kind::Ui),
        ("/a\\b", Kind::Ui),
        ("/api/v2.0/systeminfo", Kind::Api),
        ("/api/v2.0/projects/lab/repositories/a%252Fb", Kind::Api),
        ("//api//v2.0/ping", Kind::Api),
        ("/chartrepo/lab/index.yaml", Kind::Api),
        ("/c/login", Kind::Login),
        ("//c/login?principal=a", Kind::Login),
        ("/service/other", Kind::Service),
        ("/service/token/", Kind::Service),
        ("/service/notifications", Kind::Internal),
        ("/service/notifications/jobs/webhook/1", Kind::Internal),
        ("/v1/_ping", Kind::Internal),
        ("/v1", Kind::Internal),
        ("/.well-known/acme-challenge/x", Kind::Acme),
        ("/.well-known/other", Kind::Ui),
    ] {
        assert_eq!(route(text).kind(), kind, "{text}");
    }
}

#[test]
fn ambiguous_targets_are_refused_with_their_reason() {
    for (text, oddity) in [
        ("", Oddity::NotAbsolute),
        ("v2/", Oddity::NotAbsolute),
        ("*", Oddity::NotAbsolute),
        ("http://other/v2/", Oddity::NotAbsolute),
        ("?a", Oddity::NotAbsolute),
        ("/a\0", Oddity::ControlByte),
        ("/a?b=\r\n", Oddity::ControlByte),
        ("/\u{7f}", Oddity::ControlByte),
        ("/a b", Oddity::Space),
        ("/v2/?a= b", Oddity::Space),
        ("/é", Oddity::NonAscii),
        ("/a?é", Oddity::NonAscii),
        ("/v2/#x", Oddity::Fragment),
        ("/ui?a#b", Oddity::Fragment),
        ("/v2/%zz", Oddity::BrokenEscape),
        ("/v2/a%", Oddity::BrokenEscape),
        ("/service/%4", Oddity::BrokenEscape),
        ("/v2/%2e%2e/x", Oddity::EncodedDelimiter),
        ("/v2/a%2Fb/tags/list", Oddity::EncodedDelimiter),
        ("/v2/a%5cb", Oddity::EncodedDelimiter),
        ("/v2/a%252Eb", Oddity::EncodedDelimiter),
        ("/v2/a%25%32%66b", Oddity::EncodedDelimiter),
        ("/service/%25252f", Oddity::EncodedDelimiter),
        ("/v2/a%0ab", Oddity::EncodedControl),
        ("/v2/a%2500b", Oddity::EncodedControl),
        ("/v2/%252525252525252541", Oddity::LayeredEncoding),
        ("/v2/./a", Oddity::DotSegment),
        ("/v2/a/..", Oddity::DotSegment),
        ("/v2/../service/token", Oddity::DotSegment),
        ("/v2//a/tags/list", Oddity::DoubleSlash),
        ("/service//token", Oddity::DoubleSlash),
        ("/v2/lab\\app", Oddity::Backslash),
        ("/%76%32/", Oddity::Disguised),
        ("/x/../v2/", Oddity::Disguised),
        ("/x/%2e%2e/v2/", Oddity::Disguised),
        ("//v2/", Oddity::Disguised),
        ("/./v2/", Oddity::Disguised),
        ("/v%32", Oddity::Disguised),
        ("/service/%6eotifications", Oddity::Disguised),
        ("/service/%74oken", Oddity::Disguised),
        ("/x/..//service/notifications/jobs", Oddity::Disguised),
        ("/%76%31/_ping", Oddity::Disguised),
    ] {
        assert_eq!(Target::parse(text), Err(oddity), "{text:?}");
    }
}

#[test]
fn queries_may_hold_what_paths_may_not() {
    for text in [
        "/v2/?a=../..//b\\%2e%zz",
        "/service/token?scope=%2f",
        "/v2/_catalog?",
        "/??",
    ] {
        route(text);
    }
    assert_eq!(Target::parse("/v2/?").unwrap().query.unwrap().as_str(), "");
    assert_eq!(Target::parse("/v2/").unwrap().query, None);
    assert_eq!(
        Target::parse("/x?a?b").unwrap().query.unwrap().as_str(),
        "a?b"
    );
}

#[test]
fn methods_follow_the_endpoint() {
    for (text, allowed) in [
        ("/v2/", "GET HEAD OPTIONS"),
        ("/v2/_catalog", "GET OPTIONS"),
        ("/v2/a/tags/list", "GET OPTIONS"),
        ("/v2/a/manifests/v1", "GET HEAD PUT DELETE OPTIONS"),
        (&format!("/v2/a/blobs/{DIGEST}"), "GET HEAD DELETE OPTIONS"),
        (&format!("/v2/a/referrers/{DIGEST}"), "GET OPTIONS"),
        ("/v2/a/blobs/uploads/", "POST OPTIONS"),
        ("/v2/a/blobs/uploads/x", "GET HEAD PATCH PUT DELETE OPTIONS"),
        ("/service/token", "GET HEAD POST OPTIONS"),
        ("/api/x", "GET HEAD POST PUT PATCH DELETE OPTIONS"),
    ] {
        let route = route(text);
        let methods: Vec<&str> = route.allowed().iter().map(Method::as_str).collect();
        assert_eq!(methods.join(" "), allowed, "{text}");
        assert!(route.allows(&Method::OPTIONS));
        assert!(!route.allows(&Method::CONNECT));
        assert!(!route.allows(&Method::TRACE));
    }
    assert!(!route("/v2/a/tags/list").allows(&Method::POST));
}

#[test]
fn only_repository_routes_have_a_repository() {
    assert_eq!(
        route("/v2/lab/app/tags/list").repository(),
        Some(&name("lab/app"))
    );
    assert_eq!(route("/v2/_catalog").repository(), None);
    assert_eq!(route("/v2/lab/app/x").repository(), None);
}

#[test]
fn registry_clients_read_json_even_when_refused() {
    for (text, audience) in [
        ("/v2/", Audience::Registry),
        ("/v2", Audience::Registry),
        ("/service/token?x", Audience::Registry),
        ("/service/notifications", Audience::Registry),
        ("/v1/_ping", Audience::Registry),
        ("/", Audience::Browser),
        ("/c/login", Audience::Browser),
    ] {
        assert_eq!(route(text).audience(), audience, "{text}");
        assert_eq!(Audience::of_target(text), audience, "{text}");
    }
    for text in ["/v2/../x", "/%76%32/", "//v2/", "/v2#x", "/v2/ x"] {
        assert_eq!(Audience::of_target(text), Audience::Registry, "{text}");
    }
    for text in ["", "*", "/x?/v2/", "/x/../y"] {
        assert_eq!(Audience::of_target(text), Audience::Browser, "{text}");
    }
}

#[test]
fn labels_are_distinct_and_complete() {
    let mut labels: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(labels.len(), 16);
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), 16);
}

/// Names made mostly of the words that endpoints use.
fn any_name() -> impl Strategy<Value = RepositoryName> {
    let word = "(blobs|manifests|tags|uploads|list|referrers|v2|\
                [a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2})";
    prop::collection::vec(word, 1..5).prop_map(|words| name(&words.join("/")))
}

fn any_digest() -> impl Strategy<Value = Digest> {
    "(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|[a-z0-9]{1,4}\\+b58:[A-Za-z0-9=_-]{1,20})"
        .prop_map(|text| Digest::parse(&text).unwrap())
}

fn any_reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}".prop_map(|text| tag(&text)),
        any_digest().prop_map(Reference::Digest),
    ]
}

fn any_route() -> impl Strategy<Value = Route> {
    prop_oneof![
        Just(Route::Ping),
        Just(Route::Catalog),
        Just(Route::Token),
        any_name().prop_map(Route::Tags),
        any_name().prop_map(Route::UploadStart),
        (any_name(), any_reference())
            .prop_map(|(name, reference)| Route::Manifest(name, reference)),
        (any_name(), any_digest()).prop_map(|(name, digest)| Route::Blob(name, digest)),
        (any_name(), any_digest()).prop_map(|(name, digest)| Route::Referrers(name, digest)),
        (any_name(), "[a-zA-Z0-9-_=]{1,40}")
            .prop_map(|(name, id)| Route::Upload(name, session(&id))),
        "[a-zA-Z0-9/~;-]{0,20}".prop_map(|rest| Route::Ui(Path::new(&format!("/harbor{rest}")))),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(
        route in any_route(),
        query in prop::option::of("[!-\"$-~]{0,40}"),
    ) {
        let target = Target { route, query: query.map(|text| Query::parse(&text).unwrap()) };
        prop_assert_eq!(Target::parse(&target.to_string()), Ok(target));
    }

    #[test]
    fn what_is_read_prints_as_it_was(text in "\\PC{0,60}") {
        if let Ok(target) = Target::parse(&text) {
            prop_assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn whatever_looks_like_a_path_prints_as_it_was(
        pieces in prop::collection::vec(
            "(/|//|v2|v1|service|token|notifications|blobs|uploads|manifests|tags|list|api|c|\
             [a-z]|A|\\.|\\.\\.|%2[eEfF5]|%5c|%76|%32|%|\\?|&|=|#| |sha256:|\\\\)",
            0..14,
        ),
    ) {
        let text = format!("/{}", pieces.concat());
        if let Ok(target) = Target::parse(&text) {
            prop_assert_eq!(target.to_string(), text.clone());
            let audience = target.route.audience();
            prop_assert_eq!(audience, Audience::of_target(&text));
        }
    }
}
