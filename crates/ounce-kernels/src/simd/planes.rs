//! Sums over the taps of a window that slides over a padded plane of floats, and over planes.

use super::Simd;

/// Results of [`correlate`] and columns of [`correlate_taps`] come in multiples of this.
pub(crate) const BLOCK: usize = 16;

/// `out[q] = start + sum_t weights[t] * x[q + offsets[t]]`, summed in the order of the taps. `out` is a multiple of [`BLOCK`] long.
#[inline(always)]
pub(crate) fn correlate<S: Simd>(
    s: S,
    x: &[f32],
    offsets: &[usize],
    weights: &[f32],
    start: f32,
    out: &mut [f32],
) {
    let reach = offsets.iter().max().map_or(0, |most| most + out.len());
    assert!(out.len().is_multiple_of(BLOCK) && offsets.len() == weights.len() && reach <= x.len());
    let mut at = 0;
    while at < out.len() {
        // SAFETY: `reach` elements are in the plane, and results up to the end of `out` are written.
        at += unsafe {
            let (x, to) = (x.as_ptr().add(at), out.as_mut_ptr().add(at));
            if out.len() - at >= 4 * S::LANES {
                correlated::<S, 4>(s, x, offsets, weights, start, to)
            } else {
                correlated::<S, 1>(s, x, offsets, weights, start, to)
            }
        };
    }
}

/// # Safety
/// `V` vectors are readable from `x` and each of the offsets, and writable to `to`.
#[inline(always)]
unsafe fn correlated<S: Simd, const V: usize>(
    s: S,
    x: *const f32,
    offsets: &[usize],
    weights: &[f32],
    start: f32,
    to: *mut f32,
) -> usize {
    let mut sums = [s.splat(start); V];
    for (offset, weight) in offsets.iter().zip(weights) {
        let weight = s.splat(*weight);
        for v in 0..V {
            // SAFETY: as the caller promises.
            sums[v] = s.mul_add(unsafe { s.load(x.add(offset + v * S::LANES)) }, weight, sums[v]);
        }
    }
    for v in 0..V {
        // SAFETY: as the caller promises.
        unsafe { s.store(to.add(v * S::LANES), sums[v]) };
    }
    V * S::LANES
}

/// `sums[t][q % BLOCK] += x[q + offsets[t]] * g[q]`. `g` is a multiple of [`BLOCK`] long, `sums` is `[taps][BLOCK]`, of which a table uses as many as its vectors have floats.
#[inline(always)]
pub(crate) fn correlate_taps<S: Simd>(s: S, x: &[f32], offsets: &[usize], g: &[f32], sums: &mut [f32]) {
    let reach = offsets.iter().max().map_or(0, |most| most + g.len());
    assert!(g.len().is_multiple_of(BLOCK) && reach <= x.len() && sums.len() == offsets.len() * BLOCK);
    let mut tap = 0;
    while tap < offsets.len() {
        // SAFETY: `reach` elements are in the plane.
        tap += unsafe {
            match offsets.len() - tap {
                9.. => taps::<S, 9>(s, x, &offsets[tap..], g, &mut sums[tap * BLOCK..]),
                5.. => taps::<S, 5>(s, x, &offsets[tap..], g, &mut sums[tap * BLOCK..]),
                3.. => taps::<S, 3>(s, x, &offsets[tap..], g, &mut sums[tap * BLOCK..]),
                _ => taps::<S, 1>(s, x, &offsets[tap..], g, &mut sums[tap * BLOCK..]),
            }
        };
    }
}

/// # Safety
/// As many elements as `g` has are in `x` from each of the first `T` offsets on.
#[inline(always)]
unsafe fn taps<S: Simd, const T: usize>(
    s: S,
    x: &[f32],
    offsets: &[usize],
    g: &[f32],
    sums: &mut [f32],
) -> usize {
    assert!(offsets.len() >= T && sums.len() >= T * BLOCK);
    let mut own = [s.splat(0.0); T];
    let mut from = [x.as_ptr(); T];
    // SAFETY: `BLOCK` sums of `T` taps were checked, and no vector is longer; for the rest as the caller promises.
    unsafe {
        for t in 0..T {
            own[t] = s.load(sums.as_ptr().add(t * BLOCK));
            from[t] = from[t].add(offsets[t]);
        }
        for at in (0..g.len()).step_by(S::LANES) {
            let g = s.load(g.as_ptr().add(at));
            for t in 0..T {
                own[t] = s.mul_add(s.load(from[t].add(at)), g, own[t]);
            }
        }
        for t in 0..T {
            s.store(sums.as_mut_ptr().add(t * BLOCK), own[t]);
        }
    }
    T
}

/// Rows of both factors that [`inner_products`] takes at a time.
pub(crate) const TILE: usize = 4;

/// Some rows of two matrices, in several pieces.
pub(crate) struct Rows<'a> {
    /// Every row of the first factor, from its first element on.
    pub(crate) a: [&'a [f32]; TILE],
    /// Of the second.
    pub(crate) b: [&'a [f32]; TILE],
    /// Elements of a piece of a row.
    pub(crate) len: usize,
    /// Distance of two pieces in the factors.
    pub(crate) strides: [usize; 2],
    /// Pieces.
    pub(crate) pieces: usize,
}

/// The inner products of all rows of `a` with all of `b`.
#[inline(always)]
pub(crate) fn inner_products<S: Simd>(s: S, rows: &Rows<'_>) -> [[f32; TILE]; TILE] {
    let mut out = [[0.0; TILE]; TILE];
    if rows.pieces == 0 {
        return out;
    }
    for (side, stride) in [&rows.a, &rows.b].into_iter().zip(rows.strides) {
        assert!(side.iter().all(|row| row.len() >= (rows.pieces - 1) * stride + rows.len));
    }
    // SAFETY: all pieces lie within the rows.
    unsafe {
        if S::LANES == 16 {
            products::<S, 4>(s, rows, 0, &mut out);
        } else {
            products::<S, 2>(s, rows, 0, &mut out);
            products::<S, 2>(s, rows, 2, &mut out);
        }
    }
    out
}

/// # Safety
/// All pieces lie within the rows.
#[inline(always)]
unsafe fn products<S: Simd, const R: usize>(
    s: S,
    rows: &Rows<'_>,
    first: usize,
    out: &mut [[f32; TILE]; TILE],
) {
    let mut sums = [[s.splat(0.0); TILE]; R];
    let whole = rows.len / S::LANES * S::LANES;
    let rest = rows.len - whole;
    for piece in 0..rows.pieces {
        let mut a = [rows.a[0].as_ptr(); R];
        let mut b = [rows.b[0].as_ptr(); TILE];
        for r in 0..R {
            a[r] = rows.a[first + r].as_ptr().wrapping_add(piece * rows.strides[0]);
        }
        for c in 0..TILE {
            b[c] = rows.b[c].as_ptr().wrapping_add(piece * rows.strides[1]);
        }
        // SAFETY: vectors before `whole` lie in the piece, and so does what is copied.
        unsafe {
            for at in (0..whole).step_by(S::LANES) {
                multiply(s, a, b, at, &mut sums);
            }
            if rest > 0 {
                let (mut ends, mut others) = ([[0.0f32; 16]; R], [[0.0f32; 16]; TILE]);
                for r in 0..R {
                    a[r].add(whole).copy_to_nonoverlapping(ends[r].as_mut_ptr(), rest);
                    a[r] = ends[r].as_ptr();
                }
                for c in 0..TILE {
                    b[c].add(whole).copy_to_nonoverlapping(others[c].as_mut_ptr(), rest);
                    b[c] = others[c].as_ptr();
                }
                multiply(s, a, b, 0, &mut sums);
            }
        }
    }
    for r in 0..R {
        for c in 0..TILE {
            out[first + r][c] = s.sum(sums[r][c]);
        }
    }
}

/// # Safety
/// A vector is readable from every pointer at `at`.
#[inline(always)]
unsafe fn multiply<S: Simd, const R: usize>(
    s: S,
    a: [*const f32; R],
    b: [*const f32; TILE],
    at: usize,
    sums: &mut [[S::F; TILE]; R],
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut columns = [s.splat(0.0); TILE];
        for c in 0..TILE {
            columns[c] = s.load(b[c].add(at));
        }
        for r in 0..R {
            let row = s.load(a[r].add(at));
            for c in 0..TILE {
                sums[r][c] = s.mul_add(row, columns[c], sums[r][c]);
            }
        }
    }
}
