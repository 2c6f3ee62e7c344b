//! What can be wrong with a data set.

use std::path::PathBuf;

use thiserror::Error;

/// A data set, or a file of one, that could not be read.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct DataError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Box<Fault>,
}

/// What is wrong with a file or folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// No folder with pictures in it.
    #[error(
        "no folder here holds PNG or JPEG pictures; a data set is a folder per class with its pictures in it"
    )]
    NoClasses,
    /// A class without pictures.
    #[error("this class holds no PNG or JPEG picture; fill the folder or remove it")]
    EmptyClass,
    /// A name that is no Unicode text.
    #[error("the name is no Unicode text; rename it")]
    Name,
    /// There is no picture of this number.
    #[error("there is no picture {index}, the set has {count}")]
    Index {
        /// The number asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The archive cannot be read.
    #[error("the zip archive cannot be read: {0}; it is truncated or damaged")]
    Zip(#[from] zip::result::ZipError),
    /// A file of the archive cannot be read.
    #[error("{entry}: {what}; the archive is damaged, or was made with options that are not supported")]
    Entry {
        /// Name in the archive.
        entry: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A picture cannot be decoded.
    #[error("{}{source}", entry.as_ref().map(|entry| format!("{entry}: ")).unwrap_or_default())]
    Picture {
        /// Name in the archive, if it is in one.
        entry: Option<String>,
        /// What is wrong.
        source: PictureError,
    },
    /// An IDX file is damaged.
    #[error("{0}")]
    Idx(#[from] crate::idx::IdxError),
    /// A table is damaged.
    #[error("{0}")]
    Table(#[from] crate::TableError),
}

/// A picture that could not be decoded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Neither PNG nor JPEG.
    #[error("this is neither a PNG nor a JPEG picture, whatever its name says")]
    Format,
    /// The picture is too large.
    #[error("the picture is too large; {} x {} pixels and {} MB are the most", crate::MAX_SIDE, crate::MAX_SIDE, crate::MAX_BYTES >> 20)]
    Limits,
    /// The file is too short for the picture that it announces.
    #[error(
        "{given} bytes cannot hold a picture of {width} x {height} pixels; the file is truncated or damaged"
    )]
    Claims {
        /// Pixels along a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Length of the file.
        given: usize,
    },
    /// The data is damaged.
    #[error("the picture cannot be decoded: {0}")]
    Damaged(#[source] image::ImageError),
}

impl Fault {
    /// Says which file has it.
    pub(crate) fn at(self, path: &std::path::Path) -> DataError {
        DataError { path: path.to_owned(), fault: Box::new(self) }
    }
}
