//! Nodes that do not have the same blob, or do not do what they are asked: bytes are never mixed.

use crate::harness::balancer::config::Config;
use crate::harness::balancer::{Balancer, field, program};
use crate::harness::certs::Offer;
use crate::harness::core::Account;
use crate::harness::front;
use crate::harness::image::digest;
use crate::harness::link::{Direction, End, Link};
use crate::harness::ports::{self, Subnet};
use crate::harness::recorder::{Received, Recorder};
use crate::harness::scratch::Scratch;
use crate::harness::wait::{SOON, until};

use super::courier::{Courier, Ending};
use super::survive::random;
use super::trial::hasten;

const SIZE: usize = 2_000_000;

/// How the second node answers for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// As it should.
    Fitting,
    /// With all of the blob: it does not know ranges.
    Whole,
    /// With another size, by 206 or by 200.
    OtherSize,
    OtherSizeWhole,
    /// With another digest in its head.
    OtherDigest,
    /// With the right part of something else: another entity tag.
    OtherTag,
    /// With other bytes than were asked for.
    OtherPart,
    /// As it should, but the bytes are others.
    OtherBytes,
    /// 404: it does not have the blob.
    Missing,
    /// A page.
    Page,
    /// 416.
    Unfit,
}

fn part(request: &Received) -> Option<(usize, usize)> {
    let range = request.values("range").into_iter().next()?;
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let to = to.parse::<usize>().map_or(SIZE, |last| last + 1);
    Some((from.parse().ok()?, to))
}

fn head(status: u16, lines: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let lines = lines
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines = lines.collect::<String>();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Scripted\r\n{lines}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// What a node says to a GET of the blob.
fn answer(second: Second, request: &Received, content: &[u8]) -> Vec<u8> {
    let (name, other) = (digest(content), digest(b"other"));
    let kind = ("Content-Type", "application/octet-stream".to_owned());
    let named = |digest: &str, tag: &str| {
        [
            kind.clone(),
            ("Docker-Content-Digest", digest.to_owned()),
            ("ETag", format!("\"{tag}\"")),
        ]
    };
    let good = named(&name, &name);
    let Some((from, to)) = part(request) else {
        return head(200, &good, content);
    };
    let range = |from: usize, to: usize, total: usize| {
        ("Content-Range", format!("bytes {from}-{}/{total}", to - 1))
    };
    let partial = |lines: &[(&str, String)], (from, to): (usize, usize), total: usize| {
        let lines = [lines, &[range(from, to, total)]].concat();
        head(206, &lines, &content[from..to])
    };
    match second {
        Second::Fitting => partial(&good, (from, to), SIZE),
        Second::Whole => head(200, &good, content),
        Second::OtherSize => partial(&good, (from, to), SIZE + 1),
        Second::OtherSizeWhole => head(200, &good, &content[1..]),
        Second::OtherDigest => partial(&named(&other, &other), (from, to), SIZE),
        Second::OtherTag => partial(&named(&name, "another"), (from, to), SIZE),
        Second::OtherPart => partial(&good, (from - 1, to - 1), SIZE),
        Second::OtherBytes => {
            let lies: Vec<u8> = content.iter().map(|byte| !byte).collect();
            let lines = [&good[..], &[range(from, to, SIZE)]].concat();
            head(206, &lines, &lies[from..to])
        }
        Second::Missing => head(404, &[], b""),
        Second::Page => head(
            200,
            &[("Content-Type", "text/html".to_owned())],
            b"<html></html>",
        ),
        Second::Unfit => head(416, &[("Content-Range", format!("bytes */{SIZE}"))], b""),
    }
}

/// Two nodes, each behind a link; both give the blob, and for the rest of it they do as they like.
struct Puppets {
    links: Vec<Link>,
    _nodes: Vec<Recorder>,
    balancer: Balancer,
    _scratch: Scratch,
}

impl Puppets {
    async fn start(second: Second, content: &[u8]) -> Self {
        Self::with(second, content, "off").await
    }

    async fn with(second: Second, content: &[u8], verify: &str) -> Self {
        let (subnet, scratch) = (Subnet::take(), Scratch::new());
        let folder = scratch.folder("balancer");
        let mut config = Config::new(&folder);
        hasten(&mut config);
        config.set("retry", "patience", "1s");
        config.set("takeover", "verify", verify);
        let (mut nodes, mut links) = (Vec::new(), Vec::new());
        for number in 1..=2 {
            let content = content.to_vec();
            let node = front::node(subnet, number, move |_, request| {
                if request.target == "/service/token" || request.target.contains("/token?") {
                    return Some(head(200, &[], br#"{"token":"some"}"#));
                }
                let blob = request.target.contains("/blobs/");
                blob.then(|| answer(second, request, &content))
            });
            let node = node.await;
            let link = Link::open(ports::free(subnet.host(number)), node.address()).await;
            config.node(
                &format!("node-{number}"),
                &format!("http://{}", link.address()),
            );
            nodes.push(node);
            links.push(link);
        }
        let balancer = Balancer::start(&program(), &folder, config).await;
        balancer.all_up(2).await;
        Self {
            links,
            _nodes: nodes,
            balancer,
            _scratch: scratch,
        }
    }

    /// Reads the blob; the node that begins is cut off in the middle.
    async fn pull(
        &self,
        offer: Offer,
        (range, end): (Option<&str>, End),
        content: &[u8],
    ) -> (Vec<u8>, Ending) {
        let path = format!("/v2/lab/app/blobs/{}", digest(content));
        for link in &self.links {
            link.forget_cuts();
            link.cut_within("GET /v2/lab/", Direction::FromNode, 700_000, end);
        }
        let courier = Courier::of(&self.balancer, offer, Account::ADMIN).await;
        let (answer, ending) = courier
            .pull(&path, range, async |had| {
                if had > 0 {
                    // The second one may go on to its end.
                    let cut = self.links.iter().any(|link| link.cuts_left() == 0);
                    self.links
                        .iter()
                        .filter(|_| cut)
                        .for_each(Link::forget_cuts);
                }
            })
            .await;
        assert!(answer.status == 200 || answer.status == 206);
        (answer.body, ending)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_that_fits_goes_on_whether_it_knows_ranges_or_not() {
    let content = random(SIZE);
    for second in [Second::Fitting, Second::Whole] {
        let puppets = Puppets::start(second, &content).await;
        for offer in [Offer::Http1, Offer::Http2] {
            for end in [End::Reset, End::Close] {
                for (range, from) in [(None, 0), (Some("bytes=300000-"), 300_000)] {
                    let (had, ending) = puppets.pull(offer, (range, end), &content).await;
                    let about = format!("{second:?} over {offer:?}, {end:?}, {range:?}");
                    assert_eq!(ending, Ending::Proper, "{about}");
                    let from = if second == Second::Whole { 0 } else { from };
                    assert!(had == content[from..], "{about}: wrong bytes");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_that_has_something_else_is_not_believed() {
    let content = random(SIZE);
    for second in [
        Second::OtherSize,
        Second::OtherSizeWhole,
        Second::OtherDigest,
        Second::OtherTag,
        Second::OtherPart,
        Second::Missing,
        Second::Page,
        Second::Unfit,
    ] {
        let puppets = Puppets::start(second, &content).await;
        for offer in [Offer::Http1, Offer::Http2] {
            let (had, ending) = puppets.pull(offer, (None, End::Reset), &content).await;
            let about = format!("{second:?} over {offer:?}");
            let expected = match offer {
                Offer::Http1 => Ending::Closed,
                Offer::Http2 => Ending::Reset,
            };
            assert_eq!(ending, expected, "{about}");
            assert!(had.len() < content.len(), "{about}");
            assert!(content.starts_with(&had), "{about}: wrong bytes");
        }
    }
}

/// The nodes agree on digest, entity tag and size, and yet have different bytes.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_two_nodes_that_differ_never_come_to_a_proper_end_when_they_are_verified() {
    let content = random(SIZE);
    let lying = Puppets::with(Second::OtherBytes, &content, "resumed").await;
    for (pulls, offer) in [(1.0, Offer::Http1), (2.0, Offer::Http2)] {
        let (had, ending) = lying.pull(offer, (None, End::Reset), &content).await;
        let expected = match offer {
            Offer::Http1 => Ending::Closed,
            Offer::Http2 => Ending::Reset,
        };
        assert_eq!(ending, expected, "{offer:?}");
        assert!(had.len() < content.len(), "the last bytes are held back");
        let wrong = "pilotage_download_verified_total{outcome=\"wrong\"}";
        assert_eq!(lying.balancer.metric(wrong).await, Some(pulls), "{offer:?}");
    }
    let told = until("both nodes are named", SOON, async || {
        let log = lying.balancer.log();
        let message = "nodes have different bytes of one blob";
        let mut told = log
            .into_iter()
            .filter(|line| field(line, "message") == message);
        told.next()
    })
    .await;
    assert_eq!(field(&told, "level"), "ERROR");
    let nodes = field(&told, "nodes").as_str().unwrap().to_owned();
    assert!(
        nodes.contains("node-1") && nodes.contains("node-2"),
        "{nodes}"
    );
    // A part has no digest to be compared with.
    let range = Some("bytes=1000-");
    let (had, ending) = lying
        .pull(Offer::Http1, (range, End::Reset), &content)
        .await;
    assert_eq!((ending, had.len()), (Ending::Proper, SIZE - 1000));

    let honest = Puppets::with(Second::Fitting, &content, "resumed").await;
    let (had, ending) = honest
        .pull(Offer::Http1, (None, End::Reset), &content)
        .await;
    assert!(ending == Ending::Proper && had == content);
    let right = "pilotage_download_verified_total{outcome=\"right\"}";
    assert_eq!(honest.balancer.metric(right).await, Some(1.0));

    // Unverified, the digest is the client's own affair, as it is with a single node.
    let unseen = Puppets::start(Second::OtherBytes, &content).await;
    let (had, ending) = unseen
        .pull(Offer::Http1, (None, End::Reset), &content)
        .await;
    assert_eq!((ending, had.len()), (Ending::Proper, SIZE));
    assert!(had != content);
}
