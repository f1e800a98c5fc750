//! What changes in the head of a node's answer before the client reads it.

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, LINK, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};

use super::location::Located;
use super::names::{NodeNames, is_host};
use super::{Edit, LocationForm, PublicUrl, Scheme, challenge, cookie, link};
use crate::registry::route::Route;

/// How the client sees us, and who answered.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// As the client addressed us; its authority is also the `Host` that the node was sent.
    pub public: PublicUrl<'a>,
    pub form: LocationForm,
    pub node: &'a NodeNames,
    /// All public names: a node that uses another one than this client did is set up well.
    pub known: &'a [String],
}

/// What an answer needs, and what its operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewritten {
    pub edits: Vec<Edit>,
    pub misfits: Vec<Misfit>,
}

/// A node that works only because we correct it. Meant to be reported once for each node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misfit {
    /// It sends clients to another place than the public one.
    Location(Flaw),
    /// It sends clients elsewhere for their tokens.
    Realm(Flaw),
    /// It sends whoever asks over http to https: it wants to be spoken to over TLS.
    RedirectsToHttps,
}

/// What a node wrote wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Another name than the public one, most likely its own.
    Authority,
    /// http where clients use https.
    Scheme,
}

impl Misfit {
    /// Every misfit, for labels and tables of remedies.
    pub const ALL: [Self; 5] = [
        Self::Location(Flaw::Authority),
        Self::Location(Flaw::Scheme),
        Self::Realm(Flaw::Authority),
        Self::Realm(Flaw::Scheme),
        Self::RedirectsToHttps,
    ];

    /// A short name for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Location(Flaw::Authority) => "location_authority",
            Self::Location(Flaw::Scheme) => "location_scheme",
            Self::Realm(Flaw::Authority) => "realm_authority",
            Self::Realm(Flaw::Scheme) => "realm_scheme",
            Self::RedirectsToHttps => "redirects_to_https",
        }
    }
}

/// Judges the head of a node's answer. The list is empty for most answers.
///
/// A redirect to storage, one to a login provider, and every name that is not known to be the
/// node's are never touched. A new upload's Location is corrected like any other; whoever gives the
/// upload an identity of ours replaces it afterwards.
pub fn answer(
    route: &Route,
    status: StatusCode,
    headers: &HeaderMap,
    view: &View<'_>,
) -> Rewritten {
    let mut misfits = Vec::new();
    let locations = Edit::change(headers, &LOCATION, |value| {
        let located = Located::parse(value.to_str().ok()?)?;
        if is_redirect_to_https(route, status, &located) {
            note(&mut misfits, Misfit::RedirectsToHttps);
        }
        if !names_this_registry(route, status, &located, view) {
            return None;
        }
        // Redirects follow habits of nginx; only what the registry itself wrote is worth a report.
        if status.is_success()
            && let Some(flaw) = flaw(&located, view)
        {
            note(&mut misfits, Misfit::Location(flaw));
        }
        changed(value, located.moved(&view.public, view.form).as_bytes())
    });
    let links = Edit::change(headers, &LINK, |value| {
        let new = link::rewrite(value.as_bytes(), |target| {
            let located = Located::parse(target)?;
            let ours = is_node(&located, view) || (route.kind().is_v2() && is_in_v2(&located));
            ours.then(|| located.moved(&view.public, view.form))
        })?;
        changed(value, &new)
    });
    let challenges = Edit::change(headers, &WWW_AUTHENTICATE, |value| {
        let new = challenge::rewrite(value.as_bytes(), |realm| {
            let located = Located::parse(realm)?;
            if !is_node(&located, view) && located.path() != TOKEN_PATH {
                return None;
            }
            if let Some(flaw) = flaw(&located, view) {
                note(&mut misfits, Misfit::Realm(flaw));
            }
            // Clients ask the realm without knowing where they are, so it is absolute in any form.
            Some(view.public.join(located.rest))
        })?;
        changed(value, &new)
    });
    let cookies = match view.public.scheme {
        Scheme::Https => Edit::change(headers, &SET_COOKIE, |value| {
            HeaderValue::from_bytes(&cookie::secured(value.as_bytes())?).ok()
        }),
        Scheme::Http => None,
    };
    let edits = [locations, links, challenges, cookies]
        .into_iter()
        .flatten()
        .collect();
    Rewritten { edits, misfits }
}

/// Whether a Location is this registry, under whatever name.
fn names_this_registry(
    route: &Route,
    status: StatusCode,
    located: &Located<'_>,
    view: &View<'_>,
) -> bool {
    let in_v2 = is_in_v2(located);
    if !route.kind().is_v2() {
        return is_node(located, view);
    }
    match status {
        // What was created or accepted here is here, whatever name the node gives it.
        StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT if in_v2 => true,
        // Storage may stand behind the node's own name; its signature covers that name.
        StatusCode::TEMPORARY_REDIRECT if !in_v2 => false,
        _ => is_node(located, view),
    }
}

/// Whether an authority is a name of the node, or the one it was asked under.
fn is_node(located: &Located<'_>, view: &View<'_>) -> bool {
    let scheme = located.scheme.unwrap_or(view.public.scheme);
    view.node.contains(scheme, located.authority)
        || is_host(scheme, located.authority, view.public.authority)
}

fn is_in_v2(located: &Located<'_>) -> bool {
    located.path().starts_with("/v2/")
}

/// The same path over TLS: the answer of a port that only redirects.
fn is_redirect_to_https(route: &Route, status: StatusCode, located: &Located<'_>) -> bool {
    let permanent = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
    );
    permanent && located.scheme == Some(Scheme::Https) && located.path() == route.to_string()
}

fn flaw(located: &Located<'_>, view: &View<'_>) -> Option<Flaw> {
    let public = &view.public;
    let scheme = located.scheme.unwrap_or(public.scheme);
    let mut names = view.known.iter().map(String::as_str);
    let is_public = |name: &str| is_host(scheme, located.authority, name);
    if !is_public(public.authority) && !names.any(is_public) {
        Some(Flaw::Authority)
    } else if scheme == Scheme::Http && public.scheme == Scheme::Https {
        Some(Flaw::Scheme)
    } else {
        None
    }
}

fn note(misfits: &mut Vec<Misfit>, misfit: Misfit) {
    if !misfits.contains(&misfit) {
        misfits.push(misfit);
    }
}

fn changed(old: &HeaderValue, new: &[u8]) -> Option<HeaderValue> {
    if old.as_bytes() == new {
        return None;
    }
    HeaderValue::from_bytes(new).ok()
}

/// Where Harbor's token service is, under every name.
const TOKEN_PATH: &str = "/service/token";

#[cfg(test)]
mod tests;
