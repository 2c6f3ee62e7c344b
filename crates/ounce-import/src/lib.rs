//! Networks from files: ONNX, TensorFlow Lite and MCUNetV3 into graphs, and quantization after training.
//!
//! * [`onnx`]: models of ONNX, in floats.
#![forbid(unsafe_code)]

mod limits;
pub mod onnx;

pub use limits::{LimitError, Limits};
