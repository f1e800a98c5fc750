//! Whose tokens are good where.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::release::Release;
use super::super::said::Said;
use super::super::told::all_alike;

/// What a token says about itself. Never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Label {
    /// The name of the key, or a digest of its certificate.
    pub(in super::super) key: Option<String>,
    /// When it was issued, in seconds since 1970.
    pub(in super::super) issued: Option<i64>,
}

impl Label {
    /// Reads the parts of a token that are no secret.
    pub(in super::super) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let part = |text: &str| -> Option<Value> {
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        let header = part(parts.next()?)?;
        let claims = part(parts.next()?)?;
        let named = header.get("kid").and_then(Value::as_str).map(str::to_owned);
        let key = named.or_else(|| {
            let certificate = || {
                let text = header.get("x5c")?.get(0)?.as_str()?;
                STANDARD.decode(text).ok()
            };
            let whole = || Some(header.get("jwk")?.to_string().into_bytes());
            Some(shortened(&certificate().or_else(whole)?))
        });
        Some(Self {
            key: key.filter(|key| key.len() <= 100 && key.is_ascii()),
            issued: claims.get("iat").and_then(Value::as_i64),
        })
    }
}

/// The beginning of a digest: enough to tell keys apart.
fn shortened(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let start = digest.as_ref().iter().take(8);
    let start: Vec<_> = start.map(|byte| format!("{byte:02x}")).collect();
    start.concat()
}

/// A node's token, and what the others made of it.
#[derive(Debug, Clone)]
pub(in super::super) struct Shown {
    pub(in super::super) node: String,
    pub(in super::super) release: Release,
    pub(in super::super) label: Label,
    /// Each other node, and what it said to the token at `/v2/`; empty without an account.
    pub(in super::super) elsewhere: Vec<(String, Said)>,
}

/// Whether tokens are good everywhere: by effect when an account was given, else by the names of the keys.
///
/// Nodes that are `apart`, by their clocks or the name of their service, refuse each other's tokens anyway; that is
/// another finding.
pub(in super::super) fn token_key(shown: &[Shown], apart: impl Fn(&str, &str) -> bool) -> Outcome {
    let Some(first) = shown.first() else {
        return Outcome::skipped("no node gave a token");
    };
    let refused: Vec<_> = shown
        .iter()
        .flat_map(|one| one.elsewhere.iter().map(move |(at, said)| (one, at, said)))
        .filter(|(one, at, said)| said.status() == Some(401) && !apart(&one.node, at))
        .collect();
    let tried = shown.iter().any(|one| !one.elsewhere.is_empty());
    let keys = || shown.iter().filter_map(|one| one.label.key.as_deref());
    if !tried && (shown.len() < 2 || keys().count() < shown.len()) {
        return Outcome::skipped("there are no two tokens that name their keys: give --user");
    }
    if refused.is_empty() && (tried || all_alike(keys())) {
        let seen = if tried {
            "each node takes the tokens of the others"
        } else {
            "all sign with the key of the same name"
        };
        return Outcome::passed(seen);
    }
    let what = if tried {
        "nodes refuse each other's tokens: they have different signing keys"
    } else {
        "the nodes sign tokens with keys of different names"
    };
    let mut finding = Finding::new(Check::TokenKey, Severity::Error, what);
    for one in shown {
        if let Some(key) = &one.label.key {
            finding = finding.told(&one.node, "the name of the key in its token", key);
        }
    }
    for (one, at, said) in refused {
        let asked = format!("GET /v2/ with a token of {}", one.node);
        finding = finding.told(at, asked, said.words());
    }
    finding.remedy(remedy(first.release)).into()
}

fn remedy(release: Release) -> &'static str {
    match release {
        Release::First => {
            "copy secret/core/private_key.pem and secret/registry/root.crt from the data volume of one node to all \
             others, and restart core (ui up to 1.6) and registry there: in 1.x the registry checks tokens with root.crt"
        }
        Release::Second | Release::Exactly(_) | Release::Plain => {
            "copy secret/core/private_key.pem (and secret/registry/root.crt with it) from the data volume of one node \
             to all others and restart core there; ./prepare keeps it. In the Helm chart pin core.tokenKey and \
             core.tokenCert (or core.secretName), or every upgrade makes a new pair"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::said::answer;
    use super::*;

    fn token(key: &str) -> String {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let header = part(format!(r#"{{"alg":"RS256","kid":"{key}"}}"#));
        format!("{header}.{}.sig", part(r#"{"iat":1700000000}"#.to_owned()))
    }

    fn shown(node: &str, key: &str, elsewhere: &[(&str, u16)]) -> Shown {
        Shown {
            node: node.to_owned(),
            release: Release::Second,
            label: Label::of(&token(key)).unwrap(),
            elsewhere: elsewhere
                .iter()
                .map(|(at, status)| ((*at).to_owned(), answer(*status, &[], "")))
                .collect(),
        }
    }

    #[test]
    fn a_label_has_key_and_time_and_nothing_else() {
        let label = Label::of(&token("AAAA:BBBB")).unwrap();
        assert_eq!(label.key.as_deref(), Some("AAAA:BBBB"));
        assert_eq!(label.issued, Some(1_700_000_000));
        assert_eq!(Label::of("opaque"), None);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let key = |header: &str| {
            let token = format!("{}.{}.s", part(header), part("{}"));
            Label::of(&token).unwrap().key
        };
        let (one, other) = (key(r#"{"jwk":{"n":"1"}}"#), key(r#"{"jwk":{"n":"2"}}"#));
        assert!(one.is_some() && one != other && key("{}").is_none());
    }

    #[test]
    fn effect_counts_more_than_the_names_of_keys() {
        let both = [
            shown("a", "K1", &[("b", 200)]),
            shown("b", "K2", &[("a", 200)]),
        ];
        assert!(matches!(token_key(&both, |_, _| false), Outcome::Passed(_)));
        let refused = [
            shown("a", "K1", &[("b", 401)]),
            shown("b", "K1", &[("a", 200)]),
        ];
        let outcome = token_key(&refused, |_, _| false);
        assert_eq!(outcome.severity(), Some(Severity::Error));
    }

    #[test]
    fn without_an_account_names_of_keys_decide() {
        let differ = [shown("a", "K1", &[]), shown("b", "K2", &[])];
        assert_eq!(
            token_key(&differ, |_, _| false).severity(),
            Some(Severity::Error)
        );
        let agree = [shown("a", "K1", &[]), shown("b", "K1", &[])];
        assert!(matches!(
            token_key(&agree, |_, _| false),
            Outcome::Passed(_)
        ));
    }

    #[test]
    fn tokens_that_name_no_key_say_nothing_without_an_account() {
        let mut nameless = [shown("a", "K1", &[]), shown("b", "K1", &[])];
        nameless[1].label.key = None;
        assert!(matches!(
            token_key(&nameless, |_, _| false),
            Outcome::Skipped(_)
        ));
        assert!(matches!(
            token_key(&nameless[..1], |_, _| false),
            Outcome::Skipped(_)
        ));
    }

    #[test]
    fn clocks_that_are_apart_explain_a_refusal() {
        let refused = [
            shown("a", "K1", &[("b", 401)]),
            shown("b", "K1", &[("a", 200)]),
        ];
        assert!(matches!(
            token_key(&refused, |_, _| true),
            Outcome::Passed(_)
        ));
    }
}
