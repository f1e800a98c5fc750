//! The kept bytes of one upload.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ring::digest::{Context, SHA256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::disk::Disk;
use super::ledger::{Account, Full, Ledger};
use super::settings::{SpoolSettings, WhenFull};

/// Where spools are made. Clones share their limits.
#[derive(Debug, Clone)]
pub struct Spools {
    folder: PathBuf,
    head: usize,
    disk_share: u64,
    when_full: WhenFull,
    ledger: Arc<Ledger>,
}

impl Spools {
    /// Spools in the operator's folder, within the operator's limits.
    pub fn new(settings: &SpoolSettings) -> Self {
        Self {
            folder: settings.folder.clone(),
            head: usize::try_from(settings.memory).unwrap_or(usize::MAX),
            disk_share: settings.disk_share,
            when_full: settings.when_full,
            ledger: Arc::new(Ledger::new(settings.upload_limit, settings.total_limit)),
        }
    }

    /// An empty spool.
    pub fn open(&self) -> Spool {
        Spool {
            folder: self.folder.clone(),
            head_limit: self.head,
            disk_share: self.disk_share,
            account: self.ledger.open(),
            head: BytesMut::new(),
            tail: Tail::default(),
            length: 0,
        }
    }

    /// What a push does for which there is no room.
    pub fn when_full(&self) -> WhenFull {
        self.when_full
    }

    /// How much is kept of all uploads.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// All bytes of one upload so far.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    head_limit: usize,
    disk_share: u64,
    account: Account,
    /// The first bytes, up to the limit.
    head: BytesMut,
    tail: Tail,
    length: u64,
}

/// What comes behind the head: in the file, on the way to it, or waiting for a batch to be full.
#[derive(Debug, Default)]
struct Tail {
    file: Option<Arc<File>>,
    /// Bytes that are surely in the file.
    stored: u64,
    writing: Option<Writing>,
    /// The last bytes, copied together: the kernel takes one large aligned piece for a third of what it asks for
    /// the same bytes in odd ones, and small pieces would hold the large buffers that they were read into.
    batch: BytesMut,
}

#[derive(Debug)]
struct Writing {
    batch: Bytes,
    task: JoinHandle<io::Result<()>>,
}

impl Spool {
    /// Bytes kept so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether `size` more bytes would be kept now. What others take may come back.
    pub async fn room(&self, size: u64) -> Result<(), Full> {
        self.account.has_room(size)?;
        let full = BATCH.saturating_sub(self.tail.batch.len());
        if u64::try_from(full).is_ok_and(|full| size < full) {
            // The disk is not touched by them.
            return Ok(());
        }
        let (folder, share) = (self.folder.clone(), self.disk_share);
        match spawn_blocking(move || is_crowded(&folder, share)).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Full::Disk),
            Err(_) => Err(Full::Failed),
        }
    }

    /// Keeps `piece`. After an error the spool is no longer whole and must be dropped.
    ///
    /// Waits for the disk only when two batches are on their way already.
    pub async fn append(&mut self, piece: Bytes) -> Result<(), Full> {
        let size = u64::try_from(piece.len()).map_err(|_| Full::Upload)?;
        self.account.take(size)?;
        self.length += size;
        let room = self
            .head_limit
            .saturating_sub(self.head.len())
            .min(piece.len());
        let mut piece = piece;
        self.head.extend_from_slice(&piece.split_to(room));
        while !piece.is_empty() {
            if self.tail.batch.capacity() == 0 {
                self.tail.batch.reserve(BATCH);
            }
            let room = BATCH.saturating_sub(self.tail.batch.len());
            let part = piece.split_to(room.min(piece.len()));
            self.tail.batch.extend_from_slice(&part);
            if self.tail.batch.len() >= BATCH {
                self.write_batch().await?;
            }
        }
        Ok(())
    }

    async fn write_batch(&mut self) -> Result<(), Full> {
        self.tail.settle().await?;
        let file = if let Some(file) = &self.tail.file {
            Arc::clone(file)
        } else {
            let file = Arc::new(self.create().await?);
            self.tail.file = Some(Arc::clone(&file));
            file
        };
        let batch = std::mem::take(&mut self.tail.batch).freeze();
        let at = self.tail.stored;
        let (source, folder, share) = (batch.clone(), self.folder.clone(), self.disk_share);
        let task = spawn_blocking(move || {
            if is_crowded(&folder, share) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.write_all_at(&source, at)
        });
        self.tail.writing = Some(Writing { batch, task });
        Ok(())
    }

    async fn create(&self) -> Result<File, Full> {
        let folder = self.folder.clone();
        let made = spawn_blocking(move || {
            std::fs::create_dir_all(&folder)?;
            tempfile::tempfile_in(&folder)
        });
        made.await.ok().and_then(Result::ok).ok_or(Full::Failed)
    }

    /// Forgets everything behind the first `length` bytes. More than there is changes nothing.
    ///
    /// After an error the spool must be dropped.
    pub async fn truncate(&mut self, length: u64) -> Result<(), Full> {
        if length >= self.length {
            return Ok(());
        }
        let head = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        if let Ok(keep) = usize::try_from(length) {
            self.head.truncate(keep);
        }
        self.tail.truncate(length.saturating_sub(head)).await?;
        self.account.give_back(self.length - length);
        self.length = length;
        Ok(())
    }

    /// Some bytes from `offset` on; empty only at the end.
    pub async fn read(&mut self, offset: u64) -> Result<Bytes, Full> {
        let head = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        if offset < head {
            let from = usize::try_from(offset).map_err(|_| Full::Failed)?;
            let to = self.head.len().min(from.saturating_add(READ));
            let piece = self.head.get(from..to).unwrap_or_default();
            return Ok(Bytes::copy_from_slice(piece));
        }
        self.tail.read(offset - head).await
    }

    /// SHA-256 of everything that is kept. Reads all of it: only for when a node doubts what it was sent.
    pub async fn sha256(&mut self) -> Result<[u8; 32], Full> {
        let mut context = Context::new(&SHA256);
        let mut offset = 0;
        while offset < self.length {
            let piece = self.read(offset).await?;
            if piece.is_empty() {
                return Err(Full::Failed);
            }
            offset += u64::try_from(piece.len()).unwrap_or(u64::MAX);
            context.update(&piece);
        }
        <[u8; 32]>::try_from(context.finish().as_ref()).map_err(|_| Full::Failed)
    }
}

impl Tail {
    /// Waits until the batch on its way is in the file.
    async fn settle(&mut self) -> Result<(), Full> {
        if let Some(writing) = &mut self.writing {
            let outcome = (&mut writing.task).await;
            let size = u64::try_from(writing.batch.len()).unwrap_or(u64::MAX);
            self.writing = None;
            match outcome {
                Ok(Ok(())) => self.stored += size,
                Ok(Err(error)) if error.kind() == io::ErrorKind::StorageFull => {
                    return Err(Full::Disk);
                }
                Ok(Err(_)) | Err(_) => return Err(Full::Failed),
            }
        }
        Ok(())
    }

    async fn truncate(&mut self, length: u64) -> Result<(), Full> {
        self.settle().await?;
        let keep = usize::try_from(length.saturating_sub(self.stored)).unwrap_or(usize::MAX);
        self.stored = self.stored.min(length);
        self.batch.truncate(keep);
        Ok(())
    }

    async fn read(&mut self, offset: u64) -> Result<Bytes, Full> {
        if let Some(found) = self.waiting(offset) {
            return Ok(found);
        }
        let left = self.stored.saturating_sub(offset);
        let Some(file) = self.file.clone().filter(|_| left > 0) else {
            return Ok(Bytes::new());
        };
        let size = usize::try_from(left).unwrap_or(READ).min(READ);
        let read = spawn_blocking(move || {
            let mut piece = vec![0; size];
            file.read_exact_at(&mut piece, offset)
                .map(|()| Bytes::from(piece))
        });
        read.await.ok().and_then(Result::ok).ok_or(Full::Failed)
    }

    /// Bytes at `offset` that are still in memory.
    fn waiting(&self, offset: u64) -> Option<Bytes> {
        let mut skip = usize::try_from(offset.checked_sub(self.stored)?).ok()?;
        if let Some(writing) = &self.writing {
            if skip < writing.batch.len() {
                return Some(writing.batch.slice(skip..));
            }
            skip -= writing.batch.len();
        }
        let rest = self.batch.get(skip..)?;
        (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
    }
}

/// Whether more of the file system is in use than the operator allows. One that does not tell is not crowded.
fn is_crowded(folder: &Path, share: u64) -> bool {
    disk_of(folder).is_some_and(|disk| disk.is_beyond(share))
}

/// How full the file system of a folder is, if it tells.
pub fn disk_of(folder: &Path) -> Option<Disk> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    let blocks = (stat.f_blocks, stat.f_bfree, stat.f_bavail);
    Some(Disk::new(stat.f_frsize, blocks))
}

/// What is written at once, whole pages of the file; two of them may be in memory.
const BATCH: usize = 256 * 1024;
/// What is read at once.
const READ: usize = 256 * 1024;

#[cfg(test)]
impl SpoolSettings {
    /// Room for this many bytes, all of which one upload may have, in memory.
    pub(crate) fn of(bytes: u64) -> Self {
        Self {
            folder: std::env::temp_dir(),
            memory: bytes,
            upload_limit: bytes,
            total_limit: bytes,
            disk_share: 100,
            when_full: WhenFull::Unprotected,
            idle_timeout: std::time::Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod tests;
