//! The upgrade socket in the file system: only its owner may come near it.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tokio::net::UnixListener;

use super::HandoverError;

/// Whether the folder of the socket is there, ours, and nobody else's.
pub(in crate::app) fn check(socket: &Path) -> Result<(), HandoverError> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let refuse = |what: String, hint| HandoverError::Place {
        path: folder.to_owned(),
        what,
        hint,
    };
    let about = std::fs::metadata(folder).map_err(|error| {
        let hint = "make the folder of [upgrade] socket, as RuntimeDirectory= of systemd does";
        refuse(error.to_string(), hint)
    })?;
    let owner = geteuid().as_raw();
    if about.uid() != owner {
        let what = format!("belongs to user {} and not to {owner}", about.uid());
        return Err(refuse(
            what,
            "give the folder to the user that runs pilotage",
        ));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("others may enter it (mode {mode:o})");
        return Err(refuse(
            what,
            "chmod 700: whoever enters could take the ports over",
        ));
    }
    Ok(())
}

/// A socket that stands at its path, until somebody else's does.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Bound {
    /// Stands at `path` from now on, in place of whatever was there. Nobody finds half a socket.
    pub(super) fn new(path: &Path) -> Result<Self, HandoverError> {
        check(path)?;
        let refuse = |source: io::Error| HandoverError::Place {
            path: path.to_owned(),
            what: source.to_string(),
            hint: "[upgrade] socket needs a folder that pilotage may write to",
        };
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let bound = || {
            drop(std::fs::remove_file(&beside));
            let listener = StdListener::bind(&beside)?;
            std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            let inode = std::fs::metadata(&beside)?.ino();
            std::fs::rename(&beside, path)?;
            Ok(Self {
                listener: UnixListener::from_std(listener)?,
                path: path.to_owned(),
                inode,
            })
        };
        bound().map_err(refuse)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let ours = std::fs::metadata(&self.path).is_ok_and(|now| now.ino() == self.inode);
        if ours {
            drop(std::fs::remove_file(&self.path));
        }
    }
}
