//! Reader and writer of ONNX models.
//!
//! [`Onnx`] keeps a file mapped; [`Model::parse`] reads it into plain structs whose names and data are borrowed from the map, and
//! [`Model::encode`] writes such structs. The structs follow `onnx.proto` (versions 1.0 to 1.23), with three simplifications: the elements of a
//! tensor are always little-endian bytes, whichever of nine fields held them; an attribute is an enum; and fields that only matter to
//! tools are dropped. Functions, training graphs, sparse tensors and segments are refused by name.

mod element;
mod error;
mod external;
mod model;
mod reader;
mod tensor;
mod wire;
mod writer;

use std::io::{self, Write};
use std::path::Path;

pub use element::ElementType;
pub use error::{ExternalFault, Fault, OnnxError, Place, WireFault};
pub use external::ExternalData;
pub use model::{
    Attribute, AttributeValue, Dimension, External, Graph, Model, Node, OpsetImport, Tensor, TensorData,
    Text, ValueInfo, ValueType,
};

use crate::mmap::{self, SharedOwner};
use crate::temporary;

/// Graphs and types may stand within each other so deep.
pub const MAX_DEPTH: usize = 16;

/// An open file with a model.
pub struct Onnx {
    bytes: SharedOwner,
}

impl Onnx {
    /// Maps a file.
    ///
    /// # Errors
    /// [`OnnxError::Io`]; the path is the caller's to add.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        Ok(Self { bytes: mmap::open(path).map_err(OnnxError::Io)? })
    }

    /// Reads the model.
    ///
    /// # Errors
    /// See [`Model::parse`].
    pub fn model(&self) -> Result<Model<'_>, OnnxError> {
        Model::parse((*self.bytes).as_ref())
    }
}

impl std::fmt::Debug for Onnx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Onnx({} bytes)", (*self.bytes).as_ref().len())
    }
}

impl<'a> Model<'a> {
    /// Reads a whole model. Memory used is at most 128 times the length of the file; that of data that stands in `raw_data`, as most
    /// exporters write it, is nothing.
    ///
    /// # Errors
    /// [`OnnxError::Malformed`] for anything damaged or not supported.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, OnnxError> {
        Ok(reader::model(bytes)?)
    }

    /// The bytes of a file with this model. Nothing is checked: a model that was read gives a model that can be read.
    pub fn encode(&self) -> Vec<u8> {
        writer::model(self)
    }

    /// Writes a file with this model, which takes its name when it is complete, replacing a file that had it.
    ///
    /// # Errors
    /// Those of the system; the temporary file is removed then.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = temporary::file(temporary::folder_of(path))?;
        file.write_all(&self.encode())?;
        temporary::persist(file, path)
    }
}
