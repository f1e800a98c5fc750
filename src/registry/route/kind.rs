//! The kinds of routes, for labels and policies, and who reads their errors.

use super::class::Class;

/// What kind of request a route is, without its names: the label of metrics and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Ping,
    Catalog,
    Tags,
    Manifest,
    Blob,
    UploadStart,
    Upload,
    Referrers,
    OtherV2,
    Token,
    Service,
    Api,
    Login,
    Internal,
    Acme,
    Ui,
}

impl Kind {
    /// Every kind, for labels that must exist before the first request.
    pub const ALL: [Self; 16] = [
        Self::Ping,
        Self::Catalog,
        Self::Tags,
        Self::Manifest,
        Self::Blob,
        Self::UploadStart,
        Self::Upload,
        Self::Referrers,
        Self::OtherV2,
        Self::Token,
        Self::Service,
        Self::Api,
        Self::Login,
        Self::Internal,
        Self::Acme,
        Self::Ui,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::UploadStart => "upload_start",
            Self::Upload => "upload",
            Self::Referrers => "referrers",
            Self::OtherV2 => "other_v2",
            Self::Token => "token",
            Self::Service => "service",
            Self::Api => "api",
            Self::Login => "login",
            Self::Internal => "internal",
            Self::Acme => "acme",
            Self::Ui => "ui",
        }
    }

    /// Whether routes of this kind lie under `/v2/`.
    pub fn is_v2(self) -> bool {
        match self {
            Self::Ping
            | Self::Catalog
            | Self::Tags
            | Self::Manifest
            | Self::Blob
            | Self::UploadStart
            | Self::Upload
            | Self::Referrers
            | Self::OtherV2 => true,
            Self::Token
            | Self::Service
            | Self::Api
            | Self::Login
            | Self::Internal
            | Self::Acme
            | Self::Ui => false,
        }
    }
}

/// Who reads an error of ours, and so in which form it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// A registry client: the JSON envelope.
    Registry,
    /// A person, or a program that is no registry client: a small page.
    Browser,
}

impl Audience {
    /// The audience of a target that may not even parse, by what it looks like to us or to a node.
    pub fn of_target(path_and_query: &str) -> Self {
        let path = path_and_query.split(['?', '#']).next().unwrap_or_default();
        match (
            Self::of_class(Class::of(path)),
            Self::of_class(Class::seen_by_nodes(path)),
        ) {
            (Self::Browser, Self::Browser) => Self::Browser,
            (Self::Registry, _) | (_, Self::Registry) => Self::Registry,
        }
    }

    pub(super) fn of_class(class: Class) -> Self {
        match class {
            Class::V2 | Class::Token | Class::Service | Class::Internal => Self::Registry,
            Class::Api | Class::Login | Class::Acme | Class::Ui => Self::Browser,
        }
    }
}
