//! Running the steps of a program on the rows of a tile.

use super::Real;
use super::gates::{dense, diagonal, exchange, parity_phase, pauli, permute, wide};
use super::lanes::Lanes;
use super::overlap;
use super::registers::block;
use super::step::{Kind, Step, Steps};

/// A tile of one state, or of one vector's lanes of samples: `rows` rows of `LANES` real parts followed by `LANES` imaginary parts.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    start: *mut T,
}

impl<T: Real> Tile<T> {
    pub(crate) fn new(rows: &mut [T]) -> Self {
        Self { start: rows.as_mut_ptr() }
    }

    /// Where the real parts of a row begin.
    ///
    /// # Safety
    /// The row is one of the tile.
    #[inline(always)]
    pub(super) unsafe fn row<S: Lanes<T>>(self, row: usize) -> *mut T {
        // SAFETY: as the caller promises.
        unsafe { self.start.add(row * 2 * S::LANES) }
    }

    /// # Safety
    /// The row is one of the tile.
    #[inline(always)]
    pub(super) unsafe fn load<S: Lanes<T>>(self, s: S, row: usize) -> (S::V, S::V) {
        // SAFETY: as the caller promises.
        unsafe {
            let at = self.row::<S>(row);
            (s.load(at), s.load(at.add(S::LANES)))
        }
    }

    /// # Safety
    /// The row is one of the tile, and nobody else uses the tile.
    #[inline(always)]
    pub(super) unsafe fn store<S: Lanes<T>>(self, s: S, row: usize, (re, im): (S::V, S::V)) {
        // SAFETY: as the caller promises.
        unsafe {
            let at = self.row::<S>(row);
            s.store(at, re);
            s.store(at.add(S::LANES), im);
        }
    }
}

/// The numbers whose bits lie in a mask, in ascending order.
#[inline(always)]
pub(super) fn submasks(mask: usize) -> Submasks {
    Submasks { mask, next: 0, left: 1 << mask.count_ones() }
}

/// See [`submasks`].
pub(super) struct Submasks {
    mask: usize,
    next: usize,
    left: usize,
}

impl Iterator for Submasks {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        let own = self.next;
        self.left -= 1;
        self.next = own.wrapping_sub(self.mask) & self.mask;
        Some(own)
    }
}

/// Whether an odd number of bits is set.
#[inline(always)]
pub(super) fn odd(bits: usize) -> usize {
    bits.count_ones() as usize & 1
}

/// Runs all steps in turn on the tile whose rows begin at row `base` of the state: gates on `ket` and, if there is one, on `bra`; sums over
/// pairs of rows of the two (of `ket` with itself if there is no `bra`) are added to `sums`.
///
/// # Safety
/// The tiles have the rows that the steps were checked for, are used by nobody else and differ; `sums` has the length that the program gives.
#[inline(always)]
pub(crate) unsafe fn run<T: Real, S: Lanes<T>>(
    s: S,
    steps: Steps<'_, T>,
    ket: Tile<T>,
    bra: Option<Tile<T>>,
    base: usize,
    sums: &mut [T],
) {
    let steps = &steps;
    for step in steps.list {
        if base & step.outer_mask != step.outer_value {
            continue;
        }
        let parity = odd(base & step.outer_parity);
        // SAFETY: as the caller promises; `Program` checked the rows and the lengths of what steps point to.
        unsafe {
            match step.kind {
                Kind::PauliOverlap { .. } | Kind::MatrixOverlap { .. } => {
                    overlap::overlap(s, steps, step, ket, bra.unwrap_or(ket), parity, sums);
                }
                _ => {
                    gate(s, steps, step, ket, base, parity);
                    if let Some(bra) = bra {
                        gate(s, steps, step, bra, base, parity);
                    }
                }
            }
        }
    }
}

/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn gate<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
    base: usize,
    parity: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        match step.kind {
            Kind::Dense { rows: 2, patterns: 1, uniform: true, real: true } => {
                dense::<T, S, 2, 1, true, true>(s, steps, step, tile)
            }
            Kind::Dense { rows: 2, patterns: 1, uniform: true, real: false } => {
                dense::<T, S, 2, 1, true, false>(s, steps, step, tile)
            }
            Kind::Dense { rows: 2, patterns: 1, uniform: false, .. } => {
                dense::<T, S, 2, 1, false, false>(s, steps, step, tile)
            }
            Kind::Dense { rows: 1, patterns: 2, real: true, .. } => {
                dense::<T, S, 1, 2, false, true>(s, steps, step, tile)
            }
            Kind::Dense { rows: 1, patterns: 2, real: false, .. } => {
                dense::<T, S, 1, 2, false, false>(s, steps, step, tile)
            }
            Kind::Dense { rows: 4, patterns: 1, uniform: true, .. } => {
                dense::<T, S, 4, 1, true, false>(s, steps, step, tile)
            }
            Kind::Dense { rows: 4, patterns: 1, uniform: false, .. } => {
                dense::<T, S, 4, 1, false, false>(s, steps, step, tile)
            }
            Kind::Dense { rows: 2, patterns: 2, .. } => {
                dense::<T, S, 2, 2, false, false>(s, steps, step, tile)
            }
            Kind::Dense { rows: 1, patterns: 4, .. } => {
                dense::<T, S, 1, 4, false, false>(s, steps, step, tile)
            }
            Kind::Dense { rows, patterns, uniform, .. } => {
                wide(s, steps, step, tile, rows, patterns, uniform)
            }
            Kind::Diagonal { rows, outer } => diagonal(s, steps, step, tile, base, rows, outer),
            Kind::Parity { z } => parity_phase(s, steps, step, tile, z, parity),
            Kind::Pauli { x, z, imaginary, permuted } => match (imaginary, permuted) {
                (true, true) => pauli::<T, S, true, true>(s, steps, step, tile, x, z, parity),
                (true, false) => pauli::<T, S, true, false>(s, steps, step, tile, x, z, parity),
                (false, true) => pauli::<T, S, false, true>(s, steps, step, tile, x, z, parity),
                (false, false) => pauli::<T, S, false, false>(s, steps, step, tile, x, z, parity),
            },
            Kind::Exchange { x, masked: false } => exchange::<T, S, false>(s, steps, step, tile, x),
            Kind::Exchange { x, masked: true } => exchange::<T, S, true>(s, steps, step, tile, x),
            Kind::Permute => permute(s, steps, step, tile),
            Kind::Block { first, count } => {
                block(s, steps, step, tile, base, &steps.micros[first..first + count])
            }
            Kind::PauliOverlap { .. } | Kind::MatrixOverlap { .. } => {}
        }
    }
}
