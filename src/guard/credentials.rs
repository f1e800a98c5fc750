//! What a client claims to be: an account and a secret, read from a header or a form.
//!
//! What cannot be read is a try all the same, against one account that stands for all of these: a form that only
//! the node understands must not be a way round the guard.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::registry::query::Query;

/// An account name and whatever proves it. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    account: Option<String>,
    secret: Vec<u8>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Credentials as they were found; without an account when its name cannot be read.
    pub fn new(account: Option<String>, secret: Vec<u8>) -> Self {
        Self { account, secret }
    }

    /// The name, if one can be read.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// What tells these credentials from others of the same account.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// The credentials of an `Authorization` header. `None` when it is of another scheme.
pub fn basic(value: &[u8]) -> Option<Credentials> {
    let rest = scheme(value, b"basic")?;
    let decoded = STANDARD.decode(rest).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|text| text.split_once(':')) {
        Some((name, password)) => Some(Credentials::new(
            Some(name.to_owned()),
            password.as_bytes().to_vec(),
        )),
        None => Some(Credentials::new(None, rest.to_vec())),
    }
}

/// The token of an `Authorization` header. `None` when it is of another scheme.
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    scheme(value, b"bearer")
}

/// The credentials of a form, whose account stands under `field`. Frameworks read the query as well when the body
/// does not have it, so that is looked at too.
pub fn form(
    field: &str,
    media_type: Option<&str>,
    body: &[u8],
    query: Option<&Query>,
) -> Credentials {
    let kind = media_type.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let written = std::str::from_utf8(body).ok().map(str::trim);
    let written = written.filter(|_| kind.eq_ignore_ascii_case(FORM));
    let in_body = written.and_then(Query::parse);
    let named = |query: &Query| query.find_decoded(field).map(std::borrow::Cow::into_owned);
    let account = in_body
        .as_ref()
        .and_then(named)
        // A body that only the node can read may name another account than the query does.
        .or_else(|| {
            query
                .filter(|_| body.is_empty() || in_body.is_some())?
                .find_decoded(field)
                .map(Into::into)
        });
    let mut secret = body.to_vec();
    if let Some(query) = query {
        secret.push(0);
        secret.extend_from_slice(query.as_str().as_bytes());
    }
    Credentials::new(account, secret)
}

fn scheme<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = value.trim_ascii();
    let (word, rest) = value.split_at_checked(name.len())?;
    let rest = rest.strip_prefix(b" ")?;
    word.eq_ignore_ascii_case(name).then(|| rest.trim_ascii())
}

/// How browsers and containerd send a password.
const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    fn account(header: &[u8]) -> Option<String> {
        basic(header).unwrap().account().map(str::to_owned)
    }

    #[test]
    fn basic_credentials_are_read_as_nodes_read_them() {
        let read = basic(&encoded("robot$lab+ci:a:b")).unwrap();
        assert_eq!(read.account(), Some("robot$lab+ci"));
        assert_eq!(read.secret(), b"a:b");
        assert_eq!(basic(b"bASIC   YTpi").unwrap().account(), Some("a"));
        assert_eq!(account(&encoded(":")), Some(String::new()));
        assert_eq!(format!("{read:?}"), "Credentials");
    }

    #[test]
    fn what_cannot_be_read_is_a_try_of_nobody_in_particular() {
        for header in [&b"Basic !!!"[..], b"Basic YQ==", b"Basic /////w=="] {
            assert_eq!(account(header), None, "{header:?}");
        }
    }

    #[test]
    fn other_schemes_are_no_password() {
        for header in [&b"Bearer YTpi"[..], b"Basic", b"Basics YTpi", b""] {
            assert_eq!(basic(header), None, "{header:?}");
        }
        assert_eq!(bearer(b"bearer abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
    }

    fn of_form(kind: Option<&str>, body: &str, query: Option<&str>) -> Option<String> {
        let query = query.and_then(Query::parse);
        let read = form("principal", kind, body.as_bytes(), query.as_ref());
        read.account().map(str::to_owned)
    }

    #[test]
    fn a_form_names_the_account_in_its_body_or_in_the_query() {
        let kind = Some("application/x-www-form-urlencoded; charset=UTF-8");
        for (body, query, expected) in [
            ("principal=admin&password=x", None, Some("admin")),
            ("password=x&princip%61l=rob%24ot", None, Some("rob$ot")),
            (
                "principal=admin&password=x\r\n",
                Some("principal=other"),
                Some("admin"),
            ),
            ("password=x", Some("principal=other"), Some("other")),
            ("", Some("principal=a+b&password=x"), Some("a b")),
            ("password=x", None, None),
        ] {
            assert_eq!(of_form(kind, body, query).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_form_that_only_the_node_can_read_hides_behind_no_other_account() {
        let body =
            "--x\r\nContent-Disposition: form-data; name=\"principal\"\r\n\r\nadmin\r\n--x--";
        let kind = Some("multipart/form-data; boundary=x");
        assert_eq!(of_form(kind, body, Some("principal=other")), None);
        assert_eq!(of_form(None, "principal=admin", None), None);
    }

    #[test]
    fn another_password_is_another_secret() {
        let kind = Some(FORM);
        let secret = |body: &str, query: &str| {
            form(
                "username",
                kind,
                body.as_bytes(),
                Query::parse(query).as_ref(),
            )
            .secret()
            .to_vec()
        };
        assert_ne!(
            secret("username=a&password=1", "x"),
            secret("username=a&password=2", "x")
        );
        assert_ne!(
            secret("", "username=a&password=1"),
            secret("", "username=a&password=2")
        );
    }
}
