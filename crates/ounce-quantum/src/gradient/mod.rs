//! Gradients of expectation values: by parameter shift on any backend, by finite differences as the check.

pub mod finite;
pub mod shift;
