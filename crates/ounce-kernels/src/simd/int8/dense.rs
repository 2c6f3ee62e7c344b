//! Products of rows of weights with a single column.

use super::{Int8, scaled};
use crate::ops::Scale;

/// Some rows and the column.
pub(crate) struct Dense<'a> {
    /// Row `r` begins at `r * depth`.
    pub(crate) w: &'a [i8],
    pub(crate) depth: usize,
    /// The column, 128 added to every element, then zeros up to a multiple of 64.
    pub(crate) x: &'a [u8],
    /// What the sum of every row starts from.
    pub(crate) starts: &'a [i32],
    /// The number of the first row, as `scale` knows it.
    pub(crate) first: usize,
    pub(crate) scale: &'a (dyn Fn(usize) -> Scale + Sync),
    pub(crate) zero: i32,
}

/// Rows that are multiplied together, for the additions of one row wait for each other.
const ROWS: usize = 4;

/// One word, saturated, for every row.
#[inline(always)]
pub(crate) fn multiply<S: Int8>(s: S, job: &Dense<'_>, out: &mut [i16]) {
    assert!(out.len() * job.depth <= job.w.len() && out.len() <= job.starts.len());
    assert!(job.x.len() >= job.depth.next_multiple_of(64));
    for (block, out) in out.chunks_mut(ROWS).enumerate() {
        let mut sums = [0; ROWS];
        if out.len() == ROWS {
            sums = products::<S, ROWS>(s, job, block * ROWS);
        } else {
            for r in 0..out.len() {
                [sums[r]] = products::<S, 1>(s, job, block * ROWS + r);
            }
        }
        for (r, out) in out.iter_mut().enumerate() {
            let row = block * ROWS + r;
            let sum = s.splat(sums[r].wrapping_add(job.starts[row]));
            let y = scaled(s, sum, (job.scale)(job.first + row), job.zero);
            // SAFETY: there is room for one word.
            unsafe { s.store_words(y, out, 1) };
        }
    }
}

#[inline(always)]
fn products<S: Int8, const R: usize>(s: S, job: &Dense<'_>, row: usize) -> [i32; R] {
    let width = 4 * S::LANES;
    let whole = job.depth / width * width;
    let mut sums = [s.splat(0); R];
    let mut w = [job.w.as_ptr(); R];
    for r in 0..R {
        w[r] = job.w[(row + r) * job.depth..].as_ptr();
    }
    for at in (0..whole).step_by(width) {
        // SAFETY: `at + width` is at most the depth, which `multiply` checked for rows and column.
        unsafe {
            let x = s.bytes(job.x.as_ptr().add(at));
            for r in 0..R {
                sums[r] = s.dot(sums[r], x, s.weights(w[r].add(at)));
            }
        }
    }
    if whole < job.depth {
        for r in 0..R {
            let mut rest = [0i8; 64];
            rest[..job.depth - whole]
                .copy_from_slice(&job.w[(row + r) * job.depth + whole..][..job.depth - whole]);
            // SAFETY: a vector has at most 64 bytes, and the column was filled up to a multiple of 64.
            unsafe {
                let x = s.bytes(job.x.as_ptr().add(whole));
                sums[r] = s.dot(sums[r], x, s.weights(rest.as_ptr()));
            }
        }
    }
    let mut totals = [0; R];
    for r in 0..R {
        totals[r] = s.total(sums[r]);
    }
    totals
}
