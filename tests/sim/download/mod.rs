//! Downloads: one client, one blob, a fleet of one to four nodes.
//!
//! The world answers every ask of the machine by drawing what a node sends, and the model predicts what the
//! machine has to do. What the client gets in the end is compared with the blob, byte by byte.

mod answer;
mod fleet;
mod model;

use http::header::RANGE;
use http::{HeaderMap, HeaderValue};
use pilotage::download::goal::{ClientRange, Goal};
use pilotage::download::takeover::{Action, AskRange, Event, Lost, Takeover};
use pilotage::registry::digest::Digest;
use pilotage::registry::range::ByteRange;

use crate::seeds::Trace;
use crate::world::{Blob, Chance};
use answer::Answer;
use fleet::{Node, RIGHT, Wanted};
use model::{Began, Model};

/// How a download can end.
pub(crate) const OUTCOMES: [&str; 8] = [
    "finished by one node",
    "finished after takeovers",
    "finished after redirects",
    "relayed",
    "relayed and cut",
    "refused",
    "cut",
    "left",
];

/// One download.
#[derive(Debug)]
struct Play {
    chance: Chance,
    right: Blob,
    /// The client's header, if it asks for a range.
    range: Option<String>,
    /// Nodes that are still to be asked, the next one last.
    nodes: Vec<Node>,
    /// Of a hundred answers, how many have a fault.
    faults: u64,
    answer: Answer,
    /// How many pieces of the answer came, and where in its blob the next begins.
    pieces: usize,
    place: u64,
    delivered: Vec<u8>,
    followed: bool,
    /// Whether any node answered with all that was asked for.
    served: bool,
}

/// Plays one download to its end.
pub(crate) fn run(seed: u64, trace: &mut Trace) -> &'static str {
    let mut chance = Chance::new(seed);
    let size = chance.size();
    let right = Blob { name: RIGHT, size };
    let range = draw_range(&mut chance, size);
    let attempts = u32::try_from(chance.number(1..6)).unwrap();
    let leaves = chance.percent(3).then(|| chance.number(0..8));
    let mut play = Play::draw(chance, right, range);
    trace.note(|| {
        format!(
            "{right:?} {:?} {attempts} attempts, {:?}",
            play.range, play.nodes
        )
    });

    let goal = play.goal();
    let mut model = Model {
        opaque: goal.range == ClientRange::Opaque,
        attempts,
        asks: 1,
        redirects: 0,
        began: Began::Nothing,
        lost: None,
    };
    let (mut machine, mut action) = Takeover::new(goal, attempts);
    let mut step = 0;
    loop {
        let mut event = play.perform(action);
        if leaves == Some(step) {
            event = Event::ClientLeft;
        }
        step += 1;
        let place = play.place;
        action = machine.step(event.clone());
        trace.note(|| format!("{event:?} at {place} -> {action:?}"));
        assert_eq!(
            action,
            model.expect(&event, &play.answer, place),
            "after {event:?}"
        );
        play.deliver(&event, action);
        judge_progress(&machine, &model, play.delivered.len());
        if ends(action) {
            break;
        }
    }
    for _ in 0..3 {
        let event = play.stray_event();
        assert_eq!(
            machine.step(event.clone()),
            silent(action),
            "{event:?} after the end"
        );
    }
    play.judge(action, &model)
}

impl Play {
    fn draw(mut chance: Chance, right: Blob, range: Option<String>) -> Self {
        let mut nodes = fleet::draw(&mut chance, right);
        chance.shuffle(&mut nodes);
        if chance.percent(50) {
            nodes.extend(nodes.clone());
        }
        let faults = chance.weighted(&[(2, 0), (3, 30), (3, 60), (1, 90)]);
        Self {
            chance,
            right,
            range,
            nodes,
            faults,
            answer: Answer::none(),
            pieces: 0,
            place: 0,
            delivered: Vec::new(),
            followed: false,
            served: false,
        }
    }

    fn goal(&self) -> Goal {
        let mut headers = HeaderMap::new();
        if let Some(range) = &self.range {
            headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
        }
        Goal {
            digest: Digest::parse(&self.right.digest()).unwrap(),
            range: ClientRange::read(&headers),
        }
    }

    /// Does what the machine says, as a driver would, up to the next thing that happens.
    fn perform(&mut self, action: Action) -> Event {
        match action {
            Action::Ask { range } => {
                let node = self.nodes.pop();
                node.map_or(Event::Failed(Lost::NoNode), |node| self.ask(node, range))
            }
            Action::Follow { range } => {
                self.followed = true;
                let storage = self.answer.next.expect("only a redirect is followed");
                self.ask(storage, range)
            }
            Action::Start { .. } | Action::Relay { .. } | Action::Resume | Action::Pass { .. } => {
                self.read()
            }
            Action::Finish { .. } | Action::Refuse(_) | Action::Cut(_) | Action::Leave => {
                panic!("{action:?} is the end")
            }
        }
    }

    fn ask(&mut self, node: Node, range: AskRange) -> Event {
        let range = match range {
            AskRange::AsClient => self.range.clone(),
            AskRange::From { first, last } => Some(ByteRange::Between { first, last }.to_string()),
        };
        self.answer = answer::give(&mut self.chance, node, range.as_deref(), self.faults);
        self.served |= self.answer.serves(self.right);
        self.pieces = 0;
        self.place = self.answer.start;
        match &self.answer.facts {
            Some(facts) => Event::Opened(facts.clone()),
            None => self.answer.end.clone(),
        }
    }

    fn read(&mut self) -> Event {
        if let Some(last) = self.pieces.checked_sub(1) {
            self.place += count(self.answer.pieces[last]);
        }
        self.pieces += 1;
        let piece = self.answer.pieces.get(self.pieces - 1);
        let more = self.pieces <= self.answer.pieces.len() + 1;
        assert!(more, "read on after the end");
        piece.map_or(self.answer.end.clone(), |piece| Event::Bytes(count(piece)))
    }

    fn deliver(&mut self, event: &Event, action: Action) {
        let (Action::Pass { skip, take } | Action::Finish { skip, take }) = action else {
            return;
        };
        if take > 0 {
            assert!(matches!(event, Event::Bytes(_)), "bytes out of nothing");
            let piece = self.answer.pieces[self.pieces - 1];
            let [from, to] = [skip, skip + take].map(|at| usize::try_from(at).unwrap());
            self.delivered.extend_from_slice(&piece[from..to]);
        }
    }

    /// Compares what the client has with what it was promised.
    fn judge(&self, action: Action, model: &Model) -> &'static str {
        let right = self.right;
        let finished = matches!(action, Action::Finish { .. });
        if let Began::Bytes {
            blob, first, end, ..
        } = model.began
        {
            let promised = blob.bytes(first..end);
            assert!(
                promised.starts_with(&self.delivered),
                "these are not its bytes"
            );
            let whole = promised.len() == self.delivered.len();
            assert!(if finished {
                whole
            } else {
                !whole || action == Action::Leave
            });
            let wanted = Wanted::read(self.range.as_deref(), right.size);
            let fits = (first, end) == (0, right.size) || wanted == Wanted::Bytes(first..end);
            assert!(blob != right || fits, "nobody asked for these bytes");
        }
        let deceived = matches!(model.began, Began::Bytes { blob, .. } if blob != right);
        let saved = finished || action == Action::Leave;
        assert!(
            saved || deceived || !self.served,
            "a node would have served"
        );
        if model.began == Began::Nothing {
            assert!(self.delivered.is_empty(), "written without a head");
        }
        match (action, model.began) {
            (Action::Leave, _) => "left",
            (Action::Refuse(_), _) => "refused",
            (Action::Finish { .. }, Began::Relay { .. }) => "relayed",
            (Action::Finish { .. }, _) if self.followed => "finished after redirects",
            (Action::Finish { .. }, _) if model.asks > 1 => "finished after takeovers",
            (Action::Finish { .. }, _) => "finished by one node",
            (_, Began::Relay { .. }) => "relayed and cut",
            (_, Began::Nothing | Began::Bytes { .. }) => "cut",
        }
    }

    fn stray_event(&mut self) -> Event {
        match self.chance.number(0..4) {
            0 => Event::Bytes(self.chance.number(0..100)),
            1 => Event::Ended,
            2 => Event::Failed(Lost::Broken),
            _ => Event::ClientLeft,
        }
    }
}

fn draw_range(chance: &mut Chance, size: u64) -> Option<String> {
    let first = chance.position(size + 3);
    let last = first + chance.number(0..size + 3);
    let kind = chance.weighted(&[(8, 0), (2, 1), (2, 2), (1, 3), (1, 4)]);
    match kind {
        0 => None,
        1 => Some(format!("bytes={first}-")),
        2 => Some(format!("bytes={first}-{last}")),
        3 => Some(format!("bytes=-{first}")),
        _ if chance.percent(50) => Some(format!("bytes=0-0,{first}-{last}")),
        _ => Some(format!("pages={first}-{last}")),
    }
}

/// What the machine says of itself has to be what the world sees.
fn judge_progress(machine: &Takeover, model: &Model, delivered: usize) {
    assert_eq!(machine.asks(), model.asks);
    assert!(machine.asks() <= model.attempts);
    let (passed, left) = match model.began {
        Began::Bytes {
            first, next, end, ..
        } => (next - first, end - next),
        Began::Nothing | Began::Relay { .. } => (0, 0),
    };
    assert_eq!((machine.passed(), machine.left()), (passed, left));
    if let Began::Bytes { .. } = model.began {
        assert_eq!(passed, u64::try_from(delivered).unwrap());
    }
}

fn ends(action: Action) -> bool {
    match action {
        Action::Finish { .. } | Action::Refuse(_) | Action::Cut(_) | Action::Leave => true,
        Action::Ask { .. }
        | Action::Follow { .. }
        | Action::Start { .. }
        | Action::Relay { .. }
        | Action::Resume
        | Action::Pass { .. } => false,
    }
}

/// The last word, repeated.
fn silent(action: Action) -> Action {
    match action {
        Action::Finish { .. } => Action::Finish { skip: 0, take: 0 },
        other => other,
    }
}

fn count(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap()
}
