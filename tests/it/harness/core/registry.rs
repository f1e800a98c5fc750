//! `/v2/` of Harbor 2.x: the gate, what core answers itself, and what it adds to the registry's
//! answers.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderValue, RANGE};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, Answer, Refusal};
use super::route::{self, V2};
use super::session::Session;
use super::token::parse_query;
use super::{Core, Referrers, access, identity, listing};

/// The one user the registry behind core knows.
pub(super) const REGISTRY_USER: &str = "harbor_registry_user";
pub(super) const REGISTRY_PASSWORD: &str = "registry-password";
/// Its line in the registry's password file, with the cheapest cost there is.
pub const REGISTRY_HTPASSWD: &str =
    "harbor_registry_user:$2b$04$abcdefghijklmnopqrstuuvMfIFKvu0UMo4ROgipiW53f9qa5YK3q\n";

pub(super) async fn respond(core: &Core, request: Request<Incoming>, session: &Session) -> Answer {
    let route = route::parse(request.uri().path()).unwrap_or(V2::Unknown);
    let identity = identity::of(core, &request, session).await;
    if let Err(refusal) = access::check(core, &request, &route, &identity) {
        return refusal.into();
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match (request.method().as_str(), route) {
        ("GET", V2::Catalog) => listing::catalog(core, &request).await,
        ("GET", V2::Tags { repository }) => listing::tags(core, &request, &repository).await,
        ("GET", V2::Referrers { repository, digest })
            if core.switches().referrers == Referrers::Index =>
        {
            listing::referrers(core, &request, &repository, &digest)
        }
        ("PUT", V2::Manifest { repository, .. }) => publish(core, request, &repository).await,
        (
            "DELETE",
            V2::Manifest {
                repository,
                reference,
            },
        ) => delete(core, request, &repository, &reference).await,
        (
            _,
            V2::Manifest {
                repository,
                reference,
            },
        ) if reads => manifest(core, request, &repository, &reference).await,
        ("HEAD", V2::Blob { .. }) => blob_head(core, request).await,
        ("PATCH", V2::Upload { id, .. }) => patch(core, request, &id).await,
        ("PUT", V2::Upload { id, .. }) => commit(core, request, &id).await,
        _ => core.registry.forward(request).await,
    }
}

/// The registry stores the bytes first, and core remembers their number after: without Redis the
/// bytes are there, and the answer is 500.
async fn patch(core: &Core, request: Request<Incoming>, upload: &str) -> Answer {
    let answer = core.registry.forward(request).await;
    if answer.status() != StatusCode::ACCEPTED {
        return answer;
    }
    let last = answer
        .headers()
        .get(RANGE)
        .and_then(|range| range.to_str().ok()?.split_once('-')?.1.parse::<u64>().ok())
        .unwrap_or(0);
    match core.sessions.remember_size(upload, last + 1).await {
        Ok(()) => answer,
        Err(_) => Refusal::internal().into(),
    }
}

/// Harbor looks for the blob in its database first, and says in its own words that it is not there.
async fn blob_head(core: &Core, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let answer = core.registry.forward(request).await;
    match answer.status() {
        StatusCode::NOT_FOUND => Refusal::not_found(&format!("blob of {path} not found")).into(),
        _ => answer,
    }
}

/// The size of the blob is that of the body, or what the `PATCH`es added up to; without Redis, 500
/// before the registry saw anything.
async fn commit(core: &Core, request: Request<Incoming>, upload: &str) -> Answer {
    let query = parse_query(request.uri().query().unwrap_or_default());
    let Some((_, digest)) = query.iter().find(|(name, _)| name == "digest") else {
        return Refusal::bad_request("bad request: no digest").into();
    };
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok())
        .unwrap_or(0);
    let size = match length {
        0 => match core.sessions.remembered_size(upload).await {
            Ok(size) => size.unwrap_or(0),
            Err(_) => return Refusal::internal().into(),
        },
        length => length,
    };
    let answer = core.registry.forward(request).await;
    if answer.status() == StatusCode::CREATED {
        core.database.book_size(digest, size);
    }
    answer
}

/// A manifest goes to the registry as it is; core learns from it what it refers to.
async fn publish(core: &Core, request: Request<Incoming>, repository: &str) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return answer::empty(StatusCode::BAD_REQUEST);
    };
    let body = body.to_bytes();
    let request = Request::from_parts(parts, answer::full(body.clone()));
    let mut answer = core.registry.forward(request).await;
    if answer.status() != StatusCode::CREATED {
        return answer;
    }
    let manifest = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let digest = answer.headers().get("docker-content-digest").cloned();
    if let (Some(subject), Some(digest)) = (manifest["subject"]["digest"].as_str(), digest) {
        let descriptor = json!({
            "mediaType": manifest["mediaType"],
            "digest": digest.to_str().unwrap_or_default(),
            "size": body.len(),
            "artifactType": manifest["config"]["mediaType"],
        });
        core.database.add_referrer(repository, subject, &descriptor);
        answer
            .headers_mut()
            .insert("oci-subject", HeaderValue::from_str(subject).unwrap());
    }
    answer
}

/// Harbor says in its own words that a manifest is not there, except when only its form was not
/// accepted.
async fn manifest(
    core: &Core,
    request: Request<Incoming>,
    repository: &str,
    reference: &str,
) -> Answer {
    let mut answer = core.registry.forward(request).await;
    if answer.status() == StatusCode::NOT_MODIFIED {
        answer
            .headers_mut()
            .remove("docker-distribution-api-version");
    }
    if answer.status() != StatusCode::NOT_FOUND {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let bytes = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    if String::from_utf8_lossy(&bytes).contains("accept header does not support") {
        return Answer::from_parts(parts, answer::full(bytes));
    }
    not_found(core, repository, reference).await.into()
}

async fn delete(
    core: &Core,
    request: Request<Incoming>,
    repository: &str,
    reference: &str,
) -> Answer {
    if !reference.contains(':') {
        let message = format!("unsupported digest {reference}: invalid checksum digest format");
        return Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", &message).into();
    }
    let answer = core.registry.forward(request).await;
    match answer.status() {
        StatusCode::ACCEPTED => {
            core.database.remove_referrer(repository, reference);
            answer::empty(StatusCode::ACCEPTED)
        }
        StatusCode::NOT_FOUND => not_found(core, repository, reference).await.into(),
        _ => answer,
    }
}

async fn not_found(core: &Core, repository: &str, reference: &str) -> Refusal {
    let list = core
        .registry
        .ask_json(&format!("/v2/{repository}/tags/list"))
        .await;
    if list.is_some_and(|(status, _)| status == StatusCode::NOT_FOUND) {
        return Refusal::not_found(&format!("repository {repository} not found"));
    }
    let sign = if reference.contains(':') { '@' } else { ':' };
    Refusal::not_found(&format!("artifact {repository}{sign}{reference} not found"))
}
