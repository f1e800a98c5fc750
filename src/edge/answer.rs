//! Answers that are ours, written to the client.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::registry::error::{ENVELOPE_TYPE, envelope};
use crate::registry::route::Audience;

use super::exchange::Exchange;
use super::fault::{Fault, Told};

/// Reads the rest of a body away, for a while: a client that is still sending may not look at the answer
/// before it is done, and a connection that is closed on unread bytes takes the answer with it.
pub(super) async fn drain(session: &mut Session) {
    let expects = session.req_header().headers.contains_key(header::EXPECT);
    if expects || session.is_body_done() {
        return;
    }
    let reading = async {
        let mut left = DRAIN_BYTES;
        while left > 0 {
            match session.read_request_body().await {
                Ok(Some(piece)) => left = left.saturating_sub(piece.len()),
                Ok(None) | Err(_) => return,
            }
        }
    };
    // Whoever sends longer than this has had time to see the answer.
    drop(tokio::time::timeout(DRAIN_TIME, reading).await);
}

/// Writes the answer to a fault and notes it in the exchange.
pub(super) async fn tell(
    session: &mut Session,
    exchange: &mut Exchange,
    fault: Fault,
) -> pingora::Result<()> {
    exchange.fault = Some(fault);
    let told = fault.told();
    let audience = match &exchange.arrival {
        Some(arrival) => arrival.target.route.audience(),
        None => audience(session.req_header().raw_path()),
    };
    let (kind, body) = match audience {
        Audience::Registry => (ENVELOPE_TYPE, json(&told, &exchange.request_id)),
        Audience::Browser => (HTML, page(&told, &exchange.request_id)),
    };
    let mut head = head(told.status, exchange, body.len())?;
    head.insert_header(header::CONTENT_TYPE, kind)?;
    if audience == Audience::Registry {
        head.insert_header("Docker-Distribution-Api-Version", "registry/2.0")?;
    }
    if let Some(after) = told.retry_after {
        head.insert_header(header::RETRY_AFTER, after.as_secs())?;
    }
    if fault == Fault::Method
        && let Some(arrival) = &exchange.arrival
    {
        let allowed = arrival.target.route.allowed().iter().map(Method::as_str);
        head.insert_header(header::ALLOW, allowed.collect::<Vec<_>>().join(", "))?;
    }
    write(session, exchange, head, body.into()).await
}

/// Sends a browser to the same path under https.
pub(super) async fn redirect(
    session: &mut Session,
    exchange: &mut Exchange,
    authority: &str,
) -> pingora::Result<()> {
    let path = exchange
        .arrival
        .as_ref()
        .map(|arrival| arrival.target.to_string());
    let location = format!("https://{authority}{}", path.unwrap_or_default());
    let status = match session.req_header().method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let mut head = head(status, exchange, 0)?;
    head.insert_header(header::LOCATION, location)?;
    write(session, exchange, head, Bytes::new()).await
}

fn head(status: StatusCode, exchange: &Exchange, length: usize) -> pingora::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    head.insert_header(header::CONTENT_LENGTH, length)?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    if let Some(id) = exchange.request_id_value() {
        head.insert_header("X-Request-Id", id)?;
    }
    Ok(head)
}

async fn write(
    session: &mut Session,
    exchange: &mut Exchange,
    head: ResponseHeader,
    body: Bytes,
) -> pingora::Result<()> {
    exchange.status = head.status.as_u16();
    let silent = session.req_header().method == Method::HEAD || body.is_empty();
    session
        .write_response_header(Box::new(head), silent)
        .await?;
    if !silent {
        exchange.bytes_out += u64::try_from(body.len()).unwrap_or_default();
        session.write_response_body(Some(body), true).await?;
    } else {
        session.write_response_body(None, true).await?;
    }
    Ok(())
}

fn json(told: &Told, request_id: &str) -> String {
    envelope(told.code, &told.message, &[("request_id", request_id)])
}

fn page(told: &Told, request_id: &str) -> String {
    let title = told.status;
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{}</p><p>Request {request_id}</p></body></html>\n",
        told.message
    )
}

/// What a request that could not be understood was probably meant for.
fn audience(raw_path: &[u8]) -> Audience {
    std::str::from_utf8(raw_path).map_or(Audience::Browser, Audience::of_target)
}

const HTML: &str = "text/html; charset=utf-8";
const DRAIN_TIME: std::time::Duration = std::time::Duration::from_secs(3);
const DRAIN_BYTES: usize = 64 * 1024 * 1024;
