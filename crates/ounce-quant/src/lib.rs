//! The mathematics of quantization, on matrices; no model, no file.
//!
//! * [`scheme`]: how a matrix becomes small integers with scales, group by group, and back.
//! * [`matrix`]: the integers.
#![forbid(unsafe_code)]

pub mod matrix;
pub mod scheme;

pub use matrix::QuantizedMatrix;
pub use scheme::{Granularity, Scheme, SchemeError};
