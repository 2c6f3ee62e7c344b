//! What frozen layers give for pictures, kept on the disk.

use crate::failure::{Context as _, Result};
use ounce_tiny::learn::{Examples, Prepared};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

/// A folder of examples of one frozen network and data set.
pub(crate) struct Cache {
    folder: PathBuf,
    of: String,
}

impl Cache {
    /// Makes the folder if there is none.
    pub(crate) fn open(folder: &Path, prepared: &Prepared, data: &Path, classes: &[String]) -> Result<Self> {
        let cannot = || format!("cannot use the cache {}", folder.display());
        std::fs::create_dir_all(folder).context(cannot)?;
        // A folder in an archive changes with the archive.
        let there = data.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(data);
        let inside = data.strip_prefix(there).unwrap_or(Path::new(""));
        let there = std::fs::canonicalize(there).context(cannot)?;
        let data: PathBuf = there.components().chain(inside.components()).collect();
        let mut hasher = DefaultHasher::new();
        for (_, name, value) in prepared.frozen.parameters() {
            (name, value.as_bytes()).hash(&mut hasher);
        }
        files(&there, &mut hasher).context(cannot)?;
        let of = format!(
            "{} before convolution {}, weights and files {:016x}, {}, {}",
            prepared.image,
            prepared.network.first,
            hasher.finish(),
            data.display(),
            classes.join(", ")
        );
        Ok(Self { folder: folder.to_owned(), of })
    }

    /// Where some pictures are kept, and what their file says it is of.
    fn place(&self, key: &str) -> (PathBuf, String) {
        let of = format!("{}, {key}", self.of);
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        (self.folder.join(format!("{:016x}.safetensors", hasher.finish())), of)
    }

    /// Those that were kept.
    pub(crate) fn find(&self, key: &str) -> Result<Option<Examples>> {
        let (path, of) = self.place(key);
        if !path.exists() {
            return Ok(None);
        }
        Examples::read(&path, &of).context(|| format!("cannot read {}", path.display()))
    }

    /// Keeps them.
    pub(crate) fn keep(&self, key: &str, examples: &Examples) -> Result<()> {
        let (path, of) = self.place(key);
        examples.write(&path, &of).context(|| format!("cannot write {}", path.display()))
    }
}

/// What tells a data set from one that has changed: names, sizes and times of its files.
fn files(path: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_dir() {
        (path, metadata.len(), metadata.modified().ok()).hash(hasher);
        return Ok(());
    }
    let entries = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| files(entry, hasher))
}
