//! Simulators of state vectors: one large state, or a batch of small ones, with exact gradients.

mod adjoint;
mod backend;
mod batch;
mod bind;
mod initial;
mod node;
mod observe;
mod plan;
pub mod reference;
mod sample;
mod shots;
mod state;

#[cfg(test)]
mod tests;

pub use backend::SimulatorBackend;
pub use initial::Initial;
pub use sample::{Counts, counts, outcome_text};
pub use state::{MAX_QUBITS, Plan, StateVector, state_bytes};
