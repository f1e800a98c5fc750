//! One request on one node.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pilotage::upload::driver::{Flight, Reply};
use pilotage::upstream::Failure;
use pingora::http::ResponseHeader;

use super::fleet::{Fault, Manner, World};
use super::storage::Address;

/// What a request does to its session.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Patch,
    /// With the length that is announced, or 0.
    Put(u64),
}

/// One request on one node.
#[derive(Debug)]
pub(super) struct InFlight {
    world: Arc<Mutex<World>>,
    node: usize,
    address: Address,
    kind: Kind,
    fault: Fault,
    /// An answer that is there before the body is read.
    early: Option<Reply>,
    taken: u64,
    ended: bool,
    reply: Option<Reply>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // Whoever goes away in the middle leaves behind what nobody knows.
        let done = self.ended && self.reply.is_some();
        if !done && self.taken > 0 {
            let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
            world.soil(self.address);
        }
    }
}

impl InFlight {
    pub(super) fn begin(
        world: Arc<Mutex<World>>,
        (node, address): (usize, Address),
        kind: Kind,
        fault: Fault,
    ) -> Self {
        let early = early(&mut world.lock().unwrap(), node, address, fault);
        Self {
            world,
            node,
            address,
            kind,
            fault,
            early,
            taken: 0,
            ended: false,
            reply: None,
        }
    }

    /// What comes of a request whose body is complete.
    fn finish(&mut self) -> Result<Reply, Failure> {
        let mut world = self.world.lock().unwrap();
        let who = world.identity(self.node);
        match self.fault {
            Fault::TroubleBefore => {
                world.soil(self.address);
                return Ok(error(500, "UNKNOWN"));
            }
            Fault::Reset(_) => return Err(Failure::Broken),
            Fault::Hang(_) => return Err(Failure::Stalled),
            Fault::None
            | Fault::Unreachable
            | Fault::Mute
            | Fault::TroubleAfter
            | Fault::Page
            | Fault::Forgotten
            | Fault::Hasty => {}
        }
        if world.storage.session(self.address).is_none() {
            // It was lost under the request.
            return Ok(error(500, "UNKNOWN"));
        }
        let wanted = world.wanted.named;
        let content = wanted.bytes(0..wanted.size);
        let done = match self.kind {
            Kind::Patch => {
                let next = world.storage.patched(self.address);
                let mut done = reply(202);
                done.head
                    .insert_header(header::LOCATION, next.write())
                    .unwrap();
                done
            }
            Kind::Put(announced) => {
                let named = (wanted.name, content);
                if world.storage.commit(who, self.address, named, announced) {
                    reply(201)
                } else {
                    world.excuses += u32::from(world.nodes[self.node].manner == Manner::Corrupting);
                    error(400, "DIGEST_INVALID")
                }
            }
        };
        match self.fault {
            Fault::Mute => {
                world.soil(self.address);
                Err(Failure::Broken)
            }
            Fault::TroubleAfter => {
                world.soil(self.address);
                Ok(error(500, "UNKNOWN"))
            }
            _ => Ok(done),
        }
    }
}

#[async_trait]
impl Flight for InFlight {
    async fn send(&mut self, piece: Bytes) -> Result<(), Failure> {
        if self.early.is_some() {
            // It has said what it has to say, and reads no more.
            let patient = self.world.lock().unwrap().chance.percent(50);
            return if patient {
                Ok(())
            } else {
                Err(Failure::Broken)
            };
        }
        let size = u64::try_from(piece.len()).unwrap();
        let (room, failure) = match self.fault {
            Fault::Reset(at) => (at.saturating_sub(self.taken), Failure::Broken),
            Fault::Hang(at) => (at.saturating_sub(self.taken), Failure::Stalled),
            _ => (size, Failure::Broken),
        };
        let room = room.min(size);
        self.taken += room;
        let mut world = self.world.lock().unwrap();
        let part = &piece[..usize::try_from(room).unwrap()];
        world.append(self.node, self.address, part);
        if room < size {
            world.soil(self.address);
            return Err(failure);
        }
        if self.fault == Fault::Hasty {
            drop(world);
            self.early = Some(reply(match self.kind {
                Kind::Patch => 202,
                Kind::Put(_) => 201,
            }));
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Failure> {
        self.ended = true;
        if self.fault == Fault::Hasty {
            // Nothing was missing after all.
            self.early = None;
        }
        Ok(())
    }

    async fn head(&mut self) -> Result<(), Failure> {
        if self.early.is_some() {
            return Ok(());
        }
        if !self.ended {
            return std::future::pending().await;
        }
        if self.reply.is_none() {
            let finished = self.finish();
            if finished.is_err() {
                self.world.lock().unwrap().soil(self.address);
            }
            self.reply = Some(finished?);
        }
        Ok(())
    }

    async fn late_head(&mut self) -> Result<(), Failure> {
        self.early.as_ref().map(|_| ()).ok_or(Failure::Broken)
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        self.early
            .clone()
            .or(self.reply.clone())
            .ok_or(Failure::Broken)
    }
}

/// What a node says before it reads the body.
fn early(world: &mut World, node: usize, address: Address, fault: Fault) -> Option<Reply> {
    if fault == Fault::Page {
        return Some(page());
    }
    if world.nodes[node].manner == Manner::OtherKey {
        world.excuses += 1;
        return Some(error(401, "UNAUTHORIZED"));
    }
    if let Some((status, code)) = world.refusal {
        return Some(error(status, code));
    }
    if fault == Fault::Forgotten {
        world.soil(address);
        return Some(error(404, "BLOB_UPLOAD_UNKNOWN"));
    }
    let who = world.identity(node);
    let code = world.storage.admits(who, address).err()?;
    Some(error(404, code))
}

pub(super) fn reply(status: u16) -> Reply {
    Reply {
        head: ResponseHeader::build(status, None).unwrap(),
        body: Bytes::new(),
    }
}

pub(super) fn error(status: u16, code: &str) -> Reply {
    let mut reply = reply(status);
    let kind = "application/json; charset=utf-8";
    reply
        .head
        .insert_header(header::CONTENT_TYPE, kind)
        .unwrap();
    reply.body = format!(r#"{{"errors":[{{"code":"{code}","message":"words"}}]}}"#).into();
    reply
}

pub(super) fn page() -> Reply {
    let mut reply = reply(502);
    reply
        .head
        .insert_header(header::CONTENT_TYPE, "text/html")
        .unwrap();
    reply.body = Bytes::from_static(b"<html>502</html>");
    reply
}
