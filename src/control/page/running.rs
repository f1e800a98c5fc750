//! The pushes and pulls that are under way.

use maud::{Markup, html};

use crate::observe::progress::{TransferSummary, Way};

use super::board::{Board, TransferRow};
use super::figure::{bytes, counted, percent, short, span};
use super::top::{mark, whole};

/// The table of transfers, those that began first before the others.
pub(super) fn running(board: &Board) -> Markup {
    html! {
        @if board.transfers.is_empty() {
            p.none { "No push and no pull is under way." }
        } @else {
            table.running role="table" aria-labelledby="running-title" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for title in ["What", "Progress", "Speed", "Node", "Client", "Since"] {
                            th scope="col" role="columnheader" { (title) }
                        }
                    }
                }
                tbody role="rowgroup" {
                    @for row in &board.transfers { (transfer(row)) }
                }
            }
            @if board.further_transfers > 0 {
                p.none {
                    "and " (board.further_transfers) " more: " a href="/v1/transfers" { "/v1/transfers" } " has them all"
                }
            }
        }
    }
}

fn transfer(row: &TransferRow) -> Markup {
    let TransferRow { transfer, speed } = row;
    let word = match transfer.direction {
        Way::Push => "Push",
        Way::Pull => "Pull",
    };
    let repo = transfer.repo.as_deref().unwrap_or("–");
    // What it is called for who listens.
    let name = format!("{word} of {repo}");
    html! {
        tr role="row" data-key={ "transfer-" (transfer.request_id) } {
            th.name scope="row" role="rowheader" {
                b { span.way.(word.to_lowercase()) { (word) } " " (repo) }
                @if let Some(reference) = &transfer.reference {
                    span.address title=(reference) { (short(reference)) }
                }
            }
            td.progress role="cell" data-title="Progress" { (progress(transfer, &name)) }
            td.figures role="cell" data-title="Speed" {
                @match speed {
                    Some(speed) => p { (bytes(whole(*speed))) "/s" },
                    None => p { "–" },
                }
            }
            td role="cell" data-title="Node" { (carrier(transfer)) }
            td role="cell" data-title="Client" { (transfer.client) }
            td.figures role="cell" data-title="Since" { (span(whole(transfer.seconds))) }
        }
    }
}

fn progress(transfer: &TransferSummary, name: &str) -> Markup {
    html! {
        @match transfer.total {
            Some(total) => {
                @let done = percent(transfer.bytes, total);
                progress max="100" value=(done) aria-label=(name) { (done) " %" }
                p.sub { b { (done) " %" } ", " (bytes(transfer.bytes)) " of " (bytes(total)) }
            }
            None => {
                // Nobody knows how much is to come: the bar says only that it runs.
                progress aria-label=(name) {}
                p.sub { (bytes(transfer.bytes)) " so far" }
            }
        }
    }
}

/// Who carries it, and how many did before.
fn carrier(transfer: &TransferSummary) -> Markup {
    html! {
        @match &transfer.node {
            Some(node) => p { (node) },
            None => p { "waits for a node" },
        }
        @if transfer.takeovers > 0 {
            p.sub {
                span.pill.rescue { (mark("rescue")) (counted(transfer.takeovers.into(), "takeover", "takeovers")) }
            }
        }
    }
}
