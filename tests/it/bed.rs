//! The test bed's own tools do what tests rely on.

use crate::harness::certs::{Authority, Offer};
use crate::harness::cluster::Cluster;
use crate::harness::core::{Account, Flavour};
use crate::harness::http::{Request, Target, h2};
use crate::harness::image::{Image, MANIFEST_TYPE, digest};
use crate::harness::link::{Direction, Door, End, Flow, Link};
use crate::harness::node::{Common, Entrance, ForwardedProto};
use crate::harness::ports::{self, Subnet};
use crate::harness::recorder::{self, Recorder};
use crate::harness::scripted::Client;
use crate::harness::signing::KeyName;
use crate::harness::wait::{SOON, found, until};

/// A link before a server whose answer is 100,000 bytes long.
async fn long_answer() -> (Recorder, Link, Target) {
    let host = Subnet::take().host(1);
    let body = "x".repeat(100_000);
    let script = move |_: &recorder::Received| recorder::answer(200, &[], &body);
    let recorder = Recorder::start(ports::free(host), script).await;
    let link = Link::open(ports::free(host), recorder.address()).await;
    let target = Target::plain(link.address(), "recorder");
    (recorder, link, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_healed_passes_and_counts_everything() {
    let (recorder, mut link, target) = long_answer().await;
    link.set_door(Door::Refusing).await;
    target.try_send(&Request::get("/")).await.unwrap_err();
    link.set_door(Door::Resetting).await;
    target.try_send(&Request::get("/")).await.unwrap_err();
    link.heal().await;
    let answer = target.send(Request::get("/")).await.expect(200);
    assert!(answer.complete);
    assert_eq!(link.connections(), 1);
    assert!(link.bytes(Direction::FromNode) > 100_000);
    let sent = u64::try_from(recorder.all()[0].head.len()).unwrap();
    assert_eq!(link.bytes(Direction::ToNode), sent);
    until("the connection is gone", SOON, async || {
        (link.open_connections() == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cuts_an_answer_after_exactly_so_many_bytes() {
    for end in [End::Close, End::Reset] {
        let (_recorder, link, target) = long_answer().await;
        link.cut_after(Direction::FromNode, 50_000, end);
        let mut connection = target.connect().await.unwrap();
        let request = Request::get("/").header("Connection", "keep-alive");
        connection.write(&request.bytes("recorder")).await.unwrap();
        let mut seen = 0;
        let ending = loop {
            match connection.body(usize::from(u16::MAX)).await {
                Ok(part) if part.is_empty() => break End::Close,
                Ok(part) => seen += part.len(),
                Err(_) => break End::Reset,
            }
        };
        assert_eq!(ending, end);
        // A reset may overtake bytes; a close may not.
        assert!(
            seen == 50_000 || end == End::Reset && seen < 50_000,
            "{seen} {end:?}"
        );
        assert_eq!(link.bytes(Direction::FromNode), 50_000);
        assert_eq!(link.cuts_left(), 0);
        target.send(Request::get("/")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cuts_a_request_after_exactly_so_many_bytes() {
    let (recorder, link, target) = long_answer().await;
    link.cut_after(Direction::ToNode, 1_000, End::Reset);
    let request = Request::new("PUT", "/").body(vec![7; 5_000]);
    target.try_send(&request).await.unwrap_err();
    assert_eq!(link.bytes(Direction::ToNode), 1_000);
    assert!(recorder.all().iter().all(|seen| seen.body.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_link_moves_nothing_until_it_is_open_again() {
    let (recorder, link, target) = long_answer().await;
    link.set_flow(Flow::Stalled);
    let asking = tokio::spawn(async move { target.send(Request::get("/")).await });
    until("connected", SOON, async || {
        (link.connections() == 1).then_some(())
    })
    .await;
    let brief = std::time::Duration::from_millis(100);
    let came = found(brief, async || (!recorder.all().is_empty()).then_some(())).await;
    assert!(came.is_none(), "a byte passed a stalled link");
    link.set_flow(Flow::Open);
    asking.await.unwrap().expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_keeps_the_bytes_as_they_came() {
    let recorder = Recorder::healthy(ports::free(Subnet::take().host(1))).await;
    let target = Target::plain(recorder.address(), "recorder");
    let mut connection = target.connect().await.unwrap();
    let odd = b"GET /a?b=%3D HTTP/1.1\r\nhOST:  x \r\n\r\n";
    connection.write(odd).await.unwrap();
    connection.answer("GET").await.unwrap().expect(200);
    assert_eq!(recorder.requests()[0].head, odd);
    assert_eq!(recorder.requests()[0].values("Host"), ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_differ_as_they_are_told() {
    let mut cluster = Cluster::builder()
        .node(0, |plan| plan.entrance = Entrance::Redirecting)
        .node(1, |plan| plan.external_url = Some(String::new()))
        .node(2, |plan| {
            plan.entrance = Entrance::Https;
            plan.forwarded_proto = ForwardedProto::Overwritten;
        })
        .start()
        .await;
    let plain = Target::plain(cluster.nodes[0].address(), "registry.example.test");
    let redirect = plain.send(Request::get("/v2/")).await.expect(308);
    let own = format!("https://{}/v2/", cluster.nodes[0].inner_address());
    assert_eq!(redirect.header("location"), Some(own.as_str()));

    let direct = cluster.direct(1, "registry.example.test");
    let challenge = direct.send(Request::get("/v2/")).await.expect(401);
    let realm = format!(
        "realm=\"http://{}/service/token\"",
        cluster.nodes[1].address()
    );
    assert!(
        challenge
            .header("www-authenticate")
            .unwrap()
            .contains(&realm)
    );

    let url = cluster.nodes[2].url();
    assert!(url.starts_with("https://"));
    let offer = cluster.authority.client(Offer::Http1);
    let host = cluster.nodes[2].address().to_string();
    let by_link = Target::tls(cluster.nodes[2].address(), &host, offer);
    by_link
        .send(Request::get("/api/v2.0/ping"))
        .await
        .expect(200);
    let stranger = Authority::new().client(Offer::Http2);
    let misled = Target::tls(cluster.nodes[2].address(), &host, stranger);
    h2::Client::connect(&misled).await.unwrap_err();

    cluster.nodes[1].kill();
    direct.try_send(&Request::get("/")).await.unwrap_err();
    cluster.nodes[1].start_again().await;
    direct.send(Request::get("/")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_by_hand_is_pulled_from_the_other_node() {
    let cluster = Cluster::builder().nodes(2).start().await;
    let image = Image::small();
    let client = |node| {
        Client::new(
            cluster.direct(node, "registry.example.test"),
            Account::BUILDER,
        )
    };
    client(0).push("lab/hand", "v1", &image).await;
    let pulled = client(1).pull("lab/hand", "v1").await;
    assert_eq!(
        (pulled.config, pulled.layers),
        (image.config.clone(), image.layers.clone())
    );
    let layer = digest(&image.layers[1]);
    assert_eq!(
        cluster.database.booked_size(&layer),
        Some(image.layers[1].len() as u64)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn registries_of_the_first_generation_check_tokens_themselves() {
    for key_name in [KeyName::Kid, KeyName::X5c] {
        let cluster = Cluster::builder()
            .nodes(3)
            .all(|plan| (plan.flavour, plan.key_name) = (Flavour::Harbor1, key_name))
            .node(2, |plan| plan.signing = Common::Own)
            .start()
            .await;
        let client = |node| {
            Client::new(
                cluster.direct(node, "registry.example.test"),
                Account::ADMIN,
            )
        };
        let image = Image::random(&[1_000]);
        client(0).push("lab/old", "v1", &image).await;
        let foreign = client(0).token(&["lab/old"]).await;
        let path = "/v2/lab/old/manifests/v1";
        let asked = || {
            Request::get(path)
                .header("Accept", MANIFEST_TYPE)
                .bearer(&foreign)
        };
        cluster
            .direct(1, "registry.example.test")
            .send(asked())
            .await
            .expect(200);
        let refused = cluster
            .direct(2, "registry.example.test")
            .send(asked())
            .await
            .expect(401);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}
