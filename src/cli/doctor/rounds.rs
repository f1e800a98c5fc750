//! The rounds of a visit: each asks what it needs, and hands what it heard to the judges.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Settings;

use super::ask::{Account, Asker, Credential};
use super::bodies::announce;
use super::catalog::Check;
use super::finding::{Outcome, Report};
use super::greet::{self, greet};
use super::judge::clock::Reading;
use super::judge::time_limit::OurLimits;
use super::judge::{address, body, clock, harbor, health, session, time_limit, token, upload};
use super::own::{self, Redis};
use super::progress::Progress;
use super::reach::{Node, reach};
use super::release::Release;
use super::sessions;
use super::tokens::{self, Token, tokens};
use super::told::{Frame, Told};
use super::uploads::Pusher;

/// What is to be looked at, and with whose account.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) wanted: BTreeSet<Check>,
    /// The configuration, as it was named.
    pub(super) file: PathBuf,
    pub(super) account: Option<Account>,
    /// Where the small pushes go, and the scope of tokens.
    pub(super) repository: String,
    pub(super) pushes: Pushes,
    /// How long a push rests on each node.
    pub(super) pause: Option<Duration>,
}

/// Whether anything may be pushed: only where somebody named a project for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushes {
    Wanted,
    NotWanted,
}

/// Makes every wanted check.
pub(super) async fn examine(settings: &Settings, order: &Order) -> Report {
    let mut visit = Visit {
        settings,
        order,
        frame: Frame {
            names: settings.public.names.clone(),
            probe: settings.probe.kind.clone(),
        },
        asker: Asker::new(
            settings.public.names.first().map_or("", String::as_str),
            &settings.timeouts,
        ),
        progress: Progress::new(),
        report: Report::default(),
    };
    visit.nodes().await;
    visit.ours().await;
    visit.redis().await;
    let mut report = visit.report;
    report
        .lines
        .retain(|(check, _)| order.wanted.contains(check));
    report.lines.sort_by_key(|(check, _)| *check);
    report
}

struct Visit<'a> {
    settings: &'a Settings,
    order: &'a Order,
    frame: Frame,
    asker: Asker,
    progress: Progress,
    report: Report,
}

/// The nodes that can be asked, with what they said.
struct Met {
    nodes: Vec<Node>,
    told: Vec<Told>,
    tokens: Vec<Token>,
    readings: Vec<Reading>,
    /// None was given, or no node knows it.
    account: Option<Account>,
}

impl Met {
    fn all(&self) -> (&[Node], &[Told]) {
        (&self.nodes, &self.told)
    }
}

impl Visit<'_> {
    fn wants(&self, checks: &[Check]) -> bool {
        checks.iter().any(|check| self.order.wanted.contains(check))
    }

    fn add(&mut self, check: Check, outcome: impl Into<Outcome>) {
        self.report.lines.push((check, outcome.into()));
    }

    fn skip(&mut self, checks: &[Check], reason: &str) {
        for check in checks {
            self.add(*check, Outcome::skipped(reason));
        }
    }

    async fn nodes(&mut self) {
        if !self.wants(&REACHING) && !self.wants(&ASKING) {
            return;
        }
        self.progress.now("reaching the nodes");
        let reached = reach(&self.settings.nodes, &self.asker).await;
        self.report.lines.extend(reached.outcomes);
        if !self.wants(&ASKING) {
            return;
        }
        if reached.nodes.is_empty() {
            return self.skip(&ASKING, "no node can be asked");
        }
        self.progress.now("asking the nodes who they are");
        let met = self.meet(reached.nodes).await;
        self.judge_each(&met);
        self.judge_identity(&met).await;
        self.judge_bodies(&met).await;
        self.judge_sessions(&met).await;
        self.judge_pushes(&met).await;
        self.judge_time(&met).await;
    }

    async fn meet(&self, nodes: Vec<Node>) -> Met {
        let mut told = greet(&nodes, &self.asker, &Credential::none()).await;
        let account = self.order.account.as_ref();
        let repository = self.order.repository.as_str();
        let tokens = tokens((&nodes, &told), &self.asker, account, repository).await;
        let refused = !tokens.is_empty() && !tokens.iter().any(Token::is_known);
        let account = account.filter(|_| !refused).cloned();
        if let Some(account) = &account {
            told = greet(&nodes, &self.asker, &Credential::basic(account)).await;
        }
        let mut readings = greet::readings(&told);
        readings.extend(tokens::readings(&tokens));
        Met {
            nodes,
            told,
            tokens,
            readings,
            account,
        }
    }

    /// What every node tells by itself.
    fn judge_each(&mut self, met: &Met) {
        let told = &met.told;
        self.add(Check::NodeApi, harbor::api(told, &self.frame));
        self.add(Check::NodeHealth, health::health(told));
        self.add(Check::PublicUrl, address::public_url(told, &self.frame));
        self.add(Check::Clocks, clock::clocks(&met.readings));
    }

    /// Time limits: ours, those of old releases, and, where a pause was ordered, those on the way.
    async fn judge_time(&mut self, met: &Met) {
        let limits = OurLimits {
            commit: self.settings.timeouts.commit,
            write: self.settings.timeouts.write,
            read: self.settings.timeouts.read,
        };
        let mut held = Vec::new();
        if let Some(pause) = self.order.pause.filter(|_| self.wants(&[Check::Timeouts])) {
            self.progress.now("letting a push pause on each node");
            let mut left = Vec::new();
            let pusher = self.pusher(met);
            held = pusher.hold_all(&met.nodes, pause, &mut left).await;
            self.report.left.extend(left);
        }
        self.add(
            Check::Timeouts,
            time_limit::timeouts(limits, &met.told, &held),
        );
    }

    fn pusher<'m>(&'m self, met: &'m Met) -> Pusher<'m> {
        Pusher {
            asker: &self.asker,
            account: met.account.as_ref(),
            tokens: &met.tokens,
            repository: self.order.repository.clone(),
        }
    }

    /// What shows only when two are compared.
    async fn judge_identity(&mut self, met: &Met) {
        if met.nodes.len() < 2 {
            let pairs = [
                Check::HarborVersion,
                Check::TokenService,
                Check::TokenKey,
                Check::Database,
            ];
            return self.skip(&pairs, ALONE);
        }
        let release = harbor::release(&met.told, met.account.as_ref());
        self.add(Check::HarborVersion, release);
        self.add(Check::TokenService, address::token_service(&met.told));
        self.add(Check::Database, harbor::database(&met.told));
        if self.wants(&[Check::TokenKey]) {
            self.progress
                .now("showing tokens of each node to the others");
            let shown = tokens::show(met.all(), &met.tokens, &self.asker).await;
            // Nodes refuse tokens from another time, or for another service, whatever key signed them.
            let service = |node: &str| {
                let told = met.told.iter().find(|told| told.node == node);
                told.and_then(Told::challenge).map(|one| one.service)
            };
            let apart = |one: &str, other: &str| {
                clock::are_apart(&met.readings, one, other) || service(one) != service(other)
            };
            self.add(Check::TokenKey, token::token_key(&shown, apart));
        }
    }

    async fn judge_bodies(&mut self, met: &Met) {
        if self.wants(&[Check::BodyLimit, Check::RequestBuffering]) {
            self.progress.now("announcing large layers");
            let announced = announce(met.all(), &self.asker).await;
            self.add(Check::BodyLimit, body::limit(&announced));
            self.add(Check::RequestBuffering, body::buffering(&announced));
        }
    }

    async fn judge_sessions(&mut self, met: &Met) {
        let checks = [Check::UiSession, Check::CsrfKey];
        if met.nodes.len() < 2 {
            self.skip(&checks, ALONE);
        } else if self.wants(&checks) {
            self.progress.now("beginning browser sessions");
            let mode = self.settings.sessions.mode;
            let visits = sessions::visit(met.all(), &self.asker).await;
            self.add(Check::UiSession, session::ui_session(&visits, mode));
            self.add(Check::CsrfKey, session::csrf_key(&visits, mode));
        }
    }

    async fn judge_pushes(&mut self, met: &Met) {
        if !self.wants(&PUSHING) {
            return;
        }
        let is_open = |told: &Told| told.release == Release::Plain && told.ping.with(200).is_some();
        let open = met.told.iter().all(is_open);
        if self.order.account.is_none() && !open {
            return self.skip(&PUSHING, "give --user, --password-file and --project");
        }
        if self.order.pushes == Pushes::NotWanted {
            return self.skip(
                &PUSHING,
                "give --project: a few bytes would be pushed there",
            );
        }
        let said = met.tokens.iter().flat_map(|token| {
            let answers = [
                ("a token", Some(&token.said)),
                (AT_HOME, token.at_home.as_ref()),
            ];
            answers.map(|(asked, said)| Some((token.node.as_str(), asked, said?)))
        });
        let said: Vec<_> = said.flatten().collect();
        if self.order.account.is_some() && met.account.is_none() {
            self.add(Check::Account, upload::account(&[], &said));
            return self.skip(&PUSHING[1..], "no node knows the account");
        }
        self.progress.now("pushing a few bytes through each node");
        let mut left = Vec::new();
        let pushes = self.pusher(met).push_all(met.all(), &mut left).await;
        self.report.left.extend(left);
        let begun = met.told.iter().zip(&pushes);
        let begun: Vec<_> = begun.map(|(told, push)| (told, &push.begun)).collect();
        self.add(
            Check::ForwardedProto,
            address::forwarded_proto(&begun, &self.frame),
        );
        self.add(Check::Account, upload::account(&pushes, &said));
        if met.nodes.len() < 2 {
            return self.skip(&[Check::HttpSecret, Check::Storage], ALONE);
        }
        self.add(Check::HttpSecret, upload::http_secret(&pushes));
        self.add(Check::Storage, upload::storage(&pushes));
    }

    async fn ours(&mut self) {
        for check in Check::ALL {
            if self.wants(&[check]) && !REACHING.contains(&check) && !ASKING.contains(&check) {
                self.progress.now(check.id());
                if let Some(outcome) = own::examine(check, self.settings, &self.order.file).await {
                    self.add(check, outcome);
                }
            }
        }
    }

    async fn redis(&mut self) {
        if !self.wants(&REDIS) {
            return;
        }
        self.progress.now("asking Redis");
        match Redis::look(self.settings).await {
            None => self.skip(&REDIS, "[redis] names none"),
            Some(Err(finding)) => {
                self.add(Check::RedisReach, finding);
                self.skip(&REDIS[1..], "Redis cannot be reached");
            }
            Some(Ok(redis)) => {
                for check in REDIS {
                    self.add(check, redis.judge(check));
                }
            }
        }
    }
}

const AT_HOME: &str = "its own token at /v2/";
const ALONE: &str = "there are no two nodes to compare";

const REACHING: [Check; 4] = [
    Check::NodeReach,
    Check::NodeTls,
    Check::NodeCertificate,
    Check::NodeRedirect,
];

/// The account first.
const PUSHING: [Check; 4] = [
    Check::Account,
    Check::ForwardedProto,
    Check::HttpSecret,
    Check::Storage,
];

/// All that needs a node that answers.
const ASKING: [Check; 17] = [
    Check::NodeApi,
    Check::NodeHealth,
    Check::HarborVersion,
    Check::PublicUrl,
    Check::ForwardedProto,
    Check::TokenService,
    Check::TokenKey,
    Check::Account,
    Check::Clocks,
    Check::Database,
    Check::HttpSecret,
    Check::Storage,
    Check::UiSession,
    Check::CsrfKey,
    Check::BodyLimit,
    Check::RequestBuffering,
    Check::Timeouts,
];

/// Reaching it first.
const REDIS: [Check; 4] = [
    Check::RedisReach,
    Check::RedisRights,
    Check::RedisEviction,
    Check::RedisLatency,
];
