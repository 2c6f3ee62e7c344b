//! Data sets in: pictures in folders and zip archives, IDX files, tables of numbers.
//!
//! * [`PictureSet`]: a folder per class, on the disk or in a zip archive, read picture by picture.
//! * [`Picture`]: a decoded picture; PNG and JPEG, with limits on what a file may ask for.
//! * [`idx`]: the format of MNIST and Fashion-MNIST, compressed or not.
//! * [`Table`]: rows of numbers with labels, from text.
//! * [`resize`]: bilinear interpolation as PyTorch computes it.
//!
//! Everything comes in an order that depends on names alone, not on the file system. Errors name the file, and what in it is wrong.
#![forbid(unsafe_code)]

mod archive;
mod error;
mod folder;
pub mod idx;
mod picture;
pub mod resize;
mod set;
mod table;

pub use error::{DataError, Fault, PictureError};
pub use picture::{MAX_BYTES, MAX_SIDE, Picture};
pub use set::{Item, PictureSet};
pub use table::{Table, TableError, TableOptions};
