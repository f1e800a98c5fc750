//! Answers that are ours, written to the client.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use crate::registry::error::{Code, ENVELOPE_TYPE, envelope};
use crate::registry::route::{Audience, Route};

use super::exchange::Exchange;
use super::fault::{Fault, Told};
use super::maintenance::Refusal;

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
    let mut told = fault.told();
    if let Some(notice) = &exchange.shown.notice {
        told.message.clone_from(&notice.message);
        if notice.refusal == Refusal::Denied {
            told = Told {
                status: StatusCode::FORBIDDEN,
                code: Code::Denied,
                retry_after: None,
                ..told
            };
        }
    }
    let audience = match &exchange.arrival {
        Some(arrival) => arrival.target.route.audience(),
        None => audience(session.req_header().raw_path()),
    };
    // A login is answered to a script, even a browser's.
    let audience = match (fault, &exchange.arrival) {
        (Fault::TooMany(_), Some(arrival)) if !matches!(arrival.target.route, Route::Ui(_)) => {
            Audience::Registry
        }
        _ => audience,
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
    exchange.farewell(session);
    session
        .write_response_header(Box::new(head), silent)
        .await?;
    if silent {
        session.write_response_body(None, true).await?;
    } else {
        exchange.bytes_out += u64::try_from(body.len()).unwrap_or_default();
        session.write_response_body(Some(body), true).await?;
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use serde_json::Value;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::exchange::Arrived;
    use super::super::fault::NodeTrouble;
    use super::super::tests::{exchange, pipe};
    use super::*;
    use crate::registry::route::Target;
    use crate::rewrite::Scheme;
    use crate::rewrite::forwarded::Trust;

    /// What a client reads, whole.
    struct Seen {
        head: String,
        body: String,
    }

    impl Seen {
        fn header(&self, name: &str) -> Option<&str> {
            let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value)
        }

        fn status(&self) -> &str {
            self.head.split(' ').nth(1).unwrap()
        }
    }

    async fn session(request: &str) -> (Session, tokio::io::DuplexStream) {
        let (mut client, ours) = pipe(1 << 20);
        client.write_all(request.as_bytes()).await.unwrap();
        let mut session = Session::new_h1(Box::new(ours));
        assert!(session.downstream_session.read_request().await.unwrap());
        (session, client)
    }

    async fn read(session: Session, mut client: tokio::io::DuplexStream) -> Seen {
        drop(session);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Seen {
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn arrived(target: &str) -> Arrived {
        Arrived {
            target: Target::parse(target).unwrap(),
            authority: "registry.test".to_owned(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            trust: Trust::Untrusted,
            scheme: Scheme::Https,
            port: 443,
            session: None,
        }
    }

    async fn told(method: &str, target: &str, fault: Fault) -> (Seen, Exchange) {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: registry.test\r\n\r\n");
        let (mut session, client) = session(&request).await;
        let mut exchange = exchange();
        exchange.arrival = Some(arrived(target));
        tell(&mut session, &mut exchange, fault).await.unwrap();
        (read(session, client).await, exchange)
    }

    #[tokio::test]
    async fn a_registry_client_reads_an_envelope_with_its_request_id() {
        let fault = Fault::Node(NodeTrouble::Broken);
        let (seen, exchange) = told("GET", "/v2/lab/app/tags/list", fault).await;
        assert_eq!(seen.status(), "503");
        assert_eq!(seen.header("content-type"), Some(ENVELOPE_TYPE));
        assert_eq!(seen.header("retry-after"), Some("5"));
        assert_eq!(seen.header("cache-control"), Some("no-store"));
        assert_eq!(seen.header("x-request-id"), Some("request-1"));
        let length = seen.header("content-length").unwrap();
        assert_eq!(length, seen.body.len().to_string());
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(body["errors"][0]["code"], "UNAVAILABLE");
        assert_eq!(body["errors"][0]["detail"]["request_id"], "request-1");
        assert_eq!((exchange.status, exchange.fault), (503, Some(fault)));
        assert_eq!(exchange.bytes_out, u64::try_from(seen.body.len()).unwrap());
    }

    #[tokio::test]
    async fn a_browser_reads_a_page() {
        let (seen, _) = told("GET", "/harbor/projects", Fault::NoNode).await;
        assert_eq!(seen.header("content-type"), Some(HTML));
        assert!(seen.body.starts_with("<!doctype html>"), "{}", seen.body);
        assert!(seen.body.contains("Request request-1"), "{}", seen.body);
        assert_eq!(seen.header("docker-distribution-api-version"), None);
    }

    #[tokio::test]
    async fn a_head_is_answered_without_a_body_but_with_its_length() {
        let (get, _) = told("GET", "/v2/", Fault::WrongHost).await;
        let (head, exchange) = told("HEAD", "/v2/", Fault::WrongHost).await;
        assert_eq!(head.status(), "421");
        assert_eq!(head.body, "");
        assert_eq!(head.header("content-length"), get.header("content-length"));
        assert_eq!(exchange.bytes_out, 0);
    }

    #[tokio::test]
    async fn a_refused_method_is_told_which_ones_there_are() {
        let target = "/v2/lab/app/blobs/uploads/";
        let (seen, _) = told("DELETE", target, Fault::Method).await;
        assert_eq!(
            (seen.status(), seen.header("allow")),
            ("405", Some("POST, OPTIONS"))
        );
        let (other, _) = told("DELETE", target, Fault::NoNode).await;
        assert_eq!(other.header("allow"), None);
    }

    #[tokio::test]
    async fn what_could_not_be_understood_is_answered_by_what_it_looks_like() {
        for (target, kind) in [("/v2//x", ENVELOPE_TYPE), ("//portal", HTML)] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: registry.test\r\n\r\n");
            let (mut session, client) = session(&request).await;
            let mut exchange = exchange();
            tell(&mut session, &mut exchange, Fault::Client)
                .await
                .unwrap();
            let seen = read(session, client).await;
            assert_eq!(seen.header("content-type"), Some(kind), "{target}");
        }
    }

    #[tokio::test]
    async fn a_browser_is_sent_to_the_same_path_under_https() {
        for (method, status) in [("GET", "301"), ("HEAD", "301"), ("POST", "308")] {
            let target = "/harbor/projects?page=2";
            let request = format!("{method} {target} HTTP/1.1\r\nHost: registry.test\r\n\r\n");
            let (mut session, client) = session(&request).await;
            let mut exchange = exchange();
            exchange.arrival = Some(arrived(target));
            redirect(&mut session, &mut exchange, "registry.test:8443")
                .await
                .unwrap();
            let seen = read(session, client).await;
            assert_eq!(
                (seen.status(), seen.body.as_str()),
                (status, ""),
                "{method}"
            );
            let location = "https://registry.test:8443/harbor/projects?page=2";
            assert_eq!(seen.header("location"), Some(location));
        }
    }

    #[tokio::test]
    async fn the_rest_of_a_body_is_read_away() {
        let request = "PUT /v2/ HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 9\r\n\r\n1234";
        let (mut session, mut client) = session(request).await;
        let rest = async {
            client.write_all(b"56789").await.unwrap();
            client
        };
        let ((), _client) = tokio::join!(drain(&mut session), rest);
        assert!(session.is_body_done());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let begin = tokio::time::Instant::now();
        let head = "PUT /v2/ HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 9\r\n";
        let (mut stuck, _client) = session(&format!("{head}\r\n1234")).await;
        drain(&mut stuck).await;
        assert_eq!(begin.elapsed(), DRAIN_TIME);
        // Whoever asked first sends nothing before an answer.
        let (mut asking, _client) = session(&format!("{head}Expect: 100-continue\r\n\r\n")).await;
        drain(&mut asking).await;
        assert_eq!(begin.elapsed(), DRAIN_TIME);
    }
}
