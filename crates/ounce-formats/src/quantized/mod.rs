//! Linear maps of quantized Hugging Face checkpoints: AutoAWQ, GPTQ and compressed-tensors.
//!
//! Every layout means the same: `w[row, col] = scale[row, group] * (q[row, col] - zero[row, group])` with unsigned quants and zeros below
//! `2^bits`; symmetric schemes have the zero `2^(bits - 1)` everywhere. [`QuantizationConfig`] tells which modules of a checkpoint are
//! quantized and how ([`LinearScheme`]), [`QuantizedLinear`] reads one of them, [`pack`] makes the tensors of one from plain arrays
//! ([`GroupQuantized`]). Reader and writer share one description per format (shapes, strides and bit order, in `layout.rs`).
//!
//! References: `awq/modules/linear/{gemm,gemv}.py` of AutoAWQ 0.2.9, `auto_gptq/nn_modules/qlinear` of AutoGPTQ,
//! `compressors/pack_quantized` of compressed-tensors.

mod config;
mod error;
mod grid;
mod layout;
mod linear;
mod pack;
mod scheme;

pub use config::write::{awq_config, compressed_tensors_config};
pub use config::{InputRotation, QuantizationConfig};
pub use error::QuantizedError;
pub use linear::QuantizedLinear;
pub use pack::{GroupQuantized, pack, pack_as};
pub use scheme::{Activations, LinearFormat, LinearScheme};

pub use crate::safetensors::OwnedTensor;
