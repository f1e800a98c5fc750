//! The context of a trace, as it travels from program to program: W3C Trace Context, `traceparent`.
//!
//! `tracestate` belongs to others: it is passed on as it came or not at all, and never read.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// The id of a trace. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

/// The id of one span of a trace. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId(NonZeroU64);

/// Whether the spans of a trace are kept by somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    Yes,
    No,
}

/// What one program tells the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    pub trace: TraceId,
    /// The span of the teller.
    pub span: SpanId,
    pub sampled: Sampled,
}

impl TraceId {
    /// An id from random bits.
    pub fn drawn(random: u128) -> Self {
        Self(NonZeroU128::new(random).unwrap_or(NonZeroU128::MIN))
    }

    /// As it goes over the wire in protocols of bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl SpanId {
    /// An id from random bits.
    pub fn drawn(random: u64) -> Self {
        Self(NonZeroU64::new(random).unwrap_or(NonZeroU64::MIN))
    }

    /// As it goes over the wire in protocols of bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Context {
    /// Reads a `traceparent`. What is not exactly one is none: a trace begins anew, then.
    ///
    /// Later versions may be longer, and begin alike.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = hex(text, 2)?;
        let (trace, rest) = hex(rest.strip_prefix('-')?, 32)?;
        let (span, rest) = hex(rest.strip_prefix('-')?, 16)?;
        let (flags, rest) = hex(rest.strip_prefix('-')?, 2)?;
        let ends = match version {
            FORBIDDEN => false,
            0 => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        if !ends {
            return None;
        }
        Some(Self {
            trace: TraceId(NonZeroU128::new(trace)?),
            span: SpanId(NonZeroU64::new(u64::try_from(span).ok()?)?),
            sampled: if flags & SAMPLED == 0 {
                Sampled::No
            } else {
                Sampled::Yes
            },
        })
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = match self.sampled {
            Sampled::Yes => SAMPLED,
            Sampled::No => 0,
        };
        write!(f, "00-{}-{}-{flags:02x}", self.trace, self.span)
    }
}

/// So many hexadecimal digits, which have to be small letters, and what follows them.
fn hex(text: &str, digits: usize) -> Option<(u128, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let fits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let number = number.bytes().all(fits).then_some(number)?;
    Some((u128::from_str_radix(number, 16).ok()?, rest))
}

/// Which part of all traces is kept, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u32);

impl Ratio {
    /// Reads such as `10%` or `0.5%`; up to four digits behind the point.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || whole.len() > 3 || part.len() > 4 {
            return None;
        }
        let millionths: u32 = format!("{whole}{part:0<4}").parse().ok()?;
        (millionths <= ALL).then_some(Self(millionths))
    }

    /// Whether a trace that begins here is kept. The id decides, so every instance decides alike.
    pub fn takes(self, trace: TraceId) -> Sampled {
        if trace.0.get() % u128::from(ALL) < u128::from(self.0) {
            Sampled::Yes
        } else {
            Sampled::No
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        let part = format!("{part:04}");
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            part => write!(f, "{whole}.{part}%"),
        }
    }
}

const ALL: u32 = 1_000_000;
/// The one flag that there is.
const SAMPLED: u128 = 1;
/// A version that never will be.
const FORBIDDEN: u128 = 0xff;

#[cfg(test)]
mod tests;
