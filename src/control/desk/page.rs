//! The page for people, and what a browser loads with it.

use http::{Method, StatusCode};
use pingora::protocols::http::ServerSession;

use super::super::answer::{Answer, Refusal};
use super::super::page::{HEADERS, ICON, SCRIPT, STYLE, document};
use super::super::route::Piece;
use super::{Desk, Operator, Reply};

impl Desk {
    /// A piece of the page.
    pub(super) fn show(
        &self,
        piece: Piece,
        session: &ServerSession,
        path: &str,
        who: &Operator,
    ) -> Result<Reply, Refusal> {
        let whole = |kind, text: &str| Reply::Whole(with_headers(kind, text));
        Ok(match piece {
            Piece::Document => whole(HTML, &document(&self.drawing(), &who.0)),
            Piece::Style => whole("text/css; charset=utf-8", STYLE),
            Piece::Script => whole("text/javascript; charset=utf-8", SCRIPT),
            Piece::Icon => whole("image/svg+xml", ICON),
            Piece::Events if session.req_header().method == Method::HEAD => whole(EVENTS, ""),
            Piece::Events => match self.display.seat() {
                Some(seat) => Reply::Events(seat),
                None => return Err(crowded(path)),
            },
        })
    }
}

fn with_headers(kind: &'static str, text: &str) -> Answer {
    let mut answer = Answer::raw(kind, text.as_bytes().to_vec());
    let headers = HEADERS
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    answer.headers.extend(headers);
    answer
}

fn crowded(path: &str) -> Refusal {
    let (what, remedy) = (
        "too many pages are kept fresh already",
        "close one, or load it by hand",
    );
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, what, path, remedy)
}

const HTML: &str = "text/html; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream";
