//! What happened last, and who else is there.

use std::sync::Arc;

use maud::{Markup, html};

use crate::fleet::node::NodeId;
use crate::observe::history::Remembered;
use crate::observe::status::{Instance, Stage};

use super::board::RescueRow;
use super::figure::{ago, long_ago, millis, span};
use super::top::mark;

/// The transfers that other nodes went on with last.
pub(super) fn rescues(rescues: &[RescueRow]) -> Markup {
    html! {
        @if rescues.is_empty() {
            p.none { "No transfer had to change its node." }
        } @else {
            ol.events {
                @for rescue in rescues { (one_rescue(rescue)) }
            }
        }
    }
}

/// The requests that failed last.
pub(super) fn failures(failures: &[Arc<Remembered>], now: u64) -> Markup {
    html! {
        @if failures.is_empty() {
            p.none { "No request failed for want of a node." }
        } @else {
            ol.events {
                @for failure in failures { (one_failure(failure, now)) }
            }
        }
    }
}

/// The instances that were seen through Redis.
pub(super) fn instances(instances: &[Instance], now: u64) -> Markup {
    html! {
        @if instances.is_empty() {
            p.none { "This instance knows of no other: instances see each other through Redis." }
        } @else {
            table.instances role="table" aria-labelledby="instances-title" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for title in ["Instance", "State", "Up for", "Version", "Listeners"] {
                            th scope="col" role="columnheader" { (title) }
                        }
                    }
                }
                tbody role="rowgroup" {
                    @for one in instances { (one_instance(one, now)) }
                }
            }
        }
    }
}

fn one_instance(one: &Instance, now: u64) -> Markup {
    let (class, word) = match one.stage {
        Stage::Starting => ("warn", "starting"),
        Stage::Serving => ("good", "serving"),
        Stage::Draining => ("draining", "draining"),
        Stage::Stopping => ("draining", "stopping"),
    };
    html! {
        tr role="row" data-key={ "instance-" (one.id) } {
            th.name scope="row" role="rowheader" { b title=(one.id) { (head(&one.id)) } }
            td.state role="cell" data-title="State" { span.pill.(class) { (mark(class)) (word) } }
            td.figures role="cell" data-title="Up for" { (span(now.saturating_sub(one.started))) }
            td.figures role="cell" data-title="Version" { (one.version) }
            td.figures role="cell" data-title="Listeners" { (one.listeners) }
        }
    }
}

/// Enough of an id to tell it from the others.
fn head(id: &str) -> String {
    id.chars().take(8).collect()
}

fn one_rescue(rescue: &RescueRow) -> Markup {
    let word = match rescue.kind {
        "upload" => "Push",
        "download" => "Pull",
        "manifest" => "Manifest",
        other => other,
    };
    html! {
        li data-key={ "rescue-" (rescue.request_id) "-" (name(rescue.from.as_ref())) } {
            p {
                (mark("rescue"))
                b { (word) " of " (rescue.repo.as_deref().unwrap_or("–")) }
                span.when { (long_ago(rescue.seconds_ago)) }
            }
            p.sub {
                (name(rescue.from.as_ref())) span.arrow aria-label="to" { " → " } (name(rescue.to.as_ref()))
                " because " (reason(rescue.reason)) ", " (request(&rescue.request_id))
            }
        }
    }
}

fn one_failure(failure: &Remembered, now: u64) -> Markup {
    let status = match failure.status {
        0 => "no answer".to_owned(),
        status => status.to_string(),
    };
    html! {
        li data-key={ "failure-" (failure.request_id) } {
            p {
                (mark("bad"))
                b { (failure.method) " " (failure.repo.as_deref().unwrap_or(failure.route)) }
                span.when { (ago(failure.ended, now)) }
            }
            p.sub {
                b { (status) }
                @if let Some(fault) = failure.fault { ", " (fault) }
                @if let Some(node) = &failure.node { ", last asked " (node) }
                ", after " (millis(failure.total_ms)) ", " (request(&failure.request_id))
            }
        }
    }
}

/// The request, with all its steps behind the link.
fn request(id: &str) -> Markup {
    html! { a.id href={ "/v1/requests/" (path_part(id)) } { (id) } }
}

/// An id as a part of a path. Ids come from clients, and may be anything.
fn path_part(id: &str) -> String {
    let mut part = String::new();
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            part.push(char::from(byte));
        } else {
            part.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    part
}

fn hex(half: u8) -> char {
    char::from_digit(half.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

fn name(node: Option<&NodeId>) -> &str {
    node.map_or("nobody", NodeId::as_str)
}

/// What led to a takeover, as people say it.
fn reason(reason: &'static str) -> &'static str {
    match reason {
        "connect_failed" => "it took no connection",
        "lost" => "it was lost",
        "stalled" => "it stood still",
        "bad_answer" => "its answer was none of a registry",
        "unknown_session" => "it did not know the upload",
        "unauthorized" => "it refused what another had accepted",
        "digest_invalid" => "it got other bytes than were sent",
        "address" => "the client used an old address",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        assert_eq!(path_part("0f3c-aa_1"), "0f3c-aa_1");
        assert_eq!(path_part("../drain?x#y"), "%2E%2E%2Fdrain%3Fx%23y");
        assert_eq!(path_part("é"), "%C3%A9");
    }
}
