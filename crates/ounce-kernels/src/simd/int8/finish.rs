//! What is done before and after products of bytes.

use super::Int8;

/// The sum of every row of weights.
#[inline(always)]
pub(crate) fn row_sums<S: Int8>(_s: S, w: &[i8], out: &mut [i32]) {
    let depth = w.len().checked_div(out.len()).unwrap_or(0).max(1);
    for (w, out) in w.chunks_exact(depth).zip(out) {
        *out = w.iter().map(|w| i32::from(*w)).sum();
    }
}

/// Makes words bytes within bounds, and sets the bit of every word that was within. `mask` has a bit for each of the words.
#[inline(always)]
pub(crate) fn clamp<S: Int8>(s: S, words: &[i16], bounds: [i8; 2], y: &mut [i8], mask: &mut [u8]) {
    assert!(y.len() == words.len() && mask.len() == y.len().div_ceil(8));
    let whole = words.len() / 16 * 16;
    for at in (0..whole).step_by(16) {
        // SAFETY: 16 elements from `at` on lie in both slices.
        let bits = unsafe { s.clamp_words(words[at..].as_ptr(), bounds, y[at..].as_mut_ptr()) };
        mask[at / 8..][..2].copy_from_slice(&bits.to_le_bytes());
    }
    let (rest, count) = (&words[whole..], words.len() - whole);
    if count > 0 {
        let (mut from, mut to) = ([0i16; 16], [0i8; 16]);
        from[..count].copy_from_slice(rest);
        // SAFETY: both arrays have 16 elements.
        let bits =
            unsafe { s.clamp_words(from.as_ptr(), bounds, to.as_mut_ptr()) } & ((1 << count) - 1) as u16;
        y[whole..].copy_from_slice(&to[..count]);
        mask[whole / 8..].copy_from_slice(&bits.to_le_bytes()[..count.div_ceil(8)]);
    }
}
