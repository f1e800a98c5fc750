//! Text with some spans of it replaced and all else kept.

use std::ops::Range;

/// Builds the new text span by span, from left to right.
#[derive(Debug)]
pub(super) struct Splice<'a> {
    source: &'a [u8],
    copied: usize,
    built: Vec<u8>,
}

impl<'a> Splice<'a> {
    pub(super) fn of(source: &'a [u8]) -> Self {
        Self {
            source,
            copied: 0,
            built: Vec::new(),
        }
    }

    /// Puts text in the place of a span, which must lie behind all spans before it.
    pub(super) fn replace(&mut self, span: &Range<usize>, text: &str) {
        if let Some(kept) = self.source.get(self.copied..span.start) {
            self.built.extend_from_slice(kept);
            self.built.extend_from_slice(text.as_bytes());
            self.copied = span.end;
        }
    }

    /// The whole new text; nothing when nothing was replaced.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if self.copied == 0 {
            return None;
        }
        self.built
            .extend_from_slice(self.source.get(self.copied..).unwrap_or_default());
        Some(self.built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spans_change() {
        let mut splice = Splice::of(b"abcdef");
        splice.replace(&(1..2), "XX");
        splice.replace(&(4..5), "");
        assert_eq!(splice.finish().unwrap(), b"aXXcdf");
        assert_eq!(Splice::of(b"abc").finish(), None);
    }
}
