//! Login at a provider of single sign-on: there, and back with what was sent along.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Request, StatusCode};

use super::answer::{self, Answer, Refusal};
use super::session::Session;
use super::token::parse_query;
use super::{Account, Core};
use crate::harness::http::{Request as Question, Target};

/// Sends the browser to the provider. What comes back has to fit what its session holds.
pub(super) async fn login(core: &Core, session: &Session) -> Answer {
    let Some(provider) = core.config.provider else {
        return Refusal::not_found("no provider is configured").into();
    };
    let state = format!("{:016x}", fastrand::u64(..));
    if core.sessions.expect(session, &state).await.is_err() {
        return Refusal::internal().into();
    }
    let back = format!("{}/c/oidc/callback", core.switches().external_url);
    let back = back.replace(':', "%3A").replace('/', "%2F");
    redirect(&format!(
        "http://{provider}/authorize?client_id=harbor&redirect_uri={back}&response_type=code&scope=openid&state={state}"
    ))
}

/// The browser is back: its session must be the one that left, and the provider must know the code.
pub(super) async fn callback<B>(
    core: &Core,
    request: &Request<B>,
    session: &mut Session,
) -> Answer {
    let query = parse_query(request.uri().query().unwrap_or_default());
    let value = |wanted: &str| {
        let found = query.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    let expected = core.sessions.expected(session).await;
    if expected.as_deref() != Some(value("state")) {
        return Refusal::bad_request("State mismatch").into();
    }
    let Some(provider) = core.config.provider else {
        return Refusal::not_found("no provider is configured").into();
    };
    let exchange = Question::new("POST", "/token").body(format!("code={}", value("code")));
    let answer = Target::plain(provider, "provider")
        .try_send(&exchange)
        .await;
    let known = answer.ok().filter(|answer| answer.status == 200);
    let name = known.and_then(|answer| answer.json()["username"].as_str().map(str::to_owned));
    match name.and_then(|name| Account::named(&name)) {
        Some(account) => {
            core.sessions.renew(session, account.name).await;
            redirect("/harbor/projects")
        }
        None => Refusal::unauthorized().into(),
    }
}

fn redirect(location: &str) -> Answer {
    let mut answer = answer::empty(StatusCode::FOUND);
    let location = HeaderValue::from_str(location).unwrap();
    answer.headers_mut().insert(LOCATION, location);
    answer
}
