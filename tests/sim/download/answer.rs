//! Answers: what one node sends to one ask, with every fault it can have.

use std::ops::Range;

use http::{HeaderMap, StatusCode, header};
use pilotage::download::facts::Facts;
use pilotage::download::takeover::{Event, Lost};

use super::fleet::{Manner, Node, Wanted, insert};
use crate::world::{Blob, Chance};

/// Everything that will come from a node after one ask.
#[derive(Debug)]
pub(super) struct Answer {
    /// None when the node is lost before.
    pub(super) facts: Option<Facts>,
    pub(super) worth: Worth,
    /// Whose bytes the body is made of, and where it begins in them.
    pub(super) blob: Option<Blob>,
    pub(super) start: u64,
    /// How many bytes of the blob it announces.
    pub(super) length: u64,
    pub(super) pieces: Vec<&'static [u8]>,
    pub(super) end: Event,
    /// The storage that comes after a redirect.
    pub(super) next: Option<Node>,
}

impl Answer {
    /// Nothing was answered yet.
    pub(super) fn none() -> Self {
        Self {
            facts: None,
            worth: Worth::Poison,
            blob: None,
            start: 0,
            length: 0,
            pieces: Vec::new(),
            end: Event::Ended,
            next: None,
        }
    }

    /// Whether the right blob, or what was asked for of it, comes to its end.
    pub(super) fn serves(&self, right: Blob) -> bool {
        let sent: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        let whole = u64::try_from(sent).unwrap() >= self.length;
        self.worth == Worth::Bytes && self.blob == Some(right) && whole
    }
}

/// What is true of an answer, known to the world only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// Bytes that can be continued, whether or not they all come.
    Bytes,
    /// Nobody could go on with it; as a first answer it goes out.
    Alien,
    /// The node failed; as a first answer it goes out when no other node may be asked.
    Doubtful,
    /// It would deceive: it never goes out.
    Poison,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    NoHead(Lost),
    Status(u16),
    Page,
    Unsized,
    Encoded,
    Head(Lie),
    /// A part, although nobody asked for one.
    Part,
    Body(Break),
    /// More comes than was announced.
    TooLong,
}

/// What a head says wrongly about a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Shifted,
    OtherTotal,
    NoTotal,
    NoRange,
    OtherLength,
}

/// How a body breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// A proper end, as a chunked body or a stream can have it.
    Ended,
    /// An end that the announced length shows to be none, or a reset.
    Broken,
    Stalled,
}

/// Lets a node answer.
pub(super) fn give(chance: &mut Chance, node: Node, range: Option<&str>, faults: u64) -> Answer {
    let fault = if chance.percent(faults) {
        draw(chance)
    } else {
        Fault::None
    };
    if let Fault::NoHead(lost) = fault {
        return lost_early(lost);
    }
    if let Fault::Status(status) = fault {
        return refusal(chance, status);
    }
    if fault == Fault::Page {
        return page(chance);
    }
    match (node.manner, node.blob) {
        (_, None) => refusal(chance, 404),
        (Manner::Redirects(hops), Some(_)) => redirect(chance, node, hops),
        (Manner::Ranges, Some(blob)) => serve(chance, (node, blob), range, fault),
        (Manner::IgnoresRanges, Some(blob)) => serve(chance, (node, blob), None, fault),
    }
}

fn draw(chance: &mut Chance) -> Fault {
    let status = chance.weighted(&[
        (3, 401),
        (1, 403),
        (3, 404),
        (2, 416),
        (1, 429),
        (1, 304),
        (3, 500),
        (2, 502),
        (2, 503),
    ]);
    let lie = chance.weighted(&[
        (1, Lie::Shifted),
        (1, Lie::OtherTotal),
        (1, Lie::NoTotal),
        (1, Lie::NoRange),
        (1, Lie::OtherLength),
    ]);
    let lost = chance.weighted(&[
        (2, Lost::Unreachable),
        (1, Lost::Broken),
        (1, Lost::Stalled),
    ]);
    let broken = chance.weighted(&[(2, Break::Ended), (2, Break::Broken), (1, Break::Stalled)]);
    chance.weighted(&[
        (3, Fault::NoHead(lost)),
        (4, Fault::Status(status)),
        (1, Fault::Page),
        (1, Fault::Unsized),
        (1, Fault::Encoded),
        (3, Fault::Head(lie)),
        (1, Fault::Part),
        (9, Fault::Body(broken)),
        (2, Fault::TooLong),
    ])
}

/// Serves a blob or a part of it.
fn serve(
    chance: &mut Chance,
    (node, blob): (Node, Blob),
    range: Option<&str>,
    fault: Fault,
) -> Answer {
    let mut headers = HeaderMap::new();
    node.name(blob, &mut headers);
    insert(
        &mut headers,
        header::CONTENT_TYPE,
        "application/octet-stream",
    );
    let unasked = fault == Fault::Part && range.is_none() && node.manner == Manner::Ranges;
    let unasked = unasked && blob.size > 0;
    let (status, bytes) = match Wanted::read(range, blob.size) {
        Wanted::Nothing => return refusal(chance, 416),
        Wanted::Parts => return parts(chance, headers, node.gives_itself_away(blob)),
        Wanted::Whole if unasked => (StatusCode::PARTIAL_CONTENT, 0..blob.size),
        Wanted::Whole => (StatusCode::OK, 0..blob.size),
        Wanted::Bytes(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
    };
    let partial = status == StatusCode::PARTIAL_CONTENT;
    if partial {
        let range = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, blob.size);
        insert(&mut headers, header::CONTENT_RANGE, &range);
    }
    let length = (bytes.end - bytes.start).to_string();
    insert(&mut headers, header::CONTENT_LENGTH, &length);
    let mut told = blob;
    let mut worth = match fault {
        Fault::Head(lie) if partial => lie_about(&bytes, blob, lie, &mut headers),
        Fault::Unsized => {
            headers.remove(header::CONTENT_LENGTH);
            if partial { Worth::Bytes } else { Worth::Alien }
        }
        Fault::Encoded => {
            insert(&mut headers, header::CONTENT_ENCODING, "gzip");
            Worth::Alien
        }
        _ => Worth::Bytes,
    };
    if partial && fault == Fault::Head(Lie::OtherTotal) {
        // It speaks of a longer blob. That can only be noticed when the part does not fit to it.
        told.size += MORE;
        if Wanted::read(range, told.size) != Wanted::Bytes(bytes.clone()) {
            worth = Worth::Poison;
        }
    }
    if unasked || node.gives_itself_away(blob) {
        worth = Worth::Poison;
    }
    let (sent, end) = body(chance, &bytes, fault);
    Answer {
        facts: Some(Facts::read(status, &headers)),
        worth,
        blob: Some(told),
        start: bytes.start,
        length: bytes.end - bytes.start,
        pieces: chance.pieces(blob.bytes(sent)),
        end,
        next: None,
    }
}

/// Makes the head of a part say what is not so.
fn lie_about(bytes: &Range<u64>, blob: Blob, lie: Lie, headers: &mut HeaderMap) -> Worth {
    let (Range { start, end }, size) = (bytes.clone(), blob.size);
    let (range, worth) = match lie {
        Lie::Shifted if start > 0 => (format!("{}-{}/{size}", start - 1, end - 1), Worth::Poison),
        Lie::Shifted => (format!("1-{end}/{size}"), Worth::Poison),
        Lie::OtherTotal => (format!("{start}-{}/{}", end - 1, size + MORE), Worth::Bytes),
        Lie::NoTotal => (format!("{start}-{}/*", end - 1), Worth::Alien),
        Lie::NoRange => (String::new(), Worth::Poison),
        Lie::OtherLength => {
            let length = (end - start + 1).to_string();
            insert(headers, header::CONTENT_LENGTH, &length);
            return Worth::Poison;
        }
    };
    insert(headers, header::CONTENT_RANGE, &format!("bytes {range}"));
    worth
}

/// Which bytes are sent, and how that ends.
fn body(chance: &mut Chance, bytes: &Range<u64>, fault: Fault) -> (Range<u64>, Event) {
    let length = bytes.end - bytes.start;
    match fault {
        Fault::Body(broken) => {
            let end = match broken {
                Break::Ended => Event::Ended,
                Break::Broken => Event::Failed(Lost::Broken),
                Break::Stalled => Event::Failed(Lost::Stalled),
            };
            let cut = bytes.start + chance.position(length);
            (bytes.start..cut, end)
        }
        Fault::TooLong => {
            let more = chance.number(1..1_000);
            (bytes.start..bytes.end + more, Event::Ended)
        }
        _ => (bytes.clone(), Event::Ended),
    }
}

fn lost_early(lost: Lost) -> Answer {
    Answer {
        end: Event::Failed(lost),
        ..Answer::none()
    }
}

fn redirect(chance: &mut Chance, node: Node, hops: u64) -> Answer {
    let storage = match hops {
        1 => node.storage(),
        _ => Node {
            manner: Manner::Redirects(hops - 1),
            ..node
        },
    };
    Answer {
        next: Some(storage),
        ..refusal(chance, 307)
    }
}

/// Several parts in one body, which only the client can take apart.
fn parts(chance: &mut Chance, mut headers: HeaderMap, wrong: bool) -> Answer {
    let kind = "multipart/byteranges; boundary=x";
    insert(&mut headers, header::CONTENT_TYPE, kind);
    let worth = if wrong { Worth::Poison } else { Worth::Alien };
    Answer {
        facts: Some(Facts::read(StatusCode::PARTIAL_CONTENT, &headers)),
        ..text(chance, worth)
    }
}

fn page(chance: &mut Chance) -> Answer {
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::CONTENT_TYPE, "text/html");
    insert(&mut headers, header::CONTENT_LENGTH, TEXT_LENGTH);
    Answer {
        facts: Some(Facts::read(StatusCode::OK, &headers)),
        ..text(chance, Worth::Doubtful)
    }
}

/// A short answer without bytes of a blob, or one that announces more than it sends.
fn refusal(chance: &mut Chance, status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    let mut headers = HeaderMap::new();
    let length = match status {
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_MODIFIED => "123456",
        _ => TEXT_LENGTH,
    };
    insert(&mut headers, header::CONTENT_LENGTH, length);
    let worth = if status.is_server_error() {
        Worth::Doubtful
    } else {
        Worth::Alien
    };
    let mut answer = text(chance, worth);
    if status == StatusCode::NOT_MODIFIED {
        answer.pieces.clear();
    }
    answer.facts = Some(Facts::read(status, &headers));
    answer
}

fn text(chance: &mut Chance, worth: Worth) -> Answer {
    let text = &TEXT[chance.weighted(&[(8, 0), (1, 20), (1, TEXT.len())])..];
    let end = chance.weighted(&[(8, None), (1, Some(Lost::Broken)), (1, Some(Lost::Stalled))]);
    Answer {
        worth,
        pieces: chance.pieces(text),
        end: end.map_or(Event::Ended, Event::Failed),
        ..Answer::none()
    }
}

const TEXT: &[u8] = b"{\"errors\":[{\"code\":\"WHATEVER\"}]}.";
const TEXT_LENGTH: &str = "33";
/// By how much a blob is larger than it is.
const MORE: u64 = 7;
