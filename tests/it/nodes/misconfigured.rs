//! Nodes that are set up as if nobody stood before them: they work, and their operator reads once
//! what to change.

use std::collections::BTreeSet;

use super::scene::{Scene, agreeable, before, name, well, wrapped};
use super::secure::TlsFront;
use super::work::{admin, some_blob, start_upload};
use crate::harness::balancer::{Balancer, field};
use crate::harness::certs::{Authority, Offer};
use crate::harness::clients::docker::Docker;
use crate::harness::cluster::Cluster;
use crate::harness::http::Request;
use crate::harness::image::Image;
use crate::harness::node::{Entrance, ForwardedProto};
use crate::harness::ports;
use crate::harness::recorder::{Recorder, answer};
use crate::harness::wait::{SOON, until};

/// The node and the misfit of each report, in the order of the log.
fn reports(balancer: &Balancer) -> Vec<(String, String)> {
    let text = |line: &serde_json::Value, name: &str| {
        field(line, name).as_str().unwrap_or_default().to_owned()
    };
    let all = balancer.log().into_iter();
    all.filter(|line| field(line, "message") == "node is misconfigured")
        .map(|line| {
            assert!(text(&line, "remedy").len() > 20, "no remedy: {line}");
            (text(&line, "node"), text(&line, "misfit"))
        })
        .collect()
}

/// The same in order, as soon as there are so many.
async fn all_reports(balancer: &Balancer, count: usize) -> Vec<(String, String)> {
    until("nodes are reported", SOON, async || {
        let mut all = reports(balancer);
        all.sort();
        (all.len() >= count).then_some(all)
    })
    .await
}

/// Asks for what shows the node's own name, at every node several times.
async fn look_everywhere(balancer: &Balancer, count: usize) {
    let target = balancer.target(Offer::Http1);
    let public = balancer.url();
    for number in 0..count {
        let challenge = target.send(Request::get("/v2/")).await.expect(401);
        let challenge = challenge.header("www-authenticate").unwrap().to_owned();
        let realm = format!("realm=\"{public}/service/token\"");
        assert!(challenge.contains(&realm), "{challenge}");
        let started = target
            .send(start_upload(&format!("lab/look-{number}")))
            .await;
        let location = started.expect(202).header("location").unwrap().to_owned();
        assert!(
            location.starts_with(&format!("{public}/v2/lab/look-")),
            "{location}"
        );
        let info = target
            .send(admin("GET", "/api/v2.0/systeminfo"))
            .await
            .expect(200);
        assert_eq!(info.json()["external_url"], public.as_str());
        assert_eq!(
            info.json()["registry_url"],
            balancer.public_authority().as_str()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_works_over_nodes_with_names_and_redirects_of_their_own_reported_once() {
    let mut cluster = Cluster::builder()
        .node(0, |plan| {
            plan.external_url = Some(String::new());
            plan.forwarded_proto = ForwardedProto::Overwritten;
        })
        .node(1, |plan| plan.entrance = Entrance::Redirecting)
        .node(2, |plan| plan.entrance = Entrance::Https)
        .start()
        .await;
    let ca_file = cluster
        .scratch
        .write("nodes-ca.pem", cluster.authority.pem());
    let ca_file = ca_file.to_str().unwrap().to_owned();
    let trusting = wrapped(&cluster.scratch, &format!("SSL_CERT_FILE='{ca_file}' exec"));
    let balancer = before(&mut cluster, &trusting, |config| {
        config.set_node("node-3", "ca_file", ca_file.as_str());
    })
    .await;
    let destination = balancer.destination();
    let docker = Docker::start(&destination).await;
    let authority = destination.authority.as_str();
    docker
        .login(authority, "builder", "Builder12345")
        .await
        .expect_success();
    for tag in ["v1", "v2"] {
        let (image, reference) = (Image::small(), destination.image(&format!("lab/app:{tag}")));
        docker.load(&image, &reference).await.expect_success();
        docker.push(&reference).await.expect_success();
        docker.remove(&reference).await.expect_success();
        docker.pull(&reference).await.expect_success();
        assert_eq!(docker.image_id(&reference).await, image.id());
    }
    look_everywhere(&balancer, 25).await;
    let asked = balancer
        .access_log()
        .iter()
        .map(super::work::node)
        .collect::<BTreeSet<_>>();
    assert!(
        ["node-1", "node-2", "node-3"]
            .iter()
            .all(|name| asked.contains(*name)),
        "{asked:?}"
    );

    let expected = [
        ("node-1", "own_location"),
        ("node-1", "own_realm"),
        ("node-2", "redirects_to_https"),
    ];
    let expected = expected.map(|(node, misfit)| (node.to_owned(), misfit.to_owned()));
    let found = all_reports(&balancer, expected.len()).await;
    assert_eq!(found, expected);
    for (node, misfit) in &expected {
        let metric =
            format!("pilotage_upstream_misconfigured{{misfit=\"{misfit}\",node=\"{node}\"}}");
        assert_eq!(balancer.metric(&metric).await, Some(1.0), "{metric}");
    }
}

/// A scripted node that sends everybody to a TLS port with this certificate.
struct Redirecting {
    plain: Recorder,
    secure: TlsFront,
    behind: Recorder,
}

async fn redirecting(scene: &Scene, authority: &Authority) -> Redirecting {
    let host = scene.subnet.host(77);
    let answers = |request: &_| well(request).unwrap_or_else(|| agreeable(request));
    let behind = Recorder::start(ports::free(host), answers).await;
    let certificate = authority.issue(&[&host.to_string()]);
    let secure = TlsFront::open(ports::free(host), &certificate, behind.address()).await;
    let to = secure.url();
    let plain = Recorder::start(ports::free(host), move |request| {
        let location = format!("{to}{}", request.target);
        answer(308, &[("Location", &location)], "")
    })
    .await;
    Redirecting {
        plain,
        secure,
        behind,
    }
}

async fn read_blobs(balancer: &Balancer) {
    let target = balancer.target(Offer::Http1);
    for number in 0..30 {
        let path = format!("/v2/lab/app/blobs/{}", some_blob(number));
        target.send(admin("GET", &path)).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_certificate_that_does_not_verify_takes_the_node_down() {
    let scene = Scene::new(1, agreeable).await;
    let stranger = redirecting(&scene, &Authority::new()).await;
    let balancer = scene
        .starting(|config| {
            config.node("strange", &stranger.plain.url());
        })
        .await;
    balancer.node_is("strange", "pull", "down").await;
    balancer.node_is(&name(0), "pull", "up").await;
    read_blobs(&balancer).await;
    assert_eq!(scene.counts(), [30]);
    assert!(stranger.secure.greeted() > 0);
    assert!(stranger.behind.all().is_empty());
    let why = balancer.nodes().await[1]["health"]["traffic"][0]["why"].clone();
    assert!(why.as_str().unwrap().contains("tls"), "{why}");
    let reported = ("strange".to_owned(), "redirects_to_https".to_owned());
    assert_eq!(all_reports(&balancer, 1).await, [reported]);
}

/// Nothing but the redirect is ever asked of the plain port, and it is not reported again.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_certificate_that_verifies_is_followed_from_then_on() {
    let scene = Scene::new(1, agreeable).await;
    let authority = Authority::new();
    let wanted = redirecting(&scene, &authority).await;
    let ca_file = scene.scratch.write("ca.pem", authority.pem());
    let trusting = format!("SSL_CERT_FILE='{}' exec", ca_file.display());
    let mut config = scene.config();
    config.node("moved", &wanted.plain.url());
    config.node("other", &format!("http://{}", scene.links[0].address()));
    let program = wrapped(&scene.scratch, &trusting);
    let mut balancer = Balancer::start(&program, &scene.folder(), config).await;
    balancer.all_up(2).await;
    let asked = wanted.plain.all().len();
    read_blobs(&balancer).await;
    assert!(wanted.behind.requests().len() > 2);
    assert!(wanted.plain.requests().is_empty());
    let probes = wanted.behind.all().len();
    until("more probes have come", SOON, async || {
        (wanted.behind.all().len() > probes + 6).then_some(())
    })
    .await;
    assert_eq!(wanted.plain.all().len(), asked);
    assert_eq!(all_reports(&balancer, 1).await.len(), 1);

    // A changed file is a reason to say it again, once.
    balancer.reload(|config| {
        config.set("health", "interval", "150ms");
    });
    balancer.says("settings reloaded").await;
    until("it is reported anew", SOON, async || {
        (reports(&balancer).len() == 2).then_some(())
    })
    .await;
    read_blobs(&balancer).await;
    assert_eq!(reports(&balancer).len(), 2);
}
