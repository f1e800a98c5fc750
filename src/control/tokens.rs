//! The file of tokens, and whom it lets in.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::access::{Guarding, Tokens, TokensError};
use super::settings::AdminSettings;

/// Why the file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    #[error("admin.token_file: {path}: cannot be read: {reason}", path = path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("admin.token_file: {path}: {reason}", path = path.display())]
    Bad { path: PathBuf, reason: TokensError },
}

/// Who is let in now; a reload changes it for all at once.
pub type Keeper = Arc<ArcSwap<Guarding>>;

/// Reads who is let in by these settings.
pub fn guarding(settings: &AdminSettings) -> Result<Guarding, TokenFileError> {
    let Some(path) = &settings.token_file else {
        let certificates = settings
            .tls
            .as_ref()
            .and_then(|tls| tls.client_ca_file.as_ref());
        return Ok(match certificates {
            Some(_) => Guarding::Credentials(Tokens::default()),
            None => Guarding::Open,
        });
    };
    let text = fs::read_to_string(path).map_err(|error| TokenFileError::Unreadable {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    match Tokens::parse(&text) {
        Ok(tokens) => Ok(Guarding::Credentials(tokens)),
        Err(reason) => Err(TokenFileError::Bad {
            path: path.clone(),
            reason,
        }),
    }
}
