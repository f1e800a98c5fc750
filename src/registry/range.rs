//! Ranges of bytes: what clients ask for, what nodes say they send, how far an upload has come.

use std::fmt;
use std::ops::RangeInclusive;

/// One range of bytes, as the `Range` header of a request asks for it.
///
/// Several ranges, other units, and forms that servers read in different ways are none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=first-last`; the last byte belongs to it, and is never before the first.
    Between { first: u64, last: u64 },
    /// `bytes=first-`, up to the end.
    From { first: u64 },
    /// `bytes=-length`, the last bytes.
    Last { length: u64 },
}

impl ByteRange {
    /// Reads the header of a request. Stricter than the standard: the unit is read in lower case only and
    /// without blanks, because registries do so too.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        if first.is_empty() {
            let length = number(last)?;
            return Some(Self::Last { length });
        }
        let first = number(first)?;
        if last.is_empty() {
            return Some(Self::From { first });
        }
        let last = number(last)?;
        (first <= last).then_some(Self::Between { first, last })
    }

    /// The bytes that this means in content of a given length; none when it holds none of them.
    pub fn resolve(self, total: u64) -> Option<RangeInclusive<u64>> {
        let end = total.checked_sub(1)?;
        let (first, last) = match self {
            Self::Between { first, last } => (first, last.min(end)),
            Self::From { first } => (first, end),
            Self::Last { length: 0 } => return None,
            Self::Last { length } => (total.saturating_sub(length), end),
        };
        (first <= last).then_some(first..=last)
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between { first, last } => write!(f, "bytes={first}-{last}"),
            Self::From { first } => write!(f, "bytes={first}-"),
            Self::Last { length } => write!(f, "bytes=-{length}"),
        }
    }
}

/// What the `Content-Range` header of an answer says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes first-last/total`: the body is this part. The total is unknown when it is written `*`.
    Part {
        first: u64,
        last: u64,
        total: Option<u64>,
    },
    /// `bytes */total`: no part can be sent.
    Unsatisfied { total: u64 },
}

impl ContentRange {
    /// Reads the header of an answer; a part that does not lie within its total is refused.
    pub fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.split_once(' ')?;
        let (part, total) = rest.split_once('/')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        if part == "*" {
            let total = number(total)?;
            return Some(Self::Unsatisfied { total });
        }
        let (first, last) = part.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if total == "*" {
            None
        } else {
            Some(number(total)?)
        };
        let fits = first <= last && total.is_none_or(|total| last < total);
        fits.then_some(Self::Part { first, last, total })
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { first, last, total } => {
                write!(f, "bytes {first}-{last}/")?;
                match total {
                    Some(total) => write!(f, "{total}"),
                    None => f.write_str("*"),
                }
            }
            Self::Unsatisfied { total } => write!(f, "bytes */{total}"),
        }
    }
}

/// How much of an upload a registry holds, as the `Range` header of its answers says it: without a unit, and
/// with the last byte instead of the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// `0-0`: nothing or one byte. Registries print both alike, and only a further question can tell.
    AtMostOne,
    /// `0-last`, with a last byte that is not the first.
    UpTo { last: u64 },
}

impl Received {
    /// What a registry says that holds so many bytes.
    pub fn of(length: u64) -> Self {
        match length {
            0 | 1 => Self::AtMostOne,
            _ => Self::UpTo { last: length - 1 },
        }
    }

    /// Reads the header of an answer about an upload.
    pub fn parse(text: &str) -> Option<Self> {
        match number(text.strip_prefix("0-")?)? {
            0 => Some(Self::AtMostOne),
            last => Some(Self::UpTo { last }),
        }
    }

    /// Whether a registry that says this may hold exactly so many bytes.
    pub fn fits(self, length: u64) -> bool {
        self == Self::of(length)
    }

    /// How many bytes there are, when that can be told.
    pub fn length(self) -> Option<u64> {
        match self {
            Self::AtMostOne => None,
            Self::UpTo { last } => last.checked_add(1),
        }
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMostOne => f.write_str("0-0"),
            Self::UpTo { last } => write!(f, "0-{last}"),
        }
    }
}

/// Digits only: the standard parser takes a sign as well.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_is_read_and_anything_else_is_not_ours() {
        let cases = [
            ("bytes=0-0", ByteRange::Between { first: 0, last: 0 }),
            (
                "bytes=10-19",
                ByteRange::Between {
                    first: 10,
                    last: 19,
                },
            ),
            ("bytes=65-", ByteRange::From { first: 65 }),
            ("bytes=-5", ByteRange::Last { length: 5 }),
        ];
        for (text, range) in cases {
            assert_eq!(ByteRange::parse(text), Some(range), "{text}");
        }
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=0-3,10-13",
            "bytes=5-4",
            "items=0-1",
            "Bytes=0-1",
            "bytes= 0-1",
            "bytes=0 - 1",
            "bytes=+1-2",
            "bytes=--5",
            "bytes=0-1 ",
            "0-1",
            "bytes=0-18446744073709551616",
            "bytes=a-b",
            "bytes=0x1-2",
        ] {
            assert_eq!(ByteRange::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_range_means_what_lies_within_the_content() {
        let cases = [
            ("bytes=0-9", 65, Some(0..=9)),
            ("bytes=60-99", 65, Some(60..=64)),
            ("bytes=64-", 65, Some(64..=64)),
            ("bytes=65-", 65, None),
            ("bytes=70-80", 65, None),
            ("bytes=-5", 65, Some(60..=64)),
            ("bytes=-99", 65, Some(0..=64)),
            ("bytes=-0", 65, None),
            ("bytes=0-", 0, None),
            ("bytes=-1", 0, None),
        ];
        for (text, total, bytes) in cases {
            let range = ByteRange::parse(text).unwrap();
            assert_eq!(range.resolve(total), bytes, "{text} of {total}");
        }
    }

    #[test]
    fn a_part_lies_within_its_total() {
        let part = |first, last, total| Some(ContentRange::Part { first, last, total });
        let cases = [
            ("bytes 0-0/1", part(0, 0, Some(1))),
            ("bytes 10-19/65", part(10, 19, Some(65))),
            ("bytes 10-19/*", part(10, 19, None)),
            ("Bytes 1-2/3", part(1, 2, Some(3))),
            ("bytes */65", Some(ContentRange::Unsatisfied { total: 65 })),
            ("bytes */*", None),
            ("bytes 0-65/65", None),
            ("bytes 9-8/65", None),
            ("bytes 0-8", None),
            ("bytes=0-8/65", None),
            ("items 0-8/65", None),
            ("bytes 0-8/+65", None),
            ("bytes -8/65", None),
            ("", None),
        ];
        for (text, range) in cases {
            assert_eq!(ContentRange::parse(text), range, "{text:?}");
        }
    }

    #[test]
    fn nothing_and_one_byte_of_an_upload_look_alike() {
        assert_eq!(Received::of(0).to_string(), "0-0");
        assert_eq!(Received::of(1).to_string(), "0-0");
        assert_eq!(Received::of(65).to_string(), "0-64");
        let ambiguous = Received::parse("0-0").unwrap();
        assert_eq!(ambiguous.length(), None);
        assert!(ambiguous.fits(0) && ambiguous.fits(1) && !ambiguous.fits(2));
        let known = Received::parse("0-64").unwrap();
        assert_eq!(known.length(), Some(65));
        assert!(known.fits(65) && !known.fits(64));
        for text in ["", "0-", "1-64", "bytes=0-64", "0-64/65", "64", "0--1"] {
            assert_eq!(Received::parse(text), None, "{text:?}");
        }
    }

    fn byte_ranges() -> impl Strategy<Value = ByteRange> {
        prop_oneof![
            any::<(u64, u64)>().prop_map(|(a, b)| ByteRange::Between {
                first: a.min(b),
                last: a.max(b),
            }),
            any::<u64>().prop_map(|first| ByteRange::From { first }),
            any::<u64>().prop_map(|length| ByteRange::Last { length }),
        ]
    }

    fn content_ranges() -> impl Strategy<Value = ContentRange> {
        let part = (any::<[u64; 3]>(), any::<bool>()).prop_map(|(mut ends, known)| {
            ends.sort_unstable();
            let [first, last, end] = ends;
            let last = last.min(u64::MAX - 1);
            ContentRange::Part {
                first: first.min(last),
                last,
                total: known.then_some(end.max(last + 1)),
            }
        });
        let none = any::<u64>().prop_map(|total| ContentRange::Unsatisfied { total });
        prop_oneof![part, none]
    }

    proptest! {
        #[test]
        fn printed_byte_ranges_are_read_back(range in byte_ranges()) {
            prop_assert_eq!(ByteRange::parse(&range.to_string()), Some(range));
        }

        #[test]
        fn printed_content_ranges_are_read_back(range in content_ranges()) {
            prop_assert_eq!(ContentRange::parse(&range.to_string()), Some(range));
        }

        #[test]
        fn printed_upload_ranges_are_read_back(length in any::<u64>()) {
            let received = Received::of(length);
            prop_assert_eq!(Received::parse(&received.to_string()), Some(received));
            prop_assert!(received.fits(length));
            prop_assert_eq!(received.length(), (length > 1).then_some(length));
        }

        #[test]
        fn what_a_range_means_is_never_outside(range in byte_ranges(), total in any::<u64>()) {
            if let Some(bytes) = range.resolve(total) {
                prop_assert!(bytes.start() <= bytes.end() && *bytes.end() < total);
            }
        }

        #[test]
        fn any_text_is_read_without_a_fault(text in ".{0,30}") {
            if let Some(range) = ByteRange::parse(&text) {
                prop_assert_eq!(ByteRange::parse(&range.to_string()), Some(range));
            }
            let _ = (ContentRange::parse(&text), Received::parse(&text));
        }
    }
}
