//! Rows times some columns of an image: the strip of a pointwise convolution.

use super::Simd;
use super::gemm::products;
use crate::planes::PlanesMut;

/// Columns of a panel come in multiples of this.
pub(crate) const PANEL: usize = 16;
/// Columns that the widest tile takes.
const WIDE: usize = 64;
/// The most rows of a tile of several vectors a row, and of one.
const ROWS: [usize; 2] = [6, 12];

/// `out[r][c] = bias[r] + sum_k rows[r][k] * panel[k][c]`, summed in order of `k`.
pub(crate) struct Strip<'a> {
    /// `[depth]` rows of `pitch` floats.
    pub(crate) panel: &'a [f32],
    /// A multiple of [`PANEL`], at least the columns of `out`.
    pub(crate) pitch: usize,
    /// Element k of row r is at `r * strides[0] + k * strides[1]`. One of the two is 1.
    pub(crate) rows: &'a [f32],
    pub(crate) strides: [usize; 2],
    pub(crate) depth: usize,
    /// Where every row starts, or at zero.
    pub(crate) bias: Option<&'a [f32]>,
    /// A plane for every row, a column for every element.
    pub(crate) out: PlanesMut<'a>,
}

/// Computes a strip.
#[inline(always)]
pub(crate) fn pointwise<S: Simd>(s: S, strip: &Strip<'_>) {
    let (rows, columns) = (strip.out.read().count, strip.out.read().len);
    assert!(strip.pitch.is_multiple_of(PANEL) && columns <= strip.pitch);
    assert!(strip.depth * strip.pitch <= strip.panel.len());
    assert!(strip.bias.is_none_or(|bias| bias.len() >= rows) && strip.strides.contains(&1));
    let reach = rows.saturating_sub(1) * strip.strides[0] + strip.depth.saturating_sub(1) * strip.strides[1];
    assert!(rows * strip.depth == 0 || reach < strip.rows.len());
    // SAFETY: the extents were checked.
    unsafe { if strip.strides[1] == 1 { blocks::<S, false>(s, strip) } else { blocks::<S, true>(s, strip) } }
}

/// # Safety
/// As [`pointwise`] checked.
#[inline(always)]
unsafe fn blocks<S: Simd, const T: bool>(s: S, strip: &Strip<'_>) {
    let columns = strip.out.read().len;
    let mut column = 0;
    // SAFETY: panels are as wide as columns, rounded up to a multiple of `PANEL`.
    unsafe {
        if S::LANES == PANEL {
            while column + WIDE <= columns {
                rows::<S, 4, T>(s, strip, column);
                column += WIDE;
            }
        }
        while column < columns {
            match S::LANES {
                16 => tall_rows::<S, T>(s, strip, column),
                4 => rows::<S, 4, T>(s, strip, column),
                _ => rows::<S, 2, T>(s, strip, column),
            }
            column += PANEL;
        }
    }
}

/// Rows in groups as even as possible, of which none is larger than `most`: calls `job(first, count)`.
#[inline(always)]
fn groups(rows: usize, most: usize, mut job: impl FnMut(usize, usize)) {
    let count = rows.div_ceil(most);
    for group in 0..count {
        let (first, end) = (rows * group / count, rows * (group + 1) / count);
        job(first, end - first);
    }
}

/// # Safety
/// The panel has `V` vectors from `column` on.
#[inline(always)]
unsafe fn rows<S: Simd, const V: usize, const T: bool>(s: S, strip: &Strip<'_>, column: usize) {
    groups(
        strip.out.read().count,
        ROWS[0],
        #[inline(always)]
        // SAFETY: as the caller promises.
        |row, count| unsafe {
            match count {
                1 => tile::<S, 1, V, T>(s, strip, row, column),
                2 => tile::<S, 2, V, T>(s, strip, row, column),
                3 => tile::<S, 3, V, T>(s, strip, row, column),
                4 => tile::<S, 4, V, T>(s, strip, row, column),
                5 => tile::<S, 5, V, T>(s, strip, row, column),
                _ => tile::<S, 6, V, T>(s, strip, row, column),
            }
        },
    );
}

/// # Safety
/// The panel has a vector from `column` on.
#[inline(always)]
unsafe fn tall_rows<S: Simd, const T: bool>(s: S, strip: &Strip<'_>, column: usize) {
    groups(
        strip.out.read().count,
        ROWS[1],
        #[inline(always)]
        // SAFETY: as the caller promises.
        |row, count| unsafe {
            match count {
                1 => tile::<S, 1, 1, T>(s, strip, row, column),
                2 => tile::<S, 2, 1, T>(s, strip, row, column),
                3 => tile::<S, 3, 1, T>(s, strip, row, column),
                4 => tile::<S, 4, 1, T>(s, strip, row, column),
                5 => tile::<S, 5, 1, T>(s, strip, row, column),
                6 => tile::<S, 6, 1, T>(s, strip, row, column),
                7 => tile::<S, 7, 1, T>(s, strip, row, column),
                8 => tile::<S, 8, 1, T>(s, strip, row, column),
                9 => tile::<S, 9, 1, T>(s, strip, row, column),
                10 => tile::<S, 10, 1, T>(s, strip, row, column),
                11 => tile::<S, 11, 1, T>(s, strip, row, column),
                _ => tile::<S, 12, 1, T>(s, strip, row, column),
            }
        },
    );
}

/// `R` rows of `V` vectors.
///
/// # Safety
/// The strip has `R` rows from `row` on, and its panel `V` vectors from `column` on.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize, const T: bool>(
    s: S,
    strip: &Strip<'_>,
    row: usize,
    column: usize,
) {
    let mut sums = [[s.splat(0.0); V]; R];
    if let Some(bias) = strip.bias {
        for r in 0..R {
            sums[r] = [s.splat(bias[row + r]); V];
        }
    }
    let panel = (strip.panel.as_ptr().wrapping_add(column), strip.pitch);
    let x = (strip.rows.as_ptr().wrapping_add(row * strip.strides[0]), strip.strides);
    let columns = strip.out.read().len - column;
    // SAFETY: as the caller promises; what is written are columns of the strip's own rows.
    unsafe {
        let sums = products::<S, R, V, T>(s, panel, x, strip.depth, sums);
        if columns >= V * S::LANES {
            for r in 0..R {
                let to = strip.out.plane(row + r).add(column);
                for v in 0..V {
                    s.store(to.add(v * S::LANES), sums[r][v]);
                }
            }
        } else {
            for r in 0..R {
                let mut part = [0.0f32; WIDE];
                for v in 0..V {
                    s.store(part.as_mut_ptr().add(v * S::LANES), sums[r][v]);
                }
                strip.out.plane(row + r).add(column).copy_from_nonoverlapping(part.as_ptr(), columns);
            }
        }
    }
}
