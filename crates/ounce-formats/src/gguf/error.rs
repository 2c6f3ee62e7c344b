//! What can be wrong with a GGUF file.

use std::path::PathBuf;

use thiserror::Error;

use crate::ggml::CannotQuantize;

/// A GGUF file that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file could not be opened or mapped.
    #[error("{0}")]
    Io(#[source] std::io::Error),
    /// Something is wrong in a particular file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<GgufError>,
    },
    /// The first four bytes are not `GGUF`.
    #[error("this is not a GGUF file: it starts with {found:02x?}, not with \"GGUF\"")]
    Magic {
        /// The first bytes of the file, as many as there are.
        found: Vec<u8>,
    },
    /// A version that is not supported.
    #[error(
        "GGUF version {found} is not supported, only 2 and 3; convert the model again with a current converter"
    )]
    Version {
        /// Version in the file.
        found: u32,
    },
    /// The numbers of the file are big-endian.
    #[error("this GGUF file is big-endian; convert the model again for a little-endian machine")]
    BigEndian,
    /// The header cannot be parsed.
    #[error("{place}, at byte {offset}: {fault}")]
    Malformed {
        /// The part of the header.
        place: Place,
        /// Offset in the file.
        offset: usize,
        /// What is wrong there.
        fault: Fault,
    },
    /// A key stands twice.
    #[error("metadata key \"{key}\" stands twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// Two tensors have one name.
    #[error("tensor \"{name}\" stands twice")]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// `general.alignment` is no power of two.
    #[error("general.alignment is {found}; a power of two is needed")]
    Alignment {
        /// Value in the file.
        found: u64,
    },
    /// A tensor type that this crate does not read.
    #[error("tensor \"{tensor}\" has ggml type {id}{}, which is not supported; use a file quantized to {supported}", known(*id), supported = supported())]
    Type {
        /// The tensor.
        tensor: String,
        /// Number of the type.
        id: u32,
    },
    /// Dimensions that are zero, overflow, or do not divide into blocks.
    #[error("tensor \"{tensor}\" of type {ty} has the impossible shape {shape:?} (outermost first)")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Name of its type.
        ty: &'static str,
        /// Dimensions in the file, outermost first.
        shape: Vec<u64>,
    },
    /// The data of a tensor is said to lie outside the file.
    #[error(
        "tensor \"{tensor}\" needs {len} bytes at offset {offset} of the data, which is {available} bytes long; the file is truncated or its header lies"
    )]
    OutOfRange {
        /// The tensor.
        tensor: String,
        /// Offset into the data section.
        offset: u64,
        /// Bytes needed.
        len: usize,
        /// Bytes of the data section.
        available: usize,
    },
    /// The data of a tensor does not start at a multiple of the alignment.
    #[error(
        "tensor \"{tensor}\" starts at offset {offset} of the data, not at a multiple of the alignment {alignment}"
    )]
    Misaligned {
        /// The tensor.
        tensor: String,
        /// Offset into the data section.
        offset: u64,
        /// Alignment of the file.
        alignment: u32,
    },
    /// Two tensors share bytes.
    #[error("tensors \"{first}\" and \"{second}\" overlap in the data")]
    Overlap {
        /// The tensor that starts first.
        first: String,
        /// The tensor that starts inside it.
        second: String,
    },
    /// A metadata value has another kind than its user needs.
    #[error("metadata key \"{key}\" holds {found}; expected {expected}")]
    Kind {
        /// The key.
        key: String,
        /// What is needed.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The parts of a split model do not fit together.
    #[error("{}: {what}; all parts of a split model must lie in one folder", path.display())]
    Split {
        /// The part.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
}

/// A place in a GGUF header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The fixed fields at the start.
    Header,
    /// The key of the metadata entry of this number.
    Key(u64),
    /// The value of this metadata key.
    Value(String),
    /// The name of the tensor entry of this number.
    TensorName(u64),
    /// The entry of this tensor.
    Tensor(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => f.write_str("GGUF header"),
            Self::Key(index) => write!(f, "key of metadata entry {index}"),
            Self::Value(key) => write!(f, "metadata key \"{key}\""),
            Self::TensorName(index) => write!(f, "name of tensor entry {index}"),
            Self::Tensor(name) => write!(f, "entry of tensor \"{name}\""),
        }
    }
}

/// What is wrong at a place in a GGUF header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// A field is longer than the rest of the file.
    #[error("{needed} bytes needed, {remaining} left; the file is truncated or its header lies")]
    Truncated {
        /// Bytes that the field says it has.
        needed: u64,
        /// Bytes left in the file.
        remaining: usize,
    },
    /// More items announced than the rest of the file can hold.
    #[error(
        "{count} items of at least {item_bytes} bytes announced, {remaining} bytes left; the file is truncated or its header lies"
    )]
    Count {
        /// Items announced.
        count: u64,
        /// The least that one takes.
        item_bytes: usize,
        /// Bytes left in the file.
        remaining: usize,
    },
    /// A string is not UTF-8.
    #[error("the string is not UTF-8")]
    NotUtf8,
    /// A number that stands for no kind of value.
    #[error("{0} is not a kind of metadata value (0 to 12)")]
    ValueKind(u32),
    /// A bool that is neither 0 nor 1.
    #[error("a bool is {0}, neither 0 nor 1")]
    Bool(u8),
    /// Arrays inside arrays inside arrays.
    #[error("arrays are nested deeper than {0}")]
    Depth(usize),
    /// More dimensions than ggml has.
    #[error("a tensor of {0} dimensions; 4 are the most")]
    Dimensions(u32),
}

/// A GGUF file that could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The system refused: no such folder, no permission, no space.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file to be written.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A metadata key or tensor name was given twice.
    #[error("\"{0}\" was given twice")]
    Duplicate(String),
    /// A tensor without whole blocks, with more than 4 dimensions, or without elements.
    #[error("tensor \"{tensor}\" cannot have the shape {shape:?} in the type {ty}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape, outermost first.
        shape: Vec<usize>,
        /// Name of its type.
        ty: &'static str,
    },
    /// Arrays nested deeper than readers accept.
    #[error("metadata key \"{key}\": arrays are nested deeper than {most}")]
    Depth {
        /// The key.
        key: String,
        /// The deepest that is accepted.
        most: usize,
    },
    /// `general.alignment` is set through its own method.
    #[error("set general.alignment to a power of two with Writer::alignment")]
    Alignment,
    /// Data was given beyond the last tensor, or across the end of one.
    #[error("{given} bytes given where {expected} are left of {}", tensor.as_deref().unwrap_or("the tensors"))]
    TooMuchData {
        /// The tensor being written.
        tensor: Option<String>,
        /// Bytes that it still needs.
        expected: u64,
        /// Bytes given.
        given: usize,
    },
    /// The file was finished before all data was given.
    #[error("tensor \"{tensor}\" still needs {missing} bytes")]
    TooLittleData {
        /// The first tensor that is not complete.
        tensor: String,
        /// Bytes that it still needs.
        missing: u64,
    },
    /// The weights cannot be turned into the type.
    #[error("tensor \"{tensor}\": {source}")]
    Quantize {
        /// The tensor.
        tensor: String,
        /// Why not.
        source: CannotQuantize,
    },
}

/// Names of the ggml types that exist but are not read, so that the message says more than a number.
fn known(id: u32) -> &'static str {
    match id {
        9 => " (Q8_1)",
        15 => " (Q8_K)",
        16 => " (IQ2_XXS)",
        17 => " (IQ2_XS)",
        18 => " (IQ3_XXS)",
        19 => " (IQ1_S)",
        21 => " (IQ3_S)",
        22 => " (IQ2_S)",
        23 => " (IQ4_XS)",
        24 => " (I8)",
        25 => " (I16)",
        26 => " (I32)",
        27 => " (I64)",
        28 => " (F64)",
        29 => " (IQ1_M)",
        34 => " (TQ1_0)",
        35 => " (TQ2_0)",
        39 => " (MXFP4)",
        _ => "",
    }
}

fn supported() -> String {
    crate::ggml::GgmlType::ALL.map(|ty| ty.name()).join(", ")
}
