//! The files that MCUNetV3 (tiny-training) and TinyEngine publish their quantized networks in.
//!
//! * [`Network`]: a network as a pickle: weights of 8 bits, biases of 32 bits, scales and zero points.
//! * [`TrainingGraph`]: TinyEngine's training graph as JSON, which names its parameters; these are a pickle of arrays ([`Parameters`]) and a
//!   JSON file of scales ([`scales`]).
//!
//! Source: `algorithm/core/model/` of tiny-training and `code_generator/` of TinyEngine.

mod error;
mod graph;
mod network;
mod parameters;

pub use error::NetworkError;
pub use graph::{Attributes, Axis, Meta, Operator, SliceMode, TrainingGraph, Variable, VariableKind};
pub use network::{Block, Conv, Network, Quantization, Residual};
pub use parameters::{Parameters, scales};
