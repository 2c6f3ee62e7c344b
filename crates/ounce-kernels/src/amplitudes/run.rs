//! Running the steps of a program on the rows of a tile: gates.

use super::Real;
use super::lanes::Lanes;
use super::overlap;
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
            Kind::PauliOverlap { .. } | Kind::MatrixOverlap { .. } => {}
        }
    }
}

/// A complex coefficient.
///
/// # Safety
/// A real and an imaginary part, each `LANES` long or, if `UNIFORM`, one number, are readable from `from`.
#[inline(always)]
unsafe fn coefficient<T: Real, S: Lanes<T>, const UNIFORM: bool>(
    s: S,
    from: *const T,
    index: usize,
) -> (S::V, S::V) {
    // SAFETY: as the caller promises.
    unsafe {
        if UNIFORM {
            let from = from.add(2 * index);
            (s.splat(*from), s.splat(*from.add(1)))
        } else {
            let from = from.add(2 * index * S::LANES);
            (s.load(from), s.load(from.add(S::LANES)))
        }
    }
}

/// `(re, im) += (a, b) * (x, y)`, or with a real coefficient `a`.
#[inline(always)]
fn accumulate<T: Real, S: Lanes<T>, const REAL: bool>(
    s: S,
    (a, b): (S::V, S::V),
    (x, y): (S::V, S::V),
    sum: Option<(S::V, S::V)>,
) -> (S::V, S::V) {
    let (re, im) = match sum {
        Some((re, im)) => (s.mul_add(a, x, re), s.mul_add(a, y, im)),
        None => (s.mul(a, x), s.mul(a, y)),
    };
    if REAL { (re, im) } else { (s.neg_mul_add(b, y, re), s.mul_add(b, x, im)) }
}

/// Multiplies a matrix onto groups of `ROWS` rows: `out[r]` is the sum over `c` and `p` of `m[r][c][p]`, one number a lane, times row `c` with its
/// lanes permuted by `p`.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn dense<
    T: Real,
    S: Lanes<T>,
    const ROWS: usize,
    const PATTERNS: usize,
    const UNIFORM: bool,
    const REAL: bool,
>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let from = steps.coefficients.as_ptr().add(step.coefficients);
        let zero = s.splat(T::default());
        let mut m = [[[(zero, zero); PATTERNS]; ROWS]; ROWS];
        let mut offsets = [0; ROWS];
        let mut by = [s.permutation(&steps.permutations[0]); PATTERNS];
        for r in 0..ROWS {
            offsets[r] = steps.offsets[step.offsets + r];
            for c in 0..ROWS {
                for p in 0..PATTERNS {
                    m[r][c][p] = coefficient::<T, S, UNIFORM>(s, from, (r * ROWS + c) * PATTERNS + p);
                }
            }
        }
        for p in 0..PATTERNS {
            by[p] = s.permutation(&steps.permutations[step.permutations + p]);
        }
        for row in submasks(step.free) {
            let row = row | step.value;
            let mut x = [[(zero, zero); PATTERNS]; ROWS];
            for c in 0..ROWS {
                let (re, im) = tile.load(s, row | offsets[c]);
                x[c][0] = (re, im);
                for p in 1..PATTERNS {
                    x[c][p] = (s.permute(re, by[p]), s.permute(im, by[p]));
                }
            }
            for r in 0..ROWS {
                let mut sum = None;
                for c in 0..ROWS {
                    for p in 0..PATTERNS {
                        sum = Some(accumulate::<T, S, REAL>(s, m[r][c][p], x[c][p], sum));
                    }
                }
                if let Some(sum) = sum {
                    tile.store(s, row | offsets[r], sum);
                }
            }
        }
    }
}

/// As [`dense`] for any number of rows.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn wide<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
    rows: usize,
    patterns: usize,
    uniform: bool,
) {
    // SAFETY: as the caller promises; `before` has a place for every row and pattern.
    unsafe {
        let from = steps.coefficients.as_ptr().add(step.coefficients);
        let offsets = &steps.offsets[step.offsets..][..rows];
        let mut before = vec![(s.splat(T::default()), s.splat(T::default())); rows * patterns];
        for row in submasks(step.free) {
            let row = row | step.value;
            for c in 0..rows {
                let (re, im) = tile.load(s, row | offsets[c]);
                before[c * patterns] = (re, im);
                for p in 1..patterns {
                    let by = s.permutation(&steps.permutations[step.permutations + p]);
                    before[c * patterns + p] = (s.permute(re, by), s.permute(im, by));
                }
            }
            for r in 0..rows {
                let mut sum = None;
                for (i, &x) in before.iter().enumerate() {
                    let index = r * rows * patterns + i;
                    let m = if uniform {
                        coefficient::<T, S, true>(s, from, index)
                    } else {
                        coefficient::<T, S, false>(s, from, index)
                    };
                    sum = Some(accumulate::<T, S, false>(s, m, x, sum));
                }
                if let Some(sum) = sum {
                    tile.store(s, row | offsets[r], sum);
                }
            }
        }
    }
}

/// Multiplies rows by a number that depends on some of their bits.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn diagonal<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
    base: usize,
    rows: usize,
    outer: usize,
) {
    let patterns = &steps.offsets[step.offsets..][..rows];
    let outer = &steps.offsets[step.offsets + rows..][..outer];
    let outer = outer.iter().fold(0, |index, &bit| index << 1 | usize::from(base & bit != 0));
    // SAFETY: as the caller promises.
    unsafe {
        let from = steps.coefficients.as_ptr().add(step.coefficients);
        for (i, pattern) in patterns.iter().enumerate() {
            let index = outer * rows + i;
            if steps.skipped[step.skipped + index] {
                continue;
            }
            let factor = coefficient::<T, S, false>(s, from, index);
            for row in submasks(step.free) {
                let row = row | step.value | pattern;
                let x = tile.load(s, row);
                tile.store(s, row, accumulate::<T, S, false>(s, factor, x, None));
            }
        }
    }
}

/// Multiplies rows by a number that depends on the parity of some of their bits.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn parity_phase<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
    z: usize,
    outer: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let from = steps.coefficients.as_ptr().add(step.coefficients);
        for row in submasks(step.free) {
            let factor = coefficient::<T, S, false>(s, from, odd(row & z) ^ outer);
            let row = row | step.value;
            let x = tile.load(s, row);
            tile.store(s, row, accumulate::<T, S, false>(s, factor, x, None));
        }
    }
}

/// `x = cos x + e P x` for a product of Paulis, `e` being a real number or, if `IMAGINARY`, `i` times one, with a sign for each row.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn pauli<T: Real, S: Lanes<T>, const IMAGINARY: bool, const PERMUTED: bool>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
    x: usize,
    z: usize,
    outer: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let from = steps.coefficients.as_ptr().add(step.coefficients);
        let cos = s.load(from);
        let sin = [s.load(from.add(S::LANES)), s.load(from.add(2 * S::LANES))];
        let by = s.permutation(&steps.permutations[step.permutations]);
        let flip = odd(x & z);
        let free_z = z & step.free;
        let constant = outer ^ odd(step.value & z);
        let (same, other) = (sin[constant], sin[constant ^ 1]);
        for row in submasks(step.free) {
            let (even, uneven) = if odd(row & free_z) == 0 { (same, other) } else { (other, same) };
            let row = row | step.value;
            let a = tile.load(s, row);
            let image = partner::<T, S, PERMUTED>(s, a, by);
            if x == 0 {
                tile.store(s, row, turn::<T, S, IMAGINARY>(s, a, image, cos, even));
            } else {
                let b = tile.load(s, row ^ x);
                let back = partner::<T, S, PERMUTED>(s, b, by);
                tile.store(s, row, turn::<T, S, IMAGINARY>(s, a, back, cos, even));
                let sin = if flip == 0 { even } else { uneven };
                tile.store(s, row ^ x, turn::<T, S, IMAGINARY>(s, b, image, cos, sin));
            }
        }
    }
}

/// A row with its lanes permuted, if they are.
#[inline(always)]
pub(super) fn partner<T: Real, S: Lanes<T>, const PERMUTED: bool>(
    s: S,
    (re, im): (S::V, S::V),
    by: S::P,
) -> (S::V, S::V) {
    if PERMUTED { (s.permute(re, by), s.permute(im, by)) } else { (re, im) }
}

/// `cos a + e b`, `e` being `sin` or `i sin`.
#[inline(always)]
fn turn<T: Real, S: Lanes<T>, const IMAGINARY: bool>(
    s: S,
    (re, im): (S::V, S::V),
    (x, y): (S::V, S::V),
    cos: S::V,
    sin: S::V,
) -> (S::V, S::V) {
    if IMAGINARY {
        (s.neg_mul_add(sin, y, s.mul(cos, re)), s.mul_add(sin, x, s.mul(cos, im)))
    } else {
        (s.mul_add(sin, x, s.mul(cos, re)), s.mul_add(sin, y, s.mul(cos, im)))
    }
}

/// Exchanges pairs of rows, in some of their lanes if `MASKED`.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn exchange<T: Real, S: Lanes<T>, const MASKED: bool>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    tile: Tile<T>,
    x: usize,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mask = if MASKED {
            s.load(steps.coefficients.as_ptr().add(step.coefficients))
        } else {
            s.splat(T::default())
        };
        for row in submasks(step.free) {
            let row = row | step.value;
            let (a, b) = (tile.load(s, row), tile.load(s, row ^ x));
            if MASKED {
                tile.store(s, row, (s.select(mask, b.0, a.0), s.select(mask, b.1, a.1)));
                tile.store(s, row ^ x, (s.select(mask, a.0, b.0), s.select(mask, a.1, b.1)));
            } else {
                tile.store(s, row, b);
                tile.store(s, row ^ x, a);
            }
        }
    }
}

/// Permutes the lanes of rows.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn permute<T: Real, S: Lanes<T>>(s: S, steps: &Steps<'_, T>, step: &Step, tile: Tile<T>) {
    let by = s.permutation(&steps.permutations[step.permutations]);
    for row in submasks(step.free) {
        // SAFETY: as the caller promises.
        unsafe {
            let (re, im) = tile.load(s, row | step.value);
            tile.store(s, row | step.value, (s.permute(re, by), s.permute(im, by)));
        }
    }
}
