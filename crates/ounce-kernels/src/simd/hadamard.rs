//! The Walsh-Hadamard transform of blocks of a row.

use super::Simd;

/// Elements within which a block is transformed by fixed steps. At least as many as any vector has lanes.
const CORE: usize = 16;

/// Multiplies every block of `block` elements (a power of two that divides the length of `x`) with `H / sqrt(block)`, H being Sylvester's
/// Hadamard matrix: `H_1 = [1]`, `H_2n = [[H_n, H_n], [H_n, -H_n]]`. Symmetric and orthogonal, so that it is its own inverse.
///
/// Every table adds the same numbers in the same order.
#[inline(always)]
pub(crate) fn hadamard<S: Simd>(s: S, x: &mut [f32], block: usize) {
    assert!(block.is_power_of_two() && x.len().is_multiple_of(block));
    let factor = 1.0 / (block as f32).sqrt();
    for x in x.chunks_exact_mut(block) {
        let (cores, rest) = x.as_chunks_mut::<CORE>();
        cores.iter_mut().for_each(|core| transform_core(core, factor));
        // A block smaller than a core.
        rest.iter_mut().for_each(|x| *x *= factor);
        let mut stride = 1;
        while stride < rest.len() {
            for pair in rest.chunks_exact_mut(2 * stride) {
                let (a, b) = pair.split_at_mut(stride);
                a.iter_mut().zip(b).for_each(|(a, b)| (*a, *b) = (*a + *b, *a - *b));
            }
            stride *= 2;
        }
        let mut stride = CORE;
        while stride < x.len() {
            for pair in x.chunks_exact_mut(2 * stride) {
                let (a, b) = pair.split_at_mut(stride);
                for (a, b) in a.chunks_exact_mut(S::LANES).zip(b.chunks_exact_mut(S::LANES)) {
                    // SAFETY: both have LANES floats.
                    unsafe {
                        let (left, right) = (s.load(a.as_ptr()), s.load(b.as_ptr()));
                        s.store(a.as_mut_ptr(), s.add(left, right));
                        s.store(b.as_mut_ptr(), s.sub(left, right));
                    }
                }
            }
            stride *= 2;
        }
    }
}

/// Scales a core and does the steps within it.
#[inline(always)]
fn transform_core(x: &mut [f32; CORE], factor: f32) {
    let mut y = x.map(|x| x * factor);
    for stride in [1, 2, 4, 8] {
        let mut next = [0.0; CORE];
        for (i, next) in next.iter_mut().enumerate() {
            // The partner's sign is that of H_2's lower row.
            *next = if i & stride == 0 { y[i] + y[i ^ stride] } else { y[i ^ stride] - y[i] };
        }
        y = next;
    }
    *x = y;
}
