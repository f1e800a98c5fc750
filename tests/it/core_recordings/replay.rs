//! Sending recorded requests again, in their order and with the faults of their time.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::PUBLIC;
use super::compare::{cookie_of, differences};
use crate::harness::cluster::{Cluster, token};
use crate::harness::core::Account;
use crate::harness::http::answer::Answer;
use crate::harness::http::{Request, Target};
use crate::harness::recording::Recording;
use crate::harness::wait::{SOON, until};

/// A run over the recordings.
pub(super) struct Replay {
    pub(super) cluster: Cluster,
    /// From recorded values to those of this run.
    pub(super) live: BTreeMap<String, String>,
    fault: Fault,
    pub(super) differences: Vec<String>,
    pub(super) compared: usize,
}

/// The parts that were down while something was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    ReadOnly,
    Registry,
    Jobs,
    Portal,
    Core,
    Redis,
    Database,
}

impl Fault {
    pub(super) fn during(name: &str) -> Self {
        match name[..3].parse::<u32>().unwrap() {
            426..=435 => Self::ReadOnly,
            700..=716 => Self::Registry,
            717..=720 => Self::Jobs,
            721..=724 => Self::Portal,
            725..=727 => Self::Core,
            728..=742 => Self::Redis,
            747..=761 => Self::Database,
            _ => Self::None,
        }
    }
}

impl Replay {
    pub(super) fn new(cluster: Cluster) -> Self {
        let core = cluster.nodes[0].core_address().to_string();
        Self {
            cluster,
            live: BTreeMap::from([("127.0.1.1:8080".to_owned(), core)]),
            fault: Fault::None,
            differences: Vec::new(),
            compared: 0,
        }
    }

    pub(super) async fn send_range(mut self, first: &str, last: &str) {
        self.publish_sample().await;
        for recording in Recording::all() {
            if (first..=last).contains(&&recording.name[..3]) {
                self.send(&recording).await;
            }
        }
        assert!(self.compared > 2);
        assert!(
            self.differences.is_empty(),
            "{}",
            self.differences.join("\n")
        );
    }

    /// What `lab/app:v1` was at the end of the recordings.
    async fn publish_sample(&mut self) {
        let mut sample = Recording::named("302-manifest-put");
        "302 (prepared)".clone_into(&mut sample.name);
        self.send(&sample).await;
        self.compared = 0;
    }

    pub(super) async fn send(&mut self, recording: &Recording) {
        let fault = Fault::during(&recording.name);
        if fault != self.fault {
            self.change(self.fault, Fault::None).await;
            self.prepare_group(fault).await;
            self.change(Fault::None, fault).await;
            self.fault = fault;
        }
        if fault == Fault::None {
            self.prepare(recording).await;
        }
        let target = self.target(recording);
        let request = self.request(recording).await;
        if recording.status.is_none() {
            return cut(&target, &request).await;
        }
        let answer = target.send(request).await;
        self.learn(recording, &answer);
        self.compared += 1;
        let found = differences(recording, &answer, |text| self.translated(text));
        self.differences.extend(found);
    }

    /// Takes parts away, or gives them back.
    async fn change(&mut self, from: Fault, to: Fault) {
        let (fault, down) = if to == Fault::None {
            (from, false)
        } else {
            (to, true)
        };
        let node = &mut self.cluster.nodes[0];
        match fault {
            Fault::None => {}
            Fault::ReadOnly => {
                for node in &self.cluster.nodes {
                    node.switch(|switches| switches.read_only = down).await;
                }
            }
            Fault::Jobs if down => {
                let broken =
                    ["jobservice", "registryctl"].map(|name| (name.to_owned(), "down".to_owned()));
                node.switch(|switches| switches.components.extend(broken))
                    .await;
            }
            Fault::Registry if down => node.registry.kill(),
            Fault::Portal if down => node.portal.kill(),
            Fault::Core if down => node.core.kill(),
            Fault::Redis if down => {
                self.cluster.stop_redis();
                let broken = ("jobservice".to_owned(), "no redis".to_owned());
                self.cluster.nodes[0]
                    .switch(|switches| switches.components.extend([broken]))
                    .await;
            }
            Fault::Database => self.cluster.database.set_down(down),
            Fault::Redis => {
                self.cluster.start_redis().await;
                self.cluster.nodes[0]
                    .switch(|switches| switches.components.clear())
                    .await;
            }
            Fault::Jobs => node.switch(|switches| switches.components.clear()).await,
            Fault::Registry | Fault::Portal | Fault::Core => node.start_again().await,
        }
    }

    fn target(&self, recording: &Recording) -> Target {
        if recording.remarks_say("core's own port") {
            return Target::plain(self.cluster.nodes[0].core_address(), PUBLIC);
        }
        self.cluster
            .direct(usize::from(recording.remarks_say("to: node B")), PUBLIC)
    }

    /// The recorded request with the values of this run.
    pub(super) async fn request(&self, recording: &Recording) -> Request {
        let chunked = recording.request_header("transfer-encoding").is_some();
        let mut body = recording.request_body.clone();
        if recording
            .request_header("content-type")
            .is_some_and(|kind| kind.contains("json"))
        {
            body = self
                .translated(&String::from_utf8_lossy(&body))
                .into_bytes();
        }
        if chunked {
            let head = format!("{:x}\r\n", body.len()).into_bytes();
            body = [head, body, b"\r\n0\r\n\r\n".to_vec()].concat();
        }
        let mut request = Request::new(&recording.method, &self.translated(&recording.target));
        for (name, value) in &recording.request_headers {
            if name.eq_ignore_ascii_case("content-length")
                || name.eq_ignore_ascii_case("connection")
            {
                continue;
            }
            let value = match value.strip_prefix("Bearer ") {
                Some(recorded) => format!("Bearer {}", self.token(recording, recorded).await),
                None => self.translated(value),
            };
            request = request.header(name, &value);
        }
        request.body(body)
    }

    /// A token for what the recorded one was for, from the same node.
    async fn token(&self, recording: &Recording, recorded: &str) -> String {
        let Some(claims) = claims(recorded) else {
            return recorded.to_owned();
        };
        let account = match claims["sub"].as_str() {
            Some("builder") => Account::BUILDER,
            Some("dev") => Account::DEV,
            _ => Account::ADMIN,
        };
        let access = claims["access"].as_array().cloned().unwrap_or_default();
        let names = access
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect::<Vec<_>>();
        let issuer = usize::from(recording.remarks_say("token of B"));
        let database_down = self.fault == Fault::Database;
        let core_down = self.fault == Fault::Core;
        if core_down {
            return recorded.to_owned();
        }
        let node = &self.cluster.nodes[issuer];
        self.cluster.database.set_down(false);
        let expired = recording.name.contains("expired");
        if expired {
            node.switch(|switches| switches.token_seconds = -5400).await;
        }
        let token = token(&self.cluster.direct(issuer, PUBLIC), account, &names).await;
        if expired {
            node.switch(|switches| switches.token_seconds = 1800).await;
        }
        self.cluster.database.set_down(database_down);
        token
    }

    pub(super) fn translated(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (recorded, live) in &self.live {
            if text.contains(recorded.as_str()) {
                text = text.replace(recorded.as_str(), live);
            }
        }
        text
    }

    /// Remembers which live value stands for which recorded one.
    fn learn(&mut self, recording: &Recording, answer: &Answer) {
        let recorded_cookies = recording
            .headers
            .iter()
            .filter(|(name, _)| name == "Set-Cookie");
        for (_, cookie) in recorded_cookies {
            let (name, recorded) = cookie_of(cookie);
            let live = answer
                .all("set-cookie")
                .map(cookie_of)
                .find(|(found, _)| *found == name);
            if let Some((_, live)) = live
                && !recorded.is_empty()
            {
                self.live.insert(recorded.to_owned(), live.to_owned());
            }
        }
        for header in ["X-Harbor-Csrf-Token", "Docker-Content-Digest"] {
            if let (Some(recorded), Some(live)) = (recording.header(header), answer.header(header))
            {
                self.live.insert(recorded.to_owned(), live.to_owned());
            }
        }
        let location = (recording.header("location"), answer.header("location"));
        if let (Some(recorded), Some(live)) = location
            && let Some((id, state)) = upload_of(recorded)
        {
            self.learn_upload(&id, &state, live);
        }
        // Blobs whose whole content was recorded have the same digest here.
        for digest in digests(&recording.target) {
            self.live.entry(digest.clone()).or_insert(digest);
        }
    }

    pub(super) fn learn_upload(&mut self, id: &str, state: &str, live: &str) {
        let Some((live_id, live_state)) = upload_of(live) else {
            return;
        };
        self.live.insert(id.to_owned(), live_id);
        if !state.is_empty() {
            self.live.insert(state.to_owned(), live_state);
        }
    }
}

/// Sends a part of an upload and then nothing more, and waits until the node has noticed.
async fn cut(target: &Target, request: &Request) {
    let mut connection = target.connect().await.unwrap();
    let head = request.head(PUBLIC);
    connection.write(head.as_bytes()).await.unwrap();
    connection.write(&request.body[..50]).await.unwrap();
    let mut status = Request::get(&request.path);
    status.headers.clone_from(&request.headers);
    // After this round trip nginx has passed on what it got before.
    target.send(status.clone()).await.expect(204);
    drop(connection);
    until(
        "the node noticed that the upload was cut",
        SOON,
        async || (target.send(status.clone()).await.status == 404).then_some(()),
    )
    .await;
}

/// The id and the state of an upload in a path or URL.
pub(super) fn upload_of(location: &str) -> Option<(String, String)> {
    let (_, rest) = location.split_once("/blobs/uploads/")?;
    let (id, query) = rest.split_once('?').unwrap_or((rest, ""));
    let state = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("_state="))
        .unwrap_or_default();
    (!id.is_empty()).then(|| (id.to_owned(), state.to_owned()))
}

pub(super) fn digests(text: &str) -> Vec<String> {
    text.match_indices("sha256:")
        .filter_map(|(at, _)| text.get(at..at + 71))
        .map(str::to_owned)
        .collect()
}

fn claims(token: &str) -> Option<serde_json::Value> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
