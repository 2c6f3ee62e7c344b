//! A model folder as Hugging Face lays it out: `config.json`, tokenizer files, and one safetensors file or several with an index.

mod error;
mod index;
mod json;
mod writer;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use error::FolderError;
pub use index::ShardIndex;
pub(crate) use json::read as read_json;
pub use json::{MAX_CONFIG_BYTES, MAX_INDEX_BYTES, parse_json};
pub use writer::{FolderWriteError, FolderWriter};

pub use crate::safetensors::{SafetensorsType, TensorView};

use crate::safetensors::Safetensors;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// An open model folder. Weights are mapped, not read.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    config: Value,
    generation_config: Option<Value>,
    shards: Vec<Safetensors>,
    /// Tensor names, sorted, with the index of the shard that holds each.
    tensors: Vec<(String, u32)>,
}

impl Folder {
    /// Opens the folder at `path`. The weights are `model.safetensors`, or the files that `model.safetensors.index.json` names, or the only
    /// file whose name ends in `.safetensors`.
    ///
    /// # Errors
    /// [`FolderError`], which names the file and what is wrong in it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        if !path.is_dir() {
            return Err(FolderError::NotAFolder { path: path.to_owned() });
        }
        let Some(config) = json::read(&path.join("config.json"))? else {
            return Err(FolderError::Missing {
                path: path.join("config.json"),
                needed_for: "the architecture",
            });
        };
        let generation_config = json::read(&path.join("generation_config.json"))?;
        let (shards, tensors) = weights(path)?;
        Ok(Self { path: path.to_owned(), config, generation_config, shards, tensors })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The contents of `config.json`: an object.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The contents of `generation_config.json`, an object, if there is one.
    pub fn generation_config(&self) -> Option<&Value> {
        self.generation_config.as_ref()
    }

    /// The path of a file of this folder, such as `tokenizer.json`, if it is there. A name that leads out of the folder is never found.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        let path = self.path.join(index::plain_name(name)?);
        path.is_file().then_some(path)
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| name.as_str())
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let found = self.tensors.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        self.shards[self.tensors[found].1 as usize].tensor(name)
    }
}

type Weights = (Vec<Safetensors>, Vec<(String, u32)>);

fn weights(folder: &Path) -> Result<Weights, FolderError> {
    let single = folder.join(SINGLE);
    if single.is_file() {
        return single_file(&single);
    }
    let index = folder.join(INDEX);
    if let Some(bytes) = json::read_bytes(&index, json::MAX_INDEX_BYTES)? {
        let parsed =
            ShardIndex::parse(&bytes).map_err(|source| FolderError::Json { path: index.clone(), source })?;
        return sharded(folder, &index, parsed);
    }
    match &only_safetensors(folder)?[..] {
        [only] => single_file(only),
        found => Err(FolderError::NoWeights { path: folder.to_owned(), found: found.len() }),
    }
}

fn only_safetensors(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let io_error = |source| FolderError::Io { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn single_file(path: &Path) -> Result<Weights, FolderError> {
    let file = open_shard(path)?;
    let tensors = file.tensors().map(|tensor| (tensor.name().to_owned(), 0)).collect();
    Ok((vec![file], tensors))
}

fn sharded(folder: &Path, index_path: &Path, index: ShardIndex) -> Result<Weights, FolderError> {
    let in_index = |what| FolderError::Index { path: index_path.to_owned(), what };
    let mut shards = Vec::with_capacity(index.shards().len());
    for shard in index.shards() {
        let Some(name) = index::plain_name(shard) else {
            return Err(in_index(format!(
                "names the shard \"{shard}\", which is no plain file name; shards lie beside the index"
            )));
        };
        let path = folder.join(name);
        if !path.is_file() {
            return Err(FolderError::Missing {
                path,
                needed_for: "the tensors that the index says it holds",
            });
        }
        shards.push(open_shard(&path)?);
    }
    for (tensor, shard) in index.tensors() {
        let number = *shard as usize;
        if shards[number].tensor(tensor).is_none() {
            let name = &index.shards()[number];
            return Err(in_index(format!(
                "says that \"{name}\" holds the tensor \"{tensor}\", which it does not"
            )));
        }
    }
    Ok((shards, index.into_tensors()))
}

fn open_shard(path: &Path) -> Result<Safetensors, FolderError> {
    Safetensors::open(path).map_err(|source| FolderError::Weights { path: path.to_owned(), source })
}
