//! The register tile of float matrix products: some rows of activations times a panel of 16 columns.

use super::Simd;

/// Columns of a panel.
pub(crate) const PANEL: usize = 16;
/// The most rows of one tile: as many sums as 32 vectors of 16 floats hold beside the panel. Narrower vectors take half of them at a time.
pub(crate) const TILE_ROWS: usize = 12;
/// The most rows of one tile whose sums fit into the registers where a row takes several vectors.
const NARROW_ROWS: usize = TILE_ROWS / 2;

/// One tile: `out[r][c] (+)= sum_k x[r][k] * panel[k][c]` for `rows` (at most [`TILE_ROWS`]) rows and [`PANEL`] columns.
pub(crate) struct Tile<'a> {
    /// `[k]` rows of at least 16 floats, `panel_stride` apart.
    pub(crate) panel: &'a [f32],
    pub(crate) panel_stride: usize,
    /// Element k of row r is at `r * x_stride + k * x_step`. One of the two distances is 1.
    pub(crate) x: &'a [f32],
    pub(crate) x_stride: usize,
    pub(crate) x_step: usize,
    /// The length of the sums.
    pub(crate) depth: usize,
    /// Row r of 16 begins at `r * out_stride`.
    pub(crate) out: &'a mut [f32],
    pub(crate) out_stride: usize,
    pub(crate) rows: usize,
    /// Add to what `out` holds, rather than overwrite it.
    pub(crate) accumulate: bool,
}

/// Adds to `R` rows of `V` vectors the products of a panel with as many rows of `x`: element k of row r is at `r * strides[0] + k * strides[1]`, of which the second is 1,
/// or, where `T`, the first.
///
/// # Safety
/// From `panel`, `depth` rows of `V` vectors are readable, and from `x` the elements of `R` rows.
#[inline(always)]
pub(crate) unsafe fn products<S: Simd, const R: usize, const V: usize, const T: bool>(
    s: S,
    (mut panel, panel_stride): (*const f32, usize),
    (x, strides): (*const f32, [usize; 2]),
    depth: usize,
    mut sums: [[S::F; V]; R],
) -> [[S::F; V]; R] {
    let mut rows = [x; R];
    // SAFETY: as the caller promises.
    unsafe {
        if !T {
            for (r, row) in rows.iter_mut().enumerate() {
                *row = row.add(r * strides[0]);
            }
        }
        for k in 0..depth {
            let mut columns = [s.splat(0.0); V];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = s.load(panel.add(v * S::LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                // Transposed, the elements of all rows lie side by side.
                let x = s.splat(if T { *x.add(k * strides[1] + r) } else { *rows[r].add(k) });
                for v in 0..V {
                    sums[v] = s.mul_add(columns[v], x, sums[v]);
                }
            }
            panel = panel.wrapping_add(panel_stride);
        }
    }
    sums
}

#[inline(always)]
fn tile<S: Simd, const R: usize, const V: usize, const T: bool>(s: S, t: &mut Tile<'_>) {
    assert_eq!(S::LANES * V, PANEL);
    let mut sums = [[s.splat(0.0); V]; R];
    // SAFETY: `gemm_tile` checked the extents of all three matrices.
    unsafe {
        if t.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = s.load(t.out.as_ptr().add(r * t.out_stride + v * S::LANES));
                }
            }
        }
        let (panel, x) = ((t.panel.as_ptr(), t.panel_stride), (t.x.as_ptr(), [t.x_stride, t.x_step]));
        let sums = products::<S, R, V, T>(s, panel, x, t.depth, sums);
        for (r, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                s.store(t.out.as_mut_ptr().add(r * t.out_stride + v * S::LANES), sum);
            }
        }
    }
}

/// As [`tile`], with the number of rows as it comes.
#[inline(always)]
fn tile_rows<S: Simd, const V: usize, const T: bool>(s: S, t: &mut Tile<'_>) {
    match t.rows {
        1 => tile::<S, 1, V, T>(s, t),
        2 => tile::<S, 2, V, T>(s, t),
        3 => tile::<S, 3, V, T>(s, t),
        4 => tile::<S, 4, V, T>(s, t),
        5 => tile::<S, 5, V, T>(s, t),
        _ => tile::<S, NARROW_ROWS, V, T>(s, t),
    }
}

/// As [`tile_rows`], with one vector to a row.
#[inline(always)]
fn tall_rows<S: Simd, const T: bool>(s: S, t: &mut Tile<'_>) {
    match t.rows {
        ..=NARROW_ROWS => tile_rows::<S, 1, T>(s, t),
        7 => tile::<S, 7, 1, T>(s, t),
        8 => tile::<S, 8, 1, T>(s, t),
        9 => tile::<S, 9, 1, T>(s, t),
        10 => tile::<S, 10, 1, T>(s, t),
        11 => tile::<S, 11, 1, T>(s, t),
        _ => tile::<S, TILE_ROWS, 1, T>(s, t),
    }
}

/// Computes one tile.
#[inline(always)]
pub(crate) fn gemm_tile<S: Simd>(s: S, mut t: Tile<'_>) {
    assert!((1..=TILE_ROWS).contains(&t.rows));
    assert!(t.depth == 0 || (t.depth - 1) * t.panel_stride + PANEL <= t.panel.len());
    assert!(t.depth == 0 || (t.rows - 1) * t.x_stride + (t.depth - 1) * t.x_step < t.x.len());
    assert!((t.rows - 1) * t.out_stride + PANEL <= t.out.len());
    assert!(t.x_stride == 1 || t.x_step == 1);
    if t.x_step == 1 { all_rows::<S, false>(s, &mut t) } else { all_rows::<S, true>(s, &mut t) }
}

#[inline(always)]
fn all_rows<S: Simd, const T: bool>(s: S, t: &mut Tile<'_>) {
    if S::LANES == PANEL {
        return tall_rows::<S, T>(s, t);
    }
    let (first, rest) = (t.rows.min(NARROW_ROWS), t.rows.saturating_sub(NARROW_ROWS));
    t.rows = first;
    narrow_rows::<S, T>(s, t);
    if rest > 0 {
        t.rows = rest;
        t.x = &t.x[t.x.len().min(NARROW_ROWS * t.x_stride)..];
        let out = std::mem::take(&mut t.out);
        t.out = &mut out[NARROW_ROWS * t.out_stride..];
        narrow_rows::<S, T>(s, t);
    }
}

#[inline(always)]
fn narrow_rows<S: Simd, const T: bool>(s: S, t: &mut Tile<'_>) {
    match S::LANES {
        4 => tile_rows::<S, 4, T>(s, t),
        _ => tile_rows::<S, 2, T>(s, t),
    }
}
