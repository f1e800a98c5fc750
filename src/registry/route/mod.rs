//! Routes: what a request target asks for.
//!
//! A path is read from the right, because a repository may itself be called `blobs`, `manifests`,
//! `tags` or `uploads`. Nothing is ever normalised: what is printed is what was read.

mod class;
mod kind;
mod oddity;

use std::fmt;
use std::sync::Arc;

use http::Method;

use self::class::Class;
pub use self::kind::{Audience, Kind};
pub use self::oddity::Oddity;
use super::digest::Digest;
use super::name::RepositoryName;
use super::query::Query;
use super::reference::Reference;
use super::session::SessionId;

/// A whole request target: path and query. Prints exactly as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// What the path asks for.
    pub route: Route,
    /// What follows the first question mark; there is one even when nothing follows it.
    pub query: Option<Query>,
}

impl Target {
    /// Reads the target of a request in origin form, as it came over the wire.
    pub fn parse(path_and_query: &str) -> Result<Self, Oddity> {
        oddity::check_bytes(path_and_query)?;
        let (path, query) = match path_and_query.split_once('?') {
            // The bytes are checked already, so no query is lost here.
            Some((path, query)) => (path, Query::parse(query)),
            None => (path_and_query, None),
        };
        Ok(Self {
            route: Route::parse(path)?,
            query,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.route)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// What the path of a request asks for. Prints as that path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/v2/`: is this a registry, and who may ask it.
    Ping,
    /// `/v2/_catalog`: all repositories.
    Catalog,
    /// The tags of a repository.
    Tags(RepositoryName),
    /// A manifest.
    Manifest(RepositoryName, Reference),
    /// A blob.
    Blob(RepositoryName, Digest),
    /// Where uploads begin.
    UploadStart(RepositoryName),
    /// An upload in progress.
    Upload(RepositoryName, SessionId),
    /// What refers to a manifest.
    Referrers(RepositoryName, Digest),
    /// Under `/v2/`, but no endpoint; the node answers it.
    OtherV2(Path),
    /// `/service/token`: the token service.
    Token,
    /// Anything else under `/service/`.
    Service(Path),
    /// Harbor's API, `/api/` and `/chartrepo/`.
    Api(Path),
    /// Logins and logouts of browsers, `/c/`.
    Login(Path),
    /// What nobody outside may reach: it must be answered with 404.
    Internal(Path),
    /// Challenges of certificate authorities, answered at the edge and never by a node.
    Acme(Path),
    /// Everything else: the portal.
    Ui(Path),
}

impl Route {
    /// Reads a path. Private, since only [`Target::parse`] has checked its bytes.
    fn parse(path: &str) -> Result<Self, Oddity> {
        Ok(match oddity::classify(path)? {
            Class::V2 => endpoint(path).unwrap_or_else(|| Self::OtherV2(Path::new(path))),
            Class::Token => Self::Token,
            Class::Service => Self::Service(Path::new(path)),
            Class::Internal => Self::Internal(Path::new(path)),
            Class::Api => Self::Api(Path::new(path)),
            Class::Login => Self::Login(Path::new(path)),
            Class::Acme => Self::Acme(Path::new(path)),
            Class::Ui => Self::Ui(Path::new(path)),
        })
    }

    /// The kind of this route, without its names.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Ping => Kind::Ping,
            Self::Catalog => Kind::Catalog,
            Self::Tags(_) => Kind::Tags,
            Self::Manifest(..) => Kind::Manifest,
            Self::Blob(..) => Kind::Blob,
            Self::UploadStart(_) => Kind::UploadStart,
            Self::Upload(..) => Kind::Upload,
            Self::Referrers(..) => Kind::Referrers,
            Self::OtherV2(_) => Kind::OtherV2,
            Self::Token => Kind::Token,
            Self::Service(_) => Kind::Service,
            Self::Api(_) => Kind::Api,
            Self::Login(_) => Kind::Login,
            Self::Internal(_) => Kind::Internal,
            Self::Acme(_) => Kind::Acme,
            Self::Ui(_) => Kind::Ui,
        }
    }

    /// The repository the route is about, if it is about one.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::UploadStart(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _) => Some(name),
            Self::Ping
            | Self::Catalog
            | Self::OtherV2(_)
            | Self::Token
            | Self::Service(_)
            | Self::Api(_)
            | Self::Login(_)
            | Self::Internal(_)
            | Self::Acme(_)
            | Self::Ui(_) => None,
        }
    }

    /// The methods that the route has a meaning for; what goes into `Allow` of a 405.
    ///
    /// Registries answer OPTIONS at every endpoint themselves. POST at the token service is here
    /// because containerd tries it first and needs the node's own refusal to go on.
    pub fn allowed(&self) -> &'static [Method] {
        match self {
            Self::Ping | Self::Acme(_) => &READ,
            Self::Catalog | Self::Tags(_) | Self::Referrers(..) => &LIST,
            Self::Manifest(..) => &MANIFEST,
            Self::Blob(..) => &BLOB,
            Self::UploadStart(_) => &UPLOAD_START,
            Self::Upload(..) => &UPLOAD,
            Self::Token => &TOKEN,
            Self::OtherV2(_)
            | Self::Service(_)
            | Self::Api(_)
            | Self::Login(_)
            | Self::Internal(_)
            | Self::Ui(_) => &COMMON,
        }
    }

    /// Whether the route has a meaning for a method.
    pub fn allows(&self, method: &Method) -> bool {
        self.allowed().contains(method)
    }

    /// Who reads an error of ours on this route.
    pub fn audience(&self) -> Audience {
        match self {
            Self::Ping
            | Self::Catalog
            | Self::Tags(_)
            | Self::Manifest(..)
            | Self::Blob(..)
            | Self::UploadStart(_)
            | Self::Upload(..)
            | Self::Referrers(..)
            | Self::OtherV2(_)
            | Self::Token
            | Self::Service(_)
            | Self::Internal(_) => Audience::Registry,
            Self::Api(_) | Self::Login(_) | Self::Acme(_) | Self::Ui(_) => Audience::Browser,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping => f.write_str("/v2/"),
            Self::Catalog => f.write_str("/v2/_catalog"),
            Self::Tags(name) => write!(f, "/v2/{name}/tags/list"),
            Self::Manifest(name, reference) => write!(f, "/v2/{name}/manifests/{reference}"),
            Self::Blob(name, digest) => write!(f, "/v2/{name}/blobs/{digest}"),
            Self::UploadStart(name) => write!(f, "/v2/{name}/blobs/uploads/"),
            Self::Upload(name, session) => write!(f, "/v2/{name}/blobs/uploads/{session}"),
            Self::Referrers(name, digest) => write!(f, "/v2/{name}/referrers/{digest}"),
            Self::Token => f.write_str("/service/token"),
            Self::OtherV2(path)
            | Self::Service(path)
            | Self::Api(path)
            | Self::Login(path)
            | Self::Internal(path)
            | Self::Acme(path)
            | Self::Ui(path) => f.write_str(path.as_str()),
        }
    }
}

/// A path that is passed on as it came. Made only by reading a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(Arc<str>);

impl Path {
    fn new(path: &str) -> Self {
        Self(Arc::from(path))
    }

    /// The path as the client sent it, without the query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The endpoint a path under `/v2/` is, if it is exactly one.
fn endpoint(path: &str) -> Option<Route> {
    let rest = path.strip_prefix("/v2/")?;
    match rest {
        "" => return Some(Route::Ping),
        "_catalog" => return Some(Route::Catalog),
        _ => {}
    }
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return RepositoryName::parse(name).map(Route::Tags);
    }
    let (head, last) = rest.rsplit_once('/')?;
    if let Some(name) = head.strip_suffix("/blobs/uploads") {
        let name = RepositoryName::parse(name)?;
        return if last.is_empty() {
            Some(Route::UploadStart(name))
        } else {
            SessionId::parse(last).map(|session| Route::Upload(name, session))
        };
    }
    if let Some(name) = head.strip_suffix("/blobs") {
        return Some(Route::Blob(
            RepositoryName::parse(name)?,
            Digest::parse(last)?,
        ));
    }
    if let Some(name) = head.strip_suffix("/manifests") {
        return Some(Route::Manifest(
            RepositoryName::parse(name)?,
            Reference::parse(last)?,
        ));
    }
    if let Some(name) = head.strip_suffix("/referrers") {
        return Some(Route::Referrers(
            RepositoryName::parse(name)?,
            Digest::parse(last)?,
        ));
    }
    None
}

static READ: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];
static LIST: [Method; 2] = [Method::GET, Method::OPTIONS];
static MANIFEST: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::PUT,
    Method::DELETE,
    Method::OPTIONS,
];
static BLOB: [Method; 4] = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
static UPLOAD_START: [Method; 2] = [Method::POST, Method::OPTIONS];
static UPLOAD: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::PATCH,
    Method::PUT,
    Method::DELETE,
    Method::OPTIONS,
];
static TOKEN: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
static COMMON: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

#[cfg(test)]
mod tests;
