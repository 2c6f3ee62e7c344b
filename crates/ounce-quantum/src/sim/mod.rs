//! Simulators.

mod dense;
pub mod density;
pub mod reference;
pub mod stabilizer;
pub mod trajectory;
