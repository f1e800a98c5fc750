//! What nodes take for their own address.

use http::Uri;

use super::super::catalog::Check;
use super::super::finding::{Finding, Outcome, Severity};
use super::super::release::Release;
use super::super::said::Said;
use super::super::told::{Frame, Told, all_alike, listed};

/// Whether each node takes the public name for its own, by its realm and, for an account, its system information.
pub(in super::super) fn public_url(told: &[Told], frame: &Frame) -> Outcome {
    if told.iter().all(|one| one.release == Release::Plain) {
        return Outcome::skipped("a registry without Harbor has no address of its own");
    }
    let mut wrong = Vec::new();
    let mut seen = 0;
    for one in told {
        let realm = one.challenge().map(|challenge| challenge.realm);
        let addresses = [
            ("the realm of its token service", realm),
            (
                "external_url in its system information",
                external_url(&one.info),
            ),
        ];
        for (asked, address) in addresses {
            let Some(address) = address else {
                continue;
            };
            seen += 1;
            if !is_public(&address, frame) {
                wrong.push((one, asked, address));
            }
        }
    }
    let Some((first, ..)) = wrong.first() else {
        return if seen == 0 {
            Outcome::skipped("no node gave out an address")
        } else {
            Outcome::passed(format!("all say https://{}", frame.name()))
        };
    };
    let nodes = listed(wrong.iter().map(|(one, ..)| one.node.as_str()));
    let what = format!("another address than the public one is given out by {nodes}");
    let mut finding = Finding::new(Check::PublicUrl, Severity::Warning, what);
    let remedy = url_remedy(first.release, frame.name());
    for (one, asked, address) in wrong {
        finding = finding.told(&one.node, asked, shortened(&address));
    }
    finding.remedy(remedy).into()
}

fn url_remedy(release: Release, name: &str) -> String {
    let late = "; from 2.14 on the realm follows the name in the request, and only its scheme comes from here";
    match release {
        Release::First => format!(
            "set hostname to {name} in harbor.yml (harbor.cfg up to 1.7, with ui_url_protocol = https), or external_url: \
             https://{name} from 1.8 on; then ./prepare and docker-compose up -d"
        ),
        release => format!(
            "set external_url: https://{name} in harbor.yml of that node (externalURL in the Helm chart), then \
             ./prepare and docker compose up -d{}",
            if release.is_before(14) { "" } else { late }
        ),
    }
}

fn external_url(info: &Said) -> Option<String> {
    let document = info.with(200)?.json()?;
    let url = document.get("external_url")?.as_str()?;
    (!url.is_empty()).then(|| url.to_owned())
}

fn is_public(address: &str, frame: &Frame) -> bool {
    let uri: Option<Uri> = address.parse().ok();
    uri.is_some_and(|uri| {
        uri.scheme_str() == Some("https")
            && uri
                .authority()
                .is_some_and(|authority| frame.knows(authority.as_str()))
    })
}

/// An address without what may be secret in it.
fn shortened(address: &str) -> String {
    address
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Whether the upload addresses of each node carry https and the public name.
pub(in super::super) fn forwarded_proto(begun: &[(&Told, &Said)], frame: &Frame) -> Outcome {
    let location = |said: &Said| {
        let location = said.with(202)?.header("location")?;
        location.contains("://").then(|| shortened(location))
    };
    if begun.iter().all(|(_, said)| said.with(202).is_none()) {
        return Outcome::skipped("no upload could begin");
    }
    let wrong: Vec<_> = begun
        .iter()
        .filter_map(|(told, said)| Some((told, location(said)?)))
        .filter(|(_, location)| !is_public(location, frame))
        .collect();
    let Some((first, _)) = wrong.first() else {
        return Outcome::passed("upload addresses are public");
    };
    let same_name = wrong.iter().all(|(_, location)| {
        let uri: Option<Uri> = location.parse().ok();
        uri.as_ref()
            .and_then(Uri::authority)
            .is_some_and(|authority| frame.knows(authority.as_str()))
    });
    let nodes = listed(wrong.iter().map(|(told, _)| told.node.as_str()));
    let (what, remedy) = if same_name {
        (
            format!("upload addresses with http:// are given out by {nodes}"),
            proto_remedy(first.release),
        )
    } else {
        (
            format!("upload addresses with another name are given out by {nodes}"),
            "take http.host out of the registry's config.yml (common/config/registry/config.yml), and let the node's \
             nginx pass the Host of the request on (proxy_set_header Host $http_host in location /v2/)"
                .to_owned(),
        )
    };
    let asked = "POST of an upload, with X-Forwarded-Proto: https";
    let told = wrong
        .iter()
        .map(|(told, location)| (told.node.as_str(), location.as_str()));
    Finding::new(Check::ForwardedProto, Severity::Warning, what)
        .all_told(asked, told)
        .remedy(remedy)
        .into()
}

fn proto_remedy(release: Release) -> String {
    let line = "the line proxy_set_header X-Forwarded-Proto $scheme;";
    if release.is_from(3) {
        format!(
            "this release passes the header on by itself: look for {line} that somebody added to \
             common/config/nginx/nginx.conf or to a proxy before the node, and take it out"
        )
    } else {
        format!(
            "take {line} out of the locations /, /v2/ and /service/ in common/config/nginx/nginx.conf of that node and \
             restart its nginx (up to 2.2 ./prepare writes it back); from 2.3 on Harbor does it right by itself"
        )
    }
}

/// Whether all nodes call their token service alike.
pub(in super::super) fn token_service(told: &[Told]) -> Outcome {
    let services: Vec<_> = told
        .iter()
        .filter_map(|one| Some((one.node.as_str(), one.challenge()?.service)))
        .collect();
    let Some((_, first)) = services.first() else {
        return Outcome::skipped("no node has a token service");
    };
    if all_alike(services.iter().map(|(_, service)| service)) {
        return Outcome::passed(format!("all call it {first}"));
    }
    let what = "the nodes have different names for their token service";
    Finding::new(Check::TokenService, Severity::Error, what)
        .all_told("service in the challenge of /v2/", services)
        .remedy(
            "make auth.token.service the same in the registry's config.yml of every node; all Harbor nodes call it \
             harbor-registry, so one of these may be no Harbor, or another registry altogether",
        )
        .into()
}

#[cfg(test)]
mod tests {
    use super::super::super::said::answer;
    use super::super::super::told::{frame, told};
    use super::*;

    fn with_realm(node: &str, realm: &str) -> Told {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"harbor-registry\"");
        let mut one = told(node);
        one.ping = answer(401, &[("www-authenticate", &challenge)], "");
        one
    }

    fn only(outcome: Outcome) -> Finding {
        let Outcome::Found(mut all) = outcome else {
            panic!("{outcome:?}")
        };
        all.remove(0)
    }

    #[test]
    fn a_realm_with_an_inner_name_or_without_tls_is_found_for_its_node_alone() {
        for realm in [
            "http://registry.example.com/service/token",
            "https://10.0.0.12/service/token",
        ] {
            let finding = only(public_url(&[told("a"), with_realm("b", realm)], &frame()));
            assert!(finding.what.ends_with("given out by b"), "{}", finding.what);
            assert_eq!(finding.evidence.len(), 1);
            assert!(finding.remedy.contains("https://registry.example.com"));
        }
        let good = public_url(&[told("a"), told("b")], &frame());
        assert!(matches!(good, Outcome::Passed(_)));
    }

    #[test]
    fn the_remedy_fits_the_release() {
        assert!(url_remedy(Release::First, "x").contains("harbor.cfg"));
        assert!(url_remedy(Release::Exactly(14), "x").contains("2.14"));
        assert!(!url_remedy(Release::Exactly(9), "x").contains("2.14"));
        assert!(proto_remedy(Release::Exactly(2)).contains("writes it back"));
        assert!(proto_remedy(Release::Exactly(9)).contains("somebody added"));
    }

    #[test]
    fn an_upload_address_never_shows_its_state() {
        let location = "http://registry.example.com/v2/p/r/blobs/uploads/x?_state=secret";
        let begun = answer(202, &[("location", location)], "");
        let one = told("a");
        let finding = only(forwarded_proto(&[(&one, &begun)], &frame()));
        assert!(!format!("{finding:?}").contains("secret"));
        assert!(finding.what.contains("http://"));
        let refused = answer(401, &[], "");
        let nothing = forwarded_proto(&[(&one, &refused)], &frame());
        assert!(matches!(nothing, Outcome::Skipped(_)));
        let path = answer(202, &[("location", "/v2/p/r/blobs/uploads/x")], "");
        let good = forwarded_proto(&[(&one, &path)], &frame());
        assert!(matches!(good, Outcome::Passed(_)));
    }

    #[test]
    fn services_with_different_names_are_an_error() {
        let mut other = told("b");
        let challenge = "Bearer realm=\"https://registry.example.com/t\",service=\"token\"";
        other.ping = answer(401, &[("www-authenticate", challenge)], "");
        let finding = only(token_service(&[told("a"), other]));
        assert_eq!(finding.severity, Severity::Error);
    }
}
