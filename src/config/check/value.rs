//! Single values: a text or number of the file becomes what it stands for, or a problem.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::problem::Problems;
use crate::config::table::Raw;
use crate::config::unit::{parse_duration, parse_size, print_duration, print_size};

/// Longer times are typing errors, and would run off the end of the clock.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// A time that must pass: never zero.
pub(super) fn period(problems: &mut Problems, raw: &Raw<String>) -> Option<Duration> {
    let period = period_or_zero(problems, raw)?;
    if period.is_zero() {
        return problems.refuse(raw, "is zero", "write a longer time, such as \"30s\"");
    }
    Some(period)
}

/// A time where zero means at once.
pub(super) fn period_or_zero(problems: &mut Problems, raw: &Raw<String>) -> Option<Duration> {
    match parse_duration(&raw.value) {
        Ok(period) if period <= LONGEST => Some(period),
        Ok(_) => {
            let hint = format!("write {:?} or less", print_duration(LONGEST));
            problems.refuse(raw, format!("{:?} is too long", raw.value), hint)
        }
        Err(error) => problems.refuse(raw, error.to_string(), error.hint(&raw.value, "30s")),
    }
}

/// A number of bytes within these bounds.
pub(super) fn size<T: TryFrom<u64>>(
    problems: &mut Problems,
    raw: &Raw<String>,
    allowed: RangeInclusive<u64>,
) -> Option<T> {
    let bytes = match parse_size(&raw.value) {
        Ok(bytes) => bytes,
        Err(error) => {
            return problems.refuse(raw, error.to_string(), error.hint(&raw.value, "4MiB"));
        }
    };
    if let Some(size) = T::try_from(bytes).ok().filter(|_| allowed.contains(&bytes)) {
        return Some(size);
    }
    let (least, most) = (print_size(*allowed.start()), print_size(*allowed.end()));
    let what = format!("{:?} is out of bounds", raw.value);
    problems.refuse(
        raw,
        what,
        format!("write a size from {least:?} to {most:?}"),
    )
}

/// A whole number within these bounds.
pub(super) fn number<T: TryFrom<i64>>(
    problems: &mut Problems,
    raw: &Raw<i64>,
    allowed: RangeInclusive<i64>,
) -> Option<T> {
    if let Some(number) = T::try_from(raw.value)
        .ok()
        .filter(|_| allowed.contains(&raw.value))
    {
        return Some(number);
    }
    let (least, most) = (allowed.start(), allowed.end());
    let what = format!("{} is out of bounds", raw.value);
    problems.refuse(raw, what, format!("write a number from {least} to {most}"))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    problems: &mut Problems,
    raw: &Raw<String>,
    words: &[(&str, T)],
) -> Option<T> {
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == raw.value) {
        return Some(*meaning);
    }
    let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    let hint = format!("write {}", words.join(" or "));
    problems.refuse(
        raw,
        format!("{:?} is not one of its values", raw.value),
        hint,
    )
}

/// The path of a file or folder. Whether it exists is not asked here.
pub(super) fn path(problems: &mut Problems, raw: &Raw<String>) -> Option<PathBuf> {
    let text = raw.value.as_str();
    if text.is_empty() {
        return problems.refuse(raw, "is empty", "write a path that starts with /");
    }
    if text.contains(char::is_control) || text.starts_with("-----BEGIN") {
        // Not shown again: it may be a key.
        return problems.refuse(raw, "is no path", "write a path that starts with /");
    }
    if !text.starts_with('/') {
        let what = format!("{text:?} depends on the folder pilotage is started in");
        return problems.refuse(raw, what, "write a path that starts with /");
    }
    Some(PathBuf::from(text))
}

/// The path of a file that may be left out, written as an empty text.
#[expect(
    clippy::option_option,
    reason = "the outer none is a problem, the inner one is none given"
)]
pub(super) fn optional_path(problems: &mut Problems, raw: &Raw<String>) -> Option<Option<PathBuf>> {
    if raw.value.is_empty() {
        Some(None)
    } else {
        path(problems, raw).map(Some)
    }
}

/// An address to listen on.
pub(super) fn address(problems: &mut Problems, raw: &Raw<String>) -> Option<SocketAddr> {
    if let Ok(address) = raw.value.parse() {
        return Some(address);
    }
    let hint = match raw.value.rsplit_once(':') {
        Some(("" | "*", port)) => format!("write \"[::]:{port}\" for all addresses"),
        Some(("localhost", port)) => format!("write \"127.0.0.1:{port}\" or \"[::1]:{port}\""),
        Some(_) | None => "write an IP address and a port, such as \"[::]:443\"".to_owned(),
    };
    problems.refuse(raw, format!("{:?} is not an address", raw.value), hint)
}

/// Checks every element, and returns the list when all of them are good.
pub(super) fn each<T, U>(
    problems: &mut Problems,
    list: &[T],
    mut check: impl FnMut(&mut Problems, &T) -> Option<U>,
) -> Option<Vec<U>> {
    let checked: Vec<_> = list
        .iter()
        .map(|element| check(problems, element))
        .collect();
    checked.into_iter().collect()
}

/// Refuses every element that says the same as an earlier one.
pub(super) fn refuse_twins<'a, K: PartialEq>(
    problems: &mut Problems,
    list: impl IntoIterator<Item = (&'a Raw<String>, K)>,
    hint: &str,
) {
    let mut seen: Vec<(&Raw<String>, K)> = Vec::new();
    for (raw, key) in list {
        if let Some((first, _)) = seen.iter().find(|(_, earlier)| *earlier == key) {
            let what = format!("{:?} is the same as {}", raw.value, first.key);
            problems.refuse::<_, ()>(raw, what, hint);
        } else {
            seen.push((raw, key));
        }
    }
}
