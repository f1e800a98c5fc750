//! What the guard knows of one request: what it tries, what it heard of the answer, what it holds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};

use crate::guard::lease::Lease;
use crate::guard::login::{Began, Known, Undecided};
use crate::guard::outcome::{Outcome, of_head, of_token};
use crate::guard::settings::Rate;
use crate::guard::sharing::Lead;
use crate::guard::transfers::Ticket;
use crate::guard::who::{Mark, Try};
use crate::registry::route::Route;

/// The guard's part of an exchange.
#[derive(Debug, Default)]
pub(super) struct Guarded {
    pub(super) attempt: Option<Attempt>,
    /// What came of it, as long as other instances have not been told.
    pub(super) untold: Option<Untold>,
    /// What the answer said so far about the credentials.
    pub(super) outcome: Option<Outcome>,
    pub(super) heard: Option<Heard>,
    /// Others wait for the token that this request asks for.
    pub(super) lead: Option<Lead>,
    /// Tokens that a node just issued, with whose they are and for how long.
    pub(super) issued: Vec<(Mark, (Mark, Duration))>,
    /// Its place among the transfers.
    pub(super) ticket: Option<Ticket>,
    /// Its place among those of all instances.
    pub(super) lease: Option<Lease>,
    /// Whose share its bytes are taken from.
    pub(super) payers: Vec<(Mark, Rate)>,
}

/// Credentials on their way to a node.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) tried: Try,
    /// Counts among the guesses at one time until it is dropped.
    pub(super) _undecided: Option<Undecided>,
    /// What all instances knew when it began.
    pub(super) known: Option<Known>,
}

/// What came of a try, and the pauses that began here by it.
#[derive(Debug)]
pub(super) struct Untold {
    pub(super) attempt: Attempt,
    pub(super) outcome: Outcome,
    pub(super) began: Vec<Began>,
}

/// The answer of a token service as it passes. Never shown.
pub(super) struct Heard {
    body: BytesMut,
    pub(super) media_type: String,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heard")
    }
}

impl Guarded {
    /// Whether the answer has to be read, so that it must not be compressed.
    pub(super) fn listens(&self, route: &Route) -> bool {
        self.attempt.is_some() && *route == Route::Token
    }

    /// The head of a node's answer.
    pub(super) fn hear_head(
        &mut self,
        route: &Route,
        method: &Method,
        (status, headers): (StatusCode, &HeaderMap),
    ) {
        if self.attempt.is_none() {
            return;
        }
        self.outcome = Some(of_head(route, method, status, headers));
        if self.listens(route) && method == Method::GET && status == StatusCode::OK {
            let kind = headers.get(header::CONTENT_TYPE);
            let kind = kind.and_then(|value| value.to_str().ok());
            // Whoever leaves before the end has seen the head, which tells enough: the try counts.
            self.outcome = Some(Outcome::Wrong);
            self.heard = Some(Heard {
                body: BytesMut::new(),
                media_type: kind.unwrap_or("application/json").to_owned(),
            });
        }
    }

    /// More of the body of that answer.
    pub(super) fn hear(&mut self, piece: Option<&Bytes>) {
        if let (Some(heard), Some(piece)) = (&mut self.heard, piece)
            && heard.body.len() < LONGEST
        {
            heard.body.extend_from_slice(piece);
        }
    }

    /// The body of that answer is complete: tells what it is, once.
    pub(super) fn hear_end(&mut self) -> Option<(Bytes, String)> {
        let heard = self.heard.take()?;
        let body = heard.body.freeze();
        self.outcome = Some(of_token(&body));
        Some((body, heard.media_type))
    }
}

/// A token for all that fits into the header of a request is far smaller.
const LONGEST: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::credentials::basic;
    use crate::guard::who::Anonymizer;
    use ring::hmac;

    fn guarded() -> Guarded {
        let anonymizer = Anonymizer::new(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]));
        let credentials = basic(b"Basic YTpi").unwrap();
        let tried = anonymizer.try_of(&credentials, "192.0.2.1".parse().unwrap());
        Guarded {
            attempt: Some(Attempt {
                tried,
                _undecided: None,
                known: None,
            }),
            ..Guarded::default()
        }
    }

    fn head(guarded: &mut Guarded, status: u16) {
        let about = (StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        guarded.hear_head(&Route::Token, &Method::GET, about);
    }

    #[test]
    fn a_request_without_credentials_is_not_listened_to() {
        let mut guarded = Guarded::default();
        head(&mut guarded, 401);
        assert_eq!(guarded.outcome, None);
        assert!(!guarded.listens(&Route::Token));
    }

    #[test]
    fn a_token_is_heard_to_its_end_before_it_counts_as_right() {
        let mut guarded = guarded();
        head(&mut guarded, 200);
        assert_eq!(guarded.outcome, Some(Outcome::Wrong));
        guarded.hear(Some(&Bytes::from_static(b"{\"token\":\"op")));
        guarded.hear(None);
        guarded.hear(Some(&Bytes::from_static(b"aque\"}")));
        let (body, kind) = guarded.hear_end().unwrap();
        assert_eq!(body, "{\"token\":\"opaque\"}");
        assert_eq!(kind, "application/json");
        assert_eq!(guarded.outcome, Some(Outcome::Right));
        assert_eq!(guarded.hear_end(), None);
    }

    #[test]
    fn a_refusal_needs_no_body() {
        let mut guarded = guarded();
        head(&mut guarded, 401);
        assert_eq!(guarded.outcome, Some(Outcome::Wrong));
        assert_eq!(guarded.hear_end(), None);
        assert_eq!(guarded.outcome, Some(Outcome::Wrong));
    }
}
