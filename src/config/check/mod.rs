//! From the mirror of the file to every room's settings.
//!
//! Each function takes what stands in the file, checks all of it before it gives up, and returns
//! none when it noted a problem. The words of this room's other files do the reading.

mod admin;
mod authority;
mod entrance;
mod guard;
mod node;
mod policy;
mod redis;
mod sessions;
mod takeover;
mod traces;
mod upgrade;
mod value;

pub(super) use self::admin::admin;
pub(super) use self::redis::describe as describe_redis;
pub(super) use self::sessions::describe as describe_sessions;
pub(super) use self::traces::describe as describe_tracing;

use super::file::File;
use super::problem::Problems;
use super::settings::Settings;

/// All settings, or none when a problem was noted.
pub(super) fn check(problems: &mut Problems, file: &File) -> Option<Settings> {
    let state_folder = value::path(problems, &file.state_folder);
    let threads = value::number(problems, &file.threads, 0..=1_024);
    let grace_period = value::period_or_zero(problems, &file.grace_period);
    let drain_delay = value::period_or_zero(problems, &file.drain_delay);
    let upgrade = upgrade::upgrade(problems, &file.upgrade);
    let public = entrance::public(problems, &file.public);
    let listeners = entrance::listeners(problems, &file.listeners);
    let certificates = entrance::certificates(problems, &file.tls);
    let limits = policy::limits(problems, &file.limits);
    let nodes = node::nodes(problems, &file.nodes);
    let timeouts = policy::timeouts(problems, &file.upstream);
    let probe = policy::probe(problems, &file.health);
    let health = policy::health(problems, &file.health);
    let node_in_flight = value::number(problems, &file.placement.node_in_flight, 1..=1_000_000);
    let retry = policy::retry(problems, &file.retry, &file.placement);
    let takeover = takeover::takeover(problems, &file.takeover);
    let affinity = policy::affinity(problems, &file.affinity);
    let spool = takeover::spool(problems, &file.spool, state_folder.as_deref());
    let shared = redis::redis(problems, &file.redis, &file.affinity.key_file);
    let guard = guard::guard(problems, &file.guard);
    let sessions = sessions::sessions(problems, &file.sessions);
    let log = policy::log(problems, &file.log);
    let tracing = traces::traces(problems, &file.tracing, traces::Build::THIS);
    let admin = admin(
        problems,
        &file.admin,
        listeners.as_deref().unwrap_or_default(),
    );
    Some(Settings {
        state_folder: state_folder?,
        threads: threads?,
        grace_period: grace_period?,
        drain_delay: drain_delay?,
        upgrade: upgrade?,
        public: public?,
        listeners: listeners?,
        certificates: certificates?,
        limits: limits?,
        nodes: nodes?,
        timeouts: timeouts?,
        probe: probe?,
        health: health?,
        node_in_flight: node_in_flight?,
        retry: retry?,
        takeover: takeover?,
        affinity: affinity?,
        shared: shared?,
        guard: guard?,
        sessions: sessions?,
        spool: spool?,
        log: log?,
        tracing: tracing?,
        admin: admin?,
    })
}
