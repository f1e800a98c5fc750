//! The page to look at: what all other pages say, drawn for people.
//!
//! It is written whole by the server, so that all numbers are there without a script; the script of the page only
//! puts fresh parts in the place of old ones, and asks before it changes anything. Every text that came from outside
//! passes through the escaping of the template, because nothing else writes markup.
//!
//! Words: a *board* is everything that is shown at one moment; a *part* is a piece of the page that is replaced on
//! its own; a *pulse* is what counters say about the last minutes.

pub mod alarm;
pub mod board;
mod curve;
mod document;
mod figure;
mod fleet;
mod lately;
pub mod pulse;
mod running;
mod top;

use std::collections::BTreeMap;

pub use document::document;

use board::Board;

/// A board that was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    /// What the window is called.
    pub title: String,
    /// The names under which clients know us.
    pub names: String,
    /// What is replaced on its own: the id of each part, and what stands in it.
    pub parts: BTreeMap<&'static str, String>,
}

impl Drawing {
    pub fn of(board: &Board) -> Self {
        Self {
            title: title(board),
            names: board.about.names.join(", "),
            parts: parts(board),
        }
    }
}

fn parts(board: &Board) -> BTreeMap<&'static str, String> {
    let parts = [
        ("state", top::state(board)),
        ("alarms", top::alarms(board)),
        ("traffic", top::traffic(&board.traffic)),
        ("fleet", fleet::fleet(board)),
        ("running", running::running(board)),
        ("rescues", lately::rescues(&board.rescues)),
        (
            "failures",
            lately::failures(&board.failures, board.about.now),
        ),
        (
            "instances",
            lately::instances(&board.instances, board.about.now),
        ),
        ("process", top::process(&board.about)),
    ];
    parts.map(|(id, markup)| (id, markup.into_string())).into()
}

/// What the window is called: how things are comes first, for whoever has many.
fn title(board: &Board) -> String {
    let name = board.about.names.first().map_or("pilotage", String::as_str);
    format!("{} · {name} · pilotage", top::summary(board))
}

/// What a browser is told about the page: it may load what this listener serves, and nothing else.
pub const HEADERS: &[(&str, &str)] = &[
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
];

pub const STYLE: &str = include_str!("page.css");
pub const SCRIPT: &str = include_str!("page.js");
pub const ICON: &str = include_str!("page.svg");

#[cfg(test)]
mod tests;
