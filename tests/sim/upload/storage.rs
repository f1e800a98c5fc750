//! What nodes keep: sessions byte by byte, blobs, and what is booked of them.

use std::collections::BTreeMap;

/// One node's session of an upload, as the registry stores it.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) bytes: Vec<u8>,
    /// Who began it: nobody else may write it, unless the storage is declared to be one.
    home: usize,
    storage: usize,
    /// The secret that signed its addresses.
    secret: u64,
    /// A request to it broke off or was answered with an error: nobody but its node knows what it holds.
    pub(super) dirty: bool,
}

/// Everything that outlives a request, on all nodes.
#[derive(Debug, Default)]
pub(super) struct Storage {
    sessions: BTreeMap<u64, Session>,
    /// Stored blobs, by storage and name.
    blobs: BTreeMap<(usize, u64), Vec<u8>>,
    /// Sizes as they are booked, by name.
    pub(super) booked: BTreeMap<u64, u64>,
    /// What was accepted by PATCH, by session.
    patched: BTreeMap<u64, u64>,
    last: u64,
    pub(super) writers: Writers,
}

/// Who may come with an address.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writers {
    /// One balancer, which knows what it has spent.
    #[default]
    One,
    /// Several, of which none knows all: the node itself refuses what does not fit.
    Several,
}

/// The address of a session as its node gives it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) session: u64,
    pub(super) offset: u64,
    secret: u64,
}

/// Which storage and which secret a node has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) node: usize,
    pub(super) storage: usize,
    pub(super) secret: u64,
}

impl Storage {
    pub(super) fn open(&mut self, who: Identity) -> Address {
        self.last += 1;
        let session = Session {
            home: who.node,
            storage: who.storage,
            secret: who.secret,
            ..Session::default()
        };
        self.sessions.insert(self.last, session);
        Address {
            session: self.last,
            offset: 0,
            secret: who.secret,
        }
    }

    /// Whether a node takes a request to this address.
    pub(super) fn admits(&self, who: Identity, address: Address) -> Result<(), &'static str> {
        let Some(session) = self.sessions.get(&address.session) else {
            return Err("BLOB_UPLOAD_UNKNOWN");
        };
        match self.writers {
            Writers::One => {
                assert_eq!(session.home, who.node, "a session is written by two nodes");
                assert!(!session.dirty, "a spent session is written again");
            }
            Writers::Several if session.storage != who.storage => {
                return Err("BLOB_UPLOAD_UNKNOWN");
            }
            Writers::Several => {}
        }
        let length = u64::try_from(session.bytes.len()).unwrap();
        let known = session.secret == who.secret && address.secret == who.secret;
        if known && length == address.offset {
            Ok(())
        } else {
            Err("BLOB_UPLOAD_INVALID")
        }
    }

    /// A node loses all that is not committed yet.
    pub(super) fn lose_sessions(&mut self, node: usize) {
        self.sessions.retain(|_, session| session.home != node);
    }

    pub(super) fn session(&mut self, address: Address) -> Option<&mut Session> {
        self.sessions.get_mut(&address.session)
    }

    /// The end of a PATCH: the address of what comes next.
    pub(super) fn patched(&mut self, address: Address) -> Address {
        let length = self.length(address);
        self.patched.insert(address.session, length);
        Address {
            offset: length,
            ..address
        }
    }

    fn length(&self, address: Address) -> u64 {
        let session = self.sessions.get(&address.session);
        session.map_or(0, |session| u64::try_from(session.bytes.len()).unwrap())
    }

    /// The end of a PUT: stored, if the bytes are those of the blob that was named.
    pub(super) fn commit(
        &mut self,
        who: Identity,
        address: Address,
        (name, content): (u64, &[u8]),
        announced: u64,
    ) -> bool {
        let whole = self.sessions.get(&address.session);
        if whole.is_none_or(|session| session.bytes != content) {
            return false;
        }
        let session = self.sessions.remove(&address.session).unwrap();
        let size = if announced > 0 {
            announced
        } else {
            self.patched.get(&address.session).copied().unwrap_or(0)
        };
        self.blobs.insert((who.storage, name), session.bytes);
        self.booked.insert(name, size);
        true
    }

    /// The size of a blob, as a HEAD tells it.
    pub(super) fn size(&self, who: Identity, name: u64) -> Option<u64> {
        let blob = self.blobs.get(&(who.storage, name))?;
        Some(u64::try_from(blob.len()).unwrap())
    }

    /// The content of a blob, wherever it is.
    pub(super) fn blob(&self, name: u64) -> Option<&[u8]> {
        let mut found = self.blobs.iter().filter(|((_, known), _)| *known == name);
        found.next().map(|(_, bytes)| bytes.as_slice())
    }
}

impl Address {
    pub(super) fn write(self) -> String {
        let Self {
            session,
            offset,
            secret,
        } = self;
        format!("{session}/{offset}/{secret}")
    }

    pub(super) fn read(text: &str) -> Self {
        let mut numbers = text.split('/').map(|part| part.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Self {
            session: next(),
            offset: next(),
            secret: next(),
        }
    }
}
