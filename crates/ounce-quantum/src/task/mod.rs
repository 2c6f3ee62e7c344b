//! The tasks of the papers: data prepared as there.

mod build;
pub mod pictures;
mod spec;
pub mod table;

pub use build::{BuildError, Problem};
pub use spec::{
    DataSpec, DeviceSpec, Execution, HamiltonianSpec, Head, InjectionSpec, ModelSpec, Normalized, Source,
    Task,
};
