//! Simulators.

mod dense;
pub mod density;
pub mod reference;
