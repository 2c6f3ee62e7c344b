//! Simulators: state vectors, one large or a batch of small ones, with exact gradients; density matrices; trajectories; stabilizers; matrix-product
//! states.

mod adjoint;
mod backend;
mod batch;
mod bind;
mod dense;
pub mod density;
mod initial;
pub mod mps;
mod node;
mod observe;
mod plan;
pub mod reference;
mod sample;
mod shots;
pub mod stabilizer;
mod state;
pub mod trajectory;

#[cfg(test)]
mod tests;

pub use backend::SimulatorBackend;
pub use initial::Initial;
pub use sample::counts;
pub use state::{MAX_QUBITS, Plan, StateVector, state_bytes};
