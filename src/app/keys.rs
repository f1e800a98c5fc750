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

/// The keys that the settings ask for; one is made and kept where none is given.
pub(super) fn keys(settings: &Settings) -> Result<Vec<Key>, KeyError> {
    if let Some(path) = &settings.affinity.key_file {
        return read(path);
    }
    let path = settings.state_folder.join("affinity.key");
    if path.exists() {
        read(&path)
    } else {
        make(&path)
    }
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

fn make(path: &Path) -> Result<Vec<Key>, KeyError> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeyError::NoRandom)?;
    let key = Key::from(bytes);
    match keep(path, &key) {
        Ok(()) => {
            tracing::info!(file = %path.display(), "made a key for upload tokens");
        }
        // Serving without a kept key beats not serving: only uploads that run across a restart suffer.
        Err(error) => tracing::warn!(
            file = %path.display(),
            fault = %error,
            remedy = "make the state folder writable, or give [affinity] key_file",
            "the key for upload tokens cannot be kept: uploads that are running at a restart will fail"
        ),
    }
    Ok(vec![key])
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
