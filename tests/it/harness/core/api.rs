//! Harbor's own API and the browser's login, as far as a balancer and its tests look at them.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, LINK, LOCATION};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use super::answer::{self, Answer, Refusal};
use super::identity::{self, Account, Identity, Role};
use super::session::Session;
use super::token::parse_query;
use super::{Core, Flavour, oidc};

const JSON: &str = "application/json";

pub(super) async fn respond(
    core: &Core,
    request: Request<Incoming>,
    session: &mut Session,
) -> Answer {
    let path = request.uri().path().to_owned();
    let base = match core.config.flavour {
        Flavour::Harbor1 => "/api",
        Flavour::Harbor2 => "/api/v2.0",
    };
    let resource = path.strip_prefix(base).filter(|_| path != "/api/version");
    match (request.method().as_str(), resource, path.as_str()) {
        ("POST", _, "/c/login") => login(core, request, session).await,
        ("GET", _, "/c/log_out") => {
            core.sessions.end(session).await;
            answer::empty(StatusCode::OK)
        }
        ("GET", _, "/c/oidc/login") => oidc::login(core, session).await,
        ("GET", _, "/c/oidc/callback") => oidc::callback(core, &request, session).await,
        ("POST", _, "/c/userExists") => {
            answer::json("application/json; charset=utf-8", &json!(false))
        }
        ("GET", _, "/api/version") => {
            answer::json("text/plain; charset=utf-8", &json!({ "version": "v2.0" }))
        }
        ("GET", Some("/ping"), _) => answer::text(200, "text/plain", "Pong"),
        ("GET", Some("/health"), _) => health(core).await,
        (_, Some("/ping" | "/health"), _) => {
            let message = format!("method {} is not allowed, but [GET] are", request.method());
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                &message,
            )
            .into()
        }
        ("GET", Some("/systeminfo"), _) => {
            let identity = identity::of(core, &request, session).await;
            answer::json(JSON, &system_info(core, &identity))
        }
        ("GET", Some("/users/current"), _) => match identity::of(core, &request, session).await {
            Identity::Account(account) => answer::json(JSON, &user(account)),
            Identity::Nobody | Identity::Token { .. } => Refusal::unauthorized().into(),
        },
        ("GET" | "POST", Some("/projects"), _) => projects(core, request, session).await,
        (_, Some(_), _) => Refusal::not_found(&format!("path {path} was not found")).into(),
        (_, None, _) => {
            let page = "<!DOCTYPE HTML>\n<html><title>404 - Page Not Found</title></html>\n";
            answer::text(404, "text/html; charset=utf-8", page)
        }
    }
}

async fn login(core: &Core, request: Request<Incoming>, session: &mut Session) -> Answer {
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let form = parse_query(&String::from_utf8_lossy(&body.unwrap_or_default()));
    let field = |wanted: &str| {
        form.iter()
            .find(|(name, _)| name == wanted)
            .map_or("", |(_, value)| value.as_str())
    };
    match identity::check_password(core, field("principal"), field("password")).await {
        Some(account) => {
            core.sessions.renew(session, account.name).await;
            answer::empty(StatusCode::OK)
        }
        None => answer::empty(StatusCode::UNAUTHORIZED),
    }
}

/// Always 200; the parts tell.
async fn health(core: &Core) -> Answer {
    let switched = core.switches().components.clone();
    let mut components = Vec::new();
    let names = [
        "core",
        "database",
        "jobservice",
        "portal",
        "redis",
        "registry",
        "registryctl",
    ];
    for name in names {
        let error = match switched.get(name) {
            Some(error) => Some(error.clone()),
            None => look_at(core, name).await,
        };
        components.push(match error {
            Some(error) => json!({ "error": error, "name": name, "status": "unhealthy" }),
            None => json!({ "name": name, "status": "healthy" }),
        });
    }
    let all = components
        .iter()
        .all(|component| component["status"] == "healthy");
    let status = if all { "healthy" } else { "unhealthy" };
    answer::json(JSON, &json!({ "components": components, "status": status }))
}

/// What is wrong with a part that really exists here.
async fn look_at(core: &Core, name: &str) -> Option<String> {
    let address = match name {
        "database" => {
            return core
                .database
                .is_down()
                .then(|| super::database::LOST.to_owned());
        }
        "redis" => {
            core.config.redis?;
            let lost = core.sessions.ping().await.is_err();
            return lost.then(|| "dial tcp: connect: connection refused".to_owned());
        }
        "registry" => core.registry.address(),
        "portal" => core.config.portal,
        _ => return None,
    };
    let connected = timeout(Duration::from_secs(2), TcpStream::connect(address)).await;
    let refused = || {
        format!(
            "failed to check health: Get \"http://{address}/\": dial tcp {address}: \
             connect: connection refused"
        )
    };
    (!matches!(connected, Ok(Ok(_)))).then(refused)
}

fn system_info(core: &Core, identity: &Identity) -> Value {
    let mut info = json!({
        "auth_mode": "db_auth",
        "banner_message": "",
        "harbor_version": "-",
        "primary_auth_mode": false,
        "self_registration": false,
    });
    if let Identity::Account(_) = identity {
        let switches = core.switches();
        let external = switches.external_url.as_str();
        info["external_url"] = json!(external);
        info["registry_url"] = json!(
            external
                .split_once("://")
                .map_or(external, |(_, rest)| rest)
        );
        info["current_time"] = json!("2026-11-23T05:20:09.252Z");
        info["has_ca_root"] = json!(false);
        info["notification_enable"] = json!(true);
        info["project_creation_restriction"] = json!("everyone");
        info["read_only"] = json!(switches.read_only);
        info["registry_storage_provider_name"] = json!("filesystem");
    }
    info
}

fn user(account: Account) -> Value {
    json!({
        "admin_role_in_auth": false,
        "realname": account.name,
        "sysadmin_flag": account.role == Role::Administrator,
        "username": account.name,
    })
}

async fn projects(core: &Core, request: Request<Incoming>, session: &Session) -> Answer {
    let identity = identity::of(core, &request, session).await;
    if request.method() == Method::GET {
        return list_projects(core, &request, &identity);
    }
    if !identity.is_known() {
        return Refusal::unauthorized().into();
    }
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let wish = serde_json::from_slice::<Value>(&body.unwrap_or_default()).unwrap_or_default();
    let Some(name) = wish["project_name"].as_str() else {
        return Refusal::bad_request("project_name in body is required").into();
    };
    let public = wish["metadata"]["public"] == "true" || wish["public"] == true;
    let Some(project) = core.database.create_project(name, public) else {
        let message = format!("The project named {name} already exists");
        return Refusal::new(StatusCode::CONFLICT, "CONFLICT", &message).into();
    };
    let mut answer = answer::empty(StatusCode::CREATED);
    let location = format!("/api/v2.0/projects/{}", project.id);
    answer
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_str(&location).unwrap());
    answer
}

fn list_projects(core: &Core, request: &Request<Incoming>, identity: &Identity) -> Answer {
    let query = parse_query(request.uri().query().unwrap_or_default());
    let number = |wanted: &str, otherwise: usize| {
        let found = query.iter().find(|(name, _)| name == wanted);
        found
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(otherwise)
            .max(1)
    };
    let (page, size) = (number("page", 1), number("page_size", 10));
    let mut all = core.database.projects();
    all.retain(|project| identity.may("pull", project));
    let shown = all
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|project| {
            json!({
                "project_id": project.id,
                "name": project.name,
                "creation_time": project.made,
                "metadata": { "public": project.public.to_string() },
            })
        })
        .collect::<Vec<_>>();
    let mut answer = answer::json(JSON, &json!(shown));
    answer
        .headers_mut()
        .insert("x-total-count", HeaderValue::from(all.len()));
    if page * size < all.len() {
        let next = page + 1;
        let link = format!("</api/v2.0/projects?page={next}&page_size={size}>; rel=\"next\"");
        answer
            .headers_mut()
            .insert(LINK, HeaderValue::from_str(&link).unwrap());
    }
    answer
}
