//! A folder of its own for each test.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that is gone after a test that passed, and kept (and named) after one that failed.
#[derive(Debug)]
pub struct Scratch {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// A fresh folder under the system's one for temporary files.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pilotage-")
            .tempdir()
            .unwrap();
        let path = folder.path().to_path_buf();
        Self {
            folder: Some(folder),
            path,
        }
    }

    /// A folder somebody named: made when missing, never removed.
    pub fn at(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        Self {
            folder: None,
            path: path.canonicalize().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside, made now.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Writes a file inside and says where it is.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path.join(name);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        std::fs::write(&file, content).unwrap();
        file
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!(
                "the folder of the failed test is kept: {}",
                folder.keep().display()
            );
        }
    }
}
