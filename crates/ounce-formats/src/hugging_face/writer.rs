//! Writing a model folder.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use thiserror::Error;

use super::{INDEX, SINGLE, index};
use crate::safetensors::{OwnedTensor, SafetensorsType, WriteError, Writer};
use crate::temporary;

/// Bytes of data after which a new file of weights is begun: the 5 GB that others use.
const SHARD_BYTES: u64 = 5_000_000_000;

/// A model folder that could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderWriteError {
    /// There is something at the path already.
    #[error("{} exists and is not an empty folder; remove it or choose another name", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The system's error.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file name that is no plain name, or is kept for the weights.
    #[error(
        "\"{0}\" cannot be the name of a file beside the weights: a plain name without folders is needed, other than that of the weights"
    )]
    FileName(String),
    /// A tensor name stands twice.
    #[error("the folder holds a tensor \"{0}\" already")]
    Duplicate(String),
    /// The weights could not be written.
    #[error(transparent)]
    Weights(#[from] WriteError),
}

/// A model folder being written under a temporary name beside its place, which vanishes unless [`finish`](Self::finish) is called.
///
/// Weights go to `model.safetensors`, or to shards of at most 5 GB with an index if there are more of them.
#[derive(Debug)]
pub struct FolderWriter {
    target: PathBuf,
    folder: TempDir,
    shard_bytes: u64,
    current: Option<Writer>,
    /// Files of weights so far, the current one included.
    shards: usize,
    /// Tensor names with the number of their shard.
    tensors: Map<String, Value>,
    total: u64,
}

impl FolderWriter {
    /// Starts a folder beside `target`, which takes the name `target` at the end.
    ///
    /// # Errors
    /// [`FolderWriteError::Exists`] if there is something at `target` other than an empty folder, [`FolderWriteError::Io`].
    pub fn create(target: &Path) -> Result<Self, FolderWriteError> {
        check_free(target)?;
        let parent = temporary::folder_of(target);
        let folder = temporary::folder(parent)
            .map_err(|source| FolderWriteError::Io { path: parent.to_owned(), source })?;
        Ok(Self {
            target: target.to_owned(),
            folder,
            shard_bytes: SHARD_BYTES,
            current: None,
            shards: 0,
            tensors: Map::new(),
            total: 0,
        })
    }

    /// Begins a new file of weights before `bytes` are exceeded, instead of 5 GB. A tensor is never divided.
    pub fn shard_bytes(&mut self, bytes: u64) -> &mut Self {
        self.shard_bytes = bytes;
        self
    }

    /// Adds a file such as `config.json`, replacing one of that name.
    ///
    /// # Errors
    /// [`FolderWriteError::FileName`], [`FolderWriteError::Io`].
    pub fn add_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), FolderWriteError> {
        let path = self.place(name)?;
        std::fs::write(&path, bytes).map_err(|source| FolderWriteError::Io { path, source })
    }

    /// Adds a copy of a file under its own name, replacing one of that name.
    ///
    /// # Errors
    /// [`FolderWriteError::FileName`], [`FolderWriteError::Io`].
    pub fn copy_file(&mut self, path: &Path) -> Result<(), FolderWriteError> {
        let name = path.file_name().and_then(|name| name.to_str());
        let place = self.place(name.unwrap_or_default())?;
        let copied = std::fs::copy(path, place);
        copied.map(|_| ()).map_err(|source| FolderWriteError::Io { path: path.to_owned(), source })
    }

    /// Adds a tensor. Order and number are free.
    ///
    /// # Errors
    /// As [`tensor_bytes`](Self::tensor_bytes).
    pub fn tensor(&mut self, tensor: &OwnedTensor) -> Result<(), FolderWriteError> {
        self.tensor_bytes(&tensor.name, tensor.dtype, &tensor.shape, &tensor.bytes)
    }

    /// Adds a tensor of which the parts are borrowed: elements little-endian, `shape` outermost dimension first.
    ///
    /// # Errors
    /// [`FolderWriteError::Duplicate`], [`FolderWriteError::Weights`].
    pub fn tensor_bytes(
        &mut self,
        name: &str,
        dtype: SafetensorsType,
        shape: &[usize],
        bytes: &[u8],
    ) -> Result<(), FolderWriteError> {
        if self.tensors.contains_key(name) {
            return Err(FolderWriteError::Duplicate(name.to_owned()));
        }
        let full = |writer: &Writer| {
            writer.data_bytes() > 0
                && writer.data_bytes().saturating_add(bytes.len() as u64) > self.shard_bytes
        };
        if self.current.as_ref().is_some_and(full)
            && let Some(writer) = self.current.take()
        {
            writer.finish()?;
        }
        if self.current.is_none() {
            self.shards += 1;
            let mut writer = Writer::create(&self.shard(self.shards))?;
            writer.metadata("format", "pt");
            self.current = Some(writer);
        }
        if let Some(writer) = &mut self.current {
            writer.tensor(name, dtype, shape, bytes)?;
        }
        self.tensors.insert(name.to_owned(), self.shards.into());
        self.total += bytes.len() as u64;
        Ok(())
    }

    /// Completes the weights, puts everything on the disk and gives the folder its name.
    ///
    /// # Errors
    /// [`FolderWriteError::Exists`] if something has come to lie at the target meanwhile, [`FolderWriteError::Io`],
    /// [`FolderWriteError::Weights`]. The temporary folder is removed then.
    pub fn finish(mut self) -> Result<(), FolderWriteError> {
        if let Some(writer) = self.current.take() {
            writer.finish()?;
        }
        self.name_weights()?;
        temporary::sync_folder(self.folder.path());
        check_free(&self.target)?;
        let Self { target, folder, .. } = self;
        let place = || {
            match std::fs::remove_dir(&target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            std::fs::rename(folder.path(), &target)
        };
        place().map_err(|source| FolderWriteError::Io { path: target.clone(), source })?;
        // Nothing is left to remove.
        let _ = folder.keep();
        temporary::sync_folder(temporary::folder_of(&target));
        Ok(())
    }

    /// Gives the files of weights their names, now that their number is known, and writes the index if there are several.
    fn name_weights(&mut self) -> Result<(), FolderWriteError> {
        let rename = |from: PathBuf, to: &str| {
            let to = self.folder.path().join(to);
            std::fs::rename(&from, &to).map_err(|source| FolderWriteError::Io { path: to, source })
        };
        match self.shards {
            0 => Ok(()),
            1 => rename(self.shard(1), SINGLE),
            count => {
                let name = |shard: u64| format!("model-{shard:05}-of-{count:05}.safetensors");
                for shard in 1..=count {
                    rename(self.shard(shard), &name(shard as u64))?;
                }
                let tensors = std::mem::take(&mut self.tensors);
                let map = tensors
                    .into_iter()
                    .map(|(tensor, shard)| (tensor, Value::String(name(shard.as_u64().unwrap_or_default()))));
                let index = json!({
                    "metadata": {"total_size": self.total},
                    "weight_map": map.collect::<Map<_, _>>(),
                });
                let path = self.folder.path().join(INDEX);
                std::fs::write(&path, format!("{index:#}\n"))
                    .map_err(|source| FolderWriteError::Io { path, source })
            }
        }
    }

    /// Where a file of weights lies until the number of them is known.
    fn shard(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("shard-{number}.safetensors"))
    }

    fn place(&self, name: &str) -> Result<PathBuf, FolderWriteError> {
        let kept = name == INDEX || name.ends_with(".safetensors");
        match index::plain_name(name) {
            Some(name) if !kept => Ok(self.folder.path().join(name)),
            _ => Err(FolderWriteError::FileName(name.to_owned())),
        }
    }
}

/// Nothing, or an empty folder, lies at `target`.
fn check_free(target: &Path) -> Result<(), FolderWriteError> {
    let exists = || FolderWriteError::Exists { path: target.to_owned() };
    match std::fs::read_dir(target) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(exists())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(exists()),
    }
}
