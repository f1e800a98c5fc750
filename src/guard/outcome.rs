//! What a node's answer says about the credentials of a request.
//!
//! A status alone does not tell: Harbor's token service answers a wrong password with 200 and the token of a
//! stranger, a public repository is given to everybody, and a lost database refuses the best password.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;

use crate::registry::route::Route;

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The node knows the account and took what proves it.
    Right,
    /// The node refused the credentials.
    Wrong,
    /// The answer says nothing about them.
    Unclear,
}

/// A token as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Whom it names; empty for a stranger. `None` when the token cannot be looked into.
    pub subject: Option<String>,
    /// How long it is good, in seconds.
    pub seconds: u64,
    /// The token itself, in the forms in which clients may send it.
    pub tokens: Vec<String>,
}

/// Whether the route takes the user name and password of a form, and under which name the account stands there.
pub fn form_field(route: &Route, method: &Method) -> Option<&'static str> {
    match route {
        Route::Token if method == Method::POST => Some("username"),
        Route::Login(path) if method == Method::POST && path.as_str() == LOGIN => Some("principal"),
        _ => None,
    }
}

/// What the head of an answer says; of a token that was issued, [`of_token`] says more.
pub fn of_head(route: &Route, method: &Method, status: StatusCode, headers: &HeaderMap) -> Outcome {
    let writes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match (route, status) {
        // With an empty challenge the cause is not the caller.
        (_, StatusCode::UNAUTHORIZED) if challenge_is_empty(headers) => Outcome::Unclear,
        (_, StatusCode::UNAUTHORIZED) | (Route::Token, StatusCode::FORBIDDEN) => Outcome::Wrong,
        (Route::Ping | Route::Login(_), status) if status.is_success() => Outcome::Right,
        // Nobody may write without a name; under the API he may, to give himself one.
        (
            Route::Manifest(..) | Route::UploadStart(_) | Route::Upload(..) | Route::Blob(..),
            status,
        ) if writes && status.is_success() => Outcome::Right,
        _ => Outcome::Unclear,
    }
}

/// What a token that was issued says about who asked for it.
pub fn of_token(body: &[u8]) -> Outcome {
    match read_token(body) {
        None => Outcome::Unclear,
        Some(Issued { subject, .. }) => match subject.as_deref() {
            Some("") => Outcome::Wrong,
            // A token service whose tokens nobody can look into refuses with a status.
            Some(_) | None => Outcome::Right,
        },
    }
}

/// Reads the answer of a token service. The token is not verified: it has just come from the node.
pub fn read_token(body: &[u8]) -> Option<Issued> {
    let read: Answer = serde_json::from_slice(body).ok()?;
    let tokens: Vec<String> = [read.token, read.access_token]
        .into_iter()
        .flatten()
        .filter(|token| !token.is_empty())
        .collect();
    let subject = subject(tokens.first()?);
    Some(Issued {
        subject,
        seconds: read.expires_in.unwrap_or(SHORTEST),
        tokens,
    })
}

fn subject(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.sub.unwrap_or_default())
}

fn challenge_is_empty(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().peekable();
    challenges.peek().is_some() && challenges.all(|value| value.as_bytes().is_empty())
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
}

/// Where browsers log in.
const LOGIN: &str = "/c/login";
/// How long a token is good that does not say so, by the token specification.
const SHORTEST: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::route::Target;

    fn head(method: &str, target: &str, status: u16, challenge: Option<&'static str>) -> Outcome {
        let mut headers = HeaderMap::new();
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        let route = Target::parse(target).unwrap().route;
        let status = StatusCode::from_u16(status).unwrap();
        of_head(&route, &method.parse().unwrap(), status, &headers)
    }

    #[test]
    fn a_status_speaks_only_where_it_cannot_mean_anything_else() {
        use Outcome::{Right, Unclear, Wrong};
        for (method, target, status, expected) in [
            ("GET", "/v2/", 200, Right),
            ("GET", "/v2/", 401, Wrong),
            ("GET", "/v2/", 429, Unclear),
            ("GET", "/v2/lab/app/manifests/v1", 401, Wrong),
            // Public repositories are for everybody.
            ("GET", "/v2/lab/app/manifests/v1", 200, Unclear),
            ("PUT", "/v2/lab/app/manifests/v1", 201, Right),
            ("PUT", "/v2/lab/app/manifests/v1", 403, Unclear),
            ("POST", "/v2/lab/app/blobs/uploads/", 202, Right),
            ("GET", "/service/token", 401, Wrong),
            ("GET", "/service/token", 403, Wrong),
            ("POST", "/service/token", 405, Unclear),
            ("GET", "/service/token", 200, Unclear),
            ("POST", "/c/login", 200, Right),
            ("POST", "/c/login", 401, Wrong),
            // The form had no CSRF token: nobody looked at the password.
            ("POST", "/c/login", 403, Unclear),
            ("GET", "/api/v2.0/users/current", 401, Wrong),
            ("POST", "/api/v2.0/users", 201, Unclear),
            ("GET", "/v2/", 500, Unclear),
        ] {
            assert_eq!(
                head(method, target, status, None),
                expected,
                "{method} {target} {status}"
            );
        }
    }

    #[test]
    fn a_refusal_with_an_empty_challenge_is_not_about_the_password() {
        assert_eq!(head("GET", "/v2/", 401, Some("")), Outcome::Unclear);
        let basic = Some("Basic realm=\"harbor\"");
        assert_eq!(head("GET", "/v2/", 401, basic), Outcome::Wrong);
    }

    fn answer(claims: &str) -> String {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        format!(r#"{{"token":"e30.{claims}.c2ln","access_token":"","expires_in":1800}}"#)
    }

    #[test]
    fn a_token_says_whether_its_owner_is_known() {
        for (body, expected) in [
            (answer(r#"{"sub":"robot$ci","access":[]}"#), Outcome::Right),
            (answer(r#"{"sub":"","access":[]}"#), Outcome::Wrong),
            (answer(r#"{"access":[]}"#), Outcome::Wrong),
            (r#"{"token":"opaque"}"#.to_owned(), Outcome::Right),
            (r#"{"access_token":"a.b.c"}"#.to_owned(), Outcome::Right),
            (r#"{"token":""}"#.to_owned(), Outcome::Unclear),
            ("<html>".to_owned(), Outcome::Unclear),
        ] {
            assert_eq!(of_token(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_token_says_how_long_it_is_good() {
        let issued = read_token(answer(r#"{"sub":"a"}"#).as_bytes()).unwrap();
        assert_eq!((issued.seconds, issued.tokens.len()), (1800, 1));
        assert_eq!(issued.subject.as_deref(), Some("a"));
        let silent = read_token(br#"{"access_token":"x","token":"y"}"#).unwrap();
        assert_eq!((silent.seconds, silent.tokens.len()), (60, 2));
    }

    #[test]
    fn a_form_is_read_where_passwords_are_sent_as_one() {
        let field = |method: &str, target: &str| {
            form_field(
                &Target::parse(target).unwrap().route,
                &method.parse().unwrap(),
            )
        };
        assert_eq!(field("POST", "/service/token"), Some("username"));
        assert_eq!(field("POST", "/c/login?x=1"), Some("principal"));
        assert_eq!(field("GET", "/c/login"), None);
        assert_eq!(field("POST", "/c/log_out"), None);
        assert_eq!(field("POST", "/api/v2.0/users"), None);
    }
}
