//! Gates on the rows of a tile, each one function.

use super::Real;
use super::lanes::Lanes;
use super::run::{Tile, odd, submasks};
use super::step::{Step, Steps};

/// A complex coefficient.
///
/// # Safety
/// A real and an imaginary part, each `LANES` long or, if `UNIFORM`, one number, are readable from `from`.
#[inline(always)]
pub(super) unsafe fn coefficient<T: Real, S: Lanes<T>, const UNIFORM: bool>(
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
pub(super) fn accumulate<T: Real, S: Lanes<T>, const REAL: bool>(
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
pub(super) unsafe fn dense<
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
pub(super) unsafe fn wide<T: Real, S: Lanes<T>>(
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
pub(super) unsafe fn diagonal<T: Real, S: Lanes<T>>(
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
pub(super) unsafe fn parity_phase<T: Real, S: Lanes<T>>(
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
pub(super) unsafe fn pauli<T: Real, S: Lanes<T>, const IMAGINARY: bool, const PERMUTED: bool>(
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
pub(super) fn turn<T: Real, S: Lanes<T>, const IMAGINARY: bool>(
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
pub(super) unsafe fn exchange<T: Real, S: Lanes<T>, const MASKED: bool>(
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
pub(super) unsafe fn permute<T: Real, S: Lanes<T>>(s: S, steps: &Steps<'_, T>, step: &Step, tile: Tile<T>) {
    let by = s.permutation(&steps.permutations[step.permutations]);
    for row in submasks(step.free) {
        // SAFETY: as the caller promises.
        unsafe {
            let (re, im) = tile.load(s, row | step.value);
            tile.store(s, row | step.value, (s.permute(re, by), s.permute(im, by)));
        }
    }
}
