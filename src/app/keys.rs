//! The keys that seal upload tokens: the operator's, or one that is made on the first start and kept.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use crate::affinity::token::{Key, parse_keys};
use crate::config::Settings;

/// The keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {reason}")]
    Bad { path: PathBuf, reason: String },
    #[error("{0}")]
    Unusable(crate::affinity::token::KeyError),
    #[error("the system gives no random bytes")]
    NoRandom,
}

/// The keys in use, newest first.
#[derive(Debug, Clone)]
pub(super) struct Sealing {
    pub(super) keys: Vec<Key>,
    kept: Kept,
}

/// Whether a process that starts later finds the same keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    InFile,
    InMemory,
}

impl Sealing {
    fn in_file(keys: Vec<Key>) -> Self {
        let kept = Kept::InFile;
        Self { keys, kept }
    }

    /// The keys that no file holds: whoever comes after us needs them from us.
    pub(super) fn unkept(&self) -> Vec<Key> {
        match self.kept {
            Kept::InFile => Vec::new(),
            Kept::InMemory => self.keys.clone(),
        }
    }
}

/// The keys that the settings ask for. Where they name none, those that were `known` before go on, and one is made
/// when there are none.
pub(super) fn keys(settings: &Settings, known: &[Key]) -> Result<Sealing, KeyError> {
    if let Some(path) = &settings.affinity.key_file {
        return read(path).map(Sealing::in_file);
    }
    let path = settings.state_folder.join("affinity.key");
    if path.exists() {
        return read(&path).map(Sealing::in_file);
    }
    if known.is_empty() {
        return make(&path);
    }
    Ok(Sealing {
        keys: known.to_vec(),
        kept: Kept::InMemory,
    })
}

fn read(path: &Path) -> Result<Vec<Key>, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|source| KeyError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse_keys(&text).map_err(|error| KeyError::Bad {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn make(path: &Path) -> Result<Sealing, KeyError> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeyError::NoRandom)?;
    let key = Key::from(bytes);
    let kept = match keep(path, &key) {
        Ok(()) => {
            tracing::info!(file = %path.display(), "made a key for upload tokens");
            Kept::InFile
        }
        // Serving without a kept key beats not serving: only uploads that run across a restart suffer.
        Err(error) => {
            tracing::warn!(
                file = %path.display(),
                fault = %error,
                remedy = "make the state folder writable, or give [affinity] key_file",
                "the key for upload tokens cannot be kept: uploads that are running at a restart will fail"
            );
            Kept::InMemory
        }
    };
    let keys = vec![key];
    Ok(Sealing { keys, kept })
}

fn keep(path: &Path, key: &Key) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(
        file,
        "# seals upload tokens; all instances of pilotage need the same file"
    )?;
    writeln!(file, "{}", key.encode())?;
    file.sync_all()
}
