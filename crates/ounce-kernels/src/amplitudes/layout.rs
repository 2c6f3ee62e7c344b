//! How amplitudes lie in memory.

use std::marker::PhantomData;

use super::Real;
use crate::Kernels;

/// How the amplitudes of one state or of a batch lie in rows, for the kernels of one table.
#[derive(Clone, Copy, Debug)]
pub struct Layout<T> {
    kernels: Kernels,
    lanes: usize,
    samples: bool,
    real: PhantomData<T>,
}

impl<T: Real> Layout<T> {
    /// One state, whose lowest qubits lie in lanes.
    pub fn qubits(kernels: Kernels) -> Self {
        Self { kernels, lanes: T::kernels(kernels).lanes, samples: false, real: PhantomData }
    }

    /// As many states as there are lanes, one in each.
    pub fn samples(kernels: Kernels) -> Self {
        Self { samples: true, ..Self::qubits(kernels) }
    }

    /// The kernels that work on it.
    pub fn kernels(self) -> Kernels {
        self.kernels
    }

    /// Lanes of a row.
    pub fn lanes(self) -> usize {
        self.lanes
    }

    /// Qubits that lie in lanes; a state has at least these.
    pub fn lane_qubits(self) -> usize {
        if self.samples { 0 } else { self.lanes.trailing_zeros() as usize }
    }

    /// States side by side.
    pub fn width(self) -> usize {
        if self.samples { self.lanes } else { 1 }
    }

    /// Numbers of a row.
    pub fn row_len(self) -> usize {
        2 * self.lanes
    }

    /// Rows of a state of so many qubits. Fewer qubits than lie in lanes leave amplitudes unused, which stay 0.
    pub fn rows(self, qubits: usize) -> usize {
        1 << qubits.saturating_sub(self.lane_qubits())
    }

    /// Numbers of a state of so many qubits, or of a row of such states.
    pub fn len(self, qubits: usize) -> usize {
        self.rows(qubits) * self.row_len()
    }

    /// Where the real part of an amplitude lies, for a sample where lanes are samples; the imaginary part lies [`Layout::lanes`] further.
    pub fn at(self, index: usize, sample: usize) -> usize {
        let (row, lane) =
            if self.samples { (index, sample) } else { (index / self.lanes, index % self.lanes) };
        row * self.row_len() + lane
    }

    /// Writes the probability of each basis state, row by row: the sums of squares of real and imaginary parts.
    ///
    /// # Panics
    /// Unless `out` is half as long as `state`, which consists of rows.
    pub fn probabilities(self, state: &[T], out: &mut [T]) {
        assert!(state.len().is_multiple_of(self.row_len()) && out.len() == state.len() / 2);
        // SAFETY: `kernels` exists, so this CPU has the table's instructions; the lengths are checked.
        unsafe { (T::kernels(self.kernels).squares)(state, out) }
    }
}
