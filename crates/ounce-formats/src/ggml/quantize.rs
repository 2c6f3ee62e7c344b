//! From f32 into the types that files are commonly written in.
//!
//! Bit-equal to `gguf/quants.py` of the `gguf` Python package (and so to `quantize_row_*_ref` of ggml) for finite input. Rounding is to
//! nearest: Q8_0 rounds halves away from zero, the others add one half and truncate.

use half::{bf16, f16};
use thiserror::Error;

use super::GgmlType;

/// Why weights were not quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CannotQuantize {
    /// The type can be read only.
    #[error("{0} can be read but not written; choose F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1 or Q4_0")]
    Type(GgmlType),
    /// The row is not a whole number of blocks.
    #[error("a row of {len} weights is not a whole number of blocks of {}, which {ty} needs", ty.block_len())]
    Length {
        /// The type asked for.
        ty: GgmlType,
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
        let blocks = weights.as_chunks::<32>().0;
        match self {
            Self::F32 => out.extend(weights.iter().flat_map(|w| w.to_le_bytes())),
            Self::F16 => out.extend(weights.iter().flat_map(|&w| f16::from_f32(w).to_le_bytes())),
            Self::BF16 => out.extend(weights.iter().flat_map(|&w| bf16::from_f32(w).to_le_bytes())),
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => {
                out.reserve(bytes);
                for block in blocks {
                    match self {
                        Self::Q4_0 => symmetric(block, 8.0, out),
                        Self::Q4_1 => with_minimum(block, 15.0, out),
                        Self::Q5_0 => symmetric(block, 16.0, out),
                        Self::Q5_1 => with_minimum(block, 31.0, out),
                        _ => q8_0(block, out),
                    }
                }
            }
            _ => return Err(CannotQuantize::Type(self)),
        }
        Ok(())
    }
}

impl GgmlType {
    /// As [`quantize`](Self::quantize), for rows whose columns matter unequally: `importance` has one value per column (the mean square
    /// of the inputs that the column is multiplied with), and `weights` is a whole number of rows of that many columns.
    /// Types that take no heed of it are quantized as without.
    ///
    /// # Errors
    /// [`CannotQuantize`], in which case `out` is unchanged.
    pub fn quantize_weighted(
        self,
        weights: &[f32],
        importance: Option<&[f32]>,
        out: &mut Vec<u8>,
    ) -> Result<(), CannotQuantize> {
        let _ = importance;
        self.quantize(weights, out)
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
