//! The body of a change: small, soon, and JSON.

use std::time::Duration;

use http::StatusCode;
use pingora::protocols::http::ServerSession;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::super::answer::Refusal;

/// Reads a body whole.
pub(super) async fn read(session: &mut ServerSession, path: &str) -> Result<Vec<u8>, Refusal> {
    let reading = async {
        let mut body = Vec::new();
        loop {
            match session.read_request_body().await {
                Ok(Some(piece)) if body.len() + piece.len() > LARGEST => {
                    let remedy = format!("send at most {LARGEST} bytes");
                    let (status, what) = (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
                    return Err(Refusal::new(status, what, path, remedy));
                }
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return Ok(body),
                Err(_) => return Err(unread(path)),
            }
        }
    };
    timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| Err(unread(path)))
}

/// What a body says. An empty one says nothing, which some changes can do with.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], path: &str) -> Result<T, Refusal> {
    let text = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    serde_json::from_slice(text).map_err(|error| {
        // Well-formed, but not what is wanted.
        let status = if error.is_data() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        let remedy = "send the JSON object that /v1/openapi.json describes for this path";
        Refusal::new(status, format!("the body: {error}"), path, remedy)
    })
}

/// A value that is understood and cannot be.
pub(super) fn unfit(what: impl Into<String>, place: String, remedy: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, what, place, remedy)
}

fn unread(path: &str) -> Refusal {
    let (what, remedy) = ("the body did not come whole", "send it again");
    Refusal::new(StatusCode::REQUEST_TIMEOUT, what, path, remedy)
}

/// Every change is a few words; the largest is a notice of maintenance.
const LARGEST: usize = 16 * 1024;
/// Nobody types the body while it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Weight {
        weight: u32,
    }

    #[test]
    fn what_is_no_json_and_what_is_no_answer_to_the_question_differ() {
        let status = |text: &str| match parse::<Weight>(text.as_bytes(), "/x") {
            Ok(weight) => weight.weight,
            Err(refusal) => refusal.status.as_u16().into(),
        };
        assert_eq!(status("{\"weight\": 7}"), 7);
        assert_eq!(status("{\"weight\": "), 400);
        assert_eq!(status("weight=7"), 400);
        assert_eq!(status("{\"weight\": -7}"), 422);
        assert_eq!(status("{\"weight\": 7, \"wait\": 8}"), 422);
        assert_eq!(status(" "), 422);
    }
}
