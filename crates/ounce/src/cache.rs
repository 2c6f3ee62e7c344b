//! Where models are kept.

use crate::failure::{Failure, Result};
use std::env::var_os;
use std::path::{Path, PathBuf};

/// The folder in which fetched models and the chat's history lie.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$OUNCE_CACHE`, or else `ounce` in the platform's folder for caches: `$XDG_CACHE_HOME` or `~/.cache`,
    /// `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows.
    pub(crate) fn locate() -> Result<Self> {
        let folder = |name: &str| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(root) = folder("OUNCE_CACHE") {
            return Ok(Self { root });
        }
        let parent = if cfg!(windows) {
            folder("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            folder("HOME").map(|home| home.join("Library/Caches"))
        } else {
            // The XDG specification has relative paths ignored.
            folder("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        };
        let parent = parent.ok_or_else(|| {
            Failure::new("no folder to keep models in: the home directory is unknown")
                .hint("set OUNCE_CACHE to a folder")
        })?;
        Ok(Self { root: parent.join("ounce") })
    }

    /// Where the file `file` (a path with `/`) of the model `name` lies, or will lie.
    pub(crate) fn model(&self, name: &str, file: &str) -> PathBuf {
        self.root.join("models").join(name).join(file)
    }

    /// The folder for the unfinished download of the model `name`.
    pub(crate) fn partial(&self, name: &str) -> PathBuf {
        self.root.join("partial").join(name)
    }

    /// The lock that keeps two downloads of the model `name` apart.
    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        self.root.join("partial").join(format!("{name}.lock"))
    }

    /// The lines typed into earlier chats.
    pub(crate) fn history(&self) -> PathBuf {
        self.root.join("history.txt")
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}
