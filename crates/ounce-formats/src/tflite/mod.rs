//! Reader of TensorFlow Lite models.
//!
//! [`Tflite`] keeps a file mapped; [`Model::parse`] reads it into structs that borrow names, shapes, scales and weights from the map. The
//! layout is that of FlatBuffers, read by hand (`flatbuffer`), with every offset and length checked; names and numbers are those of version 3
//! of the schema. Operators of quantized networks for small devices come with their options ([`Operation`]); others keep their name, so that
//! whoever imports a model can say which it lacks.

mod error;
mod flatbuffer;
mod model;
mod names;
mod operation;
mod reader;

use std::path::Path;

pub use error::{Fault, FlatFault, TfliteError};
pub use flatbuffer::{Element, Vector};
pub use model::{Model, Operator, Quantization, Subgraph, Tensor, TensorList, TensorType};
pub use operation::{Activation, Operation, OperatorCode, Padding, Pool2d};

use crate::mmap::{self, SharedOwner};

const MAGIC: &[u8] = b"TFL3";

/// An open file with a model.
pub struct Tflite {
    bytes: SharedOwner,
}

impl Tflite {
    /// Maps a file.
    ///
    /// # Errors
    /// [`TfliteError::Io`]; the path is the caller's to add.
    pub fn open(path: &Path) -> Result<Self, TfliteError> {
        Ok(Self { bytes: mmap::open(path).map_err(TfliteError::Io)? })
    }

    /// Reads the model.
    ///
    /// # Errors
    /// See [`Model::parse`].
    pub fn model(&self) -> Result<Model<'_>, TfliteError> {
        Model::parse((*self.bytes).as_ref())
    }
}

impl std::fmt::Debug for Tflite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tflite({} bytes)", (*self.bytes).as_ref().len())
    }
}

impl<'a> Model<'a> {
    /// Reads a whole model. Memory used is at most 32 times the length of the file, and next to nothing for weights.
    ///
    /// # Errors
    /// [`TfliteError`] for anything damaged or not supported.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TfliteError> {
        match bytes.get(4..8) {
            Some(MAGIC) => Ok(reader::model(bytes)?),
            _ => Err(TfliteError::Magic { found: bytes.iter().skip(4).take(4).copied().collect() }),
        }
    }
}
