//! What to do with a request: decided once, so that later code never asks again what it is.

use std::time::Duration;

use http::Method;

use crate::affinity::token::{Sealer, TokenError, Upload};
use crate::fleet::health::Traffic;
use crate::registry::digest::Digest;
use crate::registry::reference::Reference;
use crate::registry::route::{Audience, Route, Target};
use crate::rewrite::Scheme;
use crate::upstream::peer::Pace;

use super::fault::Fault;

/// What happens to a request.
#[derive(Debug)]
pub enum Plan {
    /// We answer ourselves.
    Answer(Fault),
    /// The client's token did not open; what the client reads is that the upload is unknown.
    Forget(TokenError),
    /// A browser on the plain port is sent to https.
    Redirect,
    /// A node answers.
    Relay(Relay),
    /// A blob goes to the client, from as many nodes as it takes.
    Download(Relay, Digest),
    /// Bytes of an upload go to a node, and to another if that one is lost.
    Upload(Relay),
    /// A manifest is held whole and stored, if need be by another node.
    Publish(Relay),
}

/// How a request is carried to a node.
#[derive(Debug)]
pub struct Relay {
    pub traffic: Traffic,
    pub pace: Pace,
    pub repeat: Repeat,
    pub likes: Likes,
    /// The running upload that the request belongs to.
    pub upload: Option<Upload>,
}

/// Until when another node may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// As long as nothing of the request reached a node.
    UntilSent,
    /// As long as no answer began: the request changes nothing, or nothing that matters twice.
    UntilAnswered,
}

/// What draws a request to a node without binding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likes {
    /// Nothing: the node with the least to do.
    Nothing,
    /// The node that wrote the same content just now, else the one with the least to do.
    Writer,
    /// The node that wrote the same content just now, else the one its repository is drawn to.
    WriterThenRepository,
}

/// A request as far as the plan depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a Method,
    pub target: &'a Target,
    pub scheme: Scheme,
    /// Seconds since 1970.
    pub now: u64,
}

/// Decides what happens to a request.
pub fn decide(request: Request<'_>, sealer: &Sealer, lifetime: Duration) -> Plan {
    let Request {
        method,
        target,
        scheme,
        now,
    } = request;
    let route = &target.route;
    match (scheme, route) {
        (_, Route::Acme(_)) => return Plan::Answer(Fault::NoChallenge),
        (_, Route::Internal(_)) => return Plan::Answer(Fault::Internal),
        (Scheme::Http, _) if route.audience() == Audience::Registry => {
            return Plan::Answer(Fault::PlainRegistry);
        }
        (Scheme::Http, _) => return Plan::Redirect,
        (Scheme::Https, _) => {}
    }
    if !route.allows(method) {
        return Plan::Answer(Fault::Method);
    }
    let upload = match route {
        Route::Upload(repository, session) => {
            let token = target
                .query
                .as_ref()
                .and_then(|query| query.find_decoded(STATE));
            match sealer.open(
                &token.unwrap_or_default(),
                repository,
                session,
                now,
                lifetime,
            ) {
                Ok(upload) => Some(upload),
                Err(error) => return Plan::Forget(error),
            }
        }
        _ => None,
    };
    let relay = Relay {
        traffic: traffic(route, method),
        pace: pace(route, method),
        repeat: repeat(route, method),
        likes: likes(route, method),
        upload,
    };
    match route {
        Route::Blob(_, digest) if method == Method::GET => Plan::Download(relay, digest.clone()),
        Route::Upload(..) if carries_bytes(method) => Plan::Upload(relay),
        Route::Manifest(..) if method == Method::PUT => Plan::Publish(relay),
        _ => Plan::Relay(relay),
    }
}

/// The path and query of a target in absolute form; other forms stay as they are.
pub(super) fn origin_form(raw: &str) -> &str {
    let Some((scheme, rest)) = raw.split_once("://") else {
        return raw;
    };
    // A path may contain the mark as well.
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return raw;
    }
    rest.find(['/', '?'])
        .and_then(|start| rest.get(start..))
        .unwrap_or("/")
}

fn carries_bytes(method: &Method) -> bool {
    matches!(*method, Method::PATCH | Method::PUT)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn traffic(route: &Route, method: &Method) -> Traffic {
    match route {
        Route::Ping | Route::Token | Route::Service(_) => Traffic::Token,
        Route::Upload(..) | Route::UploadStart(_) => Traffic::Push,
        Route::Catalog
        | Route::Tags(_)
        | Route::Manifest(..)
        | Route::Blob(..)
        | Route::Referrers(..)
        | Route::OtherV2(_) => {
            if is_read(method) {
                Traffic::Pull
            } else {
                Traffic::Push
            }
        }
        Route::Api(_) | Route::Login(_) => Traffic::Api,
        Route::Ui(_) | Route::Internal(_) | Route::Acme(_) => Traffic::Ui,
    }
}

/// Harbor's API may think for minutes about a read as well; to begin an upload takes nobody long.
fn pace(route: &Route, method: &Method) -> Pace {
    match route {
        Route::Api(_) | Route::Login(_) => Pace::Commit,
        Route::UploadStart(_) => Pace::Read,
        _ if is_read(method) => Pace::Read,
        _ => Pace::Commit,
    }
}

/// An upload that was started twice leaves one empty session behind, which the registry purges.
fn repeat(route: &Route, method: &Method) -> Repeat {
    match route {
        Route::UploadStart(_) if method == Method::POST => Repeat::UntilAnswered,
        // The status of an upload is bound to its node like the rest of it.
        Route::Upload(..) => Repeat::UntilSent,
        // What is named by its digest stays gone, however often that is asked. A tag may name something new by then.
        Route::Manifest(_, Reference::Digest(_)) | Route::Blob(..) if method == Method::DELETE => {
            Repeat::UntilAnswered
        }
        _ if is_read(method) => Repeat::UntilAnswered,
        _ => Repeat::UntilSent,
    }
}

fn likes(route: &Route, method: &Method) -> Likes {
    match route {
        Route::Blob(..) if method == Method::GET => Likes::Writer,
        _ if route.repository().is_some() => Likes::WriterThenRepository,
        _ => Likes::Nothing,
    }
}

/// The query parameter that holds our token, where the registry has its own state.
pub(super) const STATE: &str = "_state";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity::token::Key;

    fn plan(method: &str, target: &str, scheme: Scheme) -> Plan {
        let method: Method = method.parse().unwrap();
        let target = Target::parse(target).unwrap();
        let sealer = Sealer::new(vec![Key::from([7; 32])]).unwrap();
        let request = Request {
            method: &method,
            target: &target,
            scheme,
            now: 1_000,
        };
        decide(request, &sealer, Duration::from_hours(1))
    }

    fn relay(method: &str, target: &str) -> Relay {
        match plan(method, target, Scheme::Https) {
            Plan::Relay(relay)
            | Plan::Download(relay, _)
            | Plan::Upload(relay)
            | Plan::Publish(relay) => relay,
            other => panic!("{method} {target}: {other:?}"),
        }
    }

    #[test]
    fn the_plain_port_serves_nothing() {
        let plain = |target| plan("GET", target, Scheme::Http);
        assert!(matches!(plain("/v2/"), Plan::Answer(Fault::PlainRegistry)));
        assert!(matches!(
            plain("/service/token"),
            Plan::Answer(Fault::PlainRegistry)
        ));
        assert!(matches!(plain("/harbor/projects"), Plan::Redirect));
        assert!(matches!(
            plain("/.well-known/acme-challenge/x"),
            Plan::Answer(Fault::NoChallenge)
        ));
    }

    #[test]
    fn what_is_not_for_the_outside_is_not_found() {
        for target in ["/service/notifications/jobs/1", "/v1/_ping"] {
            let plan = plan("GET", target, Scheme::Https);
            assert!(matches!(plan, Plan::Answer(Fault::Internal)), "{target}");
        }
    }

    #[test]
    fn a_method_the_endpoint_does_not_know_is_refused() {
        let plan = plan("PATCH", "/v2/lab/app/manifests/v1", Scheme::Https);
        assert!(matches!(plan, Plan::Answer(Fault::Method)));
    }

    #[test]
    fn reads_deletes_and_the_start_of_an_upload_may_be_repeated_until_answered() {
        for path in [
            "/v2/lab/app/manifests/sha256:6d3c0b2fbba3a0a3f0f9c8a2c8a5d5a9b1e5f6d0b7c9d8e7f6a5b4c3d2e1f0a9",
            "/v2/lab/app/blobs/sha256:6d3c0b2fbba3a0a3f0f9c8a2c8a5d5a9b1e5f6d0b7c9d8e7f6a5b4c3d2e1f0a9",
        ] {
            assert_eq!(relay("DELETE", path).repeat, Repeat::UntilAnswered);
        }
        assert_eq!(
            relay("DELETE", "/v2/lab/app/manifests/v1").repeat,
            Repeat::UntilSent
        );
        assert_eq!(
            relay("GET", "/v2/lab/app/manifests/v1").repeat,
            Repeat::UntilAnswered
        );
        assert_eq!(
            relay("POST", "/v2/lab/app/blobs/uploads/").repeat,
            Repeat::UntilAnswered
        );
        assert_eq!(
            relay("PUT", "/v2/lab/app/manifests/v1").repeat,
            Repeat::UntilSent
        );
        assert_eq!(relay("POST", "/c/login").repeat, Repeat::UntilSent);
    }

    #[test]
    fn an_absolute_target_is_read_like_its_path() {
        assert_eq!(origin_form("https://r.test/v2/?a=b://c"), "/v2/?a=b://c");
        assert_eq!(origin_form("HTTP://r.test"), "/");
        assert_eq!(origin_form("/v2/?u=http://x/y"), "/v2/?u=http://x/y");
    }

    #[test]
    fn an_upload_without_our_token_is_forgotten() {
        let target = "/v2/lab/app/blobs/uploads/0f3?_state=forged";
        assert!(matches!(
            plan("PATCH", target, Scheme::Https),
            Plan::Forget(_)
        ));
        let target = "/v2/lab/app/blobs/uploads/0f3";
        assert!(matches!(
            plan("GET", target, Scheme::Https),
            Plan::Forget(_)
        ));
    }

    #[test]
    fn only_what_is_stored_may_take_its_node_minutes() {
        let pace = |method, target| relay(method, target).pace;
        assert_eq!(pace("POST", "/v2/lab/app/blobs/uploads/"), Pace::Read);
        assert_eq!(pace("GET", "/v2/lab/app/tags/list"), Pace::Read);
        assert_eq!(pace("DELETE", "/v2/lab/app/manifests/v1"), Pace::Commit);
    }

    #[test]
    fn a_blob_is_read_anywhere_and_the_rest_of_a_repository_in_one_place() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(
            relay("GET", &format!("/v2/lab/app/blobs/{digest}")).likes,
            Likes::Writer
        );
        let head = relay("HEAD", &format!("/v2/lab/app/blobs/{digest}"));
        assert_eq!(head.likes, Likes::WriterThenRepository);
        assert_eq!(relay("GET", "/v2/").likes, Likes::Nothing);
    }
}
