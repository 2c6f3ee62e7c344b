//! Simulators.

mod dense;
pub mod density;
pub mod mps;
pub mod reference;
pub mod stabilizer;
pub mod trajectory;
