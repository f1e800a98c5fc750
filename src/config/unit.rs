//! Durations and sizes as text: one number and one unit.

use std::time::Duration;

/// Why a text is no duration or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnitError {
    #[error("is empty")]
    Empty,
    #[error("{0:?} does not start with a whole number")]
    NoNumber(String),
    #[error("{0:?} has no unit")]
    NoUnit(String),
    #[error("{unit:?} is not a unit of {kind}")]
    UnknownUnit {
        unit: String,
        kind: &'static str,
        meant: Option<&'static str>,
    },
    #[error("{0:?} has a fraction")]
    Fraction(String),
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// A unit and how many of the smallest one it holds.
type Unit = (&'static str, u64);

/// Largest first, as printing wants them; in milliseconds.
const DURATIONS: [Unit; 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Largest first, in bytes.
const SIZES: [Unit; 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Reads `500ms`, `30s`, `5m`, `2h` or `1d`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    parse(text, &DURATIONS, "time").map(Duration::from_millis)
}

/// Reads `512B`, `64KiB`, `4MiB` or `1GiB`, in bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, UnitError> {
    parse(text, &SIZES, "size")
}

/// Writes whole milliseconds as [`parse_duration`] reads them; less than one is dropped.
pub(super) fn print_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if milliseconds == 0 {
        "0s".to_owned()
    } else {
        print(milliseconds, &DURATIONS)
    }
}

/// Writes bytes as [`parse_size`] reads them.
pub(super) fn print_size(bytes: u64) -> String {
    if bytes == 0 {
        "0B".to_owned()
    } else {
        print(bytes, &SIZES)
    }
}

impl UnitError {
    /// What to write instead of this text.
    pub(super) fn hint(&self, text: &str, example: &str) -> String {
        let number: String = text.chars().take_while(char::is_ascii_digit).collect();
        let meant = match self {
            Self::UnknownUnit { meant, .. } => *meant,
            Self::Empty
            | Self::NoNumber(_)
            | Self::NoUnit(_)
            | Self::Fraction(_)
            | Self::TooLarge(_) => None,
        };
        match meant {
            Some(unit) => format!("write \"{number}{unit}\""),
            None => format!("write a whole number and a unit, such as \"{example}\""),
        }
    }
}

fn parse(text: &str, units: &[Unit], kind: &'static str) -> Result<u64, UnitError> {
    if text.is_empty() {
        return Err(UnitError::Empty);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    if unit.is_empty() {
        return Err(UnitError::NoUnit(text.to_owned()));
    }
    if unit.starts_with(['.', ',']) {
        return Err(UnitError::Fraction(text.to_owned()));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let meant = similar_unit(unit).filter(|meant| units.iter().any(|(name, _)| name == meant));
        return Err(UnitError::UnknownUnit {
            unit: unit.to_owned(),
            kind,
            meant,
        });
    };
    let number: u64 = number
        .parse()
        .map_err(|_| UnitError::TooLarge(text.to_owned()))?;
    number
        .checked_mul(*factor)
        .ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

fn print(amount: u64, units: &[Unit]) -> String {
    let whole = units
        .iter()
        .find(|(_, factor)| amount.is_multiple_of(*factor));
    let (unit, factor) = whole.copied().unwrap_or(("", 1));
    format!("{}{unit}", amount / factor)
}

/// The unit somebody means who writes another one. Decimal units are refused because nobody can
/// tell whether a thousand or 1024 was meant.
fn similar_unit(unit: &str) -> Option<&'static str> {
    match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => Some("KiB"),
        "m" | "mb" | "mib" => Some("MiB"),
        "g" | "gb" | "gib" => Some("GiB"),
        "b" | "byte" | "bytes" => Some("B"),
        "ms" | "msec" | "millis" | "milliseconds" => Some("ms"),
        "s" | "sec" | "secs" | "second" | "seconds" => Some("s"),
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "h" | "hr" | "hour" | "hours" => Some("h"),
        "d" | "day" | "days" => Some("d"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_unit_of_time_is_read() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn each_unit_of_size_is_read() {
        for (text, bytes) in [
            ("512B", 512),
            ("64KiB", 65_536),
            ("4MiB", 4_194_304),
            ("1GiB", 1_073_741_824),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why_and_what_to_write() {
        let generic = "write a whole number and a unit, such as \"30s\"";
        for (text, what, hint) in [
            ("", "is empty", generic),
            ("s", "\"s\" does not start with a whole number", generic),
            ("-5s", "\"-5s\" does not start with a whole number", generic),
            ("30", "\"30\" has no unit", generic),
            ("1.5s", "\"1.5s\" has a fraction", generic),
            ("30sec", "\"sec\" is not a unit of time", "write \"30s\""),
            ("30 s", "\" s\" is not a unit of time", "write \"30s\""),
            (
                "5 minutes",
                "\" minutes\" is not a unit of time",
                "write \"5m\"",
            ),
            ("1h30m", "\"h30m\" is not a unit of time", generic),
            ("4M", "\"M\" is not a unit of time", generic),
            ("1w", "\"w\" is not a unit of time", generic),
            (
                "999999999999999d",
                "\"999999999999999d\" is too large",
                generic,
            ),
            (
                "99999999999999999999ms",
                "\"99999999999999999999ms\" is too large",
                generic,
            ),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.hint(text, "30s").as_str()),
                (what, hint)
            );
        }
    }

    #[test]
    fn decimal_sizes_are_refused_with_the_binary_one() {
        for (text, hint) in [
            ("32KB", "write \"32KiB\""),
            ("4M", "write \"4MiB\""),
            ("1gb", "write \"1GiB\""),
        ] {
            let error = parse_size(text).unwrap_err();
            assert!(matches!(error, UnitError::UnknownUnit { .. }), "{text}");
            assert_eq!(error.hint(text, "64KiB"), hint);
        }
    }

    #[test]
    fn the_largest_whole_unit_is_printed() {
        for (milliseconds, text) in [
            (0, "0s"),
            (1, "1ms"),
            (1_500, "1500ms"),
            (90_000, "90s"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(print_duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(print_size(0), "0B");
        assert_eq!(print_size(1_536), "1536B");
        assert_eq!(print_size(1 << 31), "2GiB");
    }

    proptest! {
        #[test]
        fn a_printed_duration_reads_back(milliseconds: u64) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
        }

        #[test]
        fn a_printed_size_reads_back(bytes: u64, shift in 0_u32..40) {
            for bytes in [bytes, (bytes >> 32) << shift] {
                prop_assert_eq!(parse_size(&print_size(bytes)), Ok(bytes));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
