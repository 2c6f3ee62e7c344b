//! What can be wrong with a TensorFlow Lite model.

use thiserror::Error;

use super::flatbuffer::Fell;
pub use super::flatbuffer::FlatFault;

/// A model that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TfliteError {
    /// The file could not be opened or mapped.
    #[error("{0}")]
    Io(#[source] std::io::Error),
    /// The file is not what it should be.
    #[error("this is no TensorFlow Lite model: bytes 4 to 7 are {found:02x?}, not \"TFL3\"")]
    Magic {
        /// These bytes, as many as there are.
        found: Vec<u8>,
    },
    /// A part is damaged or says something impossible.
    #[error("{place}, at byte {offset}: {fault}")]
    Malformed {
        /// The part of the model.
        place: String,
        /// Where in the file the part, or the fault in it, stands.
        offset: usize,
        /// What is wrong there.
        fault: Fault,
    },
}

/// What is wrong with a part of a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// An offset or what stands behind it.
    #[error("{0}")]
    Flat(#[from] FlatFault),
    /// Another version of the schema.
    #[error("version {0} of the schema; only 3 is known")]
    Version(u32),
    /// A number that stands for no element type.
    #[error("element type {0} is unknown (0 to 18 are known)")]
    Type(i8),
    /// A number that stands for none of the choices of a field.
    #[error("{field} is {found}, which is unknown")]
    Choice {
        /// Name of the field.
        field: &'static str,
        /// Number in the file.
        found: i64,
    },
    /// A number that should be above 0.
    #[error("{field} is {found}, which is not above 0")]
    Positive {
        /// Name of the field.
        field: &'static str,
        /// Number in the file.
        found: i32,
    },
    /// A number of something that does not exist.
    #[error("{what} {index} does not exist, there are {count}")]
    Index {
        /// What is referred to.
        what: &'static str,
        /// Its number.
        index: i64,
        /// How many there are.
        count: usize,
    },
    /// A dimension below 0.
    #[error("a dimension is {0}")]
    Dimension(i32),
    /// A constant has another length than its type and shape need.
    #[error("the constant has {given} bytes, type and shape need {}", needed.map_or("more than can be counted".to_owned(), |n| n.to_string()))]
    Size {
        /// Bytes by type and shape.
        needed: Option<usize>,
        /// Bytes in the file.
        given: usize,
    },
    /// Scales that do not fit the tensor.
    #[error(
        "{scales} scales and {zero_points} zero points do not fit a tensor of shape {shape:?} quantized along dimension {dimension}"
    )]
    Quantization {
        /// Number of scales.
        scales: usize,
        /// Number of zero points.
        zero_points: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
        /// Dimension that the scales belong to.
        dimension: i32,
    },
    /// Options of another operator.
    #[error("the operator has options of kind {found}; expected kind {expected}")]
    Options {
        /// Kind in the file.
        found: u8,
        /// Kind of this operator.
        expected: u8,
    },
    /// Something of the format that is not supported.
    #[error("{0} are not supported; convert the model again without them")]
    Unsupported(&'static str),
}

/// What a parser returns, before it is known where it stands.
pub(super) type Parsed<T> = Result<T, Broken>;

/// An error on its way out, gathering its place.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) offset: usize,
    pub(super) fault: Fault,
    /// Innermost first.
    pub(super) place: Vec<String>,
}

impl Broken {
    pub(super) fn new(offset: usize, fault: Fault) -> Self {
        Self { offset, fault, place: Vec::new() }
    }

    pub(super) fn within(mut self, part: impl FnOnce() -> String) -> Self {
        self.place.push(part());
        self
    }
}

impl From<Fell> for Broken {
    fn from(fell: Fell) -> Self {
        Self::new(fell.offset, fell.fault.into())
    }
}

impl From<Broken> for TfliteError {
    fn from(broken: Broken) -> Self {
        let mut place = "TensorFlow Lite model".to_owned();
        for part in broken.place.iter().rev() {
            place.push_str(", ");
            place.push_str(part);
        }
        Self::Malformed { place, offset: broken.offset, fault: broken.fault }
    }
}
