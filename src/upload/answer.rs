//! What a node's answer means for a push.

use http::{HeaderMap, Method, StatusCode};

use crate::registry::error::parse_envelope;
use crate::registry::route::Route;
use crate::upstream::verdict::{NodeFault, SharedFault, Verdict, judge};

use super::takeover::Answer;

/// Reads an answer as a word about the push. `body` is all of it.
pub fn classify(
    route: &Route,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Answer {
    match judge(route, method, status, headers, Some(body)) {
        Verdict::NodeFault(NodeFault::Registry | NodeFault::Gateway | NodeFault::Foreign)
        | Verdict::SharedFault(SharedFault::Database | SharedFault::Unknown)
        | Verdict::RedirectsToHttps => return Answer::Trouble,
        Verdict::Served => {}
    }
    let says = |codes: &[&str]| {
        let entries = parse_envelope(body).unwrap_or_default();
        entries
            .iter()
            .any(|entry| codes.contains(&entry.code.as_str()))
    };
    match status {
        StatusCode::ACCEPTED => Answer::Accepted,
        StatusCode::CREATED => Answer::Created,
        StatusCode::UNAUTHORIZED => Answer::Unauthorized,
        StatusCode::RANGE_NOT_SATISFIABLE => Answer::SessionUnknown,
        StatusCode::NOT_FOUND if says(&["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"]) => {
            Answer::SessionUnknown
        }
        StatusCode::BAD_REQUEST if says(&["DIGEST_INVALID"]) => Answer::DigestInvalid,
        status if status.is_server_error() => Answer::Trouble,
        // Refusals of a registry have its form; anything else is somebody in between.
        status if status.is_client_error() && parse_envelope(body).is_some() => Answer::Final,
        // Nor does a registry redirect a push, or bless it with another word of success.
        _ => Answer::Trouble,
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;
    use crate::registry::route::Target;

    fn read(status: u16, kind: &str, body: &str) -> Answer {
        let target = "/v2/lab/app/blobs/uploads/0f3c?digest=x";
        let route = Target::parse(target).unwrap().route;
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        classify(&route, &Method::PUT, status, &headers, body.as_bytes())
    }

    fn envelope(code: &str) -> String {
        format!(r#"{{"errors":[{{"code":"{code}","message":"words"}}]}}"#)
    }

    #[test]
    fn a_registry_speaks_in_its_own_form() {
        let json = "application/json; charset=utf-8";
        let cases = [
            (202, "", Answer::Accepted),
            (204, "", Answer::Trouble),
            (307, "", Answer::Trouble),
            (201, "", Answer::Created),
            (404, "BLOB_UPLOAD_INVALID", Answer::SessionUnknown),
            (404, "BLOB_UPLOAD_UNKNOWN", Answer::SessionUnknown),
            (404, "NAME_UNKNOWN", Answer::Final),
            (404, "NOT_FOUND", Answer::Final),
            (416, "RANGE_INVALID", Answer::SessionUnknown),
            (400, "DIGEST_INVALID", Answer::DigestInvalid),
            (400, "SIZE_INVALID", Answer::Final),
            (401, "UNAUTHORIZED", Answer::Unauthorized),
            (403, "DENIED", Answer::Final),
            (413, "REQUEST_ENTITY_TOO_LARGE", Answer::Final),
            (429, "TOOMANYREQUESTS", Answer::Final),
            (500, "UNKNOWN", Answer::Trouble),
        ];
        for (status, code, expected) in cases {
            let body = if code.is_empty() {
                String::new()
            } else {
                envelope(code)
            };
            assert_eq!(read(status, json, &body), expected, "{status} {code}");
        }
    }

    #[test]
    fn what_is_not_the_registrys_form_is_trouble() {
        for status in [200, 302, 400, 404, 413, 500, 502, 503, 504] {
            let answer = read(status, "text/html", "<html>no</html>");
            assert_eq!(answer, Answer::Trouble, "{status}");
        }
        assert_eq!(read(502, "", ""), Answer::Trouble);
    }
}
