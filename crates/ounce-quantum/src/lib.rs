//! Quantum machine learning: circuits, batched simulators, gradients, device noise, training on devices (QOC) and for their noise
//! (QuantumNAT).
//!
//! A [`Circuit`] is a list of [`Gate`]s on qubits, whose angles are linear in parameters and inputs. All that is known of a gate (matrix,
//! derivative, shift rule, inverse, names) is in [`gate`]; simulators, gradients, OpenQASM, drawings and transpilation read it there.
//!
//! # Conventions
//! Qubit `q` is bit `q` of a basis state's index, and the rightmost character of a string of counts is qubit 0, as in Qiskit. The matrix of a
//! gate on `qubits` has `qubits[0]` as the most significant bit of its index, as in textbooks and TorchQuantum; controls come
//! first. Rotations are `exp(-i angle/2 P)`.

#![forbid(unsafe_code)]

pub mod backend;
pub mod circuit;
pub mod counts;
pub mod device;
pub mod draw;
pub mod encoder;
pub mod gate;
pub mod gradient;
pub mod hamiltonian;
pub mod layers;
mod linalg;
mod matrix;
pub mod measurement;
pub mod model;
pub mod noise;
pub mod observable;
pub mod qasm;
pub mod qnat;
pub mod qoc;
pub mod sim;
pub mod task;
pub mod train;
pub mod transpile;

pub use backend::{Backend, BackendError, Differentiate, Gradients, Request};
pub use circuit::{Angle, Circuit, CircuitError, Instruction, Operation, Symbol};
pub use counts::{Counts, CountsError, Outcome};
pub use gate::{Gate, Spectrum, Standard};
pub use matrix::{C64, Matrix};
pub use observable::{Pauli, PauliString, PauliSum};
