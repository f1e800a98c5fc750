//! Numbers in the form in which people read them.

use std::time::Duration;

/// Bytes with three digits: `0 B`, `999 B`, `1.2 kB`, `45.3 MB`, `2.1 GB`. Units are decimal, as docker prints them.
pub(super) fn bytes(count: u64) -> String {
    let (value, unit) = scaled(count);
    format!("{value} {unit}")
}

/// The number and the unit of [`bytes`], apart.
pub(super) fn scaled(count: u64) -> (String, &'static str) {
    let mut whole = count;
    // Tenths that were cut off in the last step.
    let mut tenths = 0;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if whole < 1000 {
            break;
        }
        tenths = whole % 1000 / 100;
        whole /= 1000;
        unit = larger;
    }
    if unit == "B" || whole >= 100 {
        (whole.to_string(), unit)
    } else {
        (format!("{whole}.{tenths}"), unit)
    }
}

/// A rate in something a second: `0`, `0.3`, `12`.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 0.05 {
        "0".to_owned()
    } else if per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.0}")
    }
}

/// A time span with one or two units: `5 s`, `12 min`, `3 h 20 min`, `4 d 2 h`.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {small_unit}")
        }
    };
    if days > 0 {
        two(days, "d", hours % 24, "h")
    } else if hours > 0 {
        two(hours, "h", minutes % 60, "min")
    } else if minutes > 0 {
        format!("{minutes} min")
    } else {
        format!("{seconds} s")
    }
}

/// How long ago something was, at a moment given in seconds since 1970.
pub(super) fn ago(at: u64, now: u64) -> String {
    long_ago(now.saturating_sub(at))
}

/// The same for a span that is known.
pub(super) fn long_ago(seconds: u64) -> String {
    match seconds {
        0..3 => "just now".to_owned(),
        _ => format!("{} ago", span(seconds)),
    }
}

/// Milliseconds as a span that a request takes: `240 ms`, `3.2 s`, `4 min`.
pub(super) fn millis(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => span(Duration::from_millis(millis).as_secs()),
    }
}

/// How many of a hundred, never above, rounded down so that only what is complete reads so.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    let share = u128::from(done) * 100 / u128::from(total.max(1));
    u64::try_from(share).map_or(100, |share| share.min(100))
}

/// A word with its number, in the plural where it needs one.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The beginning of a digest, or of another long name, for a narrow column.
pub(super) fn short(reference: &str) -> String {
    let (kind, rest) = reference.split_once(':').unwrap_or(("", reference));
    if kind.is_empty() || rest.len() < 24 {
        return reference.to_owned();
    }
    let head: String = rest.chars().take(12).collect();
    format!("{kind}:{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_at_most() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1234, "1.2 kB"),
            (999_999, "999 kB"),
            (1_000_000, "1.0 MB"),
            (45_300_000, "45.3 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18446 PB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn a_span_is_told_in_the_units_that_matter() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (12_000, "3 h 20 min"),
            (86_400, "1 d"),
            (360_000, "4 d 4 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(ago(10, 5), "just now", "clocks may go back");
        assert_eq!(ago(10, 13), "3 s ago");
        assert_eq!(millis(240), "240 ms");
        assert_eq!(millis(3210), "3.2 s");
        assert_eq!(millis(240_000), "4 min");
    }

    #[test]
    fn only_what_is_complete_is_a_hundred_percent() {
        assert_eq!(percent(999, 1000), 99);
        assert_eq!(percent(1000, 1000), 100);
        assert_eq!(percent(2000, 1000), 100);
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }

    #[test]
    fn small_rates_keep_a_digit_and_noise_is_nothing() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.3, "0.3"),
            (9.94, "9.9"),
            (9.96, "10"),
        ] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn a_digest_is_cut_and_a_tag_is_not() {
        assert_eq!(
            short(&format!("sha256:{}", "a".repeat(64))),
            "sha256:aaaaaaaaaaaa…"
        );
        assert_eq!(short("v1.2.3"), "v1.2.3");
        assert_eq!(short("é:è"), "é:è");
    }
}
