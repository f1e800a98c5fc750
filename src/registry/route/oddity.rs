//! Targets that are refused because two servers may read them in two ways.

use super::super::percent::{Unit, Units};
use super::class::Class;

/// Why a target is refused before any node sees it. The text tells the client what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Oddity {
    #[error("the request target does not start with a slash")]
    NotAbsolute,
    #[error("the request target has a control byte in it")]
    ControlByte,
    #[error("the request target has a space in it; write it as %20")]
    Space,
    #[error("the request target has a byte outside ASCII in it; write it with percent escapes")]
    NonAscii,
    #[error("the request target has a fragment (#), which no server may be sent")]
    Fragment,
    #[error("the path has a percent sign that two hexadecimal digits do not follow")]
    BrokenEscape,
    #[error("the path has a dot, slash or backslash written as a percent escape")]
    EncodedDelimiter,
    #[error("the path has a control byte written as a percent escape")]
    EncodedControl,
    #[error("the path is percent-encoded more than once")]
    LayeredEncoding,
    #[error("the path has a \".\" or \"..\" segment; send the path it leads to")]
    DotSegment,
    #[error("the path has an empty segment (two slashes in a row)")]
    DoubleSlash,
    #[error("the path has a backslash in it")]
    Backslash,
    #[error("the path leads to another place once it is decoded and resolved; send that path")]
    Disguised,
}

impl Oddity {
    /// A short name of the reason, for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "not_absolute",
            Self::ControlByte => "control_byte",
            Self::Space => "space",
            Self::NonAscii => "non_ascii",
            Self::Fragment => "fragment",
            Self::BrokenEscape => "broken_escape",
            Self::EncodedDelimiter => "encoded_delimiter",
            Self::EncodedControl => "encoded_control",
            Self::LayeredEncoding => "layered_encoding",
            Self::DotSegment => "dot_segment",
            Self::DoubleSlash => "double_slash",
            Self::Backslash => "backslash",
            Self::Disguised => "disguised",
        }
    }
}

/// Refuses what no target may have in it, wherever it stands.
pub(super) fn check_bytes(target: &str) -> Result<(), Oddity> {
    match target
        .bytes()
        .find(|byte| !byte.is_ascii_graphic() || *byte == b'#')
    {
        Some(b'#') => Err(Oddity::Fragment),
        Some(b' ') => Err(Oddity::Space),
        Some(0x80..) => Err(Oddity::NonAscii),
        Some(_) => Err(Oddity::ControlByte),
        None if target.starts_with('/') => Ok(()),
        None => Err(Oddity::NotAbsolute),
    }
}

/// Tells the class of a path, and refuses it when a node could come to another one where that
/// matters: registry and token traffic, and what is hidden from outside.
pub(super) fn classify(path: &str) -> Result<Class, Oddity> {
    let literal = Class::of(path);
    if must_be_plain(literal) {
        check_plain(path)?;
    }
    let seen = Class::seen_by_nodes(path);
    if seen != literal && (must_be_plain(literal) || must_be_plain(seen)) {
        return Err(Oddity::Disguised);
    }
    // Elsewhere slashes too many are common and harmless; the class is that of the node.
    Ok(seen)
}

fn must_be_plain(class: Class) -> bool {
    match class {
        Class::V2 | Class::Token | Class::Service | Class::Internal => true,
        Class::Api | Class::Login | Class::Acme | Class::Ui => false,
    }
}

fn check_plain(path: &str) -> Result<(), Oddity> {
    if path.contains('\\') {
        return Err(Oddity::Backslash);
    }
    if path.contains("//") {
        return Err(Oddity::DoubleSlash);
    }
    if path
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err(Oddity::DotSegment);
    }
    if path.contains('%') {
        check_escapes(path)
    } else {
        Ok(())
    }
}

/// Decodes as often as something is left to decode, because nobody knows how often the servers
/// behind us do.
fn check_escapes(path: &str) -> Result<(), Oddity> {
    if Units::of(path.as_bytes()).any(|unit| unit == Unit::Broken) {
        return Err(Oddity::BrokenEscape);
    }
    let mut layer = path.as_bytes().to_vec();
    for _ in 0..MAX_LAYERS {
        let mut decoded = Vec::with_capacity(layer.len());
        let mut escapes = Escapes::None;
        for unit in Units::of(&layer) {
            let byte = match unit {
                Unit::Plain(byte) => byte,
                Unit::Broken => b'%',
                Unit::Escaped(b'.' | b'/' | b'\\') => return Err(Oddity::EncodedDelimiter),
                Unit::Escaped(byte) if byte.is_ascii_control() => {
                    return Err(Oddity::EncodedControl);
                }
                Unit::Escaped(byte) => {
                    escapes = Escapes::Some;
                    byte
                }
            };
            decoded.push(byte);
        }
        match escapes {
            Escapes::None => return Ok(()),
            Escapes::Some => layer = decoded,
        }
    }
    Err(Oddity::LayeredEncoding)
}

enum Escapes {
    None,
    Some,
}

/// One layer is usual, a second happens; each costs one pass over a path of any length.
const MAX_LAYERS: usize = 4;
