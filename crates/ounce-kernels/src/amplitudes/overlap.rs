//! Sums over pairs of rows of two states: what gradients are made of.

use super::Real;
use super::gates::partner;
use super::lanes::Lanes;
use super::run::{Tile, odd, submasks};
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
                let own = Product { x, z, outer };
                let sum = match (imaginary, permuted, x != 0) {
                    (true, true, true) => pauli::<T, S, true, true, true>(s, steps, step, ket, bra, own),
                    (true, true, false) => pauli::<T, S, true, true, false>(s, steps, step, ket, bra, own),
                    (true, false, true) => pauli::<T, S, true, false, true>(s, steps, step, ket, bra, own),
                    (true, false, false) => pauli::<T, S, true, false, false>(s, steps, step, ket, bra, own),
                    (false, true, true) => pauli::<T, S, false, true, true>(s, steps, step, ket, bra, own),
                    (false, true, false) => pauli::<T, S, false, true, false>(s, steps, step, ket, bra, own),
                    (false, false, true) => pauli::<T, S, false, false, true>(s, steps, step, ket, bra, own),
                    (false, false, false) => {
                        pauli::<T, S, false, false, false>(s, steps, step, ket, bra, own)
                    }
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

/// A product of Paulis on rows, and the parity of what lies outside the tile.
#[derive(Clone, Copy)]
struct Product {
    x: usize,
    z: usize,
    outer: usize,
}

/// The sum of the real or, if `IMAGINARY`, imaginary parts of `conj(b) k` over all rows and the rows they are paired with, with their signs. If `PAIRED`, `free` names
/// one row of each pair.
///
/// # Safety
/// As [`overlap`].
#[inline(always)]
unsafe fn pauli<T: Real, S: Lanes<T>, const IMAGINARY: bool, const PERMUTED: bool, const PAIRED: bool>(
    s: S,
    steps: &Steps<'_, T>,
    step: &Step,
    ket: Tile<T>,
    bra: Tile<T>,
    Product { x, z, outer }: Product,
) -> S::V {
    let by = s.permutation(&steps.permutations[step.permutations]);
    let free_z = z & step.free;
    let signs = [T::from_f64(1.0), T::from_f64(-1.0)];
    let zero = s.splat(T::default());
    // Two rows at a time and two products a row have sums of their own, so that additions do not wait for one another.
    let mut rows = [(zero, zero); 2];
    let mut partners = [(zero, zero); 2];
    let first = step.free & step.free.wrapping_neg();
    let halves = if first == 0 { 1 } else { 2 };
    for row in submasks(step.free & !first) {
        for half in 0..2 {
            if half == halves {
                break;
            }
            let row = row | if half == 1 { first } else { 0 };
            let sign = s.splat(signs[odd(row & free_z)]);
            let row = row | step.value;
            // SAFETY: as the caller promises.
            unsafe {
                let (b, k) = (bra.load(s, row), ket.load(s, row ^ x));
                let k = partner::<T, S, PERMUTED>(s, k, by);
                rows[half] = part::<T, S, IMAGINARY>(s, b, k, sign, rows[half]);
                if PAIRED {
                    let (b, k) = (bra.load(s, row ^ x), ket.load(s, row));
                    let k = partner::<T, S, PERMUTED>(s, k, by);
                    partners[half] = part::<T, S, IMAGINARY>(s, b, k, sign, partners[half]);
                }
            }
        }
    }
    let own = total::<T, S, IMAGINARY>(s, rows);
    let other = total::<T, S, IMAGINARY>(s, partners);
    let sum = if odd(x & z) == 0 { s.add(own, other) } else { s.sub(own, other) };
    // The sign of a row comes from the row that it is paired with.
    if outer ^ odd((step.value ^ x) & z) == 0 { sum } else { s.sub(zero, sum) }
}

/// Adds the two products that the real or, if `IMAGINARY`, imaginary part of `conj(b) k` consists of.
#[inline(always)]
fn part<T: Real, S: Lanes<T>, const IMAGINARY: bool>(
    s: S,
    (br, bi): (S::V, S::V),
    (kr, ki): (S::V, S::V),
    sign: S::V,
    sums: (S::V, S::V),
) -> (S::V, S::V) {
    let (br, bi) = (s.mul(br, sign), s.mul(bi, sign));
    if IMAGINARY {
        (s.mul_add(br, ki, sums.0), s.mul_add(bi, kr, sums.1))
    } else {
        (s.mul_add(br, kr, sums.0), s.mul_add(bi, ki, sums.1))
    }
}

/// What sums of [`part`] make.
#[inline(always)]
fn total<T: Real, S: Lanes<T>, const IMAGINARY: bool>(s: S, sums: [(S::V, S::V); 2]) -> S::V {
    let (first, second) = (s.add(sums[0].0, sums[1].0), s.add(sums[0].1, sums[1].1));
    if IMAGINARY { s.sub(first, second) } else { s.add(first, second) }
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
