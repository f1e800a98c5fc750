//! What pilotage itself adds to a request, step by step: nanoseconds and allocations per call.
//!
//! `cargo bench --bench hot_path` prints all rows, `cargo bench --bench hot_path -- seal` those with
//! this word. The time is the median of several rounds with the allocator of the binary; the counts
//! of allocations do not depend on the machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking and answers on the terminal"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName};
use http::{Method, StatusCode};
use stats_alloc::{Region, StatsAlloc};
use tikv_jemallocator::Jemalloc;
use tokio::time::Instant;

use pilotage::affinity::token::{Key, Sealer, Upload};
use pilotage::download::goal::{ClientRange, Goal};
use pilotage::download::proof::Proof;
use pilotage::download::settings::Verify;
use pilotage::edge::plan::{Request, decide};
use pilotage::fleet::health::{Settings, Traffic};
use pilotage::fleet::node::{Duty, Listing, NodeId};
use pilotage::fleet::view::Fleet;
use pilotage::observe::labels::{Attempt, Outcome};
use pilotage::observe::record::Record;
use pilotage::observe::trace::Ratio;
use pilotage::observe::trail::{Asked, Trail};
use pilotage::placement::balance::Draws;
use pilotage::placement::choose::{Hints, choose};
use pilotage::placement::rendezvous::SoftKey;
use pilotage::registry::digest::Digest;
use pilotage::registry::name::RepositoryName;
use pilotage::registry::route::{Route, Target};
use pilotage::registry::session::SessionId;
use pilotage::rewrite::answer::View;
use pilotage::rewrite::forwarded::{Arrival, Trust};
use pilotage::rewrite::names::NodeNames;
use pilotage::rewrite::{self, LocationForm, PublicUrl, Scheme, forwarded, hop};

#[global_allocator]
static ALLOCATOR: StatsAlloc<Jemalloc> = StatsAlloc::new(Jemalloc);

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let table = Table { words };
    println!("| step | ns per call | min-max | allocations | bytes |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    parse(&table);
    plan(&table);
    place(&table);
    rewrite_answers(&table);
    dress_requests(&table);
    tokens(&table);
    verify(&table);
    traces(&table);
}

/// Measures what it is given and prints a row for it.
struct Table {
    words: Vec<String>,
}

impl Table {
    fn row<T>(&self, name: &str, mut step: impl FnMut() -> T) {
        if !self.words.is_empty() && !self.words.iter().any(|word| name.contains(word.as_str())) {
            return;
        }
        let region = Region::new(&ALLOCATOR);
        drop(black_box(step()));
        let stats = region.change();
        // Growing in place or elsewhere is a call to the allocator like any other.
        let allocations = stats.allocations + stats.reallocations;
        let mut round = || {
            let begin = Instant::now();
            for _ in 0..CALLS {
                drop(black_box(step()));
            }
            begin.elapsed()
        };
        let until = Instant::now() + WARM_UP;
        while Instant::now() < until {
            round();
        }
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| nanoseconds(round())).collect();
        rounds.sort_by(f64::total_cmp);
        let at = |index: usize| rounds.get(index).copied().unwrap();
        let (median, least, most) = (at(ROUNDS / 2), at(0), at(ROUNDS - 1));
        let bytes = stats.bytes_allocated;
        println!("| {name} | {median:.0} | {least:.0}-{most:.0} | {allocations} | {bytes} |");
    }
}

fn nanoseconds(round: Duration) -> f64 {
    round.as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// What `[takeover] verify` costs: a GB is 15,259 of these pieces.
fn verify(table: &Table) {
    let digest = Digest::parse(&format!("sha256:{}", "0a".repeat(32))).unwrap();
    let range = ClientRange::Whole;
    let mut proof = Proof::begin(&Goal { digest, range }, Verify::Resumed).unwrap();
    let piece = vec![7; 65_536];
    table.row("verify 64 KiB of a pull", || {
        proof.update(black_box(&piece));
    });
}

fn parse(table: &Table) {
    let upload = format!("{UPLOAD}?_state={}", sealer().seal(&upload(), NONCE));
    for (name, target) in [
        ("parse ping", "/v2/"),
        ("parse manifest", MANIFEST),
        ("parse blob", BLOB),
        ("parse upload", upload.as_str()),
        ("parse ui", "/harbor/projects/1/repositories"),
    ] {
        table.row(name, || Target::parse(black_box(target)).unwrap());
    }
}

fn plan(table: &Table) {
    let sealer = sealer();
    let running = format!("{UPLOAD}?_state={}", sealer.seal(&upload(), NONCE));
    for (name, method, target) in [
        ("plan manifest GET", Method::GET, MANIFEST),
        ("plan blob GET", Method::GET, BLOB),
        ("plan upload PATCH", Method::PATCH, running.as_str()),
    ] {
        let target = Target::parse(target).unwrap();
        let request = Request {
            method: &method,
            target: &target,
            scheme: Scheme::Https,
            now: NOW,
        };
        table.row(name, || {
            decide(black_box(request), &sealer, Duration::from_hours(1))
        });
    }
}

fn place(table: &Table) {
    let now = Instant::now().into_std();
    let repository = RepositoryName::parse(REPOSITORY).unwrap();
    let draws = Draws {
        first: u64::MAX / 3,
        second: u64::MAX / 2,
    };
    for size in [3, 30] {
        let fleet = fleet(size);
        let keyed = Hints {
            key: Some(SoftKey::of(&repository)),
            ..Hints::default()
        };
        table.row(&format!("candidates of {size}"), || {
            fleet.candidates(black_box(Traffic::Pull), now, 1024)
        });
        for (name, hints) in [("load", Hints::default()), ("key", keyed)] {
            table.row(
                &format!("candidates and choose by {name} of {size}"),
                || {
                    let candidates = fleet.candidates(black_box(Traffic::Pull), now, 1024);
                    choose(&candidates, &hints, draws)
                },
            );
        }
    }
}

fn rewrite_answers(table: &Table) {
    let names = NodeNames::new("10.0.0.11", 80);
    let view = View {
        public: PublicUrl {
            scheme: Scheme::Https,
            authority: HOST,
        },
        form: LocationForm::Absolute,
        node: &names,
        known: &[],
    };
    for (name, method, target, status, pairs) in [
        ("manifest 200", "GET", MANIFEST, 200, &MANIFEST_ANSWER[..]),
        ("upload 202", "POST", UPLOADS, 202, &UPLOAD_ANSWER[..]),
        ("challenge 401", "GET", "/v2/", 401, &CHALLENGE[..]),
    ] {
        let route: Route = Target::parse(target).unwrap().route;
        let status = StatusCode::from_u16(status).unwrap();
        let headers = headers(pairs);
        table.row(&format!("rewrite {method} {name}"), || {
            rewrite::answer(black_box(&route), status, &headers, &view)
        });
    }
}

/// What a trace costs its request: one attempt, and its end. What is not sampled is told to the node all the same.
fn traces(table: &Table) {
    let now = Instant::now().into_std();
    let place = || Asked {
        node: NodeId::parse("harbor-1").unwrap(),
        host: "10.0.0.11".to_owned(),
        port: 443,
    };
    let record = Record {
        request_id: "69d1c9b0-3828-4c1b-a26d-bd52176c71f0",
        method: "GET",
        host: Some(HOST),
        tls: Some("TLSv1.3"),
        route: "blob",
        repo: Some("library/app"),
        attempt: 1,
        status: 200,
        outcome: Outcome::Answered,
        bytes_out: 1,
        ..Record::unread(IpAddr::V4(Ipv4Addr::LOCALHOST), Duration::from_millis(1))
    };
    for (name, ratio) in [("trace not sampled", "0%"), ("trace sampled", "100%")] {
        let ratio = Ratio::parse(ratio).unwrap();
        table.row(name, || {
            let mut trail = Trail::begin(None, ratio, (fastrand::u128(..), 1));
            trail.asks(fastrand::u64(..), place, now);
            let told = trail.context().map(|context| context.to_string());
            trail.hears(200);
            trail.ends(Attempt::Answered, now);
            (told, trail.finish(&record, now, SystemTime::UNIX_EPOCH))
        });
    }
}

fn dress_requests(table: &Table) {
    let arrival = Arrival {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        trust: Trust::Untrusted,
        scheme: Scheme::Https,
        host: HOST,
        port: 443,
    };
    let headers = headers(&REQUEST);
    table.row("dress hop", || {
        hop::request(black_box(&headers), hop::Upgrade::Refused)
    });
    table.row("dress forwarded", || {
        forwarded::edits(black_box(&headers), &arrival)
    });
}

fn tokens(table: &Table) {
    let sealer = sealer();
    let upload = upload();
    let token = sealer.seal(&upload, NONCE);
    table.row("seal token", || sealer.seal(black_box(&upload), NONCE));
    table.row("open token", || {
        let lifetime = Duration::from_hours(1);
        let (repository, session) = (&upload.repository, &upload.session);
        sealer.open(black_box(&token), repository, session, NOW, lifetime)
    });
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn fleet(size: u32) -> Fleet {
    let listing = |index: u32| Listing {
        id: NodeId::parse(&format!("harbor-{index}")).unwrap(),
        address: format!("http://10.0.0.{index}"),
        weight: 100,
        duty: Duty::Active,
    };
    let listings = (1..=size).map(listing).collect();
    Fleet::new(listings, &Settings::default(), Instant::now().into_std())
}

fn sealer() -> Sealer {
    Sealer::new(vec![Key::from(std::array::from_fn(|_| 7))]).unwrap()
}

fn upload() -> Upload {
    Upload {
        repository: RepositoryName::parse(REPOSITORY).unwrap(),
        session: SessionId::parse("0f3c1f6a-6a0e-4c52-9a39-8a1e8d1f2b3c").unwrap(),
        node: NodeId::parse("harbor-1").unwrap(),
        // The node's own state is a few hundred bytes of base64.
        location: format!("{UPLOAD}?_state={}", "eyJOYW1lIjoi".repeat(25)),
        offset: 0,
        issued: NOW - 60,
    }
}

/// Calls of one round: long enough for the clock, short enough to be repeated.
const CALLS: u32 = 20_000;
const ROUNDS: usize = 15;
const WARM_UP: Duration = Duration::from_millis(50);
const NOW: u64 = 1_800_000_000;
const NONCE: [u8; 12] = [5; 12];

const HOST: &str = "registry.example.com";
const REPOSITORY: &str = "library/alpine";
const MANIFEST: &str = "/v2/library/alpine/manifests/3.20";
const BLOB: &str = "/v2/library/alpine/blobs/\
    sha256:9824c27679d3b27c5e1cb00a73adb6f4f8d556994111c12db3c5d61a0c843df8";
const UPLOADS: &str = "/v2/library/alpine/blobs/uploads/";
const UPLOAD: &str = "/v2/library/alpine/blobs/uploads/0f3c1f6a-6a0e-4c52-9a39-8a1e8d1f2b3c";

/// What docker sends with a pull through a trusted network: nothing about other hops.
const REQUEST: [(&str, &str); 6] = [
    ("host", HOST),
    (
        "user-agent",
        "docker/28.2.2 go/go1.23.9 git-commit/45873be kernel/6.1.0 os/linux arch/amd64",
    ),
    ("accept", "application/vnd.oci.image.index.v1+json"),
    (
        "accept",
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    ("accept-encoding", "gzip"),
    ("connection", "close"),
];

const MANIFEST_ANSWER: [(&str, &str); 7] = [
    ("server", "nginx"),
    ("content-type", "application/vnd.oci.image.manifest.v1+json"),
    ("content-length", "1023"),
    (
        "docker-content-digest",
        "sha256:9824c27679d3b27c5e1cb00a73adb6f4f8d556994111c12db3c5d61a0c843df8",
    ),
    ("docker-distribution-api-version", "registry/2.0"),
    (
        "set-cookie",
        "sid=5f0d9b6a1c; Path=/; HttpOnly; SameSite=Lax; Secure",
    ),
    ("x-harbor-csrf-token", "none"),
];

const UPLOAD_ANSWER: [(&str, &str); 5] = [
    ("server", "nginx"),
    ("content-length", "0"),
    ("docker-upload-uuid", "0f3c1f6a-6a0e-4c52-9a39-8a1e8d1f2b3c"),
    (
        "location",
        "http://10.0.0.11/v2/library/alpine/blobs/uploads/\
         0f3c1f6a-6a0e-4c52-9a39-8a1e8d1f2b3c?_state=eyJOYW1lIjoibGlicmFyeS9hbHBpbmUi",
    ),
    ("range", "0-0"),
];

const CHALLENGE: [(&str, &str); 4] = [
    ("server", "nginx"),
    ("content-type", "application/json; charset=utf-8"),
    ("docker-distribution-api-version", "registry/2.0"),
    (
        "www-authenticate",
        "Bearer realm=\"http://10.0.0.11/service/token\",service=\"harbor-registry\"",
    ),
];
