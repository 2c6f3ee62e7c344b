//! Networks from files: ONNX, TensorFlow Lite and MCUNetV3 into graphs, and quantization after training.
//!
//! * [`onnx`]: models of ONNX.
//! * [`tflite`]: quantized networks of TensorFlow Lite.
//! * [`mcunet`]: the quantized networks of MCUNetV3.
//! * [`quantize`]: quantization after training of graphs in floats.
#![forbid(unsafe_code)]

mod limits;
pub mod mcunet;
pub mod onnx;
pub mod quantize;
mod site;
pub mod tflite;

pub use limits::{LimitError, Limits};
pub use site::ConvSite;
