//! What blocks do: their steps on rows in registers.

use super::Real;
use super::block::{Micro, MicroKind, ROWS, Signs};
use super::gates::{accumulate, coefficient, partner, turn};
use super::lanes::Lanes;
use super::run::{Tile, odd, submasks};
use super::step::{Step, Steps};

/// The rows of a block.
type Rows<V> = [(V, V); ROWS];

/// Does the steps of a block on each of its groups of rows.
///
/// # Safety
/// As [`super::run`].
#[inline(always)]
pub(super) unsafe fn block<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
    base: usize,
    micros: &[Micro],
) {
    let mut offsets = [0; ROWS];
    offsets.copy_from_slice(&steps.offsets[step.offsets..][..ROWS]);
    for row in submasks(step.free) {
        // SAFETY: as the caller promises.
        unsafe {
            let zero = s.splat(T::default());
            let mut x = [(zero, zero); ROWS];
            for l in 0..ROWS {
                x[l] = tile.load(s, row | offsets[l]);
            }
            for micro in micros {
                if row & micro.mask == micro.value && base & micro.outer_mask == micro.outer_value {
                    apply(s, steps, micro, row, base, &mut x);
                }
            }
            for l in 0..ROWS {
                tile.store(s, row | offsets[l], x[l]);
            }
        }
    }
}

/// # Safety
/// As [`super::run`].
#[inline(always)]
unsafe fn apply<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    micro: &Micro,
    row: usize,
    base: usize,
    x: &mut Rows<S::V>,
) {
    let odd_outside = |signs: Signs| odd(row & signs.row) ^ odd(base & signs.outer);
    // SAFETY: as the caller promises; coefficients and permutations are those of the step that this one was made of.
    unsafe {
        let from = steps.coefficients.as_ptr().add(micro.coefficients);
        let by = &steps.permutations[micro.permutation];
        match micro.kind {
            MicroKind::Matrix { x: 1, uniform: true, real: false } => {
                matrix::<T, S, 1, true, false>(s, from, micro, x)
            }
            MicroKind::Matrix { x: 2, uniform: true, real: false } => {
                matrix::<T, S, 2, true, false>(s, from, micro, x)
            }
            MicroKind::Matrix { x: 4, uniform: true, real: false } => {
                matrix::<T, S, 4, true, false>(s, from, micro, x)
            }
            MicroKind::Matrix { x: 1, uniform: true, real: true } => {
                matrix::<T, S, 1, true, true>(s, from, micro, x)
            }
            MicroKind::Matrix { x: 2, uniform: true, real: true } => {
                matrix::<T, S, 2, true, true>(s, from, micro, x)
            }
            MicroKind::Matrix { x: 4, uniform: true, real: true } => {
                matrix::<T, S, 4, true, true>(s, from, micro, x)
            }
            MicroKind::Matrix { x: 1, .. } => matrix::<T, S, 1, false, false>(s, from, micro, x),
            MicroKind::Matrix { x: 2, .. } => matrix::<T, S, 2, false, false>(s, from, micro, x),
            MicroKind::Matrix { .. } => matrix::<T, S, 4, false, false>(s, from, micro, x),
            MicroKind::Scaled { x: 1, first: true } => scaled::<T, S, 1, true>(s, from, x),
            MicroKind::Scaled { x: 2, first: true } => scaled::<T, S, 2, true>(s, from, x),
            MicroKind::Scaled { first: true, .. } => scaled::<T, S, 4, true>(s, from, x),
            MicroKind::Scaled { x: 1, first: false } => scaled::<T, S, 1, false>(s, from, x),
            MicroKind::Scaled { x: 2, first: false } => scaled::<T, S, 2, false>(s, from, x),
            MicroKind::Scaled { first: false, .. } => scaled::<T, S, 4, false>(s, from, x),
            MicroKind::Lanes { real: true } => lanes::<T, S, true>(s, from, s.permutation(by), micro, x),
            MicroKind::Lanes { real: false } => lanes::<T, S, false>(s, from, s.permutation(by), micro, x),
            MicroKind::Factor => {
                let factor = coefficient::<T, S, false>(s, from, 0);
                for l in 0..ROWS {
                    if l & micro.local_mask == micro.local_value {
                        x[l] = accumulate::<T, S, false>(s, factor, x[l], None);
                    }
                }
            }
            MicroKind::Exchange { x: 1, masked } => exchange::<T, S, 1>(s, from, masked, micro, x),
            MicroKind::Exchange { x: 2, masked } => exchange::<T, S, 2>(s, from, masked, micro, x),
            MicroKind::Exchange { x: 3, masked } => exchange::<T, S, 3>(s, from, masked, micro, x),
            MicroKind::Exchange { x: 4, masked } => exchange::<T, S, 4>(s, from, masked, micro, x),
            MicroKind::Exchange { x: 5, masked } => exchange::<T, S, 5>(s, from, masked, micro, x),
            MicroKind::Exchange { masked, .. } => exchange::<T, S, 6>(s, from, masked, micro, x),
            MicroKind::Parity(signs) => {
                let outside = odd_outside(signs);
                for l in 0..ROWS {
                    if l & micro.local_mask == micro.local_value {
                        let factor = coefficient::<T, S, false>(s, from, outside ^ odd(l & signs.local));
                        x[l] = accumulate::<T, S, false>(s, factor, x[l], None);
                    }
                }
            }
            MicroKind::Pauli { x: bit, signs, imaginary } => {
                let (by, first) = (s.permutation(by), odd_outside(signs));
                match (bit, imaginary) {
                    (0, true) => pauli::<T, S, 0, true>(s, from, by, micro, (signs.local, first), x),
                    (0, false) => pauli::<T, S, 0, false>(s, from, by, micro, (signs.local, first), x),
                    (1, true) => pauli::<T, S, 1, true>(s, from, by, micro, (signs.local, first), x),
                    (1, false) => pauli::<T, S, 1, false>(s, from, by, micro, (signs.local, first), x),
                    (2, true) => pauli::<T, S, 2, true>(s, from, by, micro, (signs.local, first), x),
                    (2, false) => pauli::<T, S, 2, false>(s, from, by, micro, (signs.local, first), x),
                    (_, true) => pauli::<T, S, 4, true>(s, from, by, micro, (signs.local, first), x),
                    (_, false) => pauli::<T, S, 4, false>(s, from, by, micro, (signs.local, first), x),
                }
            }
            MicroKind::Permute => {
                let by = s.permutation(by);
                for l in 0..ROWS {
                    if l & micro.local_mask == micro.local_value {
                        x[l] = (s.permute(x[l].0, by), s.permute(x[l].1, by));
                    }
                }
            }
        }
    }
}

/// # Safety
/// `N` coefficients are readable from `from`, see [`coefficient`].
#[inline(always)]
unsafe fn coefficients<T: Real, S: Lanes<T>, const N: usize, const UNIFORM: bool>(
    s: S,
    from: *const T,
) -> [(S::V, S::V); N] {
    let zero = s.splat(T::default());
    let mut all = [(zero, zero); N];
    for (index, one) in all.iter_mut().enumerate() {
        // SAFETY: as the caller promises.
        *one = unsafe { coefficient::<T, S, UNIFORM>(s, from, index) };
    }
    all
}

/// # Safety
/// As [`super::run`].
#[inline(always)]
unsafe fn matrix<T: Real, S: Lanes<T>, const X: usize, const UNIFORM: bool, const REAL: bool>(
    s: S,
    from: *const T,
    micro: &Micro,
    x: &mut Rows<S::V>,
) {
    // SAFETY: as the caller promises.
    let m = unsafe { coefficients::<T, S, 4, UNIFORM>(s, from) };
    for l in 0..ROWS {
        if l & X == 0 && l & micro.local_mask == micro.local_value {
            let (a, b) = (x[l], x[l | X]);
            let first = accumulate::<T, S, REAL>(s, m[0], a, None);
            let second = accumulate::<T, S, REAL>(s, m[2], a, None);
            x[l] = accumulate::<T, S, REAL>(s, m[1], b, Some(first));
            x[l | X] = accumulate::<T, S, REAL>(s, m[3], b, Some(second));
        }
    }
}

/// # Safety
/// As [`super::run`].
#[inline(always)]
unsafe fn scaled<T: Real, S: Lanes<T>, const X: usize, const FIRST: bool>(
    s: S,
    from: *const T,
    x: &mut Rows<S::V>,
) {
    // SAFETY: as the caller promises.
    let m = unsafe { coefficients::<T, S, 3, true>(s, from) };
    for l in 0..ROWS {
        if l & X == 0 {
            let (a, b) = (x[l], x[l | X]);
            if FIRST {
                let second = accumulate::<T, S, false>(s, m[1], a, None);
                x[l] = accumulate::<T, S, false>(s, m[0], b, Some(a));
                x[l | X] = accumulate::<T, S, false>(s, m[2], b, Some(second));
            } else {
                let first = accumulate::<T, S, false>(s, m[0], a, None);
                x[l] = accumulate::<T, S, false>(s, m[1], b, Some(first));
                x[l | X] = accumulate::<T, S, false>(s, m[2], b, Some(a));
            }
        }
    }
}

/// # Safety
/// As [`super::run`].
#[inline(always)]
unsafe fn lanes<T: Real, S: Lanes<T>, const REAL: bool>(
    s: S,
    from: *const T,
    by: S::P,
    micro: &Micro,
    x: &mut Rows<S::V>,
) {
    // SAFETY: as the caller promises.
    let m = unsafe { coefficients::<T, S, 2, false>(s, from) };
    for l in 0..ROWS {
        if l & micro.local_mask == micro.local_value {
            let image = (s.permute(x[l].0, by), s.permute(x[l].1, by));
            let sum = accumulate::<T, S, REAL>(s, m[0], x[l], None);
            x[l] = accumulate::<T, S, REAL>(s, m[1], image, Some(sum));
        }
    }
}

/// # Safety
/// As [`super::run`].
#[inline(always)]
unsafe fn exchange<T: Real, S: Lanes<T>, const X: usize>(
    s: S,
    from: *const T,
    masked: bool,
    micro: &Micro,
    x: &mut Rows<S::V>,
) {
    for l in 0..ROWS {
        if l & micro.local_mask != micro.local_value {
            continue;
        }
        if masked {
            // SAFETY: as the caller promises.
            let mask = unsafe { s.load(from) };
            let (a, b) = (x[l], x[l ^ X]);
            x[l] = (s.select(mask, b.0, a.0), s.select(mask, b.1, a.1));
            x[l ^ X] = (s.select(mask, a.0, b.0), s.select(mask, a.1, b.1));
        } else {
            x.swap(l, l ^ X);
        }
    }
}

/// `z` are the bits within the block whose parity changes the sign, `first` the parity of row 0 of the block.
///
/// # Safety
/// As [`super::run`].
#[inline(always)]
unsafe fn pauli<T: Real, S: Lanes<T>, const X: usize, const IMAGINARY: bool>(
    s: S,
    from: *const T,
    by: S::P,
    micro: &Micro,
    (z, first): (usize, usize),
    x: &mut Rows<S::V>,
) {
    // SAFETY: as the caller promises.
    let (cos, sin) = unsafe { (s.load(from), [s.load(from.add(S::LANES)), s.load(from.add(2 * S::LANES))]) };
    for l in 0..ROWS {
        if l & X != 0 || l & micro.local_mask != micro.local_value {
            continue;
        }
        let parity = first ^ odd(l & z);
        if X == 0 {
            let image = partner::<T, S, true>(s, x[l], by);
            x[l] = turn::<T, S, IMAGINARY>(s, x[l], image, cos, sin[parity]);
        } else {
            let (a, b) = (x[l], x[l | X]);
            x[l] = turn::<T, S, IMAGINARY>(s, a, b, cos, sin[parity]);
            x[l | X] = turn::<T, S, IMAGINARY>(s, b, a, cos, sin[parity ^ odd(X & z)]);
        }
    }
}
