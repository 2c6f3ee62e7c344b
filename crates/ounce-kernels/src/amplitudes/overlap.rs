//! Sums over pairs of rows of two states: what gradients are made of.

use super::Real;
use super::lanes::Lanes;
use super::run::{Tile, odd, partner, submasks};
use super::step::{Kind, Step, Steps};

/// Adds the sums of one step to `sums`.
///
/// # Safety
/// As [`super::run::run`], but the tiles may be the same.
#[inline(always)]
pub(super) unsafe fn overlap<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    ket: Tile<T>,
    bra: Tile<T>,
    outer: usize,
    sums: &mut [T],
) {
    // SAFETY: as the caller promises.
    unsafe {
        match step.kind {
            Kind::PauliOverlap { x, z, imaginary, permuted, sums: at } => {
                let sum = match (imaginary, permuted) {
                    (true, true) => pauli::<T, S, true, true>(s, steps, step, ket, bra, x, z, outer),
                    (true, false) => pauli::<T, S, true, false>(s, steps, step, ket, bra, x, z, outer),
                    (false, true) => pauli::<T, S, false, true>(s, steps, step, ket, bra, x, z, outer),
                    (false, false) => pauli::<T, S, false, false>(s, steps, step, ket, bra, x, z, outer),
                };
                add_to(s, &mut sums[at..at + S::LANES], sum);
            }
            Kind::MatrixOverlap { rows, patterns, sums: at } => {
                let sums = &mut sums[at..];
                match (rows, patterns) {
                    (2, 1) => matrix::<T, S, 2, 1>(s, steps, step, ket, bra, sums),
                    (1, 2) => matrix::<T, S, 1, 2>(s, steps, step, ket, bra, sums),
                    (4, 1) => matrix::<T, S, 4, 1>(s, steps, step, ket, bra, sums),
                    (2, 2) => matrix::<T, S, 2, 2>(s, steps, step, ket, bra, sums),
                    _ => wide(s, steps, step, ket, bra, (rows, patterns), sums),
                }
            }
            _ => {}
        }
    }
}

#[inline(always)]
fn add_to<T: Real, S: Lanes<T>>(s: S, sums: &mut [T], x: S::V) {
    assert!(sums.len() >= S::LANES);
    // SAFETY: `LANES` numbers are there.
    unsafe {
        let sum = s.add(s.load(sums.as_ptr()), x);
        s.store(sums.as_mut_ptr(), sum);
    }
}

/// # Safety
/// As [`overlap`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn pauli<T: Real, S: Lanes<T>, const IMAGINARY: bool, const PERMUTED: bool>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    ket: Tile<T>,
    bra: Tile<T>,
    x: usize,
    z: usize,
    outer: usize,
) -> S::V {
    let by = s.permutation(&steps.permutations[step.permutations]);
    let mut sums = [s.splat(T::default()); 2];
    // The sign of a row comes from the row that it is paired with.
    let constant = outer ^ odd((step.value ^ x) & z);
    let (free_z, flip) = (z & step.free, odd(x & z));
    // Rows of both parities of the lowest bit that counts, so that the sum to add to is known.
    let first = free_z & free_z.wrapping_neg();
    let last = if first == 0 { 0 } else { 1 };
    for row in submasks(step.free & !first) {
        let of = constant ^ odd(row & free_z);
        for half in 0..=last {
            let row = row | step.value | if half == 1 { first } else { 0 };
            let (own, other) = if of == half { (0, 1) } else { (1, 0) };
            // SAFETY: as the caller promises.
            unsafe {
                let (b, k) = (bra.load(s, row), ket.load(s, row ^ x));
                let k = partner::<T, S, PERMUTED>(s, k, by);
                sums[own] = part::<T, S, IMAGINARY>(s, b, k, sums[own]);
                if x != 0 {
                    let (b, k) = (bra.load(s, row ^ x), ket.load(s, row));
                    let k = partner::<T, S, PERMUTED>(s, k, by);
                    let of = if flip == 0 { own } else { other };
                    sums[of] = part::<T, S, IMAGINARY>(s, b, k, sums[of]);
                }
            }
        }
    }
    s.sub(sums[0], sums[1])
}

/// Adds the real or, if `IMAGINARY`, imaginary part of `conj(b) k`.
#[inline(always)]
fn part<T: Real, S: Lanes<T>, const IMAGINARY: bool>(
    s: S,
    (br, bi): (S::V, S::V),
    (kr, ki): (S::V, S::V),
    sum: S::V,
) -> S::V {
    if IMAGINARY {
        s.neg_mul_add(bi, kr, s.mul_add(br, ki, sum))
    } else {
        s.mul_add(bi, ki, s.mul_add(br, kr, sum))
    }
}

/// # Safety
/// As [`overlap`].
#[inline(always)]
unsafe fn matrix<T: Real, S: Lanes<T>, const ROWS: usize, const PATTERNS: usize>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    ket: Tile<T>,
    bra: Tile<T>,
    out: &mut [T],
) {
    // SAFETY: as the caller promises.
    unsafe {
        let zero = s.splat(T::default());
        let mut sums = [[[(zero, zero); PATTERNS]; ROWS]; ROWS];
        let mut offsets = [0; ROWS];
        for r in 0..ROWS {
            offsets[r] = steps.offsets[step.offsets + r];
        }
        let mut by = [s.permutation(&steps.permutations[0]); PATTERNS];
        for p in 0..PATTERNS {
            by[p] = s.permutation(&steps.permutations[step.permutations + p]);
        }
        for row in submasks(step.free) {
            let row = row | step.value;
            let mut b = [(zero, zero); ROWS];
            for r in 0..ROWS {
                b[r] = bra.load(s, row | offsets[r]);
            }
            for c in 0..ROWS {
                let (re, im) = ket.load(s, row | offsets[c]);
                for p in 0..PATTERNS {
                    let k = if p == 0 { (re, im) } else { (s.permute(re, by[p]), s.permute(im, by[p])) };
                    for r in 0..ROWS {
                        sums[r][c][p] = product(s, b[r], k, sums[r][c][p]);
                    }
                }
            }
        }
        for r in 0..ROWS {
            for c in 0..ROWS {
                for p in 0..PATTERNS {
                    let at = ((r * ROWS + c) * PATTERNS + p) * 2 * S::LANES;
                    add_to(s, &mut out[at..], sums[r][c][p].0);
                    add_to(s, &mut out[at + S::LANES..], sums[r][c][p].1);
                }
            }
        }
    }
}

/// `sum += conj(b) k`.
#[inline(always)]
fn product<T: Real, S: Lanes<T>>(
    s: S,
    (br, bi): (S::V, S::V),
    (kr, ki): (S::V, S::V),
    (re, im): (S::V, S::V),
) -> (S::V, S::V) {
    (s.mul_add(bi, ki, s.mul_add(br, kr, re)), s.neg_mul_add(bi, kr, s.mul_add(br, ki, im)))
}

/// As [`matrix`] for any number of rows.
///
/// # Safety
/// As [`overlap`].
#[inline(always)]
unsafe fn wide<T: Real, S: Lanes<T>>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    ket: Tile<T>,
    bra: Tile<T>,
    (rows, patterns): (usize, usize),
    out: &mut [T],
) {
    let offsets = &steps.offsets[step.offsets..][..rows];
    let zero = s.splat(T::default());
    for (r, own) in offsets.iter().enumerate() {
        for (c, other) in offsets.iter().enumerate() {
            for p in 0..patterns {
                let by = s.permutation(&steps.permutations[step.permutations + p]);
                let mut sum = (zero, zero);
                for row in submasks(step.free) {
                    // SAFETY: as the caller promises.
                    unsafe {
                        let b = bra.load(s, row | step.value | own);
                        let (re, im) = ket.load(s, row | step.value | other);
                        sum = product(s, b, (s.permute(re, by), s.permute(im, by)), sum);
                    }
                }
                let at = ((r * rows + c) * patterns + p) * 2 * S::LANES;
                add_to(s, &mut out[at..], sum.0);
                add_to(s, &mut out[at + S::LANES..], sum.1);
            }
        }
    }
}
