//! The steps of a program, as kernels read them.

use super::MAX_LANES;
use super::block::Micro;

/// One step. Masks are of row numbers of the tile, `outer_*` of row numbers of the state outside the tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(super) kind: Kind,
    /// Bits that take all values.
    pub(super) free: usize,
    /// Bits that are always set.
    pub(super) value: usize,
    /// The step is done only in tiles whose first row has `outer_value` in the bits of `outer_mask`.
    pub(super) outer_mask: usize,
    pub(super) outer_value: usize,
    /// Bits whose parity changes the sign.
    pub(super) outer_parity: usize,
    /// Where what belongs to the step begins in the lists of [`Steps`].
    pub(super) coefficients: usize,
    pub(super) offsets: usize,
    pub(super) permutations: usize,
    pub(super) skipped: usize,
}

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A matrix on `rows` rows and `patterns` permutations of lanes.
    Dense { rows: usize, patterns: usize, uniform: bool, real: bool },
    /// A factor for each of `rows` patterns of bits, and for each value of `outer` bits outside the tile.
    Diagonal { rows: usize, outer: usize },
    /// A factor for each parity of the bits in `z`.
    Parity { z: usize },
    /// A rotation about a product of Paulis: `x` exchanges rows, `z` are bits whose parity changes the sign.
    Pauli { x: usize, z: usize, imaginary: bool, permuted: bool },
    /// Row `r` and row `r ^ x` change places.
    Exchange { x: usize, masked: bool },
    /// Lanes change places.
    Permute,
    /// Steps on rows that are in registers: `count` of [`Steps::micros`].
    Block { first: usize, count: usize },
    /// Adds up the real or imaginary part of `conj(bra[r]) * sign * ket[r ^ x]`, in each lane.
    PauliOverlap { x: usize, z: usize, imaginary: bool, permuted: bool, sums: usize },
    /// Adds up `conj(bra[r]) * ket[c]` for all pairs of rows and permutations of the ket's lanes.
    MatrixOverlap { rows: usize, patterns: usize, sums: usize },
}

/// The steps of a program and what they point to.
#[derive(Clone, Copy)]
pub(crate) struct Steps<'a, T> {
    pub(super) list: &'a [Step],
    pub(super) coefficients: &'a [T],
    pub(super) offsets: &'a [usize],
    pub(super) permutations: &'a [[u32; MAX_LANES]],
    pub(super) skipped: &'a [bool],
    pub(super) micros: &'a [Micro],
}
