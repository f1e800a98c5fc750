//! What a client wants of a blob.

use http::{HeaderMap, header};

use crate::registry::digest::Digest;
use crate::registry::range::ByteRange;

/// A blob, or a part of it. The method is always GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    pub digest: Digest,
    pub range: ClientRange,
}

/// Which part of the blob the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRange {
    /// All of it.
    Whole,
    One(ByteRange),
    /// Several ranges, or a form that only a node can judge: its answer is relayed, never continued.
    Opaque,
}

impl ClientRange {
    /// Reads what the head of a request asks for.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut ranges = headers.get_all(header::RANGE).iter();
        let range = match (ranges.next(), ranges.next()) {
            (None, _) => return Self::Whole,
            (Some(only), None) => only.to_str().ok().and_then(ByteRange::parse),
            (Some(_), Some(_)) => None,
        };
        range.map_or(Self::Opaque, Self::One)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_single_plain_range_is_ours_to_continue() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::RANGE, HeaderValue::from_static(value));
            }
            ClientRange::read(&headers)
        };
        assert_eq!(read(&[]), ClientRange::Whole);
        let range = ByteRange::From { first: 7 };
        assert_eq!(read(&["bytes=7-"]), ClientRange::One(range));
        for values in [
            &["bytes=0-1,3-4"][..],
            &["pages=1-2"],
            &[""],
            &["bytes=0-1", "bytes=0-1"],
        ] {
            assert_eq!(read(values), ClientRange::Opaque, "{values:?}");
        }
    }
}
