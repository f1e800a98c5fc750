//! A look at the raw bytes of a request header, before the parser has its say.
//!
//! The HTTP/1.1 parser accepts line ends without a carriage return and headers of a mebibyte, mends targets with
//! spaces, drops fragments, and forgets a length beside a transfer coding; this scanner sees all of that while the
//! bytes arrive. It keeps no more than the name of one field, and never changes a byte.

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// What is remarkable about the header block read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing.
    Clean,
    /// A line ended with a line feed alone.
    BareLineFeed,
    /// The block is larger than allowed.
    TooLarge,
    /// The request line is not three words of bytes that can be seen.
    RequestLine,
    /// The request line has a fragment in it.
    Fragment,
    /// The end of the body is told in two ways.
    TwoLengths,
}

/// State between two reads of one header block.
#[derive(Debug)]
pub(super) struct Scan {
    size: usize,
    limit: usize,
    line: Line,
    part: Part,
    framing: Framing,
    finding: Finding,
}

/// What the next byte of a line belongs to.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The request line, with so many spaces so far.
    Request(u8),
    Name(Name),
    Value,
}

/// As much of a field's name as can matter.
#[derive(Debug, Clone, Copy, Default)]
struct Name {
    bytes: [u8; TRANSFER_ENCODING.len()],
    length: usize,
}

impl Name {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
    }

    fn is(&self, name: &[u8]) -> bool {
        let had = self.bytes.get(..self.length);
        had.is_some_and(|had| had.eq_ignore_ascii_case(name))
    }
}

/// How the end of the body is told, as far as seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Untold,
    Length,
    Coding,
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
            part: Part::Request(0),
            framing: Framing::Untold,
            finding: Finding::Clean,
        }
    }

    /// Takes the next bytes of the connection; bytes behind the block are ignored.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            if self.line == Line::Done {
                return;
            }
            self.count(1);
            self.read(*byte);
            self.line = self.step(*byte);
            rest = self.skip_value(behind);
        }
    }

    fn count(&mut self, bytes: usize) {
        self.size = self.size.saturating_add(bytes);
        if self.size > self.limit {
            self.find(Finding::TooLarge);
        }
    }

    /// What stands in a value changes nothing before the line ends; tokens and cookies make most of a block.
    fn skip_value<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.line != Line::Some || !matches!(self.part, Part::Value) {
            return bytes;
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let (skipped, behind) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.count(skipped.len());
        behind
    }

    /// The first thing found is the one that is told.
    fn find(&mut self, finding: Finding) {
        if self.finding == Finding::Clean {
            self.finding = finding;
        }
    }

    /// Looks at what the lines say.
    fn read(&mut self, byte: u8) {
        match (&mut self.part, byte) {
            (Part::Request(_), _) if self.size <= 2 && matches!(byte, b'\r' | b'\n') => {}
            (Part::Request(_), byte) if self.line == Line::SomeReturn && byte != b'\n' => {
                self.find(Finding::RequestLine);
            }
            (Part::Request(spaces), b'\n') => {
                let words = *spaces == 2;
                self.part = Part::Name(Name::default());
                if !words {
                    self.find(Finding::RequestLine);
                }
            }
            (Part::Request(spaces), b' ') => *spaces = spaces.saturating_add(1),
            (Part::Request(_), b'#') => self.find(Finding::Fragment),
            (Part::Request(_), byte) if byte != b'\r' && !byte.is_ascii_graphic() => {
                self.find(Finding::RequestLine);
            }
            (Part::Name(_) | Part::Value, b'\n') => self.part = Part::Name(Name::default()),
            (Part::Name(name), b':') => {
                let name = *name;
                self.part = Part::Value;
                self.note_field(name);
            }
            (Part::Name(name), byte) => name.push(byte),
            (Part::Request(_) | Part::Value, _) => {}
        }
    }

    fn note_field(&mut self, name: Name) {
        let told = if name.is(CONTENT_LENGTH) {
            Framing::Length
        } else if name.is(TRANSFER_ENCODING) {
            Framing::Coding
        } else {
            return;
        };
        if self.framing == Framing::Untold {
            self.framing = told;
        } else if self.framing != told {
            self.find(Finding::TwoLengths);
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

    const LIMIT: usize = 96;

    fn scan(parts: &[&[u8]]) -> Finding {
        let mut scan = Scan::new(LIMIT);
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
    fn a_request_line_has_three_words_and_no_fragment() {
        assert_eq!(scan(&[b"GET /a b HTTP/1.1\r\n\r\n"]), Finding::RequestLine);
        assert_eq!(scan(&[b"GET /a\r\nA: b c d\r\n\r\n"]), Finding::RequestLine);
        assert_eq!(scan(&[b"GET /a#b HTTP/1.1\r\n\r\n"]), Finding::Fragment);
        assert_eq!(
            scan(&[b"\r\nGET /a b HTTP/1.1\r\n\r\n"]),
            Finding::RequestLine
        );
        let returned = b"GET /a\rb HTTP/1.1\r\n\r\n";
        assert_eq!(scan(&[returned]), Finding::RequestLine);
        assert_eq!(scan(&[b"GET /a\0 HTTP/1.1\r\n\r\n"]), Finding::RequestLine);
        assert_eq!(
            scan(&[b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n"]),
            Finding::RequestLine
        );
        let fields = b"GET / HTTP/1.1\r\nA: b # c\r\n\r\n";
        assert_eq!(scan(&[fields]), Finding::Clean);
    }

    #[test]
    fn a_body_whose_end_is_told_twice_is_found_whatever_the_spelling() {
        let first = b"PUT / HTTP/1.1\r\n";
        let length = b"CONTENT-length: 5\r\n";
        let coding = b"Transfer-Encoding: x\r\n";
        for fields in [[&length[..], coding], [coding, length]].map(|two| two.concat()) {
            assert_eq!(scan(&[first, &fields]), Finding::TwoLengths);
        }
        let twice = [&length[..], length].concat();
        assert_eq!(scan(&[first, &twice]), Finding::Clean, "left to the parser");
        let alike = b"Content-Lengthy: 5\r\nx: transfer-encoding: y\r\n";
        let all = [&length[..], alike].concat();
        assert_eq!(scan(&[first, &all]), Finding::Clean);
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
        let long = [b'a'; LIMIT + 1];
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
