//! The recorded answers of real nodes, and what a client must read instead.

use http::header::HeaderName;
use proptest::prelude::*;

use super::super::apply;
use super::*;
use crate::registry::route::Target;

const HTTPS: PublicUrl<'_> = PublicUrl {
    scheme: Scheme::Https,
    authority: "harbor.example.test",
};
const WITH_PORT: PublicUrl<'_> = PublicUrl {
    scheme: Scheme::Https,
    authority: "harbor.example.test:8443",
};
const UPLOAD: &str = "/v2/lab/app/blobs/uploads/e4d4c18f?_state=E2gUM9KU%3D";

/// What one answer becomes.
struct Case {
    target: &'static str,
    status: u16,
    header: (&'static str, String),
    public: PublicUrl<'static>,
    form: LocationForm,
}

fn case(target: &'static str, status: u16, name: &'static str, value: impl Into<String>) -> Case {
    let header = (name, value.into());
    Case {
        target,
        status,
        header,
        public: HTTPS,
        form: LocationForm::Absolute,
    }
}

impl Case {
    /// The value after the edits, and the misfits.
    fn run(&self) -> (String, Vec<Misfit>) {
        let node = NodeNames::new("127.0.1.1", 80)
            .with("127.0.1.1:8080")
            .with("node-a.internal");
        let view = View {
            public: self.public,
            form: self.form,
            node: &node,
            known: &[],
        };
        let name: HeaderName = self.header.0.parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), self.header.1.parse().unwrap());
        let route = Target::parse(self.target).unwrap().route;
        let status = StatusCode::from_u16(self.status).unwrap();
        let rewritten = answer(&route, status, &headers, &view);
        apply(&rewritten.edits, &mut headers);
        // What has been corrected once needs no correction any more.
        assert_eq!(answer(&route, status, &headers, &view).edits, []);
        (
            headers.get(name).unwrap().to_str().unwrap().to_owned(),
            rewritten.misfits,
        )
    }

    fn becomes(&self, value: &str, misfits: &[Misfit]) {
        assert_eq!(
            self.run(),
            (value.to_owned(), misfits.to_vec()),
            "{}",
            self.header.1
        );
    }

    fn stays(&self) {
        self.becomes(&self.header.1, &[]);
    }
}

const STARTED: &str = "/v2/lab/app/blobs/uploads/";

#[test]
fn a_right_answer_is_not_touched() {
    case(
        STARTED,
        202,
        "location",
        format!("https://harbor.example.test{UPLOAD}"),
    )
    .stays();
    case(
        "/v2/lab/app/manifests/v1",
        201,
        "location",
        "https://harbor.example.test/v2/lab/app/manifests/sha256:21c9",
    )
    .stays();
    case(
        "/v2/",
        401,
        "www-authenticate",
        r#"Bearer realm="https://harbor.example.test/service/token",service="harbor-registry""#,
    )
    .stays();
    case(
        "/v2/lab/app/tags/list?n=1",
        200,
        "link",
        r#"</v2/lab/app/tags/list?last=v1&n=1>; rel="next""#,
    )
    .stays();
}

#[test]
fn a_location_names_the_public_place_whatever_the_node_wrote() {
    let right = format!("https://harbor.example.test{UPLOAD}");
    for (written, misfit) in [
        ("http://harbor.example.test", Misfit::Location(Flaw::Scheme)),
        ("https://127.0.1.1", Misfit::Location(Flaw::Authority)),
        ("http://127.0.1.1:8080", Misfit::Location(Flaw::Authority)),
        ("http://evil.example", Misfit::Location(Flaw::Authority)),
        ("https://evil.example", Misfit::Location(Flaw::Authority)),
    ] {
        case(STARTED, 202, "location", format!("{written}{UPLOAD}")).becomes(&right, &[misfit]);
    }
    // The same port in another spelling is no misfit, but clients compare literally.
    case(
        STARTED,
        202,
        "location",
        format!("https://harbor.example.test:443{UPLOAD}"),
    )
    .becomes(&right, &[]);
}

#[test]
fn a_port_of_the_client_comes_back() {
    let mut case = case(
        STARTED,
        202,
        "location",
        format!("https://harbor.example.test{UPLOAD}"),
    );
    case.public = WITH_PORT;
    let right = format!("https://harbor.example.test:8443{UPLOAD}");
    case.becomes(&right, &[Misfit::Location(Flaw::Authority)]);
    case.header.1.clone_from(&right);
    case.stays();
}

#[test]
fn the_path_alone_is_an_option() {
    let mut case = case(
        STARTED,
        202,
        "location",
        format!("http://127.0.1.1{UPLOAD}"),
    );
    case.form = LocationForm::Path;
    case.becomes(UPLOAD, &[Misfit::Location(Flaw::Authority)]);
    case.header.0 = "link";
    case.header.1 = r#"<http://127.0.1.1/v2/_catalog?last=a>; rel="next""#.to_owned();
    case.becomes(r#"</v2/_catalog?last=a>; rel="next""#, &[]);
    case.header.0 = "www-authenticate";
    case.header.1 = r#"Bearer realm="http://127.0.1.1/service/token""#.to_owned();
    case.becomes(
        r#"Bearer realm="https://harbor.example.test/service/token""#,
        &[Misfit::Realm(Flaw::Authority)],
    );
}

#[test]
fn created_content_is_here() {
    let location = "http://10.9.9.9/v2/lab/two/blobs/sha256:4721";
    case(
        "/v2/lab/two/blobs/uploads/?mount=x&from=lab/app",
        201,
        "location",
        location,
    )
    .becomes(
        "https://harbor.example.test/v2/lab/two/blobs/sha256:4721",
        &[Misfit::Location(Flaw::Authority)],
    );
    // The path of an endpoint, but not an answer of the registry API.
    case("/api/v2.0/projects", 201, "location", location).stays();
    case(
        "/api/v2.0/projects",
        201,
        "location",
        "/api/v2.0/projects/1",
    )
    .stays();
}

#[test]
fn storage_and_login_providers_are_never_touched() {
    const BLOB: &str =
        "/v2/lab/app/blobs/sha256:4721cf3139b604914ab0c7f0a807caae88f3ab34b68783f05a8e18be57ccc6c7";
    for location in [
        "https://s3.example/bucket/docker/registry/v2/blobs/x?X-Amz-Signature=a",
        "https://s3.example/v2/x?X-Amz-Signature=a",
        "http://127.0.1.1:9000/bucket/x?X-Amz-Signature=a",
        "http://127.0.1.1/bucket/x?X-Amz-Signature=a",
        "https://user@127.0.1.1/v2/x",
        "s3://bucket/x",
    ] {
        case(BLOB, 307, "location", location).stays();
    }
    let provider =
        "https://idp.example/auth?redirect_uri=http%3A%2F%2F127.0.1.1%2Fc%2Foidc%2Fcallback";
    case("/c/oidc/login", 302, "location", provider).stays();
    case("/c/oidc/callback", 302, "location", "/harbor/projects").stays();
}

#[test]
fn redirects_of_the_node_to_itself_lead_to_the_public_name() {
    case(
        "/harbor",
        302,
        "location",
        "http://127.0.1.1/harbor/projects",
    )
    .becomes("https://harbor.example.test/harbor/projects", &[]);
    case("/v2", 301, "location", "http://harbor.example.test/v2/")
        .becomes("https://harbor.example.test/v2/", &[]);
    case(
        "/v2/lab/app/blobs/uploads",
        301,
        "location",
        "/v2/lab/app/blobs/uploads/",
    )
    .stays();
}

#[test]
fn a_redirect_to_https_is_told_from_other_redirects() {
    for (target, status, location, expected) in [
        ("/v2/", 308, "https://harbor.example.test/v2/", true),
        ("/v2/", 301, "https://unknown.example:8443/v2/?a=b", true),
        (
            "/api/v2.0/health",
            308,
            "https://127.0.1.1/api/v2.0/health",
            true,
        ),
        ("/v2/", 308, "http://127.0.1.1/v2/", false),
        ("/v2", 301, "https://127.0.1.1/v2/", false),
        ("/v2/", 307, "https://127.0.1.1/v2/", false),
        ("/v2/", 308, "/v2/", false),
    ] {
        let (_, misfits) = case(target, status, "location", location).run();
        assert_eq!(
            misfits.contains(&Misfit::RedirectsToHttps),
            expected,
            "{location}"
        );
    }
}

#[test]
fn a_realm_leads_to_the_public_token_service() {
    let value = |realm: &str| {
        format!(
            "Bearer realm=\"{realm}\",service=\"harbor-registry\",\
             scope=\"repository:lab/app:pull,push repository:lab/other:pull\""
        )
    };
    let right = value("https://harbor.example.test/service/token");
    for (realm, misfit) in [
        (
            "http://127.0.1.1:8080/service/token",
            Some(Misfit::Realm(Flaw::Authority)),
        ),
        (
            "https://other.example.test/service/token",
            Some(Misfit::Realm(Flaw::Authority)),
        ),
        (
            "http://harbor.example.test/service/token",
            Some(Misfit::Realm(Flaw::Scheme)),
        ),
        ("https://harbor.example.test:443/service/token", None),
    ] {
        let misfits: Vec<Misfit> = misfit.into_iter().collect();
        case(STARTED, 401, "www-authenticate", value(realm)).becomes(&right, &misfits);
    }
    for realm in [
        "https://auth.example/token",
        "https://auth.example/service/token/x",
        "harbor",
    ] {
        case(STARTED, 401, "www-authenticate", value(realm)).stays();
    }
}

#[test]
fn other_challenges_stay_byte_for_byte() {
    for value in ["", r#"Basic realm="harbor""#] {
        case("/v2/", 401, "www-authenticate", value).stays();
    }
}

#[test]
fn cookies_are_secure_where_clients_use_tls() {
    let mut case = case("/", 200, "set-cookie", "sid=d35f7be7; Path=/; HttpOnly");
    case.becomes("sid=d35f7be7; Path=/; HttpOnly; Secure", &[]);
    case.public = PublicUrl {
        scheme: Scheme::Http,
        authority: "harbor.example.test",
    };
    case.stays();
}

#[test]
fn every_value_of_a_header_is_corrected() {
    let node = NodeNames::new("127.0.1.1", 80);
    let view = View {
        public: HTTPS,
        form: LocationForm::Absolute,
        node: &node,
        known: &[],
    };
    let mut headers = HeaderMap::new();
    for value in [
        r#"Basic realm="harbor""#,
        r#"Bearer realm="http://127.0.1.1/service/token""#,
        r#"Bearer realm="http://127.0.1.1/x", Bearer realm="http://other/y""#,
    ] {
        headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
    }
    let route = Target::parse("/v2/").unwrap().route;
    let rewritten = answer(&route, StatusCode::UNAUTHORIZED, &headers, &view);
    apply(&rewritten.edits, &mut headers);
    let values: Vec<&HeaderValue> = headers.get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(
        values,
        [
            r#"Basic realm="harbor""#,
            r#"Bearer realm="https://harbor.example.test/service/token""#,
            r#"Bearer realm="https://harbor.example.test/x", Bearer realm="http://other/y""#,
        ]
    );
    assert_eq!(rewritten.misfits, [Misfit::Realm(Flaw::Authority)]);
}

#[test]
fn another_public_name_is_corrected_but_no_misfit() {
    let known = ["other.example.test:8443".to_owned()];
    let view = View {
        public: HTTPS,
        form: LocationForm::Absolute,
        node: &NodeNames::new("127.0.1.1", 80),
        known: &known,
    };
    let route = Target::parse("/v2/").unwrap().route;
    let mut headers = HeaderMap::new();
    let mut judge = |realm: &str| {
        headers.insert(WWW_AUTHENTICATE, realm.parse().unwrap());
        answer(&route, StatusCode::UNAUTHORIZED, &headers, &view)
    };
    let other = judge(r#"Bearer realm="https://other.example.test:8443/service/token""#);
    assert_eq!((other.edits.len(), other.misfits), (1, vec![]));
    let unknown = judge(r#"Bearer realm="https://other.example.test/service/token""#);
    assert_eq!(unknown.misfits, [Misfit::Realm(Flaw::Authority)]);
}

#[test]
fn labels_of_misfits_are_distinct() {
    let mut labels: Vec<&str> = Misfit::ALL.iter().map(|misfit| misfit.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Misfit::ALL.len());
}

proptest! {
    #[test]
    fn a_corrected_answer_needs_no_correction(
        target in "(/v2/|/v2/a/blobs/uploads/|/c/login|/api/x|/)",
        status in prop::sample::select(vec![200_u16, 201, 202, 204, 301, 302, 307, 308, 401]),
        name in "(location|link|www-authenticate|set-cookie)",
        pieces in prop::collection::vec(
            "(http://|https://|//|127\\.0\\.1\\.1|harbor\\.example\\.test|:80|:443|/v2/|\
             /service/token|/|<|>|,|;|\"|Bearer realm=|Secure|x| )", 0..10,
        ),
        path in any::<bool>(),
    ) {
        let node = NodeNames::new("127.0.1.1", 80);
        let form = if path { LocationForm::Path } else { LocationForm::Absolute };
        let view = View { public: HTTPS, form, node: &node, known: &[] };
        let route = Target::parse(&target).unwrap().route;
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(name.parse::<HeaderName>().unwrap(), pieces.concat().parse().unwrap());
        apply(&answer(&route, status, &headers, &view).edits, &mut headers);
        prop_assert_eq!(answer(&route, status, &headers, &view).edits, []);
    }
}
