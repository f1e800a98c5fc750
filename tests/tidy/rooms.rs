//! Rooms: what is in them, whom they may import, and which of their files are pure.

use super::project::{self, File};
use super::source::{bracketed, code, line, positions, without_comments};
use super::{expect_none, expect_one};

/// The line of rooms: a room imports only what stands before it.
#[rustfmt::skip]
const LINE: &[&str] = &[
    "registry", "fleet", "observe", "rewrite", "placement", "affinity", "guard", "spool",
    "upstream", "discovery", "download", "upload", "edge", "control", "config", "app", "cli",
];

/// Rooms that may import less than stands before them.
const ONLY: &[(&str, &[&str])] = &[
    ("registry", &[]),
    ("fleet", &[]),
    ("rewrite", &["registry"]),
    ("placement", &["registry", "fleet"]),
];

/// Pairs in which the first, though later in the line, does not know the second.
const STRANGERS: &[(&str, &str)] = &[("upload", "download")];

/// What only shell files do: wait, open, read the clock, draw, log.
const SHELL_WORDS: &str = "
    .await tokio:: std::fs fs:: std::net::Tcp std::net::Udp TcpStream TcpListener UdpSocket
    Instant::now SystemTime::now std::thread std::process std::env fastrand:: rand:: SystemRandom
    tracing:: log:: trace!( debug!( info!( warn!( error!( println!( print!( eprintln!( eprint!(
    dbg!( Metrics
";

/// One room as the map in `src/lib.rs` shows it.
#[derive(Debug)]
struct Room {
    name: String,
    files: Vec<Entry>,
}

/// A file or folder of a room. A star marks the shell.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    shell: bool,
}

impl Room {
    /// The entry that speaks for a file: the longest that is the file or a folder above it.
    fn entry(&self, file: &str) -> Option<&Entry> {
        let stem = file.strip_suffix(".rs").unwrap_or(file);
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        let covers = |entry: &&Entry| {
            stem.strip_prefix(entry.name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.files
            .iter()
            .filter(covers)
            .max_by_key(|entry| entry.name.len())
    }
}

/// Reads the lines `room: file file* file` between the two marks.
fn map(lib: &str) -> Vec<Room> {
    let (_, rest) = lib
        .split_once("<!-- rooms -->")
        .expect("the map of rooms begins");
    let (map, _) = rest
        .split_once("<!-- /rooms -->")
        .expect("the map of rooms ends");
    let lines = map
        .lines()
        .map(|line| line.trim_start_matches("//!").trim());
    let room = |line: &str| {
        let (name, files) = line.split_once(':')?;
        let files = files.split_whitespace().map(|word| Entry {
            name: word.trim_end_matches('*').to_owned(),
            shell: word.ends_with('*'),
        });
        Some(Room {
            name: name.trim().to_owned(),
            files: files.collect(),
        })
    };
    lines.filter_map(room).collect()
}

fn check_map(rooms: &[Room], files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    let places: Vec<_> = rooms
        .iter()
        .map(|room| LINE.iter().position(|name| *name == room.name))
        .collect();
    if !places.is_sorted() || places.contains(&None) {
        complaints.push("the map of rooms is not in the order of the line".to_owned());
    }
    for file in files {
        let Some((name, path)) = file.room() else {
            continue;
        };
        let Some(room) = rooms.iter().find(|room| room.name == name) else {
            complaints.push(format!("{}: the map has no room {name}", file.path));
            continue;
        };
        if path != "mod.rs" && !is_test(path) && room.entry(path).is_none() {
            complaints.push(format!("{}: the map does not show it", file.path));
        }
    }
    for room in rooms {
        let inside = |file: &&File| file.room().is_some_and(|(name, _)| name == room.name);
        let paths: Vec<_> = files.iter().filter(inside).filter_map(File::room).collect();
        for entry in &room.files {
            let alone = Room {
                name: room.name.clone(),
                files: vec![entry.clone()],
            };
            if !paths.iter().any(|(_, path)| alone.entry(path).is_some()) {
                complaints.push(format!(
                    "the map shows {}/{}, which is gone",
                    room.name, entry.name
                ));
            }
        }
    }
    complaints
}

/// Unit tests that outgrew the file they belong to.
fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

fn check_door(lib: &str, files: &[File]) -> Vec<String> {
    let code = without_comments(lib);
    let mut complaints = Vec::new();
    for declared in code
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
    {
        let name = declared.trim_end_matches(';');
        let path = format!("src/{name}/mod.rs");
        match files.iter().find(|file| file.path == path) {
            None => complaints.push(format!("{path} is missing: every room has its page")),
            Some(file) => {
                let page = file
                    .text
                    .lines()
                    .take_while(|line| line.starts_with("//!"))
                    .count();
                if page < SHORTEST_PAGE {
                    complaints.push(format!(
                        "{path} has no page: say what it is for, what never"
                    ));
                }
            }
        }
    }
    complaints
}

fn check_imports(file: &File) -> Vec<String> {
    let Some((room, _)) = file.room() else {
        return Vec::new();
    };
    let code = without_comments(&file.text);
    let mut complaints = Vec::new();
    for at in positions(&code, "crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let heads = if rest.starts_with('{') {
            group_heads(bracketed(rest))
        } else {
            vec![head(rest)]
        };
        for imported in heads {
            if let Some(why) = forbidden(room, imported) {
                let number = line(&code, at);
                complaints.push(format!(
                    "{}:{number}: {room} imports {imported}: {why}",
                    file.path
                ));
            }
        }
    }
    complaints
}

fn group_heads(group: &str) -> Vec<&str> {
    super::source::arguments(group)
        .into_iter()
        .map(head)
        .collect()
}

fn head(path: &str) -> &str {
    let end = path
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(path.len());
    &path[..end]
}

fn forbidden(room: &str, imported: &str) -> Option<&'static str> {
    let place = |name: &str| LINE.iter().position(|other| *other == name);
    if room == imported || place(imported).is_none() {
        return None;
    }
    if place(room) <= place(imported) {
        return Some("it stands further right");
    }
    if ONLY
        .iter()
        .any(|(name, few)| *name == room && !few.contains(&imported))
    {
        return Some("it is not among the few");
    }
    STRANGERS
        .contains(&(room, imported))
        .then_some("they do not know each other")
}

fn check_purity(rooms: &[Room], file: &File) -> Vec<String> {
    let Some((name, path)) = file.room() else {
        return Vec::new();
    };
    let Some(room) = rooms.iter().find(|room| room.name == name) else {
        return Vec::new();
    };
    let entry = if path == "mod.rs" {
        room.entry("mod.rs")
    } else {
        room.entry(path)
    };
    if is_test(path) || entry.is_some_and(|entry| entry.shell) {
        return Vec::new();
    }
    let code = code(&file.text);
    let mut complaints = Vec::new();
    for word in SHELL_WORDS.split_whitespace() {
        let found = if word.starts_with('.') {
            code.find(word).into_iter().collect()
        } else {
            positions(&code, word)
        };
        for at in found {
            let number = line(&code, at);
            complaints.push(format!("{}:{number}: {word} in a pure file", file.path));
        }
    }
    complaints
}

/// A page of a room says at least what it is for, what it never does, and its words.
const SHORTEST_PAGE: usize = 5;

fn real_map() -> Vec<Room> {
    map(project::text("src/lib.rs"))
}

fn complaints(check: impl Fn(&File) -> Vec<String>) -> Vec<String> {
    project::rust().flat_map(check).collect()
}

fn sample_map() -> Vec<Room> {
    map("//! <!-- rooms -->\n//! ```text\n//! fleet: node health\n\
         //! edge: plan phases* phases/relay\n//! ```\n//! <!-- /rooms -->\n")
}

#[test]
fn the_map_shows_every_file_of_every_room() {
    expect_none(&check_map(&real_map(), &project::FILES));
}

#[test]
fn the_map_check_catches_a_missing_and_a_stale_file() {
    let files = [
        File::new("src/fleet/mod.rs", ""),
        File::new("src/fleet/node.rs", ""),
        File::new("src/fleet/view/mod.rs", ""),
        File::new("src/edge/plan.rs", ""),
        File::new("src/attic/old.rs", ""),
    ];
    let complaints = check_map(&sample_map(), &files);
    expect_one(
        &complaints,
        "src/fleet/view/mod.rs: the map does not show it",
    );
    expect_one(&complaints, "the map has no room attic");
    expect_one(&complaints, "fleet/health, which is gone");
    let turned = map("<!-- rooms -->\nedge: plan\nfleet: node\n<!-- /rooms -->");
    expect_one(&check_map(&turned, &[]), "order of the line");
}

#[test]
fn every_room_has_its_page() {
    expect_none(&check_door(project::text("src/lib.rs"), &project::FILES));
}

#[test]
fn the_page_check_catches_a_room_without_one() {
    let lib = "pub mod fleet;\npub mod edge;\n";
    let complaints = check_door(lib, &[File::new("src/fleet/mod.rs", "//! Nodes.\n")]);
    expect_one(&complaints, "src/fleet/mod.rs has no page");
    expect_one(&complaints, "src/edge/mod.rs is missing");
}

#[test]
fn rooms_import_only_what_stands_to_their_left() {
    expect_none(&complaints(check_imports));
}

#[test]
fn the_import_check_catches_a_leftward_import() {
    let bad = |path, text| check_imports(&File::new(path, text));
    expect_one(
        &bad("src/affinity/token.rs", "use crate::edge::plan::Plan;"),
        "further right",
    );
    expect_one(
        &bad("src/affinity/token.rs", "fn f() -> crate::config::X"),
        "further right",
    );
    expect_one(
        &bad(
            "src/edge/plan.rs",
            "use crate::{\n    fleet::view,\n    app,\n};",
        ),
        "imports app",
    );
    expect_one(
        &bad("src/fleet/node.rs", "use crate::registry::digest;"),
        "among the few",
    );
    expect_one(
        &bad("src/rewrite/hop.rs", "use crate::fleet::node;"),
        "among the few",
    );
    expect_one(
        &bad("src/upload/driver.rs", "use crate::download::takeover;"),
        "each other",
    );
    let good = "// use crate::edge::plan\nuse crate::fleet::node;\nuse crate::affinity::x;";
    expect_none(&bad("src/affinity/token.rs", good));
}

#[test]
fn pure_files_do_nothing_but_decide() {
    let rooms = real_map();
    expect_none(&complaints(|file| check_purity(&rooms, file)));
}

#[test]
fn the_purity_check_catches_a_clock_and_a_wait() {
    let rooms = sample_map();
    let look = |path, text| check_purity(&rooms, &File::new(path, text));
    expect_one(
        &look("src/fleet/node.rs", "let now = Instant::now();"),
        "Instant::now",
    );
    expect_one(&look("src/fleet/mod.rs", "peer.ask().await"), ".await");
    expect_one(
        &look("src/fleet/health/lane.rs", "\n  tracing::info!(\"x\")"),
        "lane.rs:2: tracing",
    );
    expect_one(
        &look("src/edge/phases/relay.rs", "self.metrics: Metrics"),
        "Metrics",
    );
    expect_none(&look("src/edge/phases/arrive.rs", "Instant::now()"));
    expect_none(&look(
        "src/fleet/node.rs",
        "#[cfg(test)]\nmod tests { Instant::now() }",
    ));
}
