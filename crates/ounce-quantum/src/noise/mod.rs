//! The noise of a device, as Qiskit Aer derives it from a calibration (`NoiseModel.from_backend`), compiled once to a table by gate and qubits.
//!
//! The error of a gate is a depolarizing channel and, after it, thermal relaxation of each of its qubits for as long as the gate takes. The depolarizing
//! part makes up for what relaxation leaves of the measured gate error. Idle qubits are not touched, as in Aer.

mod channel;
mod model;
mod pauli;
mod program;
mod readout;
mod relaxation;
mod twirl;

pub use channel::{Branch, Fault, GateNoise};
pub use model::{NoiseModel, NoiseOptions, ReadoutKind};
pub use pauli::PauliChannel;
pub use program::{Program, Step};
pub use readout::{MAX_READ_FACTORS, ReadoutError, as_read};
pub use relaxation::Relaxation;
