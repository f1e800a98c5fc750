//! Harbor's gate before `/v2/`: what a request needs, and the challenge of the refusal.
//!
//! The challenge is `Bearer` when no `Authorization` was sent, `Basic` when a wrong one was, and
//! empty when the cause is not the caller: an unknown project, an unknown path, or a database that
//! is away.

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request};

use super::answer::Refusal;
use super::database::LOST;
use super::identity::Identity;
use super::route::V2;
use super::token::parse_query;
use super::{Core, Realm};

/// One thing a request needs.
#[derive(Debug)]
struct Need {
    repository: String,
    action: &'static str,
}

/// Lets a request pass, or says why not.
pub(super) fn check<B>(
    core: &Core,
    request: &Request<B>,
    route: &V2,
    identity: &Identity,
) -> Result<(), Refusal> {
    match route {
        V2::Base if identity.is_known() => Ok(()),
        V2::Base => Err(Refusal::challenged(
            challenge(core, request, &[]),
            "unauthorized",
        )),
        V2::Catalog if identity.is_administrator() => Ok(()),
        V2::Catalog => Err(Refusal::challenged(basic(), "unauthorized to list catalog")),
        V2::Unknown | V2::NoProject { .. } => {
            let (method, path) = (request.method(), request.uri().path());
            let message = format!("un-recognized request: {method} {path}");
            Err(Refusal::challenged(String::new(), &message))
        }
        V2::Tags { repository }
        | V2::Manifest { repository, .. }
        | V2::Blob { repository }
        | V2::Uploads { repository }
        | V2::Upload { repository, .. }
        | V2::Referrers { repository, .. } => {
            check_needs(core, request, &needs(request, repository), identity)
        }
    }
}

fn needs<B>(request: &Request<B>, repository: &str) -> Vec<Need> {
    let action = match *request.method() {
        Method::GET | Method::HEAD => "pull",
        Method::DELETE => "delete",
        _ => "push",
    };
    let mut needs = vec![Need {
        repository: repository.to_owned(),
        action,
    }];
    let query = parse_query(request.uri().query().unwrap_or_default());
    let value = |wanted: &str| {
        query
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    if let (Some(_), Some(from)) = (value("mount"), value("from")) {
        needs.push(Need {
            repository: from.clone(),
            action: "pull",
        });
    }
    needs
}

fn check_needs<B>(
    core: &Core,
    request: &Request<B>,
    needs: &[Need],
    identity: &Identity,
) -> Result<(), Refusal> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    for Need { repository, action } in needs {
        if reads && !request.headers().contains_key(AUTHORIZATION) {
            // The wording is Harbor's, for GET as well.
            let message = "authorize header needed to send HEAD to repository";
            return Err(Refusal::challenged(
                challenge(core, request, needs),
                message,
            ));
        }
        if core.database.is_down() {
            return Err(Refusal::challenged(String::new(), LOST));
        }
        let name = repository.split('/').next().unwrap_or_default();
        let Some(project) = core.database.project(name) else {
            let message = format!("project {name} not found");
            return Err(Refusal::challenged(String::new(), &message));
        };
        if !identity.may(action, &project) {
            let message =
                format!("unauthorized to access repository: {repository}, action: {action}");
            return Err(Refusal::challenged(
                challenge(core, request, needs),
                &message,
            ));
        }
    }
    Ok(())
}

fn challenge<B>(core: &Core, request: &Request<B>, needs: &[Need]) -> String {
    if request.headers().contains_key(AUTHORIZATION) {
        return basic();
    }
    let realm = format!("{}/service/token", realm_base(core, request));
    let scopes = needs
        .iter()
        .map(|Need { repository, action }| {
            let actions = if *action == "push" {
                "pull,push"
            } else {
                action
            };
            format!("repository:{repository}:{actions}")
        })
        .collect::<Vec<_>>()
        .join(" ");
    let scope = if scopes.is_empty() {
        String::new()
    } else {
        format!(",scope=\"{scopes}\"")
    };
    let service = &core.config.service;
    format!("Bearer realm=\"{realm}\",service=\"{service}\"{scope}")
}

/// Where the token service is said to be. A `Host` that is the inner address of core gets the inner
/// address back.
fn realm_base<B>(core: &Core, request: &Request<B>) -> String {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    if host == core.config.listen.to_string() {
        return format!("http://{host}");
    }
    let switches = core.switches();
    let external = switches.external_url.trim_end_matches('/');
    match (switches.realm, external.split_once("://")) {
        (Realm::RequestHost, Some((scheme, _))) => format!("{scheme}://{host}"),
        _ => external.to_owned(),
    }
}

fn basic() -> String {
    "Basic realm=\"harbor\"".to_owned()
}
