//! AVX2: the product of bytes with bytes, summed over whole rows in 32 bits.
//!
//! One token reads every weight once, so it multiplies bytes. `vpmaddubsw` wants one factor unsigned: the weight's sign is moved to the
//! activation, and two products of at most 128 * 127 fit 16 bits.
//!
//! Several tokens multiply words by `vpmaddwd`. Words have room for sums of a weight and an activation, so that one product can do the
//! work of two (Winograd 1968, "A New Algorithm for Inner Product"):
//!
//! `x0 w0 + x1 w1 = (x0 + w1) (x1 + w0) - x0 x1 - w0 w1`
//!
//! where the products of a row's own pairs are summed once. Multiplications go through two of the vector units and additions through
//! four on the CPUs that this is for, and trading one for the other was measured to be faster. All sums are modulo 2^32 and exact where
//! the result fits. The tile is widened once for all tokens, the activations once for all tiles; four tokens lie side by side, so that a
//! product reads one stream of each.

use std::arch::x86_64::*;

use super::tile::{PREFETCH_BYTES, RUN, TILE_ROWS, W8A8Tile};
use super::{W8A8Words, WORD_TOKENS, WordTokens};
use crate::quantize::{BLOCK, TokenView};

/// Vectors of 8 rows in a tile.
const HALVES: usize = TILE_ROWS / 8;
/// See the head of this file.
pub(super) const WORDS: W8A8Words = W8A8Words { panel_len, widen_tokens, widen_tile, tile: word_tile };

/// Words of a panel: those of the tile, and a 32-bit sum per row.
fn panel_len(cols: usize) -> usize {
    TILE_ROWS * cols + 2 * TILE_ROWS
}

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
pub(super) fn w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_>, out: &mut [f32]) {
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

/// Of 8 quads of bytes, the words of columns 0 and 2 of each, and those of columns 1 and 3.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn even_and_odd(quads: __m256i) -> (__m256i, __m256i) {
    (_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(quads)), _mm256_srai_epi16::<8>(quads))
}

/// To `[cols / 4][4][4]`: of every quad the columns 0, 2, 1, 3 of all four tokens. Returns the sums of the products of pairs.
#[target_feature(enable = "avx2,fma,f16c")]
fn widen_tokens(quants: &[i8], out: &mut [i16]) -> [i32; WORD_TOKENS] {
    let cols = quants.len() / WORD_TOKENS;
    assert!(cols.is_multiple_of(BLOCK) && quants.len() == WORD_TOKENS * cols && out.len() == quants.len());
    let mut sums = [0; WORD_TOKENS];
    for (token, sum) in sums.iter_mut().enumerate() {
        let mut products = _mm256_setzero_si256();
        for at in (0..cols).step_by(BLOCK) {
            // SAFETY: 32 bytes of the token are read. They are 8 quads, each written to the 4 words that belong to it and the token.
            unsafe {
                let (even, odd) =
                    even_and_odd(_mm256_loadu_si256(quants.as_ptr().add(token * cols + at).cast()));
                products = _mm256_add_epi32(products, _mm256_madd_epi16(even, odd));
                let (low, high) = (_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd));
                let mut quads = [[0u64; 4]; 2];
                _mm256_storeu_si256(quads[0].as_mut_ptr().cast(), low);
                _mm256_storeu_si256(quads[1].as_mut_ptr().cast(), high);
                let [low, high] = quads;
                let quads = [low[0], low[1], high[0], high[1], low[2], low[3], high[2], high[3]];
                let to = out.as_mut_ptr().add(at * WORD_TOKENS + 4 * token).cast::<u64>();
                for (quad, words) in quads.into_iter().enumerate() {
                    to.add(quad * WORD_TOKENS).write_unaligned(words);
                }
            }
        }
        let mut lanes = [0i32; 8];
        // SAFETY: 8 sums.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), products) };
        *sum = lanes.iter().sum();
    }
    sums
}

/// To `[cols / 4][2][2][8][2]`: of every quad and 8 rows, the odd columns of all rows, then the even ones. At the end, per row, the sum
/// of the products of pairs in 32 bits.
#[target_feature(enable = "avx2,fma,f16c")]
fn widen_tile(tile: &W8A8Tile<'_>, panel: &mut [i16]) {
    assert!(tile.data.len() == TILE_ROWS * tile.cols && panel.len() == panel_len(tile.cols));
    let (words, sums) = panel.split_at_mut(tile.data.len());
    let mut products = [_mm256_setzero_si256(); HALVES];
    for (run, panel) in tile.data.chunks_exact(RUN).zip(words.chunks_exact_mut(RUN)) {
        for (h, products) in products.iter_mut().enumerate() {
            // SAFETY: a run has 64 bytes, its part of the panel 64 words; each half of the rows takes 32 of both.
            unsafe {
                let (even, odd) = even_and_odd(_mm256_loadu_si256(run.as_ptr().add(32 * h).cast()));
                *products = _mm256_add_epi32(*products, _mm256_madd_epi16(even, odd));
                let to = panel.as_mut_ptr().add(32 * h);
                _mm256_storeu_si256(to.cast(), odd);
                _mm256_storeu_si256(to.add(16).cast(), even);
            }
        }
    }
    for (products, to) in products.into_iter().zip(sums.chunks_exact_mut(16)) {
        // SAFETY: 16 words are written.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), products) };
    }
}

/// A panel times four tokens.
#[target_feature(enable = "avx2,fma,f16c")]
fn word_tile(panel: &[i16], scales: &[f32; TILE_ROWS], x: &WordTokens<'_>, out: &mut [f32]) {
    let cols = x.quants.len() / WORD_TOKENS;
    assert!(panel.len() == panel_len(cols) && x.quants.len() == WORD_TOKENS * cols && cols.is_multiple_of(4));
    let mut sums = [[_mm256_setzero_si256(); HALVES]; WORD_TOKENS];
    // SAFETY: the panel and the tokens have as many quads, and the panel 32 words after them.
    unsafe {
        for h in 0..HALVES {
            let products = _mm256_loadu_si256(panel.as_ptr().add(TILE_ROWS * cols + 16 * h).cast());
            for (sums, own) in sums.iter_mut().zip(x.sums) {
                sums[h] = _mm256_sub_epi32(_mm256_sub_epi32(sums[h], products), _mm256_set1_epi32(*own));
            }
        }
        let mut weights = panel.as_ptr().cast::<__m256i>();
        let mut quads = x.quants.as_ptr().cast::<i32>();
        for _ in 0..cols / 4 {
            let mut odd = [_mm256_setzero_si256(); HALVES];
            let mut even = odd;
            for h in 0..HALVES {
                odd[h] = _mm256_loadu_si256(weights.add(2 * h));
                even[h] = _mm256_loadu_si256(weights.add(2 * h + 1));
            }
            for (t, sums) in sums.iter_mut().enumerate() {
                let x_even = _mm256_set1_epi32(quads.add(2 * t).read_unaligned());
                let x_odd = _mm256_set1_epi32(quads.add(2 * t + 1).read_unaligned());
                for h in 0..HALVES {
                    let a = _mm256_add_epi16(odd[h], x_even);
                    let b = _mm256_add_epi16(even[h], x_odd);
                    sums[h] = _mm256_add_epi32(sums[h], _mm256_madd_epi16(a, b));
                }
            }
            weights = weights.add(2 * HALVES);
            quads = quads.add(2 * WORD_TOKENS);
        }
    }
    for (t, sums) in sums.into_iter().enumerate() {
        store_scaled(sums, scales, x.scales[t], &mut out[t * TILE_ROWS..]);
    }
}
