//! What was gathered from each node, for the judges to compare.

use std::collections::BTreeSet;

use crate::upstream::settings::ProbeKind;

use super::release::Release;
use super::said::Said;

/// What the judges know beside the answers.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The public names as the operator wrote them; the first is the one that nodes were asked under.
    pub(super) names: Vec<String>,
    pub(super) probe: ProbeKind,
}

impl Frame {
    /// The name that nodes were asked under.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Whether clients use this authority.
    pub(super) fn knows(&self, authority: &str) -> bool {
        let plain = |text: &str| {
            let text = text.to_ascii_lowercase();
            text.strip_suffix(":443")
                .map_or(text.clone(), str::to_owned)
        };
        let wanted = plain(authority);
        self.names.iter().any(|name| plain(name) == wanted)
    }
}

/// What a node said to the first questions.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) node: String,
    pub(super) release: Release,
    /// `GET /v2/` without credentials.
    pub(super) ping: Said,
    pub(super) api_version: Said,
    pub(super) health: Said,
    /// As the account, when one was given.
    pub(super) info: Said,
    /// As the account, when one was given.
    pub(super) projects: Said,
}

/// The first parameters of a Bearer challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) service: String,
}

impl Told {
    /// Where the node sends clients for tokens.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        let value = self.ping.with(401)?.header("www-authenticate")?;
        let rest = value.strip_prefix("Bearer ")?;
        Some(Challenge {
            realm: parameter(rest, "realm")?,
            service: parameter(rest, "service")?,
        })
    }
}

fn parameter(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.to_owned())
}

/// Whether all values are the same.
pub(super) fn all_alike<T: PartialEq>(values: impl IntoIterator<Item = T>) -> bool {
    let mut values = values.into_iter();
    let first = values.next();
    values.all(|value| Some(&value) == first.as_ref())
}

/// Names, each once, as a sentence lists them.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<_> = names.into_iter().collect();
    let names: Vec<_> = names.into_iter().collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
pub(super) fn told(node: &str) -> Told {
    use super::said::answer;
    let challenge =
        "Bearer realm=\"https://registry.example.com/service/token\",service=\"harbor-registry\"";
    Told {
        node: node.to_owned(),
        release: Release::Second,
        ping: answer(401, &[("www-authenticate", challenge)], ""),
        api_version: answer(200, &[], r#"{"version":"v2.0"}"#),
        health: answer(
            200,
            &[],
            r#"{"status":"healthy","components":[{"name":"core","status":"healthy"}]}"#,
        ),
        info: answer(200, &[], "{}"),
        projects: answer(200, &[], "[]"),
    }
}

#[cfg(test)]
pub(super) fn frame() -> Frame {
    Frame {
        names: vec!["registry.example.com".to_owned()],
        probe: ProbeKind::Harbor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_with_its_realm_and_service() {
        let challenge = told("a").challenge().unwrap();
        assert_eq!(challenge.service, "harbor-registry");
        assert!(challenge.realm.ends_with("/service/token"));
    }

    #[test]
    fn the_usual_port_belongs_to_no_name() {
        let frame = frame();
        assert!(frame.knows("Registry.example.com") && frame.knows("registry.example.com:443"));
        assert!(!frame.knows("registry.example.com:8443") && !frame.knows("10.0.0.1"));
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(listed(["a"]), "a");
        assert_eq!(listed(["c", "a", "b", "a"]), "a, b and c");
    }

    #[test]
    fn nothing_and_one_thing_are_alike() {
        assert!(all_alike::<u8>([]) && all_alike([1]) && all_alike([1, 1]) && !all_alike([1, 2]));
    }
}
