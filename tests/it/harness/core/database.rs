//! What Harbor keeps in `PostgreSQL`, as a folder of small files that all nodes of a cluster share.
//! A test takes the database away by one more file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The folder.
#[derive(Debug, Clone)]
pub struct Database {
    folder: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    pub id: usize,
    pub name: String,
    pub public: bool,
    /// When it was made, to the nanosecond.
    pub made: String,
}

/// What the database says while it is away.
pub(super) const LOST: &str = "failed to connect to `host=127.0.3.2 user=postgres \
     database=harbor`: dial error (dial tcp 127.0.3.2:5432: connect: connection refused)";

impl Database {
    pub fn at(folder: &Path) -> Self {
        for table in ["projects", "referrers", "sizes"] {
            std::fs::create_dir_all(folder.join(table)).unwrap();
        }
        Self {
            folder: folder.to_path_buf(),
        }
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes it away from all nodes, or gives it back.
    pub fn set_down(&self, down: bool) {
        if down {
            std::fs::write(self.folder.join("down"), "").unwrap();
        } else {
            drop(std::fs::remove_file(self.folder.join("down")));
        }
    }

    pub fn is_down(&self) -> bool {
        self.folder.join("down").exists()
    }

    /// Makes a project, unless there is one of this name.
    pub fn create_project(&self, name: &str, public: bool) -> Option<Project> {
        let id = self
            .projects()
            .iter()
            .map(|project| project.id)
            .max()
            .unwrap_or(0)
            + 1;
        let project = Project {
            id,
            name: name.to_owned(),
            public,
            made: made_now(),
        };
        let file = self.project_file(name);
        let mut created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file)
            .ok()?;
        created
            .write_all(&serde_json::to_vec(&project).unwrap())
            .unwrap();
        Some(project)
    }

    pub fn project(&self, name: &str) -> Option<Project> {
        serde_json::from_slice(&std::fs::read(self.project_file(name)).ok()?).ok()
    }

    /// All of them, oldest first.
    pub fn projects(&self) -> Vec<Project> {
        let entries = std::fs::read_dir(self.folder.join("projects")).unwrap();
        let mut all = entries
            .filter_map(|entry| {
                serde_json::from_slice(&std::fs::read(entry.ok()?.path()).ok()?).ok()
            })
            .collect::<Vec<Project>>();
        all.sort_by_key(|project| project.id);
        all
    }

    /// Remembers the size Harbor would book for a blob: nothing repairs a wrong one later.
    pub(super) fn book_size(&self, digest: &str, size: u64) {
        std::fs::write(self.size_file(digest), size.to_string()).unwrap();
    }

    /// The size that was booked for a blob when its upload ended.
    pub fn booked_size(&self, digest: &str) -> Option<u64> {
        std::fs::read_to_string(self.size_file(digest))
            .ok()?
            .parse()
            .ok()
    }

    /// Adds a manifest to the referrers of its subject.
    pub(super) fn add_referrer(&self, repository: &str, subject: &str, descriptor: &Value) {
        let folder = self.referrers_folder(repository, subject);
        std::fs::create_dir_all(&folder).unwrap();
        let name = descriptor["digest"].as_str().unwrap().replace(':', "-");
        std::fs::write(folder.join(name), descriptor.to_string()).unwrap();
    }

    pub(super) fn referrers(&self, repository: &str, subject: &str) -> Vec<Value> {
        let Ok(entries) = std::fs::read_dir(self.referrers_folder(repository, subject)) else {
            return Vec::new();
        };
        let mut paths = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect::<Vec<_>>();
        paths.sort();
        paths
            .iter()
            .filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok())
            .collect()
    }

    /// Forgets a deleted manifest, whatever it referred to.
    pub(super) fn remove_referrer(&self, repository: &str, digest: &str) {
        let all = self.folder.join("referrers").join(flat(repository));
        for subject in std::fs::read_dir(all).into_iter().flatten().flatten() {
            drop(std::fs::remove_file(
                subject.path().join(digest.replace(':', "-")),
            ));
        }
    }

    fn project_file(&self, name: &str) -> PathBuf {
        self.folder.join("projects").join(flat(name))
    }

    fn size_file(&self, digest: &str) -> PathBuf {
        self.folder.join("sizes").join(digest.replace(':', "-"))
    }

    fn referrers_folder(&self, repository: &str, subject: &str) -> PathBuf {
        self.folder
            .join("referrers")
            .join(flat(repository))
            .join(flat(subject))
    }
}

/// The time as the database keeps it.
fn made_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(since.as_secs()).unwrap();
    let text = super::token::date(seconds);
    format!(
        "{}.{:09}Z",
        text.trim_end_matches('Z'),
        since.subsec_nanos()
    )
}

/// A name as one file name.
fn flat(name: &str) -> String {
    name.replace(['/', ':'], "+")
}
