//! Floats: F32, F16, BF16, little-endian.

use half::slice::HalfFloatSliceExt;

use super::GgmlType;

/// Widens a row of floats; does nothing for a quantized type.
pub(super) fn to_f32(ty: GgmlType, bytes: &[u8], out: &mut [f32]) {
    match ty {
        GgmlType::F32 => {
            for (w, &bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *w = f32::from_le_bytes(bytes);
            }
        }
        GgmlType::F16 => {
            // Through a buffer, because the bytes need not be aligned and the conversion is vectorised.
            let mut buffer = [half::f16::ZERO; 256];
            for (out, bytes) in out.chunks_mut(256).zip(bytes.as_chunks::<2>().0.chunks(256)) {
                for (h, &bytes) in buffer.iter_mut().zip(bytes) {
                    *h = half::f16::from_le_bytes(bytes);
                }
                buffer[..out.len()].convert_to_f32_slice(out);
            }
        }
        GgmlType::BF16 => {
            for (w, &bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *w = half::bf16::from_le_bytes(bytes).to_f32();
            }
        }
        _ => {}
    }
}
