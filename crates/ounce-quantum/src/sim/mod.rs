//! Simulators.

pub mod reference;
