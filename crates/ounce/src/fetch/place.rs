//! The places of a download: a lock, a folder for what is unfinished, the finished file.

use crate::cache::Cache;
use crate::failure::{Context as _, Result};
use crate::output::note;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// The exclusive right to fetch one file; given back when dropped, also by a crash.
#[derive(Debug)]
pub(super) struct Place {
    target: PathBuf,
    partial: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes the right to fetch `file` of the model `name`; waits while another process has it.
    pub(super) fn lock(cache: &Cache, name: &str, file: &str) -> Result<Self> {
        let place = |what: &str, path: &Path| format!("cannot {what} {} (the cache folder)", path.display());
        let lock_path = cache.lock(name);
        let partial = cache.partial(name);
        if let Some(folder) = lock_path.parent() {
            fs::create_dir_all(folder).context(|| place("create", folder))?;
        }
        let lock = File::create(&lock_path).context(|| place("write", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                note(format_args!("another process is fetching {name}; waiting for it"));
                lock.lock().context(|| place("lock", &lock_path))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context(|| place("lock", &lock_path));
            }
        }
        // Only now: whoever had the lock before removes the folder when done.
        fs::create_dir_all(&partial).context(|| place("create", &partial))?;
        Ok(Self { target: cache.model(name, file), partial, _lock: lock })
    }

    /// Where the finished file goes.
    pub(super) fn target(&self) -> PathBuf {
        self.target.clone()
    }

    /// The finished file, if it is there.
    pub(super) fn finished(&self) -> Option<PathBuf> {
        self.target.is_file().then(|| self.target.clone())
    }

    /// Clears the folder for what is unfinished, if there is nothing in it.
    pub(super) fn leave(&self) {
        let _ = fs::remove_dir(&self.partial);
    }

    /// The folder for what is unfinished.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Where the verified whole is put before [`Place::finish`].
    pub(super) fn whole(&self) -> PathBuf {
        self.partial.join("whole")
    }

    /// Moves the whole to its place and clears the unfinished.
    pub(super) fn finish(&self) -> Result<PathBuf> {
        if let Some(folder) = self.target.parent() {
            fs::create_dir_all(folder).context(|| format!("cannot create {}", folder.display()))?;
        }
        fs::rename(self.whole(), &self.target)
            .context(|| format!("cannot put {} in its place", self.target.display()))?;
        // What is left are only the parts of the file that is now whole.
        let _ = fs::remove_dir_all(&self.partial);
        Ok(self.target.clone())
    }
}
