//! Tells pages what has changed, for as long as somebody looks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use serde::Serialize;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};

use super::super::page::Drawing;
use super::super::route::{Ask, Piece};
use super::Desk;
use super::display::{SECOND, Seat};
use super::page::EVENTS;

/// One event: what is new since the last one.
#[derive(Debug, Serialize)]
struct News<'d> {
    title: &'d str,
    parts: BTreeMap<&'static str, &'d str>,
}

impl Desk {
    /// Sends what is new every second, until the page is closed, reads too slowly, is no longer let in, or pilotage
    /// stops.
    pub(super) async fn stream(
        &self,
        session: &mut ServerSession,
        (_seat, peer): (Seat, Option<IpAddr>),
        shutdown: &ShutdownWatch,
    ) -> pingora::Result<()> {
        session.set_keepalive(None);
        let mut head = ResponseHeader::build(StatusCode::OK, Some(5))?;
        head.insert_header(CONTENT_TYPE, EVENTS)?;
        head.insert_header(CACHE_CONTROL, "no-store")?;
        if !session.is_http2() {
            head.insert_header(TRANSFER_ENCODING, "chunked")?;
        }
        head.insert_header("X-Content-Type-Options", "nosniff")?;
        head.insert_header("X-Accel-Buffering", "no")?;
        session.write_response_header(Box::new(head)).await?;
        let mut shutdown = shutdown.clone();
        // When the last sender is gone, everything is.
        let stopping = async move { drop(shutdown.wait_for(|stopping| *stopping).await) };
        tokio::pin!(stopping);
        let mut ticks = interval(SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut last, mut quiet): (Option<Arc<Drawing>>, u32) = (None, 0);
        loop {
            let ends = tokio::select! {
                _ = ticks.tick() => !self.is_still_let_in(session, peer, &EVENTS_ASK),
                () = &mut stopping => true,
                // It says nothing more: when this returns, the page is closed.
                _ = session.read_body_or_idle(true) => return Ok(()),
            };
            if ends {
                return write(session, END.to_owned()).await;
            }
            let drawing = self.drawing();
            let message = match news(last.as_deref(), &drawing) {
                Some(message) => message,
                None if quiet < HEARTBEAT => {
                    quiet += 1;
                    continue;
                }
                // A comment, which shows both ends that the other is still there.
                None => ":\n\n".to_owned(),
            };
            quiet = 0;
            write(session, message).await?;
            last = Some(drawing);
        }
    }
}

/// The event for whoever has seen `last`; `None` when nothing is new.
fn news(last: Option<&Drawing>, drawing: &Drawing) -> Option<String> {
    let seen = |id: &str| last.and_then(|last| last.parts.get(id));
    let new = drawing
        .parts
        .iter()
        .filter(|(id, part)| seen(id) != Some(part));
    let news = News {
        title: &drawing.title,
        parts: new.map(|(id, part)| (*id, part.as_str())).collect(),
    };
    if news.parts.is_empty() {
        return None;
    }
    let text = serde_json::to_string(&news).unwrap_or_default();
    Some(format!("event: board\ndata: {text}\n\n"))
}

/// Whoever takes longer than this for a second's news is not waited for.
async fn write(session: &mut ServerSession, message: String) -> pingora::Result<()> {
    match timeout(PATIENCE, session.write_response_body(message.into(), false)).await {
        Ok(written) => written,
        Err(_) => pingora::Error::e_explain(
            pingora::ErrorType::WriteTimedout,
            "a page does not read what it is told",
        ),
    }
}

const EVENTS_ASK: Ask = Ask::Page(Piece::Events);
/// The page comes back and asks anew.
const END: &str = "event: end\ndata: {}\n\n";
/// Ticks without news after which a page is told that there is none.
const HEARTBEAT: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(fleet: &str, running: &str) -> Drawing {
        Drawing {
            title: "t".to_owned(),
            names: String::new(),
            parts: [("fleet", fleet.to_owned()), ("running", running.to_owned())].into(),
        }
    }

    #[test]
    fn only_what_is_new_is_told() {
        let (old, new) = (drawing("a", "b"), drawing("a", "c\n\"d\""));
        let all = news(None, &old).unwrap();
        assert_eq!(
            all,
            "event: board\ndata: {\"title\":\"t\",\"parts\":{\"fleet\":\"a\",\"running\":\"b\"}}\n\n"
        );
        let some = news(Some(&old), &new).unwrap();
        assert_eq!(
            some,
            "event: board\ndata: {\"title\":\"t\",\"parts\":{\"running\":\"c\\n\\\"d\\\"\"}}\n\n",
            "and no line break inside ends the event"
        );
        assert_eq!(news(Some(&new), &new), None);
    }
}
