//! Sums over pairs of rows of two states: what gradients are made of.

use super::Real;
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
    let part = |(br, bi): (S::V, S::V), (kr, ki): (S::V, S::V), sum: S::V| {
        let (kr, ki) = if PERMUTED { (s.permute(kr, by), s.permute(ki, by)) } else { (kr, ki) };
        if IMAGINARY {
            s.neg_mul_add(bi, kr, s.mul_add(br, ki, sum))
        } else {
            s.mul_add(bi, ki, s.mul_add(br, kr, sum))
        }
    };
    let mut sums = [s.splat(T::default()); 2];
    // The sign of a row comes from the row that it is paired with.
    let constant = outer ^ odd((step.value ^ x) & z);
    let (free_z, flip) = (z & step.free, odd(x & z));
    let mut visit = |row: usize, of: usize| {
        // SAFETY: as the caller promises.
        unsafe {
            let row_of_bra = row | step.value;
            sums[of] = part(bra.load(s, row_of_bra), ket.load(s, row_of_bra ^ x), sums[of]);
            if x != 0 {
                let of = of ^ flip;
                sums[of] = part(bra.load(s, row_of_bra ^ x), ket.load(s, row_of_bra), sums[of]);
            }
        }
    };
    if free_z == 0 {
        submasks(step.free).for_each(|row| visit(row, constant));
    } else {
        // Rows of one parity after those of the other, in pairs of runs, so that the sum to add to is known.
        let first = free_z & free_z.wrapping_neg();
        for row in submasks(step.free & !first) {
            let of = constant ^ odd(row & free_z);
            visit(row, of);
            visit(row | first, of ^ 1);
        }
    }
    s.sub(sums[0], sums[1])
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
        let offsets: [usize; ROWS] = std::array::from_fn(|r| steps.offsets[step.offsets + r]);
        let by: [S::P; PATTERNS] =
            std::array::from_fn(|p| s.permutation(&steps.permutations[step.permutations + p]));
        for row in submasks(step.free) {
            let row = row | step.value;
            let b: [(S::V, S::V); ROWS] = std::array::from_fn(|r| bra.load(s, row | offsets[r]));
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
