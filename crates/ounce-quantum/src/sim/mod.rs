//! Simulators.

mod dense;
pub mod density;
pub mod reference;
pub mod trajectory;
