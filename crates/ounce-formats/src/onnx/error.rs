//! What can be wrong with an ONNX model.

use std::path::PathBuf;

use thiserror::Error;

pub use super::wire::WireFault;

/// An ONNX model that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file could not be opened or mapped.
    #[error("{0}")]
    Io(#[source] std::io::Error),
    /// A message cannot be parsed, or says something impossible.
    #[error("{place}, at byte {offset}: {fault}")]
    Malformed {
        /// The part of the model.
        place: Place,
        /// Offset in the file.
        offset: usize,
        /// What is wrong there.
        fault: Fault,
    },
    /// The data of a tensor in another file cannot be had.
    #[error("external data \"{location}\": {fault}")]
    External {
        /// Path in the model.
        location: String,
        /// What is wrong.
        fault: ExternalFault,
    },
}

/// A part of a model: the way from the outside in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Innermost first.
    pub(super) parts: Vec<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ONNX model")?;
        self.parts.iter().rev().try_for_each(|part| write!(f, ", {part}"))
    }
}

/// What is wrong with a part of a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes are no valid message.
    #[error("{0}")]
    Wire(#[from] WireFault),
    /// A field that must be there is not.
    #[error("{0} is missing; the file is damaged or no ONNX model")]
    Missing(&'static str),
    /// A field that may stand once stands twice.
    #[error("{0} stands twice; the file is damaged")]
    Twice(&'static str),
    /// Something of the format that is not supported.
    #[error("{what} are not supported; {remedy}")]
    Unsupported {
        /// What it is, with its name.
        what: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A number that stands for no element type.
    #[error("element type {0} is unknown (1 to 26 are known)")]
    Element(i64),
    /// A number that stands for no kind of attribute.
    #[error("attribute type {0} is unknown (1 to 14 are known)")]
    AttributeType(i64),
    /// A dimension below zero or too large for this machine.
    #[error("a dimension is {0}")]
    Dimension(i64),
    /// Type and shape need another amount of data than there is.
    #[error("{element:?} of shape {shape:?} needs {}, the file has {given}", needed.map_or("more bytes than can be counted".to_owned(), |n| format!("{n} bytes")))]
    Size {
        /// Type of the elements.
        element: super::ElementType,
        /// The shape.
        shape: Vec<usize>,
        /// Bytes by type and shape (strings: elements).
        needed: Option<usize>,
        /// Bytes in the file (strings: elements).
        given: usize,
    },
    /// The data stands in a field that is not for this type.
    #[error("{element:?} cannot stand in the field {field}")]
    DataField {
        /// Type of the elements.
        element: super::ElementType,
        /// Name of the field.
        field: &'static str,
    },
    /// A number is out of the range of its type.
    #[error("{value} is no {element:?}")]
    Range {
        /// The number.
        value: i64,
        /// Type of the elements.
        element: super::ElementType,
    },
    /// Graphs or types within each other too often.
    #[error("graphs or types are nested deeper than {0}")]
    Depth(usize),
    /// A number that should be a text of digits.
    #[error("\"{0}\" is no number of bytes")]
    Number(String),
}

/// Why data in another file cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExternalFault {
    /// The path leads out of the model's folder.
    #[error("the path leads out of the model's folder, which is not allowed")]
    Path,
    /// The file could not be opened.
    #[error("cannot open {}: {source}; put the file beside the model", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The data is said to lie outside of the file.
    #[error(
        "{length} bytes from byte {offset} on are needed, the file has {available}; it is truncated or belongs to another model"
    )]
    OutOfRange {
        /// First byte.
        offset: u64,
        /// Length.
        length: u64,
        /// Length of the file.
        available: usize,
    },
    /// The data has another length than the tensor needs.
    #[error("the model says {given} bytes, type and shape need {needed}")]
    Size {
        /// Bytes by the model.
        given: u64,
        /// Bytes by type and shape.
        needed: usize,
    },
}

/// What a parser returns, before it is known where it stands.
pub(super) type Parsed<T> = Result<T, Broken>;

/// An error on its way out, gathering its place.
#[derive(Debug)]
pub(super) struct Broken(Box<(Vec<String>, usize, Fault)>);

impl Broken {
    pub(super) fn new(offset: usize, fault: Fault) -> Self {
        Self(Box::new((Vec::new(), offset, fault)))
    }

    /// Says which part this happened in.
    pub(super) fn within(mut self, part: impl FnOnce() -> String) -> Self {
        self.0.0.push(part());
        self
    }
}

impl From<super::wire::Fell> for Broken {
    fn from(fell: super::wire::Fell) -> Self {
        Self::new(fell.offset, fell.fault.into())
    }
}

impl From<Broken> for OnnxError {
    fn from(broken: Broken) -> Self {
        let (parts, offset, fault) = *broken.0;
        Self::Malformed { place: Place { parts }, offset, fault }
    }
}
