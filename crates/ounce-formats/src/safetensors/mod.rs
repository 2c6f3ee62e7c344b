//! Reader and writer of one safetensors file.
//!
//! Layout: header length u64 little-endian; a JSON object that maps tensor names to `{"dtype", "shape", "data_offsets": [begin, end]}` and
//! `__metadata__` to strings; then the data, which the tensors must cover without gaps or overlaps. The reader accepts what the format's own
//! crate accepts, except that it refuses names that stand twice, and its errors name the tensor.

mod dtype;
mod header;
mod writer;

use std::ops::Range;
use std::path::Path;

use thiserror::Error;

pub use dtype::SafetensorsType;
pub(crate) use header::Pairs;
pub use header::TensorInfo;
pub use writer::{OwnedTensor, WriteError, Writer};

use crate::mmap::{self, SharedOwner};

/// An open safetensors file. Opening reads the header only.
pub struct Safetensors {
    bytes: SharedOwner,
    metadata: Vec<(String, String)>,
    /// Sorted by name.
    tensors: Vec<TensorInfo>,
}

/// A tensor of an open file: its description and its bytes, which stay in the memory map.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    owner: &'a SharedOwner,
    info: &'a TensorInfo,
}

/// A safetensors file that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// The file could not be opened or mapped.
    #[error("{0}")]
    Io(#[source] std::io::Error),
    /// The header is said to be longer than the file, or there is no room for its length.
    #[error(
        "the header should be {header} bytes long, {remaining} bytes are left; the file is truncated or no safetensors file"
    )]
    Truncated {
        /// Length of the header by the first 8 bytes.
        header: u64,
        /// Bytes left after them.
        remaining: usize,
    },
    /// The header is longer than the format allows.
    #[error("the header is {found} bytes long; the format allows {}", header::MAX_BYTES)]
    HeaderTooLong {
        /// Length of the header.
        found: usize,
    },
    /// The header is no JSON of the right form.
    #[error("the header is not valid: {0}")]
    Json(#[source] serde_json::Error),
    /// A tensor name stands twice.
    #[error("tensor \"{tensor}\" stands twice")]
    Duplicate {
        /// The name.
        tensor: String,
    },
    /// An element type that the format does not have.
    #[error("tensor \"{tensor}\" has the unknown dtype \"{found}\"")]
    Type {
        /// The tensor.
        tensor: String,
        /// Type in the header.
        found: String,
    },
    /// Type and shape need another number of bytes than the tensor has.
    #[error("tensor \"{tensor}\": dtype {dtype} and shape {shape:?} need {}, data_offsets give {given}", needed.map_or("more bytes than can be counted".to_owned(), |n| format!("{n} bytes")))]
    Size {
        /// The tensor.
        tensor: String,
        /// Its element type.
        dtype: SafetensorsType,
        /// Its shape.
        shape: Vec<usize>,
        /// Bytes by type and shape; `None` if that overflows or is no whole number.
        needed: Option<usize>,
        /// Bytes by the offsets.
        given: usize,
    },
    /// A tensor starts before or after the end of the one before it, or ends before it starts.
    #[error(
        "tensor \"{tensor}\" has data_offsets {begin}..{end}, but the tensor before it ends at {expected}"
    )]
    Offsets {
        /// The tensor.
        tensor: String,
        /// Its begin.
        begin: usize,
        /// Its end.
        end: usize,
        /// Where it should begin.
        expected: usize,
    },
    /// The tensors end elsewhere than the file.
    #[error(
        "the tensors end at byte {tensors} of the data, which is {data} bytes long; the file is truncated or its header lies"
    )]
    Length {
        /// End of the last tensor.
        tensors: usize,
        /// Length of the data.
        data: usize,
    },
}

impl Safetensors {
    /// Maps and reads a file.
    ///
    /// # Errors
    /// [`SafetensorsError`]; the path is the caller's to add.
    pub fn open(path: &Path) -> Result<Self, SafetensorsError> {
        Self::from_bytes(mmap::open(path).map_err(SafetensorsError::Io)?)
    }

    /// Reads a whole file held in memory or mapped by the caller.
    ///
    /// # Errors
    /// [`SafetensorsError`] for anything malformed. Memory used on the way is at most 32 times the length of the header.
    pub fn from_bytes(bytes: SharedOwner) -> Result<Self, SafetensorsError> {
        let header::Header { metadata, tensors } = header::read((*bytes).as_ref())?;
        Ok(Self { bytes, metadata, tensors })
    }

    /// The entries of `__metadata__`, in file order.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// All tensors, sorted by name.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TensorView<'_>> {
        self.tensors.iter().map(|info| TensorView { owner: &self.bytes, info })
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let found = self.tensors.binary_search_by(|info| info.name.as_str().cmp(name)).ok()?;
        Some(TensorView { owner: &self.bytes, info: &self.tensors[found] })
    }
}

impl std::fmt::Debug for Safetensors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Safetensors({} tensors)", self.tensors.len())
    }
}

impl<'a> TensorView<'a> {
    /// Name of the tensor.
    pub fn name(&self) -> &'a str {
        &self.info.name
    }

    /// Element type.
    pub fn dtype(&self) -> SafetensorsType {
        self.info.dtype
    }

    /// Outermost dimension first; a matrix is `[rows, cols]`, row-major.
    pub fn shape(&self) -> &'a [usize] {
        &self.info.shape
    }

    /// The elements, little-endian. Not aligned in general.
    pub fn bytes(&self) -> &'a [u8] {
        // The reader has checked the range.
        (**self.owner).as_ref().get(self.info.range.clone()).unwrap_or_default()
    }

    /// Where the elements lie in the bytes of the [`owner`](Self::owner).
    pub fn range(&self) -> Range<usize> {
        self.info.range.clone()
    }

    /// The bytes of the file, to keep them alive beyond it.
    pub fn owner(&self) -> SharedOwner {
        self.owner.clone()
    }
}

impl std::fmt::Debug for TensorView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}
