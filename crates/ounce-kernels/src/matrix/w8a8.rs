//! Matrices of signed bytes with one scale per row, for activations with one scale per token or per tensor (Xiao et al. 2023,
//! SmoothQuant).

use super::arena::Region;
use super::{ActivationScale, MatrixError, W8A8Spec};
use crate::Team;
use crate::isa::{TILE_ROWS, W8A8Tile};
use crate::ops::Rotation;
use crate::pool::SharedMut;
use crate::quantize::padded;

/// The most columns: this many products of two bytes cannot overflow a signed 32-bit sum (128 * 127 * 131072 < 2^31).
pub(super) const MOST_COLS: usize = 1 << 17;

/// What is done to a row of activations before the product.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct TokenForm {
    /// First, a rotation.
    pub(crate) rotation: Option<Rotation>,
    /// Then, rounding with this scale.
    pub(crate) scale: ActivationScale,
}

/// Signed bytes in tiles of 16 rows. The last tile is filled up with rows of zeros, and rows with zeros to a multiple of 32 columns.
pub(crate) struct W8A8Matrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) form: TokenForm,
    data: Region,
    /// `[tiles][16]`
    scales: Vec<[f32; TILE_ROWS]>,
}

impl W8A8Matrix {
    pub(crate) fn pack(
        team: &mut Team<'_>,
        spec: W8A8Spec,
        fill: impl Fn(usize, &mut [i8]) -> f32 + Sync,
    ) -> Result<Self, MatrixError> {
        let W8A8Spec { rows, cols, activations, rotation } = spec;
        if cols > MOST_COLS {
            return Err(MatrixError::Width { cols, most: MOST_COLS });
        }
        if let ActivationScale::Fixed(scale) = activations
            && !(scale.is_finite() && scale > 0.0)
        {
            return Err(MatrixError::FixedScale { found: scale });
        }
        if let Some(rotation) = rotation {
            Rotation::new(cols, rotation.block()).map_err(MatrixError::Rotation)?;
        }
        let width = padded(cols);
        let tile_bytes = TILE_ROWS * width;
        let tiles = rows.div_ceil(TILE_ROWS);
        let total = tiles
            .checked_mul(tile_bytes)
            .filter(|&total| total <= isize::MAX as usize / 2)
            .ok_or(MatrixError::Size { shape: [rows, cols], expected: None, found: 0 })?;
        let mut data = team.arena().take(total);
        let mut scales = vec![[0.0; TILE_ROWS]; tiles];
        {
            let bytes_of = SharedMut::new(data.bytes_mut());
            let scales_of = SharedMut::new(&mut scales);
            let chunks = tiles.min(team.threads() * 16);
            team.run(chunks, |chunk, _| {
                let mut quants = vec![0; width];
                for tile in tiles * chunk / chunks..tiles * (chunk + 1) / chunks {
                    // SAFETY: tiles do not overlap, and each belongs to one chunk.
                    let (out, scales) =
                        unsafe { (bytes_of.slice(tile * tile_bytes, tile_bytes), scales_of.slice(tile, 1)) };
                    let first = tile * TILE_ROWS;
                    for (row, scale) in scales[0].iter_mut().enumerate().take(rows - first) {
                        *scale = fill(first + row, &mut quants[..cols]);
                        interleave(&quants, row, out);
                    }
                }
            });
        }
        Ok(Self { rows, cols, form: TokenForm { rotation, scale: activations }, data, scales })
    }

    /// The 16 rows from `16 * index`.
    pub(crate) fn tile(&self, index: usize) -> W8A8Tile<'_> {
        let cols = padded(self.cols);
        let data = &self.data.bytes()[index * TILE_ROWS * cols..][..TILE_ROWS * cols];
        W8A8Tile { data: bytemuck::cast_slice(data), cols, scales: &self.scales[index] }
    }

    /// Bytes of all tiles and scales.
    pub(crate) fn bytes(&self) -> usize {
        self.data.bytes().len() + size_of_val(&self.scales[..])
    }

    pub(crate) fn layout_name(&self) -> String {
        let name = match self.form.scale {
            ActivationScale::PerToken => "w8a8",
            ActivationScale::Fixed(_) => "w8a8 static",
        };
        match self.form.rotation {
            None => name.into(),
            Some(rotation) => format!("{name} rotated {}", rotation.block()),
        }
    }
}

impl std::fmt::Debug for W8A8Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "W8A8Matrix({} x {}, {})", self.rows, self.cols, self.layout_name())
    }
}

/// Writes a row's quads to their places among those of the other rows.
fn interleave(quants: &[i8], row: usize, out: &mut [u8]) {
    for (quad, run) in quants.chunks_exact(4).zip(out.chunks_exact_mut(4 * TILE_ROWS)) {
        run[4 * row..][..4].copy_from_slice(bytemuck::cast_slice(quad));
    }
}
