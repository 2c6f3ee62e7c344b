//! Tiny training: networks that run and learn on microcontrollers.
//!
//! * [`emit`] compiles graphs, for inference and for training, to C99.
//! * [`learn`] trains on this machine as a device does, on [`pictures`].
//! * [`runtime`] holds the C99 kernels that compiled networks call: int8 inference and training with batch 1. Its header states the
//!   numeric contract of every function.
//! * [`numerics`] is what a host needs to give the same bits as these kernels.
//! * [`rehearsal`] trains on a simulated device.
//! * [`scheme`] says which parameters are trained, and what that takes.
//! * [`step`] makes of a network and a scheme one step of training, as a graph.
//! * [`simulate`] builds programs for Cortex-M4 and Cortex-M7 and runs them under QEMU, with exact counts of instructions, the peak of the stack and
//!   the sizes of code and data.
#![forbid(unsafe_code)]

pub mod emit;
pub mod learn;
pub mod numerics;
pub mod pictures;
pub mod rehearsal;
pub mod runtime;
pub mod scheme;
pub mod simulate;
pub mod step;
