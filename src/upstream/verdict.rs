//! What a node's answer says about the node.
//!
//! A status alone does not tell: Harbor answers 401 when its database is gone, 500 when the client sent nonsense
//! and 502 with an empty body when its registry died. Pure: nothing is decided here about what the client gets.

use http::{HeaderMap, Method, StatusCode, header};

use crate::registry::error::parse_envelope;
use crate::registry::route::{Audience, Route};
use crate::rewrite::location::path_and_query;

/// What an answer says about the node that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The node did its work, whatever it thinks of the request.
    Served,
    /// The node, or a part of it, is broken; another node may serve the same request.
    NodeFault(NodeFault),
    /// Something that all nodes share is broken; another node would say the same.
    SharedFault(SharedFault),
    /// The node sends clients from http to https: it is addressed on the wrong port.
    RedirectsToHttps,
}

/// Which part of a node is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFault {
    /// Harbor's core could not reach its registry: 502 without type and body.
    Registry,
    /// The node's nginx could not reach what is behind it, or gave up waiting.
    Gateway,
    /// An error of the server that is not in the registry's form.
    Foreign,
}

/// Which shared part is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedFault {
    /// The database: 401 with an empty challenge and a database error as its message.
    Database,
    /// A 500 in the registry's form: Redis, database or storage, or a request that made no sense.
    Unknown,
}

/// Whether only the body tells what an answer means: a refusal that asks for no credentials.
pub fn is_disguised(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED && challenge_is_empty(headers)
}

/// Judges an answer by its head, and by its body as far as it is known.
pub fn judge(
    route: &Route,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Verdict {
    let audience = route.audience();
    if redirects_to_https(route, status, headers) {
        return Verdict::RedirectsToHttps;
    }
    if is_disguised(status, headers) {
        return match body {
            Some(body) if names_database(body) => Verdict::SharedFault(SharedFault::Database),
            Some(_) | None => Verdict::Served,
        };
    }
    if !status.is_server_error() {
        return Verdict::Served;
    }
    let json = is_json(headers);
    match status {
        StatusCode::BAD_GATEWAY if is_untyped(headers) && audience == Audience::Registry => {
            Verdict::NodeFault(NodeFault::Registry)
        }
        // A HEAD may leave its type out, and has no body to show.
        StatusCode::INTERNAL_SERVER_ERROR if json || method == Method::HEAD => {
            Verdict::SharedFault(SharedFault::Unknown)
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            if !json =>
        {
            Verdict::NodeFault(NodeFault::Gateway)
        }
        _ if json || audience == Audience::Browser => Verdict::Served,
        _ => Verdict::NodeFault(NodeFault::Foreign),
    }
}

/// The same path over TLS: the answer of a port that only redirects.
fn redirects_to_https(route: &Route, status: StatusCode, headers: &HeaderMap) -> bool {
    let moved = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
    );
    let location = headers.get(header::LOCATION).filter(|value| {
        moved && route.audience() == Audience::Registry && value.as_bytes().starts_with(b"https://")
    });
    let target = location.and_then(path_and_query);
    let path = target.and_then(|target| target.split('?').next());
    path.is_some_and(|path| path == route.to_string())
}

fn challenge_is_empty(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().peekable();
    challenges.peek().is_some() && challenges.all(|value| value.as_bytes().is_empty())
}

/// An unknown project or path has an empty challenge too; its message begins otherwise, and quotes the client.
fn names_database(body: &[u8]) -> bool {
    let entries = parse_envelope(body).unwrap_or_default();
    entries.iter().any(|entry| {
        let has = |word: &&str| entry.message.contains(*word);
        let quotes = |begin: &&str| entry.message.starts_with(*begin);
        DATABASE_WORDS.iter().any(has) && !CLIENT_WORDS.iter().any(quotes)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"))
}

fn is_untyped(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::CONTENT_TYPE)
}

/// What Harbor's messages contain when its database cannot be reached.
const DATABASE_WORDS: [&str; 4] = ["dial tcp", "database", "bad connection", "SQLSTATE"];
/// How Harbor's messages begin when the client asked for what there is not.
const CLIENT_WORDS: [&str; 2] = ["project ", "un-recognized request"];

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::registry::route::Target;

    const MANIFEST: &str = "/v2/lab/app/manifests/v1";

    /// The verdict on the answer to a GET of `target`.
    fn verdict(target: &str, status: u16, headers: &[(HeaderName, &str)], body: &str) -> Verdict {
        judged(&Method::GET, target, status, headers, Some(body.as_bytes()))
    }

    fn judged(
        method: &Method,
        target: &str,
        status: u16,
        headers: &[(HeaderName, &str)],
        body: Option<&[u8]>,
    ) -> Verdict {
        let route = Target::parse(target).unwrap().route;
        let status = StatusCode::from_u16(status).unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        judge(&route, method, status, &headers, body)
    }

    fn refused(message: &str) -> Verdict {
        let body = format!(r#"{{"errors":[{{"code":"UNAUTHORIZED","message":"{message}"}}]}}"#);
        let headers = [(header::WWW_AUTHENTICATE, ""), JSON];
        verdict(MANIFEST, 401, &headers, &body)
    }

    const JSON: (HeaderName, &str) = (header::CONTENT_TYPE, "application/json; charset=utf-8");
    const HTML: (HeaderName, &str) = (header::CONTENT_TYPE, "text/html");

    #[test]
    fn an_empty_challenge_is_a_lost_database_only_if_the_message_says_so() {
        let lost = Verdict::SharedFault(SharedFault::Database);
        for message in [
            "failed to connect to `host=db database=harbor`: dial error (dial tcp 10.0.0.9:5432)",
            "FATAL: the database system is starting up (SQLSTATE 57P03)",
            "driver: bad connection",
        ] {
            assert_eq!(refused(message), lost, "{message}");
        }
        for message in [
            "project nope not found: project nope not found",
            "project database not found: project database not found",
            "un-recognized request: GET /v2/lab/database/x: un-recognized request",
            "",
        ] {
            assert_eq!(refused(message), Verdict::Served, "{message}");
        }
    }

    #[test]
    fn a_challenge_with_content_is_about_credentials_whatever_the_body_says() {
        let challenge = (header::WWW_AUTHENTICATE, r#"Basic realm="harbor""#);
        let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"dial tcp"}]}"#;
        assert_eq!(
            verdict(MANIFEST, 401, &[challenge, JSON], body),
            Verdict::Served
        );
        assert_eq!(verdict(MANIFEST, 401, &[JSON], body), Verdict::Served);
    }

    #[test]
    fn an_empty_challenge_without_a_known_body_blames_nobody() {
        let headers = [(header::WWW_AUTHENTICATE, "")];
        let judged = judged(&Method::HEAD, MANIFEST, 401, &headers, None);
        assert_eq!(judged, Verdict::Served);
    }

    #[test]
    fn a_502_without_type_is_the_registry_and_with_a_page_the_gateway() {
        assert_eq!(
            verdict(MANIFEST, 502, &[], ""),
            Verdict::NodeFault(NodeFault::Registry)
        );
        for status in [502, 503, 504] {
            let verdict = verdict(MANIFEST, status, &[HTML], "<html>");
            assert_eq!(verdict, Verdict::NodeFault(NodeFault::Gateway), "{status}");
        }
        assert_eq!(
            verdict("/harbor/projects", 502, &[], ""),
            Verdict::NodeFault(NodeFault::Gateway),
            "the portal has no registry behind it"
        );
    }

    #[test]
    fn an_error_in_the_form_of_the_registry_is_not_the_fault_of_its_node() {
        let unknown = Verdict::SharedFault(SharedFault::Unknown);
        assert_eq!(verdict(MANIFEST, 500, &[JSON], "{}"), unknown);
        assert_eq!(
            judged(&Method::HEAD, MANIFEST, 500, &[], None),
            unknown,
            "a HEAD has no form"
        );
        for status in [501, 503] {
            assert_eq!(
                verdict(MANIFEST, status, &[JSON], "{}"),
                Verdict::Served,
                "{status}"
            );
        }
    }

    #[test]
    fn another_500_is_foreign_to_a_registry_client_and_usual_to_a_browser() {
        assert_eq!(
            verdict(MANIFEST, 500, &[HTML], "<html>"),
            Verdict::NodeFault(NodeFault::Foreign)
        );
        assert_eq!(
            verdict("/harbor/projects", 500, &[HTML], "<html>"),
            Verdict::Served
        );
    }

    #[test]
    fn no_answer_below_500_blames_a_node() {
        for status in [200, 206, 304, 400, 403, 404, 405, 412, 416, 429, 499] {
            let verdict = verdict(MANIFEST, status, &[HTML], "<html>");
            assert_eq!(verdict, Verdict::Served, "{status}");
        }
    }

    #[test]
    fn only_the_same_path_over_tls_is_a_redirect_to_https() {
        let moved = |status, location| {
            let target = format!("{MANIFEST}?a=b");
            verdict(&target, status, &[(header::LOCATION, location)], "")
        };
        let same = "https://n/v2/lab/app/manifests/v1?a=b";
        assert_eq!(moved(301, same), Verdict::RedirectsToHttps);
        assert_eq!(moved(308, same), Verdict::RedirectsToHttps);
        assert_eq!(moved(307, same), Verdict::Served, "storage");
        assert_eq!(moved(301, "https://n/v2/other/"), Verdict::Served);
        assert_eq!(
            moved(301, "http://n/v2/lab/app/manifests/v1"),
            Verdict::Served
        );
        assert_eq!(moved(301, MANIFEST), Verdict::Served);
        let page = verdict("/", 301, &[(header::LOCATION, "https://n/")], "");
        assert_eq!(page, Verdict::Served, "a browser follows");
    }
}
