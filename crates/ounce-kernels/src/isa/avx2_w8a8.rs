//! AVX2: the product of bytes with bytes, summed over whole rows in 32 bits.
//!
//! One token reads every weight once, so it multiplies bytes. `vpmaddubsw` wants one factor unsigned: the weight's sign is moved to the
//! activation, and two products of at most 128 * 127 fit 16 bits.
//!
//! Several tokens multiply words by `vpmaddwd`: 16 products and 8 additions of pairs an instruction, one more to add them up. That is
//! no slower than bytes, whose products must be widened before they can be added, and needs no signs moved. The tile is widened once
//! for all tokens, the activations once for all tiles.

use std::arch::x86_64::*;

use super::W8A8Words;
use super::tile::{PREFETCH_BYTES, RUN, TILE_ROWS, W8A8Tile};
use crate::quantize::TokenView;

/// Vectors of 8 rows in a tile.
const HALVES: usize = TILE_ROWS / 8;
/// The most tokens whose sums are held in registers.
const TOKENS: usize = 6;

/// See the head of this file.
pub(super) const WORDS: W8A8Words = W8A8Words { widen_row, widen_tile, tile: word_tile };

/// `out = sums * (scales * x_scale)` for the rows of a tile.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store_scaled(sums: [__m256i; HALVES], scales: &[f32; TILE_ROWS], x_scale: f32, out: &mut [f32]) {
    let out = &mut out[..TILE_ROWS];
    for (h, sums) in sums.into_iter().enumerate() {
        // SAFETY: both arrays have 16 floats.
        unsafe {
            let scale = _mm256_mul_ps(_mm256_loadu_ps(scales.as_ptr().add(8 * h)), _mm256_set1_ps(x_scale));
            _mm256_storeu_ps(out.as_mut_ptr().add(8 * h), _mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale));
        }
    }
}

/// A tile times tokens one after another.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_, i8>, out: &mut [f32]) {
    assert!(x.cols == tile.cols && tile.data.len() == TILE_ROWS * tile.cols && tile.cols.is_multiple_of(4));
    for (token, row) in x.quants.chunks_exact(x.cols).enumerate() {
        let mut sums = [_mm256_setzero_si256(); HALVES];
        let mut run = tile.data.as_ptr();
        for quad in 0..x.cols / 4 {
            // SAFETY: by the assertion the tile has as many runs of 64 bytes as the row has quads.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(run.wrapping_add(PREFETCH_BYTES));
                let x = _mm256_set1_epi32(row.as_ptr().add(4 * quad).cast::<i32>().read_unaligned());
                for (h, sums) in sums.iter_mut().enumerate() {
                    let weights = _mm256_loadu_si256(run.add(32 * h).cast());
                    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(x, weights));
                    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
                }
                run = run.add(RUN);
            }
        }
        store_scaled(sums, tile.scales, x.scales[token], &mut out[token * TILE_ROWS..]);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn widen_row(quants: &[i8], out: &mut [i16]) {
    for (out, &q) in out.iter_mut().zip(quants) {
        *out = i16::from(q);
    }
}

/// To `[cols / 2][16][2]`: pairs of neighbouring columns of all rows.
#[target_feature(enable = "avx2,fma,f16c")]
fn widen_tile(tile: &W8A8Tile<'_>, panel: &mut [i16]) {
    assert!(tile.data.len() == TILE_ROWS * tile.cols && panel.len() == tile.data.len());
    for (run, panel) in tile.data.chunks_exact(RUN).zip(panel.chunks_exact_mut(RUN)) {
        for h in 0..HALVES {
            // SAFETY: a run has 64 bytes, its part of the panel 64 words; each half of the rows takes 32 of both.
            unsafe {
                let low = _mm256_cvtepi8_epi16(_mm_loadu_si128(run.as_ptr().add(32 * h).cast()));
                let high = _mm256_cvtepi8_epi16(_mm_loadu_si128(run.as_ptr().add(32 * h + 16).cast()));
                let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
                // Pairs of rows 0 1 4 5 2 3 6 7, then in order.
                let first = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(low, high));
                let second = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(low, high));
                let to = panel.as_mut_ptr().add(16 * h);
                _mm256_storeu_si256(to.cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(first));
                _mm256_storeu_si256(
                    to.add(2 * TILE_ROWS).cast(),
                    _mm256_permute4x64_epi64::<0b11_01_10_00>(second),
                );
            }
        }
    }
}

/// A panel times `T` tokens from token `first`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn rows_product<const T: usize>(
    panel: &[i16],
    scales: &[f32; TILE_ROWS],
    x: &TokenView<'_, i16>,
    first: usize,
    out: &mut [f32],
) {
    assert!(panel.len() == TILE_ROWS * x.cols && x.cols.is_multiple_of(2));
    assert!((first + T) * x.cols <= x.quants.len());
    let mut sums = [[_mm256_setzero_si256(); HALVES]; T];
    // SAFETY: the panel has as many pairs of columns as each of the tokens.
    unsafe {
        let mut pairs = panel.as_ptr();
        let row = x.quants.as_ptr().add(first * x.cols);
        for pair in 0..x.cols / 2 {
            let mut weights = [_mm256_setzero_si256(); HALVES];
            for (h, weights) in weights.iter_mut().enumerate() {
                *weights = _mm256_loadu_si256(pairs.add(16 * h).cast());
            }
            for (t, sums) in sums.iter_mut().enumerate() {
                let x = _mm256_set1_epi32(row.add(t * x.cols + 2 * pair).cast::<i32>().read_unaligned());
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(weights, x));
                }
            }
            pairs = pairs.add(2 * TILE_ROWS);
        }
    }
    for (t, sums) in sums.into_iter().enumerate() {
        store_scaled(sums, scales, x.scales[first + t], &mut out[(first + t) * TILE_ROWS..]);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn word_tile(panel: &[i16], scales: &[f32; TILE_ROWS], x: TokenView<'_, i16>, out: &mut [f32]) {
    let tokens = x.scales.len();
    let mut token = 0;
    while token < tokens {
        let count = match tokens - token {
            TOKENS.. => {
                rows_product::<TOKENS>(panel, scales, &x, token, out);
                TOKENS
            }
            3.. => {
                rows_product::<3>(panel, scales, &x, token, out);
                3
            }
            _ => {
                rows_product::<1>(panel, scales, &x, token, out);
                1
            }
        };
        token += count;
    }
}
