//! The mathematics of quantization, on matrices; no model, no file.
//!
//! * [`scheme`]: how weights become small integers with scales, and back; [`matrix`]: a whole matrix of them.
//! * [`inputs`]: what calibration keeps of a layer's inputs; [`loss`]: the error of the outputs that follows from it.
//! * [`awq`]: scales of input channels and ranges of groups that lower that error.
#![forbid(unsafe_code)]

pub mod awq;
pub mod inputs;
pub mod loss;
pub mod matrix;
pub mod rounding;
pub mod scheme;

pub use inputs::{InputObserver, Inputs, Keep};
pub use matrix::QuantizedMatrix;
pub use rounding::{Nearest, Rounding};
pub use scheme::{Affine, Granularity, Scheme, SchemeError};
