//! Floats as bytes of a file.

use super::ExportError;
use crate::checkpoint::Tensor;
use ounce_formats::ggml::GgmlType;
use ounce_formats::hugging_face::SafetensorsType;

/// Elements that are converted at once.
const PIECE: usize = 1 << 20;

/// The safetensors type of a float type; F32 of any other.
pub(super) fn safetensors_type(ty: GgmlType) -> SafetensorsType {
    match ty {
        GgmlType::F16 => SafetensorsType::F16,
        GgmlType::BF16 => SafetensorsType::BF16,
        _ => SafetensorsType::F32,
    }
}

/// Appends values in a float type.
///
/// # Errors
/// [`ExportError::Range`] for a finite value that would become infinite.
pub(super) fn append(name: &str, values: &[f32], ty: GgmlType, out: &mut Vec<u8>) -> Result<(), ExportError> {
    check_range(name, values, ty)?;
    ty.quantize(values, out).map_err(|source| ExportError::Weight {
        name: name.to_owned(),
        expected: "a type that can be written".into(),
        found: source.to_string(),
    })
}

/// Refuses finite values that half precision would make infinite.
pub(super) fn check_range(name: &str, values: &[f32], ty: GgmlType) -> Result<(), ExportError> {
    // Halfway between the largest half-precision number and the next power of two.
    const INFINITE: f32 = 65520.0;
    let beyond = |value: &&f32| value.is_finite() && value.abs() >= INFINITE;
    match values.iter().find(beyond) {
        Some(&value) if ty == GgmlType::F16 => {
            Err(ExportError::Range { name: name.to_owned(), value, ty: "F16", instead: "BF16 or F32" })
        }
        _ => Ok(()),
    }
}

/// A tensor of the source as floats of a type; its own bytes if it is of that type.
pub(super) fn converted(name: &str, tensor: &Tensor, ty: GgmlType) -> Result<Vec<u8>, ExportError> {
    if tensor.ty == ty {
        return Ok(tensor.bytes().to_vec());
    }
    let elements: usize = tensor.shape.iter().product();
    let mut out = Vec::with_capacity(elements * ty.block_bytes());
    pieces(tensor, |values| append(name, values, ty, &mut out))?;
    Ok(out)
}

/// Hands over the values of a tensor in pieces of whole blocks.
pub(super) fn pieces(
    tensor: &Tensor,
    mut each: impl FnMut(&[f32]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let piece_bytes = PIECE / tensor.ty.block_len() * tensor.ty.block_bytes();
    let mut values = vec![0.0; PIECE];
    for bytes in tensor.bytes().chunks(piece_bytes) {
        let values = &mut values[..bytes.len() / tensor.ty.block_bytes() * tensor.ty.block_len()];
        tensor.ty.dequantize(bytes, values);
        each(values)?;
    }
    Ok(())
}
