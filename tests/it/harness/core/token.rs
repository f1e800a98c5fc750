//! The token service, and the check of tokens that come back.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::Core;
use super::answer::{self, Answer};
use super::identity::{self, Access, Identity};
use super::session::Session;

const ISSUER: &str = "harbor-token-issuer";
/// How far the clocks of nodes may be apart.
const LEEWAY_SECONDS: i64 = 60;

/// `GET /service/token`; the form POST that containerd tries first is not known here.
pub(super) async fn respond(core: &Core, request: &Request<Incoming>) -> Answer {
    if request.method() != Method::GET {
        let mut refusal = answer::text(405, "text/plain; charset=utf-8", "Method Not Allowed\n");
        let nosniff = hyper::header::HeaderValue::from_static("nosniff");
        refusal
            .headers_mut()
            .insert("x-content-type-options", nosniff);
        return refusal;
    }
    let query = parse_query(request.uri().query().unwrap_or_default());
    let service = query
        .iter()
        .find(|(name, _)| name == "service")
        .map_or("", |(_, value)| value);
    if service != core.config.service {
        let text = format!("Unable to handle service: {service}");
        return answer::text(400, "text/plain; charset=utf-8", text);
    }
    let scopes = query
        .iter()
        .filter(|(name, _)| name == "scope")
        .flat_map(|(_, value)| value.split(' '))
        .filter(|scope| !scope.is_empty())
        .collect::<Vec<_>>();
    let nobody = Session::none();
    let identity = identity::of(core, request, &nobody).await;
    if scopes.is_empty() && !identity.is_known() {
        return answer::empty(StatusCode::UNAUTHORIZED);
    }
    let access = scopes
        .iter()
        .filter_map(|scope| granted(core, &identity, scope))
        .collect::<Vec<_>>();
    answer::json(
        "application/json; charset=utf-8",
        &issue(core, &identity, &access),
    )
}

/// What one asked scope becomes: all that the role may do in that project, whatever was asked.
fn granted(core: &Core, identity: &Identity, scope: &str) -> Option<Access> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, _asked) = rest.rsplit_once(':')?;
    let project = name
        .split('/')
        .next()
        .and_then(|project| core.database.project(project));
    let actions = match project {
        Some(project) if !core.database.is_down() => identity.actions(&project),
        _ => Vec::new(),
    };
    Some(Access {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: actions.into_iter().map(str::to_owned).collect(),
    })
}

fn issue(core: &Core, identity: &Identity, access: &[Access]) -> Value {
    let now = now(core);
    let life = core.switches().token_seconds;
    let mut claims = json!({
        "iss": ISSUER,
        "aud": core.config.service,
        "exp": now + life,
        "nbf": now.min(now + life) - 1,
        "iat": now.min(now + life),
        "jti": format!("{:016x}", fastrand::u64(..)),
        "access": access,
    });
    if let Identity::Account(account) = identity {
        claims["sub"] = json!(account.name);
    }
    json!({
        "token": core.signer.sign(&claims),
        "access_token": "",
        "expires_in": life,
        "issued_at": date(now),
    })
}

/// Who a token makes its bearer; nobody, when another key signed it or its time is over.
pub(super) fn check(core: &Core, token: &str) -> Identity {
    let Some(claims) = core.signer.verify(token) else {
        return Identity::Nobody;
    };
    let now = now(core);
    let in_time = claims["exp"]
        .as_i64()
        .is_some_and(|end| now <= end + LEEWAY_SECONDS)
        && claims["nbf"]
            .as_i64()
            .is_some_and(|start| start - LEEWAY_SECONDS <= now);
    if !in_time || claims["aud"] != core.config.service.as_str() || claims["iss"] != ISSUER {
        return Identity::Nobody;
    }
    Identity::Token {
        name: claims["sub"].as_str().map(str::to_owned),
        access: serde_json::from_value(claims["access"].clone()).unwrap_or_default(),
    }
}

/// Names and values of a query or a form, decoded.
pub(super) fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex = [bytes.next(), bytes.next()].map(|digit| digit.unwrap_or(b'?'));
                let value = std::str::from_utf8(&hex).ok();
                out.push(
                    value
                        .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                        .unwrap_or(b'?'),
                );
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The time by the clock of this node.
fn now(core: &Core) -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap() + core.config.clock
}

/// The time of this node as a header has it.
pub(super) fn http_date(core: &Core) -> String {
    let now = now(core);
    let day = usize::try_from(now.div_euclid(86_400).rem_euclid(7)).unwrap();
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][day];
    let text = date(now);
    let (year, month, rest) = (&text[..4], &text[5..7], &text[8..19]);
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let at = 3 * (month.parse::<usize>().unwrap() - 1);
    let (day, clock) = rest.split_once('T').unwrap();
    format!(
        "{weekday}, {day} {} {year} {clock} GMT",
        &months[at..at + 3]
    )
}

/// A time in RFC 3339.
pub(super) fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March here, so that the odd day is the last one.
    let shifted = days + 719_468;
    let era_day = shifted.rem_euclid(146_097);
    let year_of_era = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
    let day_of_year = era_day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + shifted.div_euclid(146_097) * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
