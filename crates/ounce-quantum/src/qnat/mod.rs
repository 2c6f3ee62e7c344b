//! QuantumNAT (Wang et al., "QuantumNAT: Quantum Noise-Aware Training with Noise Injection, Quantization and Normalization", DAC 2022).
//!
//! Normalization and quantization of what was measured are layers ([`crate::model::Normalization`], [`crate::model::Quantization`]); this module has the
//! injection of noise while training.

mod injection;

pub use injection::InjectingExecutor;
