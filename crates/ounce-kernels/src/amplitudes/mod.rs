//! Kernels on amplitudes: states of qubits in single and double precision, one state or a batch of them.
//!
//! # Layout
//! Amplitudes lie in rows of one vector register: as many real parts as it has lanes, then as many imaginary parts. What the lanes are is said by a
//! [`Layout`]: the lowest qubits of one state, or the samples of a batch whose states lie side by side. All else is the same for both: a gate is a
//! step on rows, and what differs between lanes (a matrix on qubits in lanes, a control there, an angle of its own for each sample) is in vectors of
//! coefficients.
//!
//! A [`Program`] is a list of such steps for a tile, the amplitudes that differ in some of the qubits. It is run on a whole batch of states at once
//! ([`Program::run`]), or on one tile of a large state after another ([`sweep`]), so that memory is read once for all its steps.

mod block;
mod gates;
pub(crate) mod lanes;
mod layout;
mod overlap;
mod paulis;
mod program;
mod registers;
mod run;
mod step;
mod sums;
mod sweep;

pub use layout::Layout;
pub use paulis::PauliTerms;
pub use program::{PauliMask, Program};
pub use sums::Overlap;
pub use sweep::sweep;

pub(crate) use paulis::{TermSteps, expectations, multiply, squares};
pub(crate) use run::{Tile, run};
pub(crate) use step::Steps;

use crate::Kernels;
use crate::isa::Amplitudes;

/// The most lanes of any table.
pub(crate) const MAX_LANES: usize = 16;

/// A complex number: real and imaginary part.
pub type Complex = [f64; 2];

/// The type of real and imaginary parts: `f32` or `f64`.
#[allow(private_bounds)]
pub trait Real: Kernel + bytemuck::Pod + Default + PartialEq + std::fmt::Debug + Send + Sync {
    /// Bytes of one number.
    const BYTES: usize;

    /// The nearest number of the type.
    fn from_f64(x: f64) -> Self;

    /// The number in double precision.
    fn to_f64(self) -> f64;
}

/// What a table has for a type.
pub(crate) trait Kernel: Sized + Copy + 'static {
    fn kernels(kernels: Kernels) -> &'static Amplitudes<Self>;
}

impl Real for f32 {
    const BYTES: usize = 4;

    fn from_f64(x: f64) -> Self {
        x as Self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const BYTES: usize = 8;

    fn from_f64(x: f64) -> Self {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
}
