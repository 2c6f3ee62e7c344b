//! Writing one safetensors file, tensor by tensor.
//!
//! The header stands before the data but is known only after it, so room is left for it: [`RESERVED`] bytes, which hold the entries of about a
//! thousand tensors and are filled up with spaces. If the header turns out to be longer, the data is moved up at the end.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::{SafetensorsType, header};
use crate::temporary;

/// Room for the length and the header.
const RESERVED: usize = 128 << 10;
/// The data starts at a multiple of this.
const ALIGNMENT: usize = 64;

/// A tensor in memory, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedTensor {
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: SafetensorsType,
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    /// The elements, little-endian.
    pub bytes: Vec<u8>,
}

/// A safetensors file that could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The system's error.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A tensor name stands twice, or is the one that the format keeps for metadata.
    #[error("a file cannot hold two tensors \"{0}\", nor one that is called __metadata__")]
    Name(String),
    /// Type and shape need another number of bytes than were given.
    #[error("tensor \"{tensor}\": {given} bytes given, which are not {dtype} of shape {shape:?}")]
    Size {
        /// The tensor.
        tensor: String,
        /// Its element type.
        dtype: SafetensorsType,
        /// Its shape.
        shape: Vec<usize>,
        /// Bytes given.
        given: usize,
    },
    /// The header would be longer than the format allows.
    #[error(
        "the header would be {found} bytes long; the format allows {}: write fewer tensors to a file",
        header::MAX_BYTES
    )]
    HeaderTooLong {
        /// Its length.
        found: usize,
    },
}

/// A safetensors file being written under a temporary name, which vanishes unless [`finish`](Self::finish) is called.
///
/// ```no_run
/// use ounce_formats::safetensors::{SafetensorsType, Writer};
///
/// let mut writer = Writer::create("model.safetensors".as_ref())?;
/// writer.metadata("format", "pt");
/// writer.tensor("weight", SafetensorsType::U8, &[2, 3], &[1, 2, 3, 4, 5, 6])?;
/// writer.finish()?;
/// # Ok::<(), ounce_formats::safetensors::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    metadata: Map<String, Value>,
    /// Entries of the header, in the order of the data.
    entries: Vec<(String, Value)>,
    names: HashSet<String>,
    /// Bytes of data so far.
    end: u64,
}

impl Writer {
    /// Starts a file in the folder of `path`, which takes the name `path` at the end.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let io_error = |source| WriteError::Io { path: path.to_owned(), source };
        let mut file = temporary::file(temporary::folder_of(path)).map_err(io_error)?;
        file.seek(SeekFrom::Start(RESERVED as u64)).map_err(io_error)?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
            metadata: Map::new(),
            entries: Vec::new(),
            names: HashSet::new(),
            end: 0,
        })
    }

    /// Sets an entry of `__metadata__`. Readers of model folders look for `format`, which is `pt`.
    pub fn metadata(&mut self, key: &str, value: &str) {
        self.metadata.insert(key.to_owned(), Value::String(value.to_owned()));
    }

    /// Bytes of data written so far.
    pub fn data_bytes(&self) -> u64 {
        self.end
    }

    /// Appends a tensor: elements little-endian, `shape` outermost dimension first.
    ///
    /// # Errors
    /// [`WriteError::Name`] and [`WriteError::Size`], in which case nothing is written; [`WriteError::Io`], after which the file is lost.
    pub fn tensor(
        &mut self,
        name: &str,
        dtype: SafetensorsType,
        shape: &[usize],
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        if dtype.bytes_of_shape(shape) != Some(bytes.len()) {
            let (tensor, shape) = (name.to_owned(), shape.to_vec());
            return Err(WriteError::Size { tensor, dtype, shape, given: bytes.len() });
        }
        if name == header::METADATA_KEY || !self.names.insert(name.to_owned()) {
            return Err(WriteError::Name(name.to_owned()));
        }
        self.file.write_all(bytes).map_err(|source| self.io_error(source))?;
        let begin = self.end;
        self.end += bytes.len() as u64;
        let entry = json!({"dtype": dtype.name(), "shape": shape, "data_offsets": [begin, self.end]});
        self.entries.push((name.to_owned(), entry));
        Ok(())
    }

    /// Writes the header, puts the file on the disk and gives it its name, replacing a file that had it.
    ///
    /// # Errors
    /// [`WriteError::HeaderTooLong`], [`WriteError::Io`]. The temporary file is removed then.
    pub fn finish(mut self) -> Result<(), WriteError> {
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert(header::METADATA_KEY.to_owned(), Value::Object(std::mem::take(&mut self.metadata)));
        }
        header.extend(std::mem::take(&mut self.entries));
        let mut header = Value::Object(header).to_string().into_bytes();
        let start = (8 + header.len()).next_multiple_of(ALIGNMENT).max(RESERVED);
        if start - 8 > header::MAX_BYTES {
            return Err(WriteError::HeaderTooLong { found: header.len() });
        }
        header.resize(start - 8, b' ');
        let Self { path, file, end, .. } = self;
        let write = || {
            let mut file = file.into_inner().map_err(|error| error.into_error())?;
            move_up(file.as_file_mut(), RESERVED as u64, end, (start - RESERVED) as u64)?;
            file.rewind()?;
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            temporary::persist(file, &path)
        };
        write().map_err(|source| WriteError::Io { path: path.clone(), source })
    }

    fn io_error(&self, source: io::Error) -> WriteError {
        WriteError::Io { path: self.path.clone(), source }
    }
}

/// Moves `len` bytes from `start` on towards the end of the file by `by`, the last piece first.
fn move_up(file: &mut File, start: u64, len: u64, by: u64) -> io::Result<()> {
    if by == 0 {
        return Ok(());
    }
    let mut piece = vec![0; len.min(4 << 20) as usize];
    let mut left = len;
    while left > 0 {
        let size = left.min(piece.len() as u64);
        left -= size;
        let piece = &mut piece[..size as usize];
        file.seek(SeekFrom::Start(start + left))?;
        file.read_exact(piece)?;
        file.seek(SeekFrom::Start(start + left + by))?;
        file.write_all(piece)?;
    }
    Ok(())
}
