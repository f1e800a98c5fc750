//! Harbor's system information: the one body that names the registry.

use serde_json::Value;

use super::PublicUrl;
use crate::registry::route::Route;

/// Whether an answer on this route may carry a body for [`rewrite`].
pub fn concerns(route: &Route) -> bool {
    matches!(route, Route::Api(path) if PATHS.contains(&path.as_str()))
}

/// The document with the public name where a node wrote its own. `None` when the body is no such
/// document, or already right: it is then passed on as it came.
///
/// The caller has the whole body, not compressed, and sets its new length.
pub fn rewrite(body: &[u8], public: &PublicUrl<'_>) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(body).ok()?;
    let members = document.as_object_mut()?;
    let mut changed = false;
    for (name, right) in [
        ("registry_url", public.authority.to_owned()),
        ("external_url", public.join("")),
    ] {
        if let Some(Value::String(written)) = members.get_mut(name)
            && *written != right
        {
            *written = right;
            changed = true;
        }
    }
    if changed {
        serde_json::to_vec(&document).ok()
    } else {
        None
    }
}

/// Both generations of the API.
const PATHS: [&str; 2] = ["/api/v2.0/systeminfo", "/api/systeminfo"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Scheme;
    use super::*;
    use crate::registry::route::Target;

    const PUBLIC: PublicUrl<'_> = PublicUrl {
        scheme: Scheme::Https,
        authority: "harbor.example.test:8443",
    };

    #[test]
    fn both_names_become_public_and_all_else_stays() {
        let body = json!({
            "auth_mode":"db_auth",
            "external_url":"http://10.0.0.11",
            "n":1.5,
            "registry_url":"10.0.0.11",
            "x":{"registry_url":"y"}
        })
        .to_string();
        let expected = json!({
            "auth_mode":"db_auth",
            "external_url":"https://harbor.example.test:8443",
            "n":1.5,
            "registry_url":"harbor.example.test:8443",
            "x":{"registry_url":"y"}
        });
        let rewritten = rewrite(body.as_bytes(), &PUBLIC).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&rewritten).unwrap(),
            expected
        );
        assert_eq!(rewrite(&rewritten, &PUBLIC), None);
    }

    #[test]
    fn other_bodies_stay() {
        for body in [
            "",
            "[]",
            "null",
            "<html></html>",
            r#"{"registry_url":"x""#,
            r#"{"registry_url":null,"external_url":7}"#,
            r#"{"auth_mode":"db_auth","harbor_version":"-"}"#,
        ] {
            assert_eq!(rewrite(body.as_bytes(), &PUBLIC), None, "{body}");
        }
    }

    #[test]
    fn only_the_system_information_is_read() {
        for (target, expected) in [
            ("/api/v2.0/systeminfo", true),
            ("/api/systeminfo?x=1", true),
            ("/api/v2.0/systeminfo/volumes", false),
            ("/api/v2.0/health", false),
            ("/v2/", false),
        ] {
            assert_eq!(
                concerns(&Target::parse(target).unwrap().route),
                expected,
                "{target}"
            );
        }
    }
}
