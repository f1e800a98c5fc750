//! The files of the project, read once.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// One file: its path from the project's folder, and its text.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(super) fn extension(&self) -> &str {
        self.path
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension)
    }

    /// The room and the path inside it, for `src/<room>/..`.
    pub(super) fn room(&self) -> Option<(&str, &str)> {
        self.path.strip_prefix("src/")?.split_once('/')
    }
}

/// Every text file that belongs to the project.
pub(super) static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "the project has files");
    files
});

/// The text of one file that has to be there.
pub(super) fn text(path: &str) -> &'static str {
    let found = FILES.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("{path} is missing")).text
}

pub(super) fn rust() -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(|file| file.extension() == "rs")
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let inner = path.strip_prefix(root).unwrap().to_str().unwrap();
        // Built things, history, and what was recorded from others.
        let foreign = [
            "target",
            ".git",
            "tests/data",
            "tests/fuzz/corpus",
            "tests/fuzz/target",
        ];
        if foreign.contains(&inner) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.push(File::new(inner, &text));
        }
    }
}
