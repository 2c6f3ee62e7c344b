//! Writing GGUF version 3.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::WriteError;
use super::reader::bytes_of_shape;
use super::value::{self, Value, write_string};
use super::{DEFAULT_ALIGNMENT, MAGIC};
use crate::ggml::GgmlType;
use crate::temporary;

const ALIGNMENT_KEY: &str = "general.alignment";

/// The header of a GGUF file to be written: metadata and tensors in the order of the calls.
///
/// ```no_run
/// use ounce_formats::ggml::GgmlType;
/// use ounce_formats::gguf::{Value, Writer};
///
/// let mut writer = Writer::new();
/// writer.metadata("general.architecture", Value::String("llama".into()))?;
/// writer.tensor("output.weight", &[2, 32], GgmlType::Q8_0)?;
/// let mut stream = writer.create("model.gguf".as_ref())?;
/// stream.quantize(&[0.5; 64])?;
/// stream.finish()?;
/// # Ok::<(), ounce_formats::gguf::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    alignment: u32,
    metadata: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
    names: HashSet<String>,
    keys: HashSet<String>,
}

#[derive(Debug)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    ty: GgmlType,
    bytes: u64,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty file with the usual alignment of 32 bytes.
    pub fn new() -> Self {
        let (metadata, tensors) = (Vec::new(), Vec::new());
        Self { alignment: DEFAULT_ALIGNMENT, metadata, tensors, names: HashSet::new(), keys: HashSet::new() }
    }

    /// Aligns tensor data to `alignment` bytes and says so in the metadata.
    ///
    /// # Errors
    /// [`WriteError::Alignment`] if it is no power of two.
    pub fn alignment(&mut self, alignment: u32) -> Result<&mut Self, WriteError> {
        if !alignment.is_power_of_two() {
            return Err(WriteError::Alignment);
        }
        self.alignment = alignment;
        Ok(self)
    }

    /// Adds a metadata entry.
    ///
    /// # Errors
    /// [`WriteError::Duplicate`]; [`WriteError::Alignment`] for the key that [`alignment`](Self::alignment) writes;
    /// [`WriteError::Depth`] for arrays nested deeper than the reader accepts.
    pub fn metadata(&mut self, key: &str, value: Value) -> Result<&mut Self, WriteError> {
        if key == ALIGNMENT_KEY {
            return Err(WriteError::Alignment);
        }
        if matches!(&value, Value::Array(array) if array.depth() > value::MAX_DEPTH) {
            return Err(WriteError::Depth { key: key.to_owned(), most: value::MAX_DEPTH });
        }
        if !self.keys.insert(key.to_owned()) {
            return Err(WriteError::Duplicate(key.to_owned()));
        }
        self.metadata.push((key.to_owned(), value));
        Ok(self)
    }

    /// Announces a tensor; `shape` is outermost first. Its data follows through [`TensorStream`], in the order of these calls.
    ///
    /// # Errors
    /// [`WriteError::Duplicate`], [`WriteError::Shape`].
    pub fn tensor(&mut self, name: &str, shape: &[usize], ty: GgmlType) -> Result<&mut Self, WriteError> {
        let bytes = if shape.len() <= 4 { bytes_of_shape(shape, ty) } else { None };
        let Some(bytes) = bytes else {
            return Err(WriteError::Shape { tensor: name.to_owned(), shape: shape.to_vec(), ty: ty.name() });
        };
        if !self.names.insert(name.to_owned()) {
            return Err(WriteError::Duplicate(name.to_owned()));
        }
        self.tensors.push(Tensor { name: name.to_owned(), shape: shape.to_vec(), ty, bytes: bytes as u64 });
        Ok(self)
    }

    /// Starts the file: the header goes to a temporary file in the folder of `path`, which takes the name `path` when
    /// [`TensorStream::finish`] is called, and vanishes if it is not.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn create(self, path: &Path) -> Result<TensorStream, WriteError> {
        let io_error = |source| WriteError::Io { path: path.to_owned(), source };
        let header = self.header();
        let file = temporary::file(temporary::folder_of(path)).map_err(io_error)?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&header).map_err(io_error)?;
        let mut stream = TensorStream {
            path: path.to_owned(),
            file,
            alignment: self.alignment.into(),
            tensors: self.tensors,
            current: 0,
            left: 0,
        };
        stream.left = stream.tensors.first().map_or(0, |tensor| tensor.bytes);
        Ok(stream)
    }

    /// Everything before the data, padded to the alignment.
    fn header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let aligned = self.alignment != DEFAULT_ALIGNMENT;
        out.extend(MAGIC);
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend(((self.metadata.len() + usize::from(aligned)) as u64).to_le_bytes());
        if aligned {
            write_string(ALIGNMENT_KEY, &mut out);
            Value::U32(self.alignment).write(&mut out);
        }
        for (key, value) in &self.metadata {
            write_string(key, &mut out);
            value.write(&mut out);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            write_string(&tensor.name, &mut out);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            out.extend(tensor.shape.iter().rev().flat_map(|&d| (d as u64).to_le_bytes()));
            out.extend(tensor.ty.id().to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = (offset + tensor.bytes).next_multiple_of(self.alignment.into());
        }
        out.resize(out.len().next_multiple_of(self.alignment as usize), 0);
        out
    }
}

/// The data of a GGUF file being written: the tensors in the order in which they were announced, each in one or more pieces.
#[derive(Debug)]
pub struct TensorStream {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    alignment: u64,
    tensors: Vec<Tensor>,
    /// Index of the tensor being written, and the bytes that it still needs.
    current: usize,
    left: u64,
}

impl TensorStream {
    /// Name, shape (outermost first) and type of the tensor that the next data belongs to; `None` when all are written.
    pub fn current(&self) -> Option<(&str, &[usize], GgmlType)> {
        self.tensors
            .get(self.current)
            .map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice(), tensor.ty))
    }

    /// Appends bytes to the current tensor. When it is complete, the next one becomes current.
    ///
    /// # Errors
    /// [`WriteError::TooMuchData`] if the bytes would cross the end of the tensor (nothing is written then), [`WriteError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let Some(tensor) = self.tensors.get(self.current) else {
            return if bytes.is_empty() { Ok(()) } else { Err(self.too_much(bytes.len())) };
        };
        let size = tensor.bytes;
        if bytes.len() as u64 > self.left {
            return Err(self.too_much(bytes.len()));
        }
        self.file.write_all(bytes).map_err(|source| self.io_error(source))?;
        self.left -= bytes.len() as u64;
        if self.left == 0 {
            // Padded after the last tensor too, as ggml does.
            let padding = size.next_multiple_of(self.alignment) - size;
            io::copy(&mut io::Read::take(io::repeat(0), padding), &mut self.file)
                .map_err(|source| self.io_error(source))?;
            self.current += 1;
            self.left = self.tensors.get(self.current).map_or(0, |tensor| tensor.bytes);
        }
        Ok(())
    }

    /// Quantizes weights (rows, or any whole number of blocks) to the type of the current tensor and appends them.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`WriteError::Quantize`].
    pub fn quantize(&mut self, weights: &[f32]) -> Result<(), WriteError> {
        let Some(tensor) = self.tensors.get(self.current) else {
            return if weights.is_empty() { Ok(()) } else { Err(self.too_much(4 * weights.len())) };
        };
        let mut bytes = Vec::new();
        let done = tensor.ty.quantize(weights, &mut bytes);
        done.map_err(|source| WriteError::Quantize { tensor: tensor.name.clone(), source })?;
        self.write(&bytes)
    }

    /// Puts the file on the disk and gives it its name, replacing a file that had it.
    ///
    /// # Errors
    /// [`WriteError::TooLittleData`] if a tensor is not complete, [`WriteError::Io`]. The temporary file is removed then.
    pub fn finish(self) -> Result<(), WriteError> {
        if let Some(tensor) = self.tensors.get(self.current) {
            return Err(WriteError::TooLittleData { tensor: tensor.name.clone(), missing: self.left });
        }
        let Self { path, file, .. } = self;
        let persist = || {
            let file = file.into_inner().map_err(|error| error.into_error())?;
            temporary::persist(file, &path)
        };
        persist().map_err(|source| WriteError::Io { path: path.clone(), source })
    }

    fn too_much(&self, given: usize) -> WriteError {
        let tensor = self.tensors.get(self.current).map(|tensor| tensor.name.clone());
        WriteError::TooMuchData { tensor, expected: self.left, given }
    }

    fn io_error(&self, source: io::Error) -> WriteError {
        WriteError::Io { path: self.path.clone(), source }
    }
}
