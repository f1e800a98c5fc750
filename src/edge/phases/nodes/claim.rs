//! Where a client says that its bytes belong.

use http::{HeaderMap, header};

/// Whether the client means its bytes to go where they would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Fits,
    Elsewhere,
}

impl Claim {
    /// Reads what a request says of its bytes, which go to `offset`.
    pub(super) fn read(headers: &HeaderMap, offset: u64) -> Self {
        let range = headers.get(header::CONTENT_RANGE);
        let first = range.and_then(|value| value.to_str().ok()?.split_once('-'));
        match first.map(|(first, _)| first.trim_start_matches("bytes ").parse::<u64>()) {
            Some(Ok(first)) if first == offset => Self::Fits,
            None => Self::Fits,
            Some(_) => Self::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_belong_where_they_would_go_unless_the_client_says_otherwise() {
        let cases = [
            (None, Claim::Fits),
            (Some("10-19"), Claim::Fits),
            (Some("bytes 10-19/*"), Claim::Fits),
            (Some("0-9"), Claim::Elsewhere),
            (Some("11-19"), Claim::Elsewhere),
            (Some("ten-19"), Claim::Elsewhere),
        ];
        for (range, claim) in cases {
            let mut headers = HeaderMap::new();
            if let Some(range) = range {
                headers.insert(header::CONTENT_RANGE, range.parse().unwrap());
            }
            assert_eq!(Claim::read(&headers, 10), claim, "{range:?}");
        }
    }
}
