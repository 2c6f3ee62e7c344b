//! IDX files: arrays of numbers, as MNIST and Fashion-MNIST are published in.
//!
//! Layout (Yann LeCun's page of MNIST): two zero bytes, the type, the number of dimensions, each dimension as a big-endian u32, the elements
//! big-endian. Files that are compressed by gzip are read as they are.

use std::io::Read;
use std::path::Path;

use flate2::bufread::GzDecoder;
use ounce_formats::mmap;
use ounce_formats::scalar::{Array, ScalarType};
use thiserror::Error;

use crate::{DataError, Fault};

/// Deflate makes no more than this of a byte.
const MAX_RATIO: u64 = 1032;
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// What is wrong with an IDX file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdxError {
    /// There is nothing in the file.
    #[error("the file is empty; get it anew")]
    Empty,
    /// The first bytes are wrong.
    #[error(
        "this is no IDX file: it starts with {found:02x?}; two zeros and a type (8, 9, 11 to 14) should stand there"
    )]
    Magic {
        /// The first bytes, as many as there are.
        found: Vec<u8>,
    },
    /// The data has another length than the dimensions need.
    #[error("dimensions {shape:?} need {}, the file has {given}; it is truncated or damaged", needed.map_or("more bytes than can be counted".to_owned(), |n| format!("{n} bytes")))]
    Size {
        /// The dimensions.
        shape: Vec<usize>,
        /// Bytes that they need.
        needed: Option<usize>,
        /// Bytes after the header; of a compressed file the compressed ones, if they cannot be enough.
        given: usize,
    },
    /// The header is cut off.
    #[error("the header is cut off after {0} bytes")]
    Header(usize),
    /// Pictures and labels do not belong together.
    #[error("{pictures:?} are no pictures of one byte a pixel for {labels:?} labels of one byte")]
    Pair {
        /// Dimensions of the pictures.
        pictures: Vec<usize>,
        /// Dimensions of the labels.
        labels: Vec<usize>,
    },
}

/// Pictures of one byte a pixel, with a label each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Rows of a picture.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// The label of each picture.
    pub labels: Vec<u8>,
    pixels: Vec<u8>,
}

impl Labelled {
    /// Reads a file of pictures and one of labels.
    ///
    /// # Errors
    /// [`DataError`]: one of the files is damaged, or they do not belong together.
    pub fn open(pictures: &Path, labels: &Path) -> Result<Self, DataError> {
        let (a, b) = (open(pictures)?, open(labels)?);
        let fits = a.scalar == ScalarType::U8 && b.scalar == ScalarType::U8 && b.shape.len() == 1;
        match a.shape[..] {
            [count, height, width] if fits && count == b.shape[0] && height * width > 0 => {
                Ok(Self { height, width, labels: b.data.into_owned(), pixels: a.data.into_owned() })
            }
            _ => Err(Fault::Idx(IdxError::Pair { pictures: a.shape, labels: b.shape }).at(pictures)),
        }
    }

    /// The pixels of a picture, row by row; `None` if there is none of this number.
    pub fn picture(&self, index: usize) -> Option<&[u8]> {
        self.pixels.chunks_exact(self.height * self.width).nth(index)
    }
}

/// Reads a file, compressed or not.
///
/// # Errors
/// [`DataError`], which names the file.
pub fn open(path: &Path) -> Result<Array<'static>, DataError> {
    let mapped = mmap::open(path).map_err(|error| Fault::Io(error).at(path))?;
    read((*mapped).as_ref()).map_err(|fault| fault.at(path))
}

/// Reads a file in memory, compressed or not. Memory is taken for as many bytes as the header announces, after it was checked that the file can
/// hold them.
///
/// # Errors
/// [`Fault::Idx`], and [`Fault::Io`] for compressed data that is damaged.
pub fn read(bytes: &[u8]) -> Result<Array<'static>, Fault> {
    if bytes.starts_with(&GZIP) {
        let most = (bytes.len() as u64).saturating_mul(MAX_RATIO);
        return from_reader(GzDecoder::new(bytes), most, bytes.len());
    }
    from_reader(bytes, bytes.len() as u64, bytes.len())
}

/// Reads from a stream of at most `most` bytes; `given` is the length of the file.
fn from_reader(mut reader: impl Read, most: u64, given: usize) -> Result<Array<'static>, Fault> {
    let mut header = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut header)?;
    if header.is_empty() {
        return Err(IdxError::Empty.into());
    }
    let (scalar, dimensions) = match header[..] {
        [0, 0, ty, dimensions] => (scalar(ty), dimensions),
        _ => (None, 0),
    };
    let Some(scalar) = scalar else { return Err(IdxError::Magic { found: header }.into()) };
    let mut lengths = Vec::new();
    let wanted = 4 * u64::from(dimensions);
    reader.by_ref().take(wanted).read_to_end(&mut lengths)?;
    if lengths.len() as u64 != wanted {
        return Err(IdxError::Header(4 + lengths.len()).into());
    }
    let shape: Vec<usize> = lengths.as_chunks().0.iter().map(|&b| u32::from_be_bytes(b) as usize).collect();
    let needed = scalar.bytes_of_shape(&shape);
    let Some(len) = needed.filter(|&len| len as u64 <= most) else {
        return Err(IdxError::Size { shape, needed, given }.into());
    };
    let mut data = Vec::with_capacity(len);
    reader.by_ref().take(len as u64).read_to_end(&mut data)?;
    let more = std::io::copy(&mut reader, &mut std::io::sink())?;
    if data.len() != len || more > 0 {
        let given = data.len().saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
        return Err(IdxError::Size { shape, needed, given }.into());
    }
    if scalar.bytes() > 1 {
        data.chunks_exact_mut(scalar.bytes()).for_each(<[u8]>::reverse);
    }
    Ok(Array { scalar, shape, data: data.into() })
}

fn scalar(ty: u8) -> Option<ScalarType> {
    Some(match ty {
        0x08 => ScalarType::U8,
        0x09 => ScalarType::I8,
        0x0B => ScalarType::I16,
        0x0C => ScalarType::I32,
        0x0D => ScalarType::F32,
        0x0E => ScalarType::F64,
        _ => return None,
    })
}
