//! GGUF files, versions 2 and 3: one file (or several numbered parts) with metadata and tensors.
//!
//! Layout, all little-endian: magic `GGUF`, version u32, tensor count u64, metadata count u64; metadata entries (key, kind u32, value);
//! tensor entries (name, dimension count u32, dimensions u64 innermost first, type u32, offset u64 into the data); padding to the alignment;
//! data. A string is a u64 length and UTF-8 bytes. Specification: `docs/gguf.md` of ggml.

mod cursor;
mod error;
mod metadata;
mod reader;
mod split;
mod value;
mod writer;

use std::ops::Range;
use std::path::Path;

pub use error::{Fault, GgufError, Place, WriteError};
pub use metadata::Metadata;
pub use value::{Array, Value};
pub use writer::{TensorStream, Writer};

use crate::ggml::GgmlType;
use crate::mmap::{self, SharedOwner};

/// The alignment of tensor data where `general.alignment` names no other.
const DEFAULT_ALIGNMENT: u32 = 32;
const MAGIC: [u8; 4] = *b"GGUF";

/// An open GGUF model. Opening reads the header only; tensors stay in the memory map.
pub struct Gguf {
    version: u32,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    /// Indices into `tensors`, sorted by name.
    by_name: Vec<u32>,
    /// The bytes of each part; one unless the model is split.
    parts: Vec<SharedOwner>,
}

/// A tensor's entry in the header.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// Name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Outermost dimension first, as in PyTorch: a matrix is `[rows, cols]`. The file stores the reverse.
    pub shape: Vec<usize>,
    /// Element type.
    pub ty: GgmlType,
    /// Bytes in the part's file, checked to lie inside it.
    range: Range<usize>,
    part: u16,
}

impl TensorInfo {
    /// Number of weights.
    pub fn elements(&self) -> usize {
        // Cannot overflow: the reader refuses such shapes.
        self.shape.iter().product()
    }

    /// Bytes of the data.
    pub fn bytes(&self) -> usize {
        self.range.len()
    }
}

impl Gguf {
    /// Maps and reads the file at `path`. If its name ends in `-00001-of-0000N.gguf`, the other parts beside it are opened too.
    ///
    /// # Errors
    /// [`GgufError`], with the path in it.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        split::open(path)
    }

    /// Reads a whole file held in memory or mapped by the caller.
    ///
    /// # Errors
    /// [`GgufError`] for anything malformed. Memory used is at most 24 times the length of the header that
    /// was read, and some 64 KiB.
    pub fn from_bytes(bytes: SharedOwner) -> Result<Self, GgufError> {
        let header = reader::read((*bytes).as_ref())?;
        let by_name = index_by_name(&header.tensors)?;
        Ok(Self {
            version: header.version,
            metadata: header.metadata,
            tensors: header.tensors,
            by_name,
            parts: vec![bytes],
        })
    }

    fn open_one(path: &Path) -> Result<Self, GgufError> {
        let in_file = |source| GgufError::File { path: path.to_owned(), source: Box::new(source) };
        let bytes = mmap::open(path).map_err(|source| in_file(GgufError::Io(source)))?;
        Self::from_bytes(bytes).map_err(in_file)
    }

    /// Version of the file format, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The metadata (of the first part, if the model is split).
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// All tensors in file order.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let found =
            self.by_name.binary_search_by(|&i| self.tensors[i as usize].name.as_str().cmp(name)).ok()?;
        Some(&self.tensors[self.by_name[found] as usize])
    }

    /// The data of a tensor of this file; empty for a tensor of another file that lies outside this one.
    pub fn data(&self, tensor: &TensorInfo) -> &[u8] {
        let part = self.parts.get(usize::from(tensor.part));
        part.and_then(|bytes| (**bytes).as_ref().get(tensor.range.clone())).unwrap_or_default()
    }

    /// Where the data of a tensor lies in the bytes of its [`owner`](Self::owner).
    pub fn data_range(&self, tensor: &TensorInfo) -> Range<usize> {
        tensor.range.clone()
    }

    /// The bytes of the file that holds a tensor, to keep them alive beyond this value.
    pub fn owner(&self, tensor: &TensorInfo) -> SharedOwner {
        self.parts.get(usize::from(tensor.part)).unwrap_or(&self.parts[0]).clone()
    }
}

impl std::fmt::Debug for Gguf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Gguf(version {}, {} keys, {} tensors)",
            self.version,
            self.metadata.len(),
            self.tensors.len()
        )
    }
}

fn index_by_name(tensors: &[TensorInfo]) -> Result<Vec<u32>, GgufError> {
    // The reader has checked that the count fits.
    let mut by_name: Vec<u32> = (0..tensors.len() as u32).collect();
    by_name.sort_unstable_by(|&a, &b| tensors[a as usize].name.cmp(&tensors[b as usize].name));
    match by_name.windows(2).find(|pair| tensors[pair[0] as usize].name == tensors[pair[1] as usize].name) {
        Some(pair) => Err(GgufError::DuplicateTensor { name: tensors[pair[0] as usize].name.clone() }),
        None => Ok(by_name),
    }
}
