//! Tiny training: networks that run and learn on microcontrollers.
//!
//! * [`contribution`] is what training each part of a network adds to its accuracy, as measured.
//! * [`emit`] compiles graphs, for inference and for training, to C99.
//! * [`plan`] is what a network that learns on a device takes of the memory.
//! * [`learn`] trains on this machine as a device does, on [`pictures`].
//! * [`origin`] tells by checksums from which network and pictures a result came.
//! * [`runtime`] holds the C99 kernels that compiled networks call: int8 inference and training with batch 1. Its header states the
//!   numeric contract of every function.
//! * [`numerics`] is what a host needs to give the same bits as these kernels.
//! * [`rehearsal`] trains on a simulated device.
//! * [`scheme`] says which parameters are trained, and what that takes.
//! * [`search`] finds the scheme that is expected to be the most accurate within some memory.
//! * [`step`] makes of a network and a scheme one step of training, as a graph.
//! * [`simulate`] builds programs for Cortex-M4 and Cortex-M7 and runs them under QEMU, with exact counts of instructions, the peak of the stack and
//!   the sizes of code and data.
#![forbid(unsafe_code)]

pub mod contribution;
pub mod emit;
mod kernels;
pub mod learn;
pub mod numerics;
pub mod origin;
pub mod pictures;
pub mod plan;
pub mod rehearsal;
pub mod runtime;
pub mod scheme;
pub mod search;
pub mod simulate;
pub mod step;

pub use kernels::NoKernel;
