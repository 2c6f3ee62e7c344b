//! The tensors of a model, whichever kind of file holds them.

mod error;
mod head;
mod options;
mod quantized;
mod source;
mod summary;
mod weights;

pub use error::LoadError;
pub use head::HeadPrecision;
pub use options::LoadOptions;
pub(crate) use source::MatrixSource;
pub use summary::TensorSummary;
pub(crate) use weights::{WeightLoader, bias_names, weight_names};

use crate::arch::ConfigError;
use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::Gguf;
use ounce_formats::hugging_face::{Folder, SafetensorsType};
use ounce_formats::quantized::{LinearScheme, QuantizationConfig, QuantizedError};
use ounce_kernels::ops::Rotation;
use ounce_kernels::{MatrixError, SharedBytes};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// An open checkpoint: its description and its tensors, memory-mapped.
pub struct Checkpoint {
    source: Source,
    quantization: Result<Option<QuantizationConfig>, Arc<QuantizedError>>,
}

/// The kinds of checkpoint.
pub(crate) enum Source {
    /// One GGUF file.
    Gguf(Gguf),
    /// `config.json` and safetensors files.
    Folder(Folder),
}

/// One tensor: `shape` outermost first, `ty` in rows of `shape.last()` elements.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) ty: GgmlType,
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

/// Longest vector that is read as part of a model's description.
const LONGEST_SMALL_VECTOR: usize = 1 << 16;

impl Checkpoint {
    /// Opens a GGUF file, or a folder with `config.json` and `*.safetensors`. Reads no tensor.
    ///
    /// # Errors
    /// [`LoadError::Gguf`] or [`LoadError::Folder`].
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let source = if path.is_dir() {
            Source::Folder(Folder::open(path).map_err(|error| LoadError::Folder(Box::new(error)))?)
        } else {
            Source::Gguf(Gguf::open(path).map_err(|error| LoadError::Gguf(Box::new(error)))?)
        };
        let quantization = match &source {
            Source::Gguf(_) => Ok(None),
            Source::Folder(folder) => QuantizationConfig::parse(folder).map_err(Arc::new),
        };
        Ok(Self { source, quantization })
    }

    /// What the `quantization_config` of a Hugging Face folder says. `None` for folders of floats, GGUF files, and configurations that
    /// cannot be read, which [`arch::config`](crate::arch::config) refuses.
    pub fn quantization(&self) -> Option<&QuantizationConfig> {
        self.quantization.as_ref().ok()?.as_ref()
    }

    /// Why the `quantization_config` cannot be read.
    pub(crate) fn quantization_error(&self) -> Option<Arc<QuantizedError>> {
        self.quantization.as_ref().err().cloned()
    }

    /// How a linear map of a quantized folder is stored; `None` if it is not quantized.
    pub(crate) fn scheme(&self, module: &str) -> Option<(&Folder, &LinearScheme)> {
        match &self.source {
            Source::Gguf(_) => None,
            Source::Folder(folder) => Some((folder, self.quantization()?.scheme(module)?)),
        }
    }

    /// How the inputs `[cols]` of a linear map are rotated before its product; its stored weights are those of the rotated inputs.
    ///
    /// # Errors
    /// [`LoadError::Matrix`] if blocks do not divide the columns, [`LoadError::Quantized`] if there are several rotations.
    pub(crate) fn rotation(&self, module: &str, cols: usize) -> Result<Option<Rotation>, LoadError> {
        let Some(config) = self.quantization() else { return Ok(None) };
        let Some(rotation) = config.rotation(module)? else { return Ok(None) };
        Rotation::new(cols, rotation.block.unwrap_or(cols)).map(Some).map_err(|error| LoadError::Matrix {
            name: module.to_owned(),
            source: MatrixError::Rotation(error),
        })
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn holds(&self, name: &str) -> bool {
        match &self.source {
            Source::Gguf(file) => file.tensor(name).is_some(),
            Source::Folder(folder) => folder.tensor(name).is_some(),
        }
    }

    /// A tensor, its bytes checked against its shape and type.
    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Tensor>, LoadError> {
        let (shape, ty, owner, range) = match &self.source {
            Source::Gguf(file) => {
                let Some(tensor) = file.tensor(name) else { return Ok(None) };
                (tensor.shape.clone(), tensor.ty, file.owner(tensor), file.data_range(tensor))
            }
            Source::Folder(folder) => {
                let Some(tensor) = folder.tensor(name) else { return Ok(None) };
                let ty = match tensor.dtype() {
                    SafetensorsType::F32 => GgmlType::F32,
                    SafetensorsType::F16 => GgmlType::F16,
                    SafetensorsType::BF16 => GgmlType::BF16,
                    other => {
                        return Err(LoadError::TensorType {
                            name: name.into(),
                            found: other.name().to_string(),
                            supported: "F32, F16, BF16",
                        });
                    }
                };
                (tensor.shape().to_vec(), ty, tensor.owner(), tensor.range())
            }
        };
        let found = range.len();
        let elements = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let bytes = elements
            .filter(|elements| elements % ty.block_len() == 0)
            .and_then(|elements| (elements / ty.block_len()).checked_mul(ty.block_bytes()))
            .filter(|&expected| expected == found);
        match bytes {
            Some(_) => Ok(Some(Tensor { name: name.into(), shape, ty, owner, range })),
            None => Err(LoadError::TensorBytes {
                name: name.into(),
                expected: elements
                    .map_or(usize::MAX, |n| (n / ty.block_len()).saturating_mul(ty.block_bytes())),
                shape,
                found,
            }),
        }
    }

    /// The number of rows of a matrix that the description of the model leaves out.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, ConfigError> {
        let shape = match &self.source {
            Source::Gguf(file) => file.tensor(name).map(|tensor| tensor.shape.clone()),
            Source::Folder(folder) => folder.tensor(name).map(|tensor| tensor.shape().to_vec()),
        };
        match shape.as_deref() {
            None => Err(ConfigError::Missing { key: format!("tensor {name}") }),
            Some([rows, _]) => Ok(*rows),
            Some(other) => Err(ConfigError::Invalid {
                key: format!("tensor {name}"),
                expected: "a matrix".into(),
                found: format!("shape {other:?}"),
            }),
        }
    }

    /// A short vector of floats that belongs to the description of the model, if there is one of this name.
    pub(crate) fn small_vector(&self, name: &str) -> Result<Option<Vec<f32>>, ConfigError> {
        let refuse = |found: String| ConfigError::Invalid {
            key: format!("tensor {name}"),
            expected: format!("a vector of at most {LONGEST_SMALL_VECTOR} floats"),
            found,
        };
        let Some(tensor) = self.tensor(name).map_err(|error| refuse(error.to_string()))? else {
            return Ok(None);
        };
        match tensor.shape[..] {
            [length] if tensor.is_float() && length <= LONGEST_SMALL_VECTOR => Ok(Some(tensor.dequantize())),
            _ => Err(refuse(format!("{} of shape {:?}", tensor.ty.name(), tensor.shape))),
        }
    }
}

impl Tensor {
    /// Elements are floats, one by one.
    pub(crate) fn is_float(&self) -> bool {
        matches!(self.ty, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16)
    }

    /// All elements.
    pub(crate) fn dequantize(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.shape.iter().product()];
        self.ty.dequantize(self.bytes(), &mut values);
        values
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        (*self.owner).as_ref().get(self.range.clone()).unwrap_or_default()
    }

    /// Some of the bytes, kept alive by what is returned; `None` if the tensor has not so many.
    pub(crate) fn share(&self, part: Range<usize>) -> Option<SharedBytes> {
        let range = self.range.start.checked_add(part.start)?..self.range.start.checked_add(part.end)?;
        (range.end <= self.range.end).then(|| SharedBytes::new(self.owner.clone(), range))?
    }

    /// Bytes of one row of `cols` elements.
    pub(crate) fn row_bytes(&self, cols: usize) -> usize {
        cols / self.ty.block_len() * self.ty.block_bytes()
    }
}
