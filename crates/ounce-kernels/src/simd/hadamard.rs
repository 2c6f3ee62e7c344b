//! The Walsh-Hadamard transform of blocks of a row.

use super::Simd;

/// Elements within which a block is transformed by fixed steps. At least as many as any vector has lanes.
const CORE: usize = 2 * HALF;
const HALF: usize = 8;

/// Multiplies every block of `block` elements (a power of two that divides the length of `x`) with `H / sqrt(block)`, H being Sylvester's
/// Hadamard matrix: `H_1 = [1]`, `H_2n = [[H_n, H_n], [H_n, -H_n]]`. Symmetric and orthogonal, so that it is its own inverse.
///
/// Every table adds the same numbers in the same order.
#[inline(always)]
pub(crate) fn hadamard<S: Simd>(s: S, x: &mut [f32], block: usize) {
    assert!(block.is_power_of_two() && x.len().is_multiple_of(block));
    let factor = 1.0 / (block as f32).sqrt();
    if block < CORE {
        return x.chunks_exact_mut(block).for_each(|x| small(x, factor));
    }
    x.as_chunks_mut().0.iter_mut().for_each(|x| core(x, factor));
    let mut stride = CORE;
    // Two steps in one pass over memory, as long as there are two.
    while 2 * stride < block {
        for quads in x.chunks_exact_mut(4 * stride) {
            four(s, quads, stride);
        }
        stride *= 4;
    }
    if stride < block {
        for pair in x.chunks_exact_mut(2 * stride) {
            two(s, pair, stride);
        }
    }
}

/// A block smaller than a core.
#[inline(always)]
fn small(x: &mut [f32], factor: f32) {
    x.iter_mut().for_each(|x| *x *= factor);
    let mut stride = 1;
    while stride < x.len() {
        for pair in x.chunks_exact_mut(2 * stride) {
            let (a, b) = pair.split_at_mut(stride);
            a.iter_mut().zip(b).for_each(|(a, b)| (*a, *b) = (*a + *b, *a - *b));
        }
        stride *= 2;
    }
}

/// Scales a core and does the steps within it.
#[inline(always)]
fn core(x: &mut [f32; CORE], factor: f32) {
    let (halves, _) = x.as_chunks_mut::<HALF>();
    if let [a, b] = halves {
        let (left, right) = (half(a, factor), half(b, factor));
        for (i, (left, right)) in left.into_iter().zip(right).enumerate() {
            (a[i], b[i]) = (left + right, left - right);
        }
    }
}

/// The steps within half a core. Compilers make better shuffles of it than of a whole one.
#[inline(always)]
fn half(x: &[f32; HALF], factor: f32) -> [f32; HALF] {
    let mut y = x.map(|x| x * factor);
    for stride in [1, 2, 4] {
        let mut next = [0.0; HALF];
        for (i, next) in next.iter_mut().enumerate() {
            *next = if i & stride == 0 { y[i] + y[i ^ stride] } else { y[i ^ stride] - y[i] };
        }
        y = next;
    }
    y
}

/// The step that joins two parts of `stride` elements each.
#[inline(always)]
fn two<S: Simd>(s: S, x: &mut [f32], stride: usize) {
    let (a, b) = x.split_at_mut(stride);
    for (a, b) in a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES)) {
        // SAFETY: both have LANES floats.
        unsafe {
            let (left, right) = (s.load(a.as_ptr()), s.load(b.as_ptr()));
            s.store(a.as_mut_ptr(), s.add(left, right));
            s.store(b.as_mut_ptr(), s.sub(left, right));
        }
    }
}

/// The two steps that join four parts of `stride` elements each.
#[inline(always)]
fn four<S: Simd>(s: S, x: &mut [f32], stride: usize) {
    let (front, back) = x.split_at_mut(2 * stride);
    let ((a, b), (c, d)) = (front.split_at_mut(stride), back.split_at_mut(stride));
    let front = a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES));
    let back = c.chunks_exact_mut(S::LANES).zip(d.chunks_exact_mut(S::LANES));
    for ((a, b), (c, d)) in front.zip(back) {
        // SAFETY: all four have LANES floats.
        unsafe {
            let (p, q) = (s.load(a.as_ptr()), s.load(b.as_ptr()));
            let (r, t) = (s.load(c.as_ptr()), s.load(d.as_ptr()));
            let (p, q) = (s.add(p, q), s.sub(p, q));
            let (r, t) = (s.add(r, t), s.sub(r, t));
            s.store(a.as_mut_ptr(), s.add(p, r));
            s.store(b.as_mut_ptr(), s.add(q, t));
            s.store(c.as_mut_ptr(), s.sub(p, r));
            s.store(d.as_mut_ptr(), s.sub(q, t));
        }
    }
}
