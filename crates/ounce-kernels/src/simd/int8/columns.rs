//! Products of rows of weights with columns that are gathered from planes of an image.

use super::{Int8, copy_run, scaled};
use crate::ops::{Phases, Scale};
use crate::pool::SharedMut;

/// Planes of an image that columns are gathered from.
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    /// The planes, one behind the other.
    pub(crate) x: &'a [i8],
    /// How each is laid out.
    pub(crate) phases: Phases,
    /// Height and width of the window.
    pub(crate) kernel: [usize; 2],
    /// Places in a row of the result.
    pub(crate) width: usize,
}

/// Where results go: row number `r`, column `c` to `r * stride + c`.
#[derive(Clone, Copy)]
pub(crate) enum Results<'a> {
    /// As bytes within bounds.
    Bytes(&'a SharedMut<'a, i8>, [i8; 2]),
    /// As words, saturated.
    Words(&'a SharedMut<'a, i16>),
}

/// Some rows times some columns.
pub(crate) struct Columns<'a> {
    pub(crate) planes: Planes<'a>,
    /// Row `r` of weights begins at `r * depth`.
    pub(crate) w: &'a [i8],
    pub(crate) depth: usize,
    /// What the sums of every row start from.
    pub(crate) starts: &'a [i32],
    pub(crate) rows: std::ops::Range<usize>,
    pub(crate) columns: std::ops::Range<usize>,
    /// The number of row 0, as `scale` and the results count.
    pub(crate) number: usize,
    pub(crate) scale: &'a (dyn Fn(usize) -> Scale + Sync),
    pub(crate) zero: i32,
    pub(crate) out: Results<'a>,
    pub(crate) stride: usize,
}

/// Columns that are multiplied together at most, in any table.
pub(crate) const MAX_COLUMNS: usize = 64;

/// Bytes that [`multiply`] wants for a panel.
pub(crate) fn panel_len(depth: usize) -> usize {
    depth.next_multiple_of(4) * MAX_COLUMNS
}

/// Computes rows times columns. `panel` has [`panel_len`] bytes. No two calls that run at the same time write the same results.
#[inline(always)]
pub(crate) fn multiply<S: Int8>(s: S, job: &Columns<'_>, panel: &mut [u8]) {
    assert!(panel.len() >= panel_len(job.depth) && 4 * S::LANES <= MAX_COLUMNS);
    assert!(job.rows.end * job.depth <= job.w.len() && job.rows.end <= job.starts.len());
    let mut first = job.columns.start;
    while first < job.columns.end {
        let left = job.columns.end - first;
        if left > 3 * S::LANES {
            let grouped = matches!(job.out, Results::Bytes(..));
            fill::<S, 4>(s, job, first, grouped, panel);
            wide_rows(s, job, first, left.min(4 * S::LANES), panel);
            first += 4 * S::LANES;
        } else {
            fill::<S, 1>(s, job, first, false, panel);
            tall_rows(s, job, first, left.min(S::LANES), panel);
            first += S::LANES;
        }
    }
}

/// Taps whose offsets are kept at hand.
const TAPS: usize = 64;

/// Interleaves `V` vectors of columns: quads of depth, one behind the other.
#[inline(always)]
fn fill<S: Int8, const V: usize>(s: S, job: &Columns<'_>, first: usize, grouped: bool, panel: &mut [u8]) {
    let planes = &job.planes;
    let count = V * S::LANES;
    let (i, j) = (first / planes.width, first % planes.width);
    let place = i * planes.phases.pitch + j;
    let straight = j + count <= planes.width || j + (job.columns.end - first) <= planes.width;
    let [down, across] = planes.kernel;
    let taps = down * across;
    let mut offsets = [0; TAPS];
    for (tap, offset) in offsets.iter_mut().enumerate().take(taps) {
        *offset = planes.phases.tap(tap / across, tap % across);
    }
    let mut copies = [[0i8; MAX_COLUMNS]; 4];
    let (mut plane, mut tap) = (0, 0);
    let mut to = panel.as_mut_ptr();
    for start in (0..job.depth).step_by(4) {
        let mut from = copies.each_ref().map(|copy| copy.as_ptr());
        for (from, copy) in from.iter_mut().zip(&mut copies).take(job.depth - start) {
            let offset =
                if tap < TAPS { offsets[tap] } else { planes.phases.tap(tap / across, tap % across) };
            let base = plane + offset;
            match planes.x.get(base + place..base + place + count) {
                Some(x) if straight => *from = x.as_ptr(),
                _ => {
                    gather(planes, base, first..job.columns.end.min(first + count), copy);
                    *from = copy.as_ptr();
                }
            }
            tap += 1;
            if tap == taps {
                (plane, tap) = (plane + planes.phases.len, 0);
            }
        }
        // SAFETY: every source has `count` bytes, in the image or in its copy, and `multiply` checked the panel.
        unsafe {
            if V == 4 && grouped {
                s.interleave_four(from, to);
            } else {
                for v in 0..V {
                    s.interleave(from.map(|from| from.add(v * S::LANES)), to.add(v * 4 * S::LANES));
                }
            }
            to = to.add(V * 4 * S::LANES);
        }
    }
}

/// What one tap reads at some places, row by row.
fn gather(planes: &Planes<'_>, base: usize, columns: std::ops::Range<usize>, out: &mut [i8; MAX_COLUMNS]) {
    let (mut i, mut j) = (columns.start / planes.width, columns.start % planes.width);
    let mut at = 0;
    while at < columns.len() {
        let run = (planes.width - j).min(columns.len() - at);
        let from = base + i * planes.phases.pitch + j;
        copy_run::<0>(&planes.x[from..from + run], &mut out[at..at + run]);
        at += run;
        (i, j) = (i + 1, 0);
    }
}

#[inline(always)]
fn wide_rows<S: Int8>(s: S, job: &Columns<'_>, first: usize, width: usize, panel: &[u8]) {
    let mut row = job.rows.start;
    while row < job.rows.end {
        row += match job.rows.end - row {
            6.. if S::WIDE_ROWS == 6 => tile::<S, 6, 4>(s, job, row, first, width, panel),
            4.. if S::WIDE_ROWS >= 4 => tile::<S, 4, 4>(s, job, row, first, width, panel),
            2.. => tile::<S, 2, 4>(s, job, row, first, width, panel),
            _ => tile::<S, 1, 4>(s, job, row, first, width, panel),
        };
    }
}

#[inline(always)]
fn tall_rows<S: Int8>(s: S, job: &Columns<'_>, first: usize, width: usize, panel: &[u8]) {
    let mut row = job.rows.start;
    while row < job.rows.end {
        row += match job.rows.end - row {
            12.. if S::TALL_ROWS == 12 => tile::<S, 12, 1>(s, job, row, first, width, panel),
            8.. if S::TALL_ROWS >= 8 => tile::<S, 8, 1>(s, job, row, first, width, panel),
            4.. => tile::<S, 4, 1>(s, job, row, first, width, panel),
            _ => tile::<S, 1, 1>(s, job, row, first, width, panel),
        };
    }
}

/// `R` rows times `V` vectors of columns, of which `width` are wanted. Returns `R`.
#[inline(always)]
fn tile<S: Int8, const R: usize, const V: usize>(
    s: S,
    job: &Columns<'_>,
    row: usize,
    first: usize,
    width: usize,
    panel: &[u8],
) -> usize {
    let mut sums = [[s.splat(0); V]; R];
    let mut w = [job.w.as_ptr(); R];
    for r in 0..R {
        sums[r] = [s.splat(job.starts[row + r]); V];
        w[r] = w[r].wrapping_add((row + r) * job.depth);
    }
    let quads = job.depth / 4;
    let mut from = panel.as_ptr();
    // SAFETY: `multiply` checked the weights of all rows and the panel; `fill` wrote it.
    unsafe {
        for quad in 0..quads {
            let mut columns = [s.bytes(from); V];
            for v in 1..V {
                columns[v] = s.bytes(from.add(v * 4 * S::LANES));
            }
            for r in 0..R {
                let weights = s.repeat(w[r].add(4 * quad).cast::<i32>().read_unaligned());
                for v in 0..V {
                    sums[r][v] = s.dot(sums[r][v], columns[v], weights);
                }
            }
            from = from.add(V * 4 * S::LANES);
        }
        if !job.depth.is_multiple_of(4) {
            let mut rest = [0i32; R];
            for r in 0..R {
                let mut quad = [0u8; 4];
                for i in 0..job.depth % 4 {
                    quad[i] = *w[r].add(4 * quads + i) as u8;
                }
                rest[r] = i32::from_ne_bytes(quad);
            }
            for r in 0..R {
                for v in 0..V {
                    sums[r][v] = s.dot(sums[r][v], s.bytes(from.add(v * 4 * S::LANES)), s.repeat(rest[r]));
                }
            }
        }
    }
    // Sums that a loop of unknown index reads would be kept in memory throughout, so they are copied there once.
    let mut done = [[std::mem::MaybeUninit::<S::Sums>::uninit(); V]; R];
    for r in 0..R {
        for v in 0..V {
            done[r][v].write(sums[r][v]);
        }
    }
    for r in 0..R {
        let scale = (job.scale)(job.number + row + r);
        let mut y = [s.splat(0); V];
        for v in 0..V {
            // SAFETY: all have been written.
            y[v] = scaled(s, unsafe { done[r][v].assume_init() }, scale, job.zero);
        }
        store(s, job, (job.number + row + r) * job.stride + first, y, width);
    }
    R
}

/// Stores the first `width` columns of a row.
#[inline(always)]
fn store<S: Int8, const V: usize>(s: S, job: &Columns<'_>, at: usize, y: [S::Sums; V], width: usize) {
    // SAFETY: the caller of `multiply` promises that no other call writes these results, and they end where the slices do.
    unsafe {
        match job.out {
            Results::Bytes(out, bounds) => {
                let out = out.slice(at, width);
                if V == 1 {
                    s.store_bytes(y[0], bounds, out.as_mut_ptr(), width);
                } else if width == 4 * S::LANES {
                    s.store_four([y[0], y[1 % V], y[2 % V], y[3 % V]], bounds, out.as_mut_ptr());
                } else {
                    let mut all = [0i8; MAX_COLUMNS];
                    s.store_four([y[0], y[1 % V], y[2 % V], y[3 % V]], bounds, all.as_mut_ptr());
                    copy_run::<0>(&all[..width], out);
                }
            }
            Results::Words(out) => {
                let out = out.slice(at, width);
                for (v, out) in out.chunks_mut(S::LANES).enumerate() {
                    s.store_words(y[v], out.as_mut_ptr(), out.len());
                }
            }
        }
    }
}
