//! Small pushes: one through each node, looked for on all others, and taken away again.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use ring::digest;
use tokio::time::{Instant, sleep};

use super::ask::{Account, Asker, Credential, PATIENCE, Question};
use super::judge::time_limit::Held;
use super::judge::upload::{Elsewhere, Push, Read};
use super::reach::Node;
use super::said::Said;
use super::tokens::Token;
use super::told::Told;

/// Who pushes, and where to.
#[derive(Debug)]
pub(super) struct Pusher<'a> {
    pub(super) asker: &'a Asker,
    pub(super) account: Option<&'a Account>,
    pub(super) tokens: &'a [Token],
    pub(super) repository: String,
}

impl Pusher<'_> {
    /// Pushes a few bytes through each node. What could not be removed is added to `left`.
    pub(super) async fn push_all(
        &self,
        (nodes, told): (&[Node], &[Told]),
        left: &mut Vec<String>,
    ) -> Vec<Push> {
        let mut pushes = Vec::new();
        for (node, told) in nodes.iter().zip(told) {
            pushes.push(self.push((node, told), nodes, left).await);
        }
        pushes
    }

    async fn push(
        &self,
        (node, told): (&Node, &Told),
        nodes: &[Node],
        left: &mut Vec<String>,
    ) -> Push {
        let path = format!("/v2/{}/blobs/uploads/", self.repository);
        let begun = self.ask(node, Question::new(Method::POST, path)).await;
        let mut push = Push {
            node: node.id.clone(),
            release: told.release,
            begun: begun.clone(),
            committed: None,
            elsewhere: Vec::new(),
        };
        let Some(upload) = begun.with(202).and_then(|answer| answer.header("location")) else {
            return push;
        };
        let upload = path_of(upload).to_owned();
        for other in nodes.iter().filter(|other| other.id != node.id) {
            let (status, patched) = self.look(node, other, &upload).await;
            push.elsewhere.push(Elsewhere {
                node: other.id.clone(),
                status,
                patched,
                read: Read::NotTried,
            });
        }
        let blob = Blob::new(&node.id);
        let committed = self.commit(node, &upload, &blob).await;
        if committed.status() == Some(201) {
            for other in &mut push.elsewhere {
                if let Some(node) = nodes.iter().find(|node| node.id == other.node) {
                    other.read = self.read(node, &blob).await;
                }
            }
            self.remove_blob(node, &blob, left).await;
        } else {
            self.cancel(node, &upload, left).await;
        }
        push.committed = Some(committed);
        push
    }

    /// What another node knows of an upload in which there is nothing yet.
    ///
    /// Version 2.8 checks the state in the address even for the status. Version 3 does not, which shows when a
    /// state that is none is good enough; then an empty PATCH tells, which stores nothing.
    async fn look(&self, node: &Node, other: &Node, upload: &str) -> (Said, Option<Said>) {
        let status = self.ask(other, Question::get(upload)).await;
        if status.status() != Some(204) {
            return (status, None);
        }
        let broken = without_state(upload);
        let unchecked = self.ask(node, Question::get(broken)).await;
        if unchecked.status() != Some(204) {
            return (status, None);
        }
        let empty = Question::new(Method::PATCH, upload).header("Content-Type", OCTETS);
        let patched = self.ask(other, empty).await;
        (status, Some(patched))
    }

    async fn commit(&self, node: &Node, upload: &str, blob: &Blob) -> Said {
        let sign = if upload.contains('?') { '&' } else { '?' };
        let path = format!("{upload}{sign}digest={}", blob.digest);
        let question = Question::new(Method::PUT, path)
            .header("Content-Type", OCTETS)
            .body(blob.bytes.clone());
        self.ask(node, question).await
    }

    /// Reads a blob as soon as it is there.
    async fn read(&self, node: &Node, blob: &Blob) -> Read {
        let begun = Instant::now();
        loop {
            let path = format!("/v2/{}/blobs/{}", self.repository, blob.digest);
            let said = self.ask(node, Question::get(path)).await;
            let elapsed = begun.elapsed();
            match said.with(200) {
                Some(answer) if answer.body == blob.bytes => {
                    return Read::After(elapsed.as_millis());
                }
                Some(_) => return Read::Other,
                // A redirect to storage: the node knows the blob, and the storage is not asked.
                None if matches!(said.status(), Some(302 | 307)) => {
                    return Read::After(elapsed.as_millis());
                }
                None if elapsed > LATEST => return Read::Never(said),
                None => sleep(PAUSE).await,
            }
        }
    }

    async fn remove_blob(&self, node: &Node, blob: &Blob, left: &mut Vec<String>) {
        let path = format!("/v2/{}/blobs/{}", self.repository, blob.digest);
        let removed = self.ask(node, Question::new(Method::DELETE, path)).await;
        if removed.status() != Some(202) {
            left.push(format!(
                "the blob {} of {} bytes in {}: no image uses it, and garbage collection removes it",
                blob.digest,
                blob.bytes.len(),
                self.repository
            ));
        }
    }

    async fn cancel(&self, node: &Node, upload: &str, left: &mut Vec<String>) {
        let cancelled = self.ask(node, Question::new(Method::DELETE, upload)).await;
        if cancelled.status() != Some(204) {
            let id = upload
                .split('?')
                .next()
                .and_then(|path| path.rsplit('/').next());
            left.push(format!(
                "the empty upload {} in {}, begun on {}: the registry purges it after a week",
                id.unwrap_or_default(),
                self.repository,
                node.id
            ));
        }
    }

    /// Begins an upload on each node, and lets it wait for so long before its bytes come.
    pub(super) async fn hold_all(
        &self,
        nodes: &[Node],
        pause: Duration,
        left: &mut Vec<String>,
    ) -> Vec<Held> {
        let held = join_all(nodes.iter().map(|node| self.hold(node, pause))).await;
        let mut all = Vec::new();
        for (node, (held, upload, blob)) in nodes.iter().zip(held) {
            let Some(upload) = upload else {
                continue;
            };
            let ended = match held
                .said
                .with(202)
                .and_then(|answer| answer.header("location"))
            {
                Some(next) => self.end(node, path_of(next), &blob).await.status(),
                None => None,
            };
            if ended == Some(201) {
                self.remove_blob(node, &blob, left).await;
            } else {
                self.cancel(node, &upload, left).await;
            }
            all.push(held);
        }
        all
    }

    async fn hold(&self, node: &Node, pause: Duration) -> (Held, Option<String>, Blob) {
        let blob = Blob::new(&node.id);
        let path = format!("/v2/{}/blobs/uploads/", self.repository);
        let begun = self.ask(node, Question::new(Method::POST, path)).await;
        let location = begun.with(202).and_then(|answer| answer.header("location"));
        let upload = location.map(|location| path_of(location).to_owned());
        let said = match &upload {
            None => begun.clone(),
            Some(upload) => {
                let question = Question::new(Method::PATCH, upload.as_str())
                    .header("Content-Type", OCTETS)
                    .late(blob.bytes.clone(), pause)
                    .by(&self.credential(node));
                let patience = pause + PATIENCE;
                self.asker
                    .ask_within(&node.target, &question, patience)
                    .await
            }
        };
        let node = node.id.clone();
        (Held { node, pause, said }, upload, blob)
    }

    async fn end(&self, node: &Node, upload: &str, blob: &Blob) -> Said {
        let sign = if upload.contains('?') { '&' } else { '?' };
        let path = format!("{upload}{sign}digest={}", blob.digest);
        self.ask(node, Question::new(Method::PUT, path)).await
    }

    async fn ask(&self, node: &Node, question: Question) -> Said {
        let question = question.by(&self.credential(node));
        self.asker.ask(&node.target, &question).await
    }

    fn credential(&self, node: &Node) -> Credential {
        let own = self.tokens.iter().find(|token| token.node == node.id);
        match (own, self.account) {
            (Some(token), _) => token.credential.clone(),
            (None, Some(account)) => Credential::basic(account),
            (None, None) => Credential::none(),
        }
    }
}

/// Some bytes that were never pushed before.
struct Blob {
    bytes: Bytes,
    digest: String,
}

impl Blob {
    fn new(node: &str) -> Self {
        let text = format!(
            "pilotage doctor, through {node}: {:032x}\n",
            fastrand::u128(..)
        );
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let hex: Vec<_> = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            bytes: text.into(),
            digest: format!("sha256:{}", hex.concat()),
        }
    }
}

/// Path and query of an address, whatever name stands before them.
fn path_of(location: &str) -> &str {
    location
        .find("/v2/")
        .and_then(|at| location.get(at..))
        .unwrap_or(location)
}

/// The same upload with a state that nobody signed.
fn without_state(upload: &str) -> String {
    let path = upload.split('?').next().unwrap_or_default();
    format!("{path}?_state=AAAA")
}

const OCTETS: &str = "application/octet-stream";
/// Shared storage that shows a blob later than that is of no use.
const LATEST: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
