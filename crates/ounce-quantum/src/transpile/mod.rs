//! From any circuit to one that a device can run.

mod build;
mod controls;
mod decompose;
mod euler;
mod multiplexed;
mod shannon;
mod state;
mod two_qubit;

pub use decompose::{decompose, simpler};
pub use state::prepare_state;

#[cfg(test)]
mod tests;
