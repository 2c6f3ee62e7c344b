//! What is done before and after products of bytes.

use super::Int8;

/// The sum of every row of weights.
#[inline(always)]
pub(crate) fn row_sums<S: Int8>(s: S, w: &[i8], out: &mut [i32]) {
    let depth = w.len().checked_div(out.len()).unwrap_or(0).max(1);
    let width = 4 * S::LANES;
    let ones = [1u8; 64];
    for (w, out) in w.chunks_exact(depth).zip(out) {
        let whole = w.len() / width * width;
        let mut sums = s.splat(0);
        for at in (0..whole).step_by(width) {
            // SAFETY: a vector from `at` on lies in the row, and no vector has more than 64 bytes.
            sums = unsafe { s.dot(sums, s.bytes(ones.as_ptr()), s.weights(w[at..].as_ptr())) };
        }
        *out = w[whole..].iter().map(|w| i32::from(*w)).sum();
        if whole > 0 {
            *out += s.total(sums);
        }
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

/// Rows of equal length that are copied, and how far two are apart at either side.
pub(crate) struct CopyRows<'a> {
    pub(crate) from: &'a [i8],
    pub(crate) to: &'a mut [i8],
    pub(crate) steps: [usize; 2],
    pub(crate) len: usize,
    pub(crate) rows: usize,
    /// Add 128 to every byte.
    pub(crate) flip: bool,
}

/// Copies rows.
#[inline(always)]
pub(crate) fn copy_rows<S: Int8>(s: S, job: CopyRows<'_>) {
    let Some(last) = job.rows.checked_sub(1) else { return };
    let [from_step, to_step] = job.steps;
    assert!(last * from_step + job.len <= job.from.len() && last * to_step + job.len <= job.to.len());
    let (from, to) = (job.from.as_ptr(), job.to.as_mut_ptr());
    for row in 0..job.rows {
        // SAFETY: rows up to the last were checked, and slices of which one is mutable do not overlap.
        unsafe {
            let (from, to) = (from.add(row * from_step), to.add(row * to_step));
            if job.flip { s.copy::<128>(from, to, job.len) } else { s.copy::<0>(from, to, job.len) }
        }
    }
}

/// Quads of four sources of equal length, 128 added to every byte.
#[inline(always)]
pub(crate) fn quads<S: Int8>(s: S, from: [&[i8]; 4], to: &mut [u8]) {
    let len = to.len() / 4;
    assert!(from.iter().all(|from| from.len() == len) && to.len() == 4 * len);
    let whole = len / S::LANES * S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: a vector from `at` on lies in all sources, and four of bytes in what is written.
        unsafe { s.interleave(from.map(|from| from[at..].as_ptr()), to[4 * at..].as_mut_ptr()) };
    }
    for at in whole..len {
        for (to, from) in to[4 * at..].iter_mut().zip(from) {
            *to = from[at] as u8 ^ 128;
        }
    }
}
