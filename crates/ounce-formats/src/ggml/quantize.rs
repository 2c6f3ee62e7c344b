//! From f32 into the types that files are commonly written in.
//!
//! Bit-equal to `gguf/quants.py` of the `gguf` Python package (and so to `quantize_row_*_ref` of ggml) for finite input, and with an importance
//! to `quantize_row_*_impl` of ggml. Rounding is to nearest: Q8_0 rounds halves away from zero, the other types with blocks of 32 add one
//! half and truncate, the K types round halves to even.

use half::{bf16, f16};
use thiserror::Error;

use super::{GgmlType, quantize_k, search};

/// Why weights were not quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CannotQuantize {
    /// The type can be read only.
    #[error(
        "{0} can be read but not written; choose F32, F16, BF16, Q8_0, Q6_K, Q5_1, Q5_0, Q4_K, Q4_1 or Q4_0"
    )]
    Type(GgmlType),
    /// The row is not a whole number of blocks.
    #[error("a row of {len} weights is not a whole number of blocks of {}, which {ty} needs", ty.block_len())]
    Length {
        /// The type asked for.
        ty: GgmlType,
        /// Weights given.
        len: usize,
    },
    /// The importance is not one value per column.
    #[error("{len} weights with an importance for each of {cols} columns, to become {ty}: rows must be whole numbers of blocks of {}, and the weights whole rows", ty.block_len())]
    Importance {
        /// The type asked for.
        ty: GgmlType,
        /// Values of importance given.
        cols: usize,
        /// Weights given.
        len: usize,
    },
}

impl GgmlType {
    /// Appends `weights` (a row, or any whole number of blocks) to `out` in this type.
    ///
    /// Infinite and NaN weights make their block meaningless; nothing panics.
    ///
    /// # Errors
    /// [`CannotQuantize`], in which case `out` is unchanged.
    pub fn quantize(self, weights: &[f32], out: &mut Vec<u8>) -> Result<(), CannotQuantize> {
        let bytes =
            self.row_bytes(weights.len()).ok_or(CannotQuantize::Length { ty: self, len: weights.len() })?;
        if !self.can_quantize() {
            return Err(CannotQuantize::Type(self));
        }
        out.reserve(bytes);
        let blocks = weights.as_chunks::<32>().0.iter();
        let superblocks = weights.as_chunks::<256>().0.iter();
        match self {
            Self::F32 => out.extend(weights.iter().flat_map(|w| w.to_le_bytes())),
            Self::F16 => out.extend(weights.iter().flat_map(|&w| f16::from_f32(w).to_le_bytes())),
            Self::BF16 => out.extend(weights.iter().flat_map(|&w| bf16::from_f32(w).to_le_bytes())),
            Self::Q4_0 => blocks.for_each(|block| symmetric(block, 8.0, out)),
            Self::Q4_1 => blocks.for_each(|block| with_minimum(block, 15.0, out)),
            Self::Q5_0 => blocks.for_each(|block| symmetric(block, 16.0, out)),
            Self::Q5_1 => blocks.for_each(|block| with_minimum(block, 31.0, out)),
            Self::Q8_0 => blocks.for_each(|block| q8_0(block, out)),
            Self::Q4K => superblocks.for_each(|block| quantize_k::q4_k(block, None, out)),
            Self::Q6K => superblocks.for_each(|block| quantize_k::q6_k(block, None, out)),
            Self::Q2K | Self::Q3K | Self::Q5K | Self::Iq4Nl => {}
        }
        Ok(())
    }

    /// As [`quantize`](Self::quantize), for rows whose columns matter unequally: `importance` has one value per column, the mean square of the
    /// inputs that the column is multiplied with (ggml's importance matrix), and `weights` is a whole number of rows of that many columns.
    ///
    /// Q4_0, Q4_1, Q5_0, Q5_1, Q4_K and Q6_K then search for the scales that leave the smallest weighted error, several
    /// times as slowly; the other types take no heed of it.
    ///
    /// # Errors
    /// [`CannotQuantize`], in which case `out` is unchanged.
    pub fn quantize_weighted(
        self,
        weights: &[f32],
        importance: Option<&[f32]>,
        out: &mut Vec<u8>,
    ) -> Result<(), CannotQuantize> {
        let Some(importance) = importance else {
            return self.quantize(weights, out);
        };
        let cols = importance.len();
        if self.row_bytes(cols).is_none() || cols == 0 || !weights.len().is_multiple_of(cols) {
            return Err(CannotQuantize::Importance { ty: self, cols, len: weights.len() });
        }
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 => {
                for row in weights.chunks_exact(cols) {
                    weighted_row(self, row, importance, out);
                }
            }
            Self::Q4K | Self::Q6K => {
                let block = if self == Self::Q4K { quantize_k::q4_k } else { quantize_k::q6_k };
                for row in weights.chunks_exact(cols) {
                    let pairs = row.as_chunks().0.iter().zip(importance.as_chunks().0);
                    pairs.for_each(|(weights, importance)| block(weights, Some(importance), out));
                }
            }
            _ => return self.quantize(weights, out),
        }
        Ok(())
    }

    /// Whether [`quantize`](Self::quantize) makes this type.
    pub fn can_quantize(self) -> bool {
        !matches!(self, Self::Q2K | Self::Q3K | Self::Q5K | Self::Iq4Nl)
    }
}

/// A row of a type with blocks of 32, its scales searched for (`quantize_row_q4_0_impl` and its like in ggml).
fn weighted_row(ty: GgmlType, row: &[f32], importance: &[f32], out: &mut Vec<u8>) {
    let variance = row.iter().fold(0f32, |sum, w| sum + w * w) / row.len() as f32;
    let fifth_bits = matches!(ty, GgmlType::Q5_0 | GgmlType::Q5_1);
    let mut quants = [0u8; 32];
    for (block, importance) in row.as_chunks::<32>().0.iter().zip(importance.as_chunks::<32>().0) {
        let weights: [f32; 32] =
            std::array::from_fn(|i| importance[i] * (variance + block[i] * block[i]).sqrt());
        if matches!(ty, GgmlType::Q4_0 | GgmlType::Q5_0) {
            let d = search::symmetric(block, if fifth_bits { 16 } else { 8 }, Some(&weights), &mut quants);
            out.extend(f16::from_f32(d).to_le_bytes());
        } else {
            let trials = search::Trials { first: -0.9, step: 0.05, count: 36 };
            let top = if fifth_bits { 31 } else { 15 };
            let (d, min) = search::affine(block, top, &weights, trials, &mut quants);
            out.extend(f16::from_f32(d).to_le_bytes());
            out.extend(f16::from_f32(-min).to_le_bytes());
        }
        push_quants(&quants, fifth_bits, out);
    }
}

/// Q4_0 (zero point 8) and Q5_0 (zero point 16). The weight of the largest magnitude becomes the lowest quant, which has one step more than
/// the highest, so the scale takes its sign reversed.
fn symmetric(block: &[f32; 32], zero: f32, out: &mut Vec<u8>) {
    let largest = block.iter().fold(block[0], |best, &w| if w.abs() > best.abs() { w } else { best });
    let d = largest / -zero;
    let inverse = inverse(d);
    let quants = block.map(|w| ((w * inverse + (zero + 0.5)) as u8).min(2 * zero as u8 - 1));
    out.extend(f16::from_f32(d).to_le_bytes());
    push_quants(&quants, zero == 16.0, out);
}

/// Q4_1 and Q5_1: `top` is the largest quant.
fn with_minimum(block: &[f32; 32], top: f32, out: &mut Vec<u8>) {
    let (min, max) = block.iter().fold((block[0], block[0]), |(min, max), &w| (min.min(w), max.max(w)));
    let d = (max - min) / top;
    let inverse = inverse(d);
    let quants = block.map(|w| (((w - min) * inverse + 0.5) as u8).min(top as u8));
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(f16::from_f32(min).to_le_bytes());
    push_quants(&quants, top == 31.0, out);
}

fn q8_0(block: &[f32; 32], out: &mut Vec<u8>) {
    let d = block.iter().fold(0f32, |largest, w| largest.max(w.abs())) / 127.0;
    let inverse = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(block.map(|w| (w * inverse).round() as i8 as u8));
}

fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// The fifth bits, if the type has them, as one u32; then the lower four bits, weight `i` beside weight `i + 16`.
fn push_quants(quants: &[u8; 32], fifth_bits: bool, out: &mut Vec<u8>) {
    if fifth_bits {
        let bits = quants.iter().enumerate().fold(0u32, |bits, (i, q)| bits | u32::from(q >> 4) << i);
        out.extend(bits.to_le_bytes());
    }
    let (low, high) = quants.split_at(16);
    out.extend(low.iter().zip(high).map(|(low, high)| low & 15 | high << 4));
}
