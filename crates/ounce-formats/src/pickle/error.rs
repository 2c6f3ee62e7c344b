//! What can be wrong with a pickle or with an array in it.

use thiserror::Error;

/// A pickle that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("pickle opcode {}, at byte {offset}: {fault}", Opcode(*opcode))]
pub struct PickleError {
    /// The opcode that failed; `None` where the input ended instead.
    pub opcode: Option<u8>,
    /// Where it stands in the input.
    pub offset: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// An opcode in a message: as a character where the format has one.
struct Opcode(Option<u8>);

impl std::fmt::Display for Opcode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("missing"),
            Some(byte) if byte.is_ascii_graphic() => write!(f, "'{}'", byte as char),
            Some(byte) => write!(f, "{byte:#04x}"),
        }
    }
}

/// What is wrong at an opcode.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// An argument is longer than the rest of the input.
    #[error("{needed} bytes needed, {remaining} left; the file is truncated or no pickle")]
    Truncated {
        /// Bytes of the argument.
        needed: u64,
        /// Bytes left.
        remaining: usize,
    },
    /// A line without an end.
    #[error("the line has no end; the file is truncated or no pickle")]
    Line,
    /// A byte that is no opcode.
    #[error("this is no opcode of pickle protocols 0 to 5; the file is no pickle")]
    Unknown,
    /// An opcode that needs more than the file.
    #[error("{0} are not supported; save the file again without them")]
    Unsupported(&'static str),
    /// A protocol that does not exist yet.
    #[error("protocol {0} is newer than 5, the newest supported; save the file again with an older one")]
    Protocol(u8),
    /// An opcode takes a value from an empty stack.
    #[error("the stack is empty; the file is damaged")]
    Stack,
    /// An opcode needs a mark and there is none.
    #[error("there is no mark on the stack; the file is damaged")]
    Mark,
    /// A memo entry is used before it is set.
    #[error("memo entry {0} was never set; the file is damaged")]
    Memo(u32),
    /// An opcode changes a value that cannot be changed so.
    #[error("it cannot change {found}; the file is damaged")]
    Target {
        /// What stood on the stack.
        found: String,
    },
    /// A dictionary from an odd number of values.
    #[error("a key has no value; the file is damaged")]
    Pairs,
    /// The state of an object is set twice.
    #[error("the state of an object is set twice, which is not supported")]
    State,
    /// A text is not UTF-8 or has a bad escape.
    #[error("the text is not valid")]
    Text,
    /// A number that cannot be read.
    #[error("the number cannot be read, or has more than 64 bits in text form")]
    Number,
    /// More values than can be numbered.
    #[error("more values than 2^32")]
    TooMany,
    /// Something is left on the stack at the end.
    #[error("{0} values are left on the stack at the end; the file is damaged")]
    Left(usize),
}

/// A value of a pickle that is not the array it should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// The value is something else.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What is needed.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Elements of a type that this crate does not read.
    #[error(
        "elements of type {found} are not supported; save plain integers, floats or bools of up to 64 bits"
    )]
    Type {
        /// Name in the file.
        found: String,
    },
    /// Type and shape need another number of bytes than there are.
    #[error("{scalar} of shape {shape:?} need {}, the array has {given}", needed.map_or("more bytes than can be counted".to_owned(), |n| format!("{n} bytes")))]
    Size {
        /// Type of the elements.
        scalar: crate::scalar::ScalarType,
        /// The shape.
        shape: Vec<usize>,
        /// Bytes by type and shape.
        needed: Option<usize>,
        /// Bytes in the file.
        given: usize,
    },
    /// A tensor reaches beyond its storage, or repeats elements of it.
    #[error(
        "a tensor of shape {shape:?}, strides {strides:?} and offset {offset} does not fit its storage of {elements} elements"
    )]
    Strides {
        /// The shape.
        shape: Vec<usize>,
        /// Elements from one index to the next, per dimension.
        strides: Vec<usize>,
        /// Element of the storage at which the tensor starts.
        offset: usize,
        /// Elements of the storage.
        elements: usize,
    },
    /// The data of a tensor is not in the file.
    #[error("storage \"{key}\" is not in the file; the file is damaged or was written without its data")]
    Storage {
        /// Key of the storage.
        key: String,
    },
    /// The storage is shorter or longer than the pickle says.
    #[error("storage \"{key}\" has {given} bytes where {needed} are needed; the file is damaged")]
    StorageSize {
        /// Key of the storage.
        key: String,
        /// Bytes by the pickle.
        needed: u64,
        /// Bytes in the file.
        given: usize,
    },
}
