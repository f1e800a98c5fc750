//! `Link` headers: where the next page is.

use std::ops::Range;

use super::splice::Splice;

/// Rewrites the targets of a `Link` value as `decide` says, and keeps every other byte. `None` when
/// nothing changes.
pub(super) fn rewrite<F>(value: &[u8], mut decide: F) -> Option<Vec<u8>>
where
    F: FnMut(&str) -> Option<String>,
{
    let mut splice = Splice::of(value);
    for span in targets(value) {
        let target = value
            .get(span.clone())
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        if let Some(new) = target.and_then(&mut decide) {
            splice.replace(&span, &new);
        }
    }
    splice.finish()
}

/// What stands between angle brackets, outside quotes.
fn targets(value: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut place = Place::Outside;
    for (at, byte) in value.iter().enumerate() {
        place = match (place, byte) {
            (Place::Outside, b'<') => Place::Target { from: at + 1 },
            (Place::Outside, b'"') | (Place::Escape, _) => Place::Quotes,
            (Place::Target { from }, b'>') => {
                found.push(from..at);
                Place::Outside
            }
            (Place::Quotes, b'\\') => Place::Escape,
            (Place::Quotes, b'"') => Place::Outside,
            (same, _) => same,
        };
    }
    found
}

#[derive(Clone, Copy)]
enum Place {
    Outside,
    Target { from: usize },
    Quotes,
    Escape,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(value: &str) -> Option<String> {
        rewrite(value.as_bytes(), |target| {
            target
                .starts_with("http")
                .then(|| target.to_ascii_uppercase())
        })
        .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn only_targets_change() {
        for (value, expected) in [
            (
                r#"<http://n/a>; rel="next""#,
                Some(r#"<HTTP://N/A>; rel="next""#),
            ),
            (
                r#"<http://n/a>; t="<http://x>\"<http://y>", <http://n/b>"#,
                Some(r#"<HTTP://N/A>; t="<http://x>\"<http://y>", <HTTP://N/B>"#),
            ),
            (
                r#"</v2/a?n=1>; rel="next", <http://n/b>"#,
                Some(r#"</v2/a?n=1>; rel="next", <HTTP://N/B>"#),
            ),
            (r#"</v2/lab/app/tags/list?last=v1&n=1>; rel="next""#, None),
            ("<http://n/a", None),
            ("http://n/a", None),
            ("", None),
        ] {
            assert_eq!(upper(value).as_deref(), expected, "{value}");
        }
    }
}
