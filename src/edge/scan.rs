//! A look at the raw bytes of a request header, before the parser has its say.
//!
//! The HTTP/1.1 parser accepts line ends without a carriage return and headers of a mebibyte; this scanner
//! sees both while the bytes arrive. It never keeps bytes and never changes them.

/// What is remarkable about the header block read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing.
    Clean,
    /// A line ended with a line feed alone.
    BareLineFeed,
    /// The block is larger than allowed.
    TooLarge,
}

/// State between two reads of one header block.
#[derive(Debug)]
pub(super) struct Scan {
    size: usize,
    limit: usize,
    line: Line,
    finding: Finding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the start of a line.
    Empty,
    /// Inside a line.
    Some,
    /// Behind the carriage return of an empty line.
    EmptyReturn,
    /// Behind the carriage return of a line with text.
    SomeReturn,
    /// The block has ended; what follows is a body.
    Done,
}

impl Scan {
    /// A scanner for one block of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            size: 0,
            limit,
            line: Line::Empty,
            finding: Finding::Clean,
        }
    }

    /// Takes the next bytes of the connection; bytes behind the block are ignored.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.line == Line::Done {
                return;
            }
            self.size = self.size.saturating_add(1);
            if self.size > self.limit && self.finding == Finding::Clean {
                self.finding = Finding::TooLarge;
            }
            self.line = self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) -> Line {
        match (self.line, byte) {
            (Line::Empty, b'\r') => Line::EmptyReturn,
            (Line::Some, b'\r') => Line::SomeReturn,
            (Line::EmptyReturn, b'\n') => {
                // Empty lines before the request line are skipped by the parser too.
                if self.size <= 2 {
                    self.restart()
                } else {
                    Line::Done
                }
            }
            (Line::SomeReturn, b'\n') => Line::Empty,
            (Line::Empty, b'\n') => {
                self.finding = Finding::BareLineFeed;
                Line::Done
            }
            (Line::Some, b'\n') => {
                self.finding = Finding::BareLineFeed;
                Line::Empty
            }
            (Line::Done, _) => Line::Done,
            (Line::Empty | Line::Some | Line::EmptyReturn | Line::SomeReturn, _) => Line::Some,
        }
    }

    fn restart(&mut self) -> Line {
        self.size = 0;
        Line::Empty
    }

    /// What was found so far.
    pub(super) fn finding(&self) -> Finding {
        self.finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(parts: &[&[u8]]) -> Finding {
        let mut scan = Scan::new(64);
        for part in parts {
            scan.feed(part);
        }
        scan.finding()
    }

    #[test]
    fn a_proper_block_is_clean_however_it_is_cut() {
        let block = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\nwith\nlines";
        assert_eq!(scan(&[block]), Finding::Clean);
        for cut in 0..block.len() {
            let (head, tail) = block.split_at(cut);
            assert_eq!(scan(&[head, tail]), Finding::Clean, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_feed_alone_is_found_in_any_line() {
        assert_eq!(
            scan(&[b"GET / HTTP/1.1\nHost: a\r\n\r\n"]),
            Finding::BareLineFeed
        );
        assert_eq!(
            scan(&[b"GET / HTTP/1.1\r\nHost: a\n\r\n"]),
            Finding::BareLineFeed
        );
        assert_eq!(
            scan(&[b"GET / HTTP/1.1\r\nHost: a\r\n\n"]),
            Finding::BareLineFeed
        );
    }

    #[test]
    fn a_block_beyond_the_limit_is_found_and_a_body_does_not_count() {
        let long = [b'a'; 65];
        assert_eq!(scan(&[&long]), Finding::TooLarge);
        assert_eq!(scan(&[b"GET / HTTP/1.1\r\n\r\n", &long]), Finding::Clean);
    }

    #[test]
    fn an_empty_line_before_the_request_line_is_skipped() {
        assert_eq!(
            scan(&[b"\r\nGET / HTTP/1.1\r\nHost: a\nb: c\r\n\r\n"]),
            Finding::BareLineFeed
        );
        assert_eq!(
            scan(&[b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\n\n"]),
            Finding::Clean
        );
    }
}
