//! The tasks of the papers: data prepared as there.

mod build;
mod check;
pub mod data;
mod device;
mod hamiltonian;
pub mod pictures;
mod prepare;
mod spec;
pub mod table;

pub use build::{BuildError, Problem};
pub use device::PlaceError;
pub use prepare::Prepared;
pub use spec::{
    DataSpec, DeviceSpec, Execution, HamiltonianSpec, Head, InjectionSpec, ModelSpec, Normalized, Runner,
    Source, Task,
};
