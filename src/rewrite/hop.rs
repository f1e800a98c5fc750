//! Headers that concern one connection only and must not travel on.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use super::Edit;

/// Whether a change of protocol may pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// None may.
    Refused,
    /// One to websocket may: its `Connection` and `Upgrade` stay.
    Websocket,
}

/// What leaves a request before it goes to a node.
pub fn request(headers: &HeaderMap, upgrade: Upgrade) -> Vec<Edit> {
    edits(headers, upgrade)
}

/// What leaves an answer before it goes to the client.
pub fn response(headers: &HeaderMap, upgrade: Upgrade) -> Vec<Edit> {
    edits(headers, upgrade)
}

fn edits(headers: &HeaderMap, upgrade: Upgrade) -> Vec<Edit> {
    let websocket = upgrade == Upgrade::Websocket && asks_for_websocket(headers);
    let nominated = options(headers).filter_map(|option| HeaderName::try_from(option).ok());
    let mut edits: Vec<Edit> = Vec::new();
    for name in ALWAYS.iter().cloned().chain(nominated) {
        let kept = KEPT.contains(&name)
            || (websocket && (name == UPGRADE || name == CONNECTION))
            || !headers.contains_key(&name);
        let edit = Edit::Remove { name };
        if !kept && !edits.contains(&edit) {
            edits.push(edit);
        }
    }
    if websocket {
        // Whatever else was nominated is gone, so that only this option is left to pass on.
        let values = vec![HeaderValue::from_static("upgrade")];
        edits.push(Edit::Replace {
            name: CONNECTION,
            values,
        });
    }
    edits
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let only = protocols.next().is_some_and(|value| {
        value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"websocket")
    }) && protocols.next().is_none();
    only && options(headers).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// The options of all `Connection` values.
fn options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.is_empty())
}

static ALWAYS: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("http2-settings"),
    TE,
    TRAILER,
    UPGRADE,
];

/// Framing and routing: nominating these would change which bytes belong to the message, or where
/// it goes.
static KEPT: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn left(pairs: &[(&str, &str)], upgrade: Upgrade) -> Vec<String> {
        let mut headers = headers(pairs);
        let edits = request(&headers, upgrade);
        assert_eq!(edits, response(&headers, upgrade));
        apply(&edits, &mut headers);
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        left
    }

    #[test]
    fn what_concerns_one_connection_does_not_travel_on() {
        let sent = [
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("accept", "*/*"),
            ("transfer-encoding", "chunked"),
        ];
        let expected = ["accept: */*", "transfer-encoding: chunked"];
        assert_eq!(left(&sent, Upgrade::Refused), expected);
        assert_eq!(left(&sent, Upgrade::Websocket), expected);
    }

    #[test]
    fn nominated_headers_go_but_framing_and_host_stay() {
        let sent = [
            ("connection", "close, X-Secret ,, bad name,"),
            (
                "connection",
                "x-other, Host, content-length, Transfer-Encoding",
            ),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("x-kept", "3"),
            ("host", "a"),
            ("content-length", "4"),
        ];
        let expected = ["content-length: 4", "host: a", "x-kept: 3"];
        assert_eq!(left(&sent, Upgrade::Refused), expected);
    }

    #[test]
    fn a_websocket_passes_only_where_it_may() {
        let sent = [
            ("connection", "keep-alive, Upgrade, x-a"),
            ("upgrade", "WebSocket"),
            ("x-a", "1"),
        ];
        assert_eq!(left(&sent, Upgrade::Refused), [""; 0]);
        let expected = ["connection: upgrade", "upgrade: WebSocket"];
        assert_eq!(left(&sent, Upgrade::Websocket), expected);
    }

    #[test]
    fn an_upgrade_needs_its_connection_option_and_one_protocol() {
        assert_eq!(
            left(&[("upgrade", "websocket")], Upgrade::Websocket),
            [""; 0]
        );
        let several = [("connection", "upgrade"), ("upgrade", "websocket, h2c")];
        assert_eq!(left(&several, Upgrade::Websocket), [""; 0]);
    }

    #[test]
    fn a_clean_message_needs_no_edit() {
        assert_eq!(
            request(&headers(&[("accept", "*/*")]), Upgrade::Refused),
            []
        );
    }
}
