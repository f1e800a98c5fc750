//! Protection against forged requests in the form Harbor's library gives it: a signed cookie holds
//! a secret, the answer's header the same secret under a mask, and a browser that writes sends the
//! header back. Nodes with different keys do not accept each other's cookies.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hyper::header::{HeaderValue, SET_COOKIE, VARY};
use hyper::{Method, Request, StatusCode};
use ring::hmac;

use super::answer::{Answer, Refusal};
use super::{Core, Flavour, session};

const COOKIE: &str = "_gorilla_csrf";
const HEADER: &str = "x-harbor-csrf-token";
const LENGTH: usize = 32;

/// What the answer has to carry.
#[derive(Debug)]
pub(super) struct Csrf {
    token: Option<String>,
    cookie: Option<String>,
    vary: bool,
}

impl Csrf {
    pub(super) fn apply(self, answer: &mut Answer) {
        let headers = answer.headers_mut();
        if let Some(token) = self.token {
            headers.insert(HEADER, HeaderValue::from_str(&token).unwrap());
        }
        if let Some(cookie) = self.cookie {
            headers.append(SET_COOKIE, HeaderValue::from_str(&cookie).unwrap());
        }
        if self.vary {
            headers.insert(VARY, HeaderValue::from_static("Cookie"));
        }
    }
}

/// Checks a request that carries a session, or that goes to the browser's own paths. The refusal is
/// complete: it is made before there is a session.
pub(super) fn examine<B>(core: &Core, request: &Request<B>) -> Result<Csrf, Box<Answer>> {
    let browser = request.uri().path().starts_with("/c/");
    let concerned = browser || session::cookie(request, "sid").is_some();
    if core.config.flavour == Flavour::Harbor1 || !concerned {
        return Ok(Csrf {
            token: None,
            cookie: None,
            vary: false,
        });
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, core.config.csrf_key.as_bytes());
    let known = session::cookie(request, COOKIE).and_then(|cookie| open(&key, &cookie));
    let secret = known.unwrap_or_else(|| std::array::from_fn(|_| fastrand::u8(..)));
    let secure = core.switches().external_url.starts_with("https");
    let mut csrf = Csrf {
        token: Some(masked(&secret)),
        cookie: known
            .is_none()
            .then(|| sealed_cookie(&key, &secret, secure)),
        vary: true,
    };
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let sent = request
        .headers()
        .get(HEADER)
        .and_then(|sent| unmasked(sent.as_bytes()));
    if safe || (known.is_some() && sent == known) {
        return Ok(csrf);
    }
    csrf.vary = false;
    let refusal = Refusal::new(StatusCode::FORBIDDEN, "FORBIDDEN", "CSRF token invalid");
    let mut answer = Answer::from(refusal);
    csrf.apply(&mut answer);
    Err(Box::new(answer))
}

fn sealed_cookie(key: &hmac::Key, secret: &[u8; LENGTH], secure: bool) -> String {
    let mut sealed = secret.to_vec();
    sealed.extend_from_slice(hmac::sign(key, secret).as_ref());
    let secure = if secure { " Secure;" } else { "" };
    let value = URL_SAFE.encode(sealed);
    format!("{COOKIE}={value}; Path=/; Max-Age=43200; HttpOnly;{secure} SameSite=Strict")
}

fn open(key: &hmac::Key, cookie: &str) -> Option<[u8; LENGTH]> {
    let sealed = URL_SAFE.decode(cookie).ok()?;
    let (secret, tag) = sealed.split_at_checked(LENGTH)?;
    hmac::verify(key, secret, tag).ok()?;
    secret.try_into().ok()
}

fn masked(secret: &[u8; LENGTH]) -> String {
    let mask: [u8; LENGTH] = std::array::from_fn(|_| fastrand::u8(..));
    let hidden = std::array::from_fn::<u8, LENGTH, _>(|at| mask[at] ^ secret[at]);
    STANDARD.encode([mask, hidden].concat())
}

fn unmasked(token: &[u8]) -> Option<[u8; LENGTH]> {
    let bytes: [u8; 2 * LENGTH] = STANDARD.decode(token).ok()?.try_into().ok()?;
    Some(std::array::from_fn(|at| bytes[at] ^ bytes[LENGTH + at]))
}
