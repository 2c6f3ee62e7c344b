//! Checkpoints as `torch.save` writes them: a zip archive of a pickle and the storages of tensors; and plain pickles, which have none.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

use thiserror::Error;

use super::error::{ArrayError, PickleError};
use super::value::{Items, Value};
use super::{Pickle, numpy};
use crate::mmap::{self, SharedOwner};
use crate::scalar::{Array, ScalarType};

/// An open checkpoint. The storages of tensors stay in the memory map.
pub struct Checkpoint {
    bytes: SharedOwner,
    pickle: Range<usize>,
    /// Where the storage of each key lies.
    storages: HashMap<String, Range<usize>>,
}

/// A checkpoint that could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file could not be opened or mapped.
    #[error("{0}")]
    Io(#[source] std::io::Error),
    /// The archive is damaged.
    #[error("the zip archive cannot be read: {0}; the file is truncated or damaged")]
    Zip(#[source] zip::result::ZipError),
    /// A file of the archive is compressed or encrypted.
    #[error(
        "\"{entry}\" is compressed or encrypted in the archive, which torch does not do; save the checkpoint again"
    )]
    Compressed {
        /// Name of the file in the archive.
        entry: String,
    },
    /// A file of the archive is said to lie outside of it.
    #[error(
        "\"{entry}\" should take {len} bytes from byte {start} of the archive on, which has {available}; the file is truncated or damaged"
    )]
    OutOfRange {
        /// Name of the file in the archive.
        entry: String,
        /// Where it starts.
        start: u64,
        /// Its length.
        len: u64,
        /// Length of the archive.
        available: usize,
    },
    /// The archive holds no pickle.
    #[error("the archive holds no data.pkl, so it is no torch checkpoint")]
    NoPickle,
    /// The tensors are big-endian.
    #[error("the checkpoint was written on a big-endian machine; save it again on a little-endian one")]
    BigEndian,
    /// The pickle cannot be read.
    #[error("{0}")]
    Pickle(#[from] PickleError),
    /// More follows the pickle.
    #[error(
        "{trailing} bytes follow the pickle; files of torch before version 1.6 are like that: load this one with torch and save it again"
    )]
    Trailing {
        /// Bytes after the pickle.
        trailing: usize,
    },
}

impl Checkpoint {
    /// Maps a file and finds its parts.
    ///
    /// # Errors
    /// [`CheckpointError`]; the path is the caller's to add.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(mmap::open(path).map_err(CheckpointError::Io)?)
    }

    /// Finds the parts of a file held in memory or mapped by the caller. What the zip archive says of checksums is not checked: that would read
    /// all of it.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything malformed.
    pub fn from_bytes(bytes: SharedOwner) -> Result<Self, CheckpointError> {
        let (pickle, storages) = {
            let all: &[u8] = (*bytes).as_ref();
            if all.starts_with(b"PK\x03\x04") { parts(all)? } else { (0..all.len(), HashMap::new()) }
        };
        Ok(Self { bytes, pickle, storages })
    }

    /// Reads the pickle, which holds everything but the elements of tensors.
    ///
    /// # Errors
    /// [`CheckpointError::Pickle`], [`CheckpointError::Trailing`].
    pub fn pickle(&self) -> Result<Pickle<'_>, CheckpointError> {
        let bytes = self.slice(&self.pickle);
        let pickle = Pickle::parse(bytes)?;
        match bytes.len() - pickle.end() {
            0 => Ok(pickle),
            trailing => Err(CheckpointError::Trailing { trailing }),
        }
    }

    /// The torch tensor, torch parameter or numpy array that a value of the pickle stands for. It borrows its data if that lies in order.
    ///
    /// # Errors
    /// [`ArrayError`] if the value is none of these or does not fit its data. A tensor may not have more elements than its storage: one
    /// that repeats elements (`expand`) is refused.
    pub fn array<'p>(&'p self, value: Value<'p>) -> Result<Array<'p>, ArrayError> {
        let Value::Object(object) = value else { return numpy::numpy_array(value) };
        if object.is("torch._utils", "_rebuild_parameter") {
            let inner = object.args().and_then(|args| args.get(0)).unwrap_or(Value::None);
            return match inner {
                Value::Object(inner_object) if is_tensor(inner_object) => self.tensor(inner),
                _ => Err(numpy::wrong("a torch tensor", inner)),
            };
        }
        if is_tensor(object) { self.tensor(value) } else { numpy::numpy_array(value) }
    }

    fn tensor<'p>(&'p self, value: Value<'p>) -> Result<Array<'p>, ArrayError> {
        let args = match value {
            Value::Object(object) => object.args(),
            _ => None,
        };
        let members =
            args.and_then(|args| Some((args.get(0)?, args.get(1)?, args.get(2)?, args.get(3)?, args)));
        let Some((storage, offset, shape, strides, args)) = members else {
            return Err(numpy::wrong("a torch tensor", value));
        };
        let shape = numpy::shape(shape)?;
        let strides = numpy::shape(strides)?;
        let offset = offset.as_usize().ok_or_else(|| numpy::wrong("an offset into a storage", offset))?;
        let (scalar, bytes) = self.storage(storage, args)?;
        let elements = bytes.len() / scalar.bytes();
        if !fits(&shape, &strides, offset, elements) {
            return Err(ArrayError::Strides { shape, strides, offset, elements });
        }
        let bytes = &bytes[offset.min(elements) * scalar.bytes()..];
        let count: usize = shape.iter().product();
        let data = if in_order(&shape, &strides) {
            Cow::Borrowed(&bytes[..count * scalar.bytes()])
        } else {
            Cow::Owned(numpy::gather(bytes, scalar.bytes(), &shape, &strides))
        };
        Ok(Array { scalar, shape, data })
    }

    /// Type and bytes of a storage: `('storage', class, key, device, number of elements)`.
    fn storage<'p>(
        &'p self,
        value: Value<'p>,
        tensor: Items<'p>,
    ) -> Result<(ScalarType, &'p [u8]), ArrayError> {
        const EXPECTED: &str = "a torch storage";
        let Value::Persistent(reference) = value else { return Err(numpy::wrong(EXPECTED, value)) };
        let name = reference.name();
        let members = name.as_items().filter(|items| items.get(0).and_then(Value::as_str) == Some("storage"));
        let members = members
            .and_then(|items| Some((items.get(1)?, items.get(2)?.as_str()?, items.get(4)?.as_usize()?)));
        let Some((class, key, count)) = members else { return Err(numpy::wrong(EXPECTED, name)) };
        let Value::Global(_, class) = class else {
            return Err(numpy::wrong("a class of torch storages", class));
        };
        // An untyped storage counts bytes; its tensor says the type.
        let (scalar, unit) = if class == "UntypedStorage" {
            let ty = tensor.get(6).unwrap_or(Value::None);
            let Value::Global("torch", ty) = ty else { return Err(numpy::wrong("a torch.dtype", ty)) };
            (dtype(ty)?, 1)
        } else {
            let scalar = storage_type(class)?;
            (scalar, scalar.bytes())
        };
        let range = self.storages.get(key).ok_or_else(|| ArrayError::Storage { key: key.to_owned() })?;
        let needed = (count as u64).saturating_mul(unit as u64);
        if needed != range.len() as u64 {
            return Err(ArrayError::StorageSize { key: key.to_owned(), needed, given: range.len() });
        }
        Ok((scalar, self.slice(range)))
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        // The ranges were checked when they were made.
        (*self.bytes).as_ref().get(range.clone()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkpoint({} storages)", self.storages.len())
    }
}

fn is_tensor(object: super::Object<'_>) -> bool {
    ["_rebuild_tensor_v2", "_rebuild_tensor_v3"].iter().any(|name| object.is("torch._utils", name))
}

/// Finds `NAME/data.pkl` and the files `NAME/data/KEY` of an archive.
#[expect(clippy::type_complexity, reason = "two of the fields of a checkpoint")]
fn parts(bytes: &[u8]) -> Result<(Range<usize>, HashMap<String, Range<usize>>), CheckpointError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(CheckpointError::Zip)?;
    let mut pickle: Option<(String, Range<usize>)> = None;
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(CheckpointError::Zip)?;
        let entry = file.name().map_err(CheckpointError::Zip)?.into_owned();
        if file.is_dir() {
            continue;
        }
        let (start, len) = (file.data_start().unwrap_or(u64::MAX), file.compressed_size());
        if file.encrypted() || file.compression() != zip::CompressionMethod::Stored || file.size() != len {
            return Err(CheckpointError::Compressed { entry });
        }
        let range = usize::try_from(start).ok().zip(usize::try_from(len).ok());
        let range = range.and_then(|(start, len)| Some(start..start.checked_add(len)?));
        let Some(range) = range.filter(|range| range.end <= bytes.len()) else {
            return Err(CheckpointError::OutOfRange { entry, start, len, available: bytes.len() });
        };
        match entry.strip_suffix("data.pkl") {
            Some(folder) if folder.is_empty() || folder.ends_with('/') => {
                pickle = Some((folder.to_owned(), range))
            }
            _ => files.push((entry, range)),
        }
    }
    let (folder, pickle) = pickle.ok_or(CheckpointError::NoPickle)?;
    let mut storages = HashMap::new();
    for (entry, range) in files {
        let Some(inner) = entry.strip_prefix(folder.as_str()) else { continue };
        if let Some(key) = inner.strip_prefix("data/") {
            storages.insert(key.to_owned(), range);
        } else if inner == "byteorder" && bytes.get(range) == Some(b"big") {
            return Err(CheckpointError::BigEndian);
        }
    }
    Ok((pickle, storages))
}

fn storage_type(class: &str) -> Result<ScalarType, ArrayError> {
    Ok(match class {
        "BoolStorage" => ScalarType::Bool,
        "CharStorage" => ScalarType::I8,
        "ShortStorage" => ScalarType::I16,
        "IntStorage" => ScalarType::I32,
        "LongStorage" => ScalarType::I64,
        "ByteStorage" => ScalarType::U8,
        "HalfStorage" => ScalarType::F16,
        "BFloat16Storage" => ScalarType::BF16,
        "FloatStorage" => ScalarType::F32,
        "DoubleStorage" => ScalarType::F64,
        _ => return Err(ArrayError::Type { found: class.chars().take(40).collect() }),
    })
}

fn dtype(name: &str) -> Result<ScalarType, ArrayError> {
    ScalarType::from_name(name).ok_or_else(|| ArrayError::Type { found: name.chars().take(40).collect() })
}

/// Whether all elements lie in the storage and are not more than it has.
fn fits(shape: &[usize], strides: &[usize], offset: usize, elements: usize) -> bool {
    if shape.len() != strides.len() {
        return false;
    }
    let Some(count) = shape.iter().try_fold(1usize, |count, &n| count.checked_mul(n)) else { return false };
    if count == 0 {
        return true;
    }
    let last =
        shape.iter().zip(strides).try_fold(offset, |at, (&n, &s)| at.checked_add((n - 1).checked_mul(s)?));
    count <= elements && last.is_some_and(|last| last < elements)
}

/// Whether the elements of a tensor follow each other in row-major order.
fn in_order(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.contains(&0)
        || shape.iter().zip(strides).rev().all(|(&n, &stride)| {
            let fits = n == 1 || stride == expected;
            expected *= n;
            fits
        })
}
