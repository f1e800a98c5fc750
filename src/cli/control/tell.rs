//! Answers of the admin listener in words.

use serde_json::Value;

/// The text at a place of a document; a number as text, and nothing for what is not there.
pub(super) fn text(document: &Value, place: &str) -> String {
    match document.pointer(place) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => clean(text),
        Some(other) => other.to_string(),
    }
}

/// The whole number at a place; zero for what is not there.
pub(super) fn number(document: &Value, place: &str) -> u64 {
    document
        .pointer(place)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// The elements at a place.
pub(super) fn elements<'d>(document: &'d Value, place: &str) -> &'d [Value] {
    let list = document.pointer(place).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The texts at a place.
pub(super) fn list(document: &Value, place: &str) -> Vec<String> {
    let texts = elements(document, place).iter().filter_map(Value::as_str);
    texts.map(clean).collect()
}

/// Columns as wide as they have to be.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded = cells.map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Bytes as a person reads them.
pub(super) fn size(bytes: u64) -> String {
    let mut unit = "B";
    let (mut whole, mut tenth) = (bytes, 0);
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if whole < 1024 {
            break;
        }
        tenth = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit = larger;
    }
    if unit == "B" {
        format!("{whole} B")
    } else {
        format!("{whole}.{tenth} {unit}")
    }
}

/// What a client chose must not steer a terminal.
fn clean(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_space() {
        let rows = [["NAME", "DUTY", "X"], ["harbor-1", "off", ""]];
        let rows: Vec<_> = rows.map(|row| row.map(str::to_owned).to_vec()).into();
        assert_eq!(table(&rows), ["NAME      DUTY  X", "harbor-1  off"]);
    }

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (bytes, told) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), told);
        }
    }

    #[test]
    fn nothing_a_client_chose_steers_the_terminal() {
        let document = json!({ "repo": "a\u{1b}[2Jb", "none": null, "count": 3 });
        assert_eq!(text(&document, "/repo"), "a\u{fffd}[2Jb");
        assert_eq!(text(&document, "/none"), "");
        assert_eq!(text(&document, "/count"), "3");
    }
}
