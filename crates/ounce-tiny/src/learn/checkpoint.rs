//! The state of a training between epochs, and its file.

use std::collections::BTreeMap;
use std::path::Path;

use ounce_formats::safetensors::{Safetensors, SafetensorsError, SafetensorsType, WriteError, Writer};
use ounce_graph::{DType, GraphError, Tensor, TensorType};

use super::Epoch;
use crate::origin::Origin;

/// The key of the file's metadata that holds the epochs, as JSON.
const EPOCHS: &str = "epochs";
/// The key that holds what the training is of.
const TRAINING: &str = "training";
/// The key that holds the checksums of network and pictures, as JSON.
const ORIGIN: &str = "origin";

/// The state of a training between epochs. Before the first it is empty.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Checkpoint {
    /// Everything that training changes, by name.
    pub parameters: BTreeMap<String, Tensor>,
    /// What came of the epochs so far.
    pub epochs: Vec<Epoch>,
    /// What the training is of, in whatever words its owner likes: so that it can refuse to go on with another.
    pub training: String,
    /// From which network and pictures it came; `None` if nobody said so.
    pub origin: Option<Origin>,
}

/// Why a checkpoint, or a file of examples, could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It is no safetensors file.
    #[error(transparent)]
    Read(#[from] SafetensorsError),
    /// It holds something else.
    #[error("the file is of another kind: {0}")]
    Content(String),
}

impl Checkpoint {
    /// Writes it as a safetensors file, whole or not at all. A file of that name is replaced.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let mut writer = Writer::create(path)?;
        let refused = |error: serde_json::Error| CheckpointError::Content(error.to_string());
        writer.metadata(EPOCHS, &serde_json::to_string(&self.epochs).map_err(refused)?);
        writer.metadata(TRAINING, &self.training);
        if let Some(origin) = &self.origin {
            writer.metadata(ORIGIN, &serde_json::to_string(origin).map_err(refused)?);
        }
        for (name, value) in &self.parameters {
            let dtype = match value.ty().dtype {
                DType::I8 => SafetensorsType::I8,
                DType::I32 => SafetensorsType::I32,
                DType::F32 => SafetensorsType::F32,
                other => return Err(CheckpointError::Content(format!("{name} is {other}"))),
            };
            writer.tensor(name, dtype, value.shape(), value.as_bytes())?;
        }
        Ok(writer.finish()?)
    }

    /// Reads what [`Checkpoint::write`] wrote.
    ///
    /// # Errors
    /// If the file is damaged or something else.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let file = Safetensors::open(path)?;
        let known = |key: &str| file.metadata().iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let entry = |key: &str| {
            let missing = || CheckpointError::Content(format!("the file says nothing about its {key}"));
            known(key).ok_or_else(missing)
        };
        let refused = |error: serde_json::Error| CheckpointError::Content(error.to_string());
        let epochs: Vec<Epoch> = serde_json::from_str(entry(EPOCHS)?).map_err(refused)?;
        let origin = known(ORIGIN).map(|text| serde_json::from_str(text).map_err(refused)).transpose()?;
        let mut parameters = BTreeMap::new();
        for view in file.tensors() {
            let dtype = match view.dtype() {
                SafetensorsType::I8 => DType::I8,
                SafetensorsType::I32 => DType::I32,
                SafetensorsType::F32 => DType::F32,
                other => {
                    let problem = format!("{} has elements of type {}", view.name(), other.name());
                    return Err(CheckpointError::Content(problem));
                }
            };
            let damaged = |error: GraphError| CheckpointError::Content(error.to_string());
            let value = Tensor::from_bytes(&TensorType::new(dtype, view.shape()), view.bytes());
            parameters.insert(view.name().to_owned(), value.map_err(damaged)?);
        }
        Ok(Self { parameters, epochs, training: entry(TRAINING)?.clone(), origin })
    }
}
