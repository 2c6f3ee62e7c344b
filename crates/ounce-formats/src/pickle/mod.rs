//! Reader of Python pickles that executes nothing, of numpy arrays in them, and of torch checkpoints.
//!
//! A pickle is a program for a small stack machine, and Python's own reader imports and calls what the program names. This one builds a tree of
//! [`Value`]s: where Python would call a class, there is an [`Object`] that says which class, with which arguments and state. What is
//! known of some classes is kept apart: [`numpy_array`] understands numpy arrays, [`Checkpoint`] the tensors of torch.
//!
//! Protocols 0 to 5 are read. Values stay in one list and texts in the input, so that a pickle takes memory in proportion to its length:
//! at most [`MEMORY_MULTIPLE`] times, whatever it holds. Files made by Python take far less.

mod checkpoint;
mod cursor;
mod error;
mod machine;
mod numpy;
mod value;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::{ArrayError, Fault, PickleError};
pub use numpy::numpy_array;
pub use value::{Entries, Items, Object, Reference, Value};

/// No pickle takes more memory than this many times its length, apart from a few kilobytes.
pub const MEMORY_MULTIPLE: usize = 128;

/// The values of one pickle.
pub struct Pickle<'a> {
    output: machine::Output<'a>,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// [`PickleError`] for anything that is no pickle or asks for what Python keeps outside of it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PickleError> {
        machine::run(bytes).map(|output| Self { output })
    }

    /// The value that the pickle was made from.
    pub fn root(&self) -> Value<'_> {
        value::value(&self.output.nodes, self.output.root)
    }

    /// Bytes that the pickle takes.
    pub fn end(&self) -> usize {
        self.output.end
    }
}

impl std::fmt::Debug for Pickle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pickle({:?})", self.root())
    }
}
