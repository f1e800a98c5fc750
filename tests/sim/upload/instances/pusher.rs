//! The client: what it sends to which instance, and what it makes of what it reads.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pilotage::affinity::token::Upload;
use pilotage::registry::session::SessionId;

use super::super::name;
use super::edge::{Code, Mood, Sent, Told, Word};
use super::{Play, Running, Waits};

impl Play {
    /// The POST, which is not what is played here.
    pub(super) fn begin(&mut self) {
        self.uploads += 1;
        let at = self.somebody();
        let (home, location) = {
            let mut world = self.world();
            let home = world.any_node();
            let who = world.identity(home);
            (home, world.storage.open(who).write())
        };
        self.upload = Upload {
            session: SessionId::parse(&format!("0f3c{}", self.uploads)).unwrap(),
            node: name(home),
            location,
            ..self.upload.clone()
        };
        let number = self.uploads;
        self.note(|| format!("the client begins upload {number} on node {home}"));
        self.told = vec![at.seal(&self.upload)];
    }

    /// Sends the request that the latest address is for.
    pub(super) fn send(&mut self) {
        let at = self.told.len() - 1;
        let instance = self.somebody();
        let left = Arc::new(AtomicBool::new(false));
        let sent = Sent {
            request: self.requests[at],
            upload: self.upload.clone(),
            token: self.told[at].clone(),
            agent: self.setup.agent,
            left: Arc::clone(&left),
            mood: if self.tally.calm {
                Mood::Patient
            } else {
                Mood::Fickle
            },
        };
        let number = instance.life.instance;
        self.note(|| format!("the client sends request {at} to instance {number}"));
        self.world().excuses = 0;
        self.running.push(Running {
            instance: number,
            waits: Waits::Yes,
            left,
            work: Box::pin(instance.serve(sent)),
        });
    }

    /// The client reads an answer; perhaps it is the last.
    pub(super) fn hear(&mut self, told: &Told) -> Option<&'static str> {
        self.note(|| format!("the client reads {:?}", told.word));
        self.tally.takeovers += told.takeovers;
        self.tally.by_redis |= told.by_redis;
        let wanted = self.world().wanted;
        let wrong = wanted.named != wanted.blob;
        match &told.word {
            Word::GoOn(token) => {
                self.told.push(token.clone());
                None
            }
            Word::Done => Some(self.judge_stored()),
            Word::Refused(400, _) if wrong => Some("wrong digest"),
            Word::Refused(status, _) if !self.begins_again(&told.word) => {
                assert!(!told.gone, "the client has to begin again, and cannot");
                let raced = !self.outside.watch.lock().unwrap().raced.is_empty();
                let excused = raced || !self.setup.mild && !self.tally.calm;
                assert!(excused, "no node is to blame for {status}");
                assert!(matches!(status, 400 | 401 | 403 | 404 | 413 | 429));
                Some("refused for good")
            }
            word => self.go_on(word).then_some("given up"),
        }
    }

    /// Whether a client of this kind begins again when it reads this.
    fn begins_again(&self, word: &Word) -> bool {
        match word {
            Word::Refused(404, Code::UploadUnknown) => self.setup.agent.starts_with("docker"),
            Word::Refused(status, _) => *status >= 500,
            Word::Silence => true,
            Word::GoOn(_) | Word::Done => false,
        }
    }

    /// A client that failed tries the same once more, goes back, begins again, or, at last, gives up. The trouble
    /// lasts so long and no longer.
    pub(super) fn go_on(&mut self, word: &Word) -> bool {
        assert!(
            !self.tally.calm,
            "nothing goes wrong, and the client reads {word:?}"
        );
        self.troubles += 1;
        if self.troubles > MOST_TROUBLES {
            if self.percent(20) {
                return true;
            }
            self.calm();
            self.begin();
            return false;
        }
        let mood = self.world().chance.number(0..10);
        match mood {
            0..4 => {}
            4..7 => {
                let kept = self.below(self.told.len()) + 1;
                self.told.truncate(kept);
            }
            _ => self.begin(),
        }
        false
    }

    /// What was acknowledged as a blob is one.
    fn judge_stored(&self) -> &'static str {
        let world = self.world();
        let blob = world.wanted.blob;
        assert_eq!(world.wanted.named, blob, "stored under a wrong name");
        let stored = world.storage.blob(blob.name).expect("nothing is stored");
        assert_eq!(stored, blob.bytes(0..blob.size));
        match (self.uploads, self.tally.by_redis, self.tally.takeovers) {
            (2.., _, _) => "stored after the client began again",
            (_, true, _) => "stored by what Redis knew",
            (_, false, 0) => "stored without trouble",
            (_, false, _) => "stored after takeovers",
        }
    }
}

/// So often something goes wrong for a client before there is peace.
const MOST_TROUBLES: u32 = 12;
