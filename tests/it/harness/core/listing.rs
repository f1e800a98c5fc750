//! The lists that core makes itself: tags and repositories in pages, and referrers.

use hyper::Request;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, LINK};
use serde_json::{Value, json};

use super::Core;
use super::answer::{self, Answer, Refusal};
use super::token::parse_query;

const JSON: &str = "application/json; charset=utf-8";

pub(super) async fn tags(core: &Core, request: &Request<Incoming>, repository: &str) -> Answer {
    let Some((status, list)) = core.registry.ask_json(request.uri().path()).await else {
        return answer::empty(StatusCode::BAD_GATEWAY);
    };
    if status == StatusCode::NOT_FOUND {
        return Refusal::not_found(&format!("repository {repository} not found")).into();
    }
    page(
        request,
        names(&list["tags"]),
        |tags| json!({ "name": repository, "tags": tags }),
    )
}

pub(super) async fn catalog(core: &Core, request: &Request<Incoming>) -> Answer {
    let Some((_, list)) = core.registry.ask_json("/v2/_catalog?n=1000").await else {
        return answer::empty(StatusCode::BAD_GATEWAY);
    };
    page(
        request,
        names(&list["repositories"]),
        |found| json!({ "repositories": found }),
    )
}

pub(super) fn referrers(
    core: &Core,
    request: &Request<Incoming>,
    repository: &str,
    digest: &str,
) -> Answer {
    let mut found = core.database.referrers(repository, digest);
    let total = found.len();
    let query = parse_query(request.uri().query().unwrap_or_default());
    let wanted = query
        .iter()
        .find(|(name, _)| name == "artifactType")
        .map(|(_, value)| value);
    if let Some(wanted) = wanted {
        found.retain(|descriptor| descriptor["artifactType"] == *wanted.as_str());
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": found,
    });
    let mut answer = answer::json(JSON, &index);
    let headers = answer.headers_mut();
    headers.insert("x-total-count", HeaderValue::from(total));
    if wanted.is_some() {
        headers.insert(
            "oci-filters-applied",
            HeaderValue::from_static("artifactType"),
        );
    }
    answer
}

fn names(list: &Value) -> Vec<String> {
    let mut names = serde_json::from_value::<Vec<String>>(list.clone()).unwrap_or_default();
    names.sort();
    names
}

/// The asked part of a list, with a link to the next one built from path and query alone.
fn page(
    request: &Request<Incoming>,
    mut names: Vec<String>,
    show: impl Fn(&[String]) -> Value,
) -> Answer {
    let query = parse_query(request.uri().query().unwrap_or_default());
    let value = |wanted: &str| {
        query
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    if let Some(last) = value("last") {
        names.retain(|name| name > last);
    }
    let Some(limit) = value("n") else {
        return answer::json(JSON, &show(&names));
    };
    let Ok(limit) = limit.parse::<usize>() else {
        return Refusal::bad_request("the N must be a positive int type").into();
    };
    let more = limit > 0 && names.len() > limit;
    names.truncate(limit);
    let mut answer = answer::json(JSON, &show(&names));
    if let (true, Some(last)) = (more, names.last()) {
        let last = last.replace('/', "%2F");
        let link = format!(
            "<{}?last={last}&n={limit}>; rel=\"next\"",
            request.uri().path()
        );
        answer
            .headers_mut()
            .insert(LINK, HeaderValue::from_str(&link).unwrap());
    }
    answer
}
