//! The great classes of paths, as we read them and as a node would.

use super::super::percent::decode;

/// Which part of a Harbor node a path belongs to. Nodes choose it by prefix, after they have
/// decoded the path, merged its slashes and resolved its dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    V2,
    Token,
    Service,
    Internal,
    Api,
    Login,
    Acme,
    Ui,
}

impl Class {
    /// The class of a path taken literally.
    pub(super) fn of(path: &str) -> Self {
        Self::of_bytes(path.as_bytes())
    }

    /// The class of a path after what a node does to it before it chooses.
    pub(super) fn seen_by_nodes(path: &str) -> Self {
        if path.contains('%') || path.contains("//") || path.contains("/.") {
            Self::of_bytes(&resolve(path))
        } else {
            Self::of(path)
        }
    }

    fn of_bytes(path: &[u8]) -> Self {
        // Nodes hide every path with this prefix, whatever follows.
        if path.starts_with(b"/service/notifications") || is_under(path, b"/v1") {
            Self::Internal
        } else if is_under(path, b"/v2") {
            Self::V2
        } else if path == b"/service/token" {
            Self::Token
        } else if is_under(path, b"/service") {
            Self::Service
        } else if is_under(path, b"/api") || is_under(path, b"/chartrepo") {
            Self::Api
        } else if is_under(path, b"/c") {
            Self::Login
        } else if path.starts_with(b"/.well-known/acme-challenge/") {
            Self::Acme
        } else {
            Self::Ui
        }
    }
}

/// Whether a path is the folder itself, with or without its slash, or something in it.
fn is_under(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// Decodes once, merges slashes, resolves dot segments.
fn resolve(path: &str) -> Vec<u8> {
    let decoded = decode(path.as_bytes());
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut resolved = Vec::with_capacity(decoded.len());
    for segment in segments {
        resolved.push(b'/');
        resolved.extend_from_slice(segment);
    }
    // A folder stays a folder: its slash tells prefixes apart.
    if decoded.ends_with(b"/") || decoded.ends_with(b"/.") || decoded.ends_with(b"/..") {
        resolved.push(b'/');
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_told_by_whole_segments() {
        for (path, class) in [
            ("/v2", Class::V2),
            ("/v2/", Class::V2),
            ("/v20/", Class::Ui),
            ("/V2/", Class::Ui),
            ("/v1/_ping", Class::Internal),
            ("/v11", Class::Ui),
            ("/service/token", Class::Token),
            ("/service/tokens", Class::Service),
            ("/service/notifications", Class::Internal),
            ("/service/notifications-x", Class::Internal),
            ("/api/v2.0/ping", Class::Api),
            ("/apis", Class::Ui),
            ("/chartrepo/x", Class::Api),
            ("/c/login", Class::Login),
            ("/charts", Class::Ui),
            ("/.well-known/acme-challenge/x", Class::Acme),
            ("/", Class::Ui),
        ] {
            assert_eq!(Class::of(path), class, "{path}");
        }
    }

    #[test]
    fn paths_are_resolved_as_nodes_do_it() {
        for (path, resolved) in [
            ("/%76%32/", "/v2/"),
            ("/x/../v2/", "/v2/"),
            ("//v2//x", "/v2/x"),
            ("/x/%2e%2e/v2", "/v2"),
            ("/../../v1/", "/v1/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/", "/"),
            ("/..", "/"),
            ("/a%zz", "/a%zz"),
            ("/x%2f..%2fv2/", "/v2/"),
        ] {
            assert_eq!(String::from_utf8_lossy(&resolve(path)), resolved, "{path}");
        }
    }
}
