//! Groups of integers as blocks of GGUF, where nothing is lost by it.

use half::f16;
use ounce_formats::ggml::GgmlType;
use ounce_quant::QuantizedMatrix;

/// Weights of a block of Q4_0 or Q8_0.
const BLOCK: usize = 32;

/// The matrix in blocks of `ty`, if they hold exactly its weights: symmetric quants of at most 4 bits in Q4_0, of at most 8 bits in Q8_0,
/// with groups of whole blocks.
pub(super) fn exact(matrix: &QuantizedMatrix, ty: GgmlType) -> Option<Vec<u8>> {
    let bits = matrix.scheme.bits;
    let fits = match ty {
        GgmlType::Q4_0 => bits <= 4,
        GgmlType::Q8_0 => bits <= 8,
        _ => false,
    };
    if !fits || !matrix.scheme.symmetric || !matrix.group.is_multiple_of(BLOCK) || matrix.group == 0 {
        return None;
    }
    let zero = 1i16 << (bits - 1);
    let mut out = Vec::with_capacity(matrix.quants.len() / BLOCK * ty.block_bytes());
    for (index, quants) in matrix.quants.as_chunks::<BLOCK>().0.iter().enumerate() {
        let scale = matrix.scales.get(index * BLOCK / matrix.group)?;
        out.extend(f16::from_f32(*scale).to_le_bytes());
        let signed = quants.map(|q| i16::from(q) - zero);
        if ty == GgmlType::Q8_0 {
            out.extend(signed.map(|q| q as i8 as u8));
        } else {
            let (low, high) = signed.split_at(BLOCK / 2);
            out.extend(low.iter().zip(high).map(|(low, high)| (low + 8) as u8 | ((high + 8) as u8) << 4));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ounce_quant::{Granularity, Scheme};

    #[test]
    fn blocks_mean_what_the_groups_meant() {
        let weights: Vec<f32> = (0..3 * 128).map(|i| ((i * 37 % 101) as f32 - 50.0) / 40.0).collect();
        for (bits, ty) in [(3, GgmlType::Q4_0), (4, GgmlType::Q4_0), (4, GgmlType::Q8_0), (8, GgmlType::Q8_0)]
        {
            for group in [32, 64, 128] {
                let scheme = Scheme { bits, symmetric: true, granularity: Granularity::Group(group) };
                let matrix = QuantizedMatrix::nearest(&weights, 128, scheme).unwrap();
                let bytes = exact(&matrix, ty).unwrap();
                let mut found = vec![0.0; weights.len()];
                ty.dequantize(&bytes, &mut found);
                assert_eq!(found, matrix.dequantize(), "{bits} bits, groups of {group}, {ty}");
            }
        }
        let scheme = Scheme { bits: 4, symmetric: false, granularity: Granularity::Group(32) };
        assert!(exact(&QuantizedMatrix::nearest(&weights, 128, scheme).unwrap(), GgmlType::Q4_0).is_none());
    }
}
