//! The registry API as Harbor's core reads it. Written for itself, so that a mistake in pilotage's
//! own route parser does not hide behind the same mistake here.

use hyper::body::Incoming;
use hyper::{Request, Uri};

/// A path under `/v2/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum V2 {
    Base,
    Catalog,
    Tags {
        repository: String,
    },
    Manifest {
        repository: String,
        reference: String,
    },
    Blob {
        repository: String,
    },
    /// Where uploads start.
    Uploads {
        repository: String,
    },
    Upload {
        repository: String,
        id: String,
    },
    Referrers {
        repository: String,
        digest: String,
    },
    /// A repository name that names no project.
    NoProject {
        repository: String,
    },
    Unknown,
}

impl V2 {
    pub(super) fn repository(&self) -> Option<&str> {
        match self {
            Self::Tags { repository }
            | Self::Manifest { repository, .. }
            | Self::Blob { repository }
            | Self::Uploads { repository }
            | Self::Upload { repository, .. }
            | Self::Referrers { repository, .. }
            | Self::NoProject { repository } => Some(repository),
            Self::Base | Self::Catalog | Self::Unknown => None,
        }
    }
}

/// Reads a path; `None` when it is not under `/v2/`.
pub(super) fn parse(path: &str) -> Option<V2> {
    let rest = path.strip_prefix("/v2/")?;
    Some(match rest {
        "" => V2::Base,
        "_catalog" => V2::Catalog,
        rest => repository_route(rest).unwrap_or(V2::Unknown),
    })
}

fn repository_route(rest: &str) -> Option<V2> {
    let parts = rest.split('/').collect::<Vec<_>>();
    let count = parts.len();
    let words = |from_end: usize| count.checked_sub(from_end).map(|at| parts[at]);
    let (named, route): (usize, Box<dyn Fn(String) -> V2>) = match parts.last().copied()? {
        "list" if words(2)? == "tags" => (2, Box::new(|repository| V2::Tags { repository })),
        "" if words(2)? == "uploads" && words(3)? == "blobs" => {
            (3, Box::new(|repository| V2::Uploads { repository }))
        }
        "uploads" if words(2)? == "blobs" => (2, Box::new(|repository| V2::Uploads { repository })),
        last if words(2)? == "uploads" && words(3)? == "blobs" => (
            3,
            Box::new(|repository| V2::Upload {
                repository,
                id: last.to_owned(),
            }),
        ),
        last if words(2)? == "manifests" => (
            2,
            Box::new(|repository| V2::Manifest {
                repository,
                reference: last.to_owned(),
            }),
        ),
        _ if words(2)? == "blobs" => (2, Box::new(|repository| V2::Blob { repository })),
        last if words(2)? == "referrers" => (
            2,
            Box::new(|repository| V2::Referrers {
                repository,
                digest: last.to_owned(),
            }),
        ),
        _ => return None,
    };
    let name = &parts[..count - named];
    if name.is_empty() || !name.iter().all(|part| is_component(part)) {
        return None;
    }
    let repository = name.join("/");
    Some(if name.len() == 1 {
        V2::NoProject { repository }
    } else {
        route(repository)
    })
}

fn is_component(part: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(inner)
        && part.ends_with(inner)
        && part
            .chars()
            .all(|c| inner(c) || matches!(c, '.' | '_' | '-'))
}

/// Harbor merges runs of slashes in the path before anything looks at it.
pub(super) fn merge_slashes(request: &mut Request<Incoming>) {
    let path = request.uri().path();
    if !path.contains("//") {
        return;
    }
    let mut merged = String::new();
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    if let Some(query) = request.uri().query() {
        merged = format!("{merged}?{query}");
    }
    if let Ok(uri) = merged.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
}
