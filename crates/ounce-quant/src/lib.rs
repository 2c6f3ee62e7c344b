//! The mathematics of quantization, on matrices; no model, no file.
//!
//! * [`scheme`]: how weights become small integers with scales, and back; [`matrix`]: a whole matrix of them.
//! * [`inputs`]: what calibration keeps of a layer's inputs; [`loss`]: the error of the outputs that follows from it.
//! * [`awq`]: scales of input channels and ranges of groups that lower that error.
//! * [`smoothquant`]: scales that let 8 bits serve weights and inputs alike.
//! * [`feedback`]: rounding in which the errors of columns cancel.
#![forbid(unsafe_code)]

pub mod awq;
pub mod feedback;
pub mod inputs;
pub mod loss;
pub mod matrix;
pub mod rounding;
pub mod scheme;
pub mod smoothquant;

pub use inputs::{InputObserver, Inputs, Keep};
pub use matrix::QuantizedMatrix;
pub use rounding::{Nearest, Rounding};
pub use scheme::{Affine, Granularity, Scheme, SchemeError};
