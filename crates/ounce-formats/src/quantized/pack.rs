//! Making the tensors of a quantized linear map.

use half::{bf16, f16};

use super::layout::{Dimensions, Part, layout, mask, middle};
use super::{LinearFormat, OwnedTensor, QuantizedError};
use crate::safetensors::SafetensorsType;

/// One linear map in groups, as plain arrays: `w = scale * (q - zero)`.
#[derive(Clone, Copy, Debug)]
pub struct GroupQuantized<'a> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// Columns that share a scale; divides `cols`, and is `cols` for one scale per row.
    pub group: usize,
    /// Bits of a quant, at most 8.
    pub bits: u8,
    /// All zeros are `2^(bits - 1)`; `zeros` may then be empty.
    pub symmetric: bool,
    /// `[rows, cols]`, each below `2^bits`.
    pub quants: &'a [u8],
    /// `[rows, cols / group]`.
    pub scales: &'a [f32],
    /// `[rows, cols / group]`, each below `2^bits`.
    pub zeros: &'a [u8],
}

/// The tensors of the module `name` in this format, with f16 scales: [`pack_as`] with [`SafetensorsType::F16`].
///
/// # Errors
/// As [`pack_as`].
pub fn pack(
    name: &str,
    weight: &GroupQuantized<'_>,
    format: LinearFormat,
    input_scale: Option<f32>,
) -> Result<Vec<OwnedTensor>, QuantizedError> {
    pack_as(name, weight, format, SafetensorsType::F16, input_scale)
}

/// The tensors of the module `name` in this format. `scale_type` is the type of the scales: F16, or for compressed-tensors also BF16 and F32;
/// scales are rounded to it, so quants should have been chosen for rounded ones. `input_scale` is the fixed scale of the inputs
/// ([`Activations::Int8PerTensor`](super::Activations::Int8PerTensor)).
///
/// # Errors
/// [`QuantizedError::CannotPack`]: arrays that do not belong together; shapes, bits or zeros that the format cannot hold; scales that
/// are not finite in `scale_type`.
pub fn pack_as(
    name: &str,
    weight: &GroupQuantized<'_>,
    format: LinearFormat,
    scale_type: SafetensorsType,
    input_scale: Option<f32>,
) -> Result<Vec<OwnedTensor>, QuantizedError> {
    let cannot = |what| QuantizedError::CannotPack { module: name.to_owned(), what };
    check_arrays(weight).map_err(cannot)?;
    check_format(weight, format, scale_type, input_scale).map_err(cannot)?;
    let &GroupQuantized { rows, cols, group, bits, symmetric, .. } = weight;
    let layout = layout(format, Dimensions { rows, cols, group, bits, symmetric, padded: false });
    let tensor = |suffix: &str, dtype, shape: &[usize], bytes| OwnedTensor {
        name: format!("{name}.{suffix}"),
        dtype,
        shape: shape.to_vec(),
        bytes,
    };
    let part = |part: &Part, values: &[u8]| {
        tensor(part.suffix, part.storage.dtype(), &part.storage.shape(), part.storage.pack(values))
    };

    let groups = cols / group;
    let mut tensors = vec![part(&layout.quants, weight.quants)];
    if let Some(zeros) = &layout.zeros {
        let middle = middle(bits);
        let padded = zeros.storage.cols();
        // What only fills up is 0.
        let mut values = vec![0; rows * padded];
        for (row, values) in values.chunks_exact_mut(padded).enumerate() {
            match weight.zeros {
                [] => values[..groups].fill(middle),
                given => values[..groups].copy_from_slice(&given[row * groups..][..groups]),
            }
        }
        tensors.push(part(zeros, &values));
    }
    let scales = layout.scales;
    let mut values = vec![0f32; scales.shape[0] * scales.shape[1]];
    for (row, given) in weight.scales.chunks_exact(groups).enumerate() {
        for (i, &scale) in given.iter().enumerate() {
            values[row * scales.row_stride + i * scales.group_stride] = scale;
        }
    }
    let bytes = floats(&values, scale_type).map_err(cannot)?;
    tensors.push(tensor(scales.suffix, scale_type, &scales.shape, bytes));
    match format {
        LinearFormat::Gptq | LinearFormat::GptqV2 => {
            let order = (0..cols).flat_map(|col| ((col / group) as i32).to_le_bytes()).collect();
            tensors.push(tensor("g_idx", SafetensorsType::I32, &[cols], order));
        }
        LinearFormat::PackQuantized => {
            let shape = [rows as i64, cols as i64].map(i64::to_le_bytes).concat();
            tensors.push(tensor("weight_shape", SafetensorsType::I64, &[2], shape));
        }
        _ => {}
    }
    if let Some(scale) = input_scale {
        let bytes = floats(&[scale], scale_type).map_err(cannot)?;
        tensors.push(tensor("input_scale", scale_type, &[1], bytes));
    }
    Ok(tensors)
}

fn check_arrays(w: &GroupQuantized<'_>) -> Result<(), String> {
    if w.bits == 0 || w.bits > 8 {
        return Err(format!("{} bits given, 1 to 8 are possible", w.bits));
    }
    if w.rows == 0 || w.group == 0 || w.cols == 0 || !w.cols.is_multiple_of(w.group) {
        return Err(format!(
            "a matrix of {} x {} has no groups of {} columns; the group must divide the columns",
            w.rows, w.cols, w.group
        ));
    }
    let (quants, groups) = (w.rows.checked_mul(w.cols), w.rows * (w.cols / w.group));
    if quants != Some(w.quants.len()) || w.scales.len() != groups {
        return Err(format!(
            "{} quants and {} scales given for {} x {} in groups of {}",
            w.quants.len(),
            w.scales.len(),
            w.rows,
            w.cols,
            w.group
        ));
    }
    if w.zeros.len() != groups && !(w.symmetric && w.zeros.is_empty()) {
        return Err(format!("{} zeros given, {groups} expected", w.zeros.len()));
    }
    let top = mask(w.bits);
    if let Some(q) = w.quants.iter().chain(w.zeros).find(|&&q| q > top) {
        return Err(format!("a quant or zero is {q}, which needs more than {} bits", w.bits));
    }
    if w.symmetric && w.zeros.iter().any(|&zero| zero != middle(w.bits)) {
        return Err(format!("it is said to be symmetric, but not all zeros are {}", middle(w.bits)));
    }
    Ok(())
}

fn check_format(
    w: &GroupQuantized<'_>,
    format: LinearFormat,
    scale_type: SafetensorsType,
    input_scale: Option<f32>,
) -> Result<(), String> {
    let whole_words = |count: usize| (count * usize::from(w.bits)).is_multiple_of(32);
    let compressed = match format {
        LinearFormat::AwqGemm | LinearFormat::AwqGemv => {
            if w.bits != 4 {
                return Err(format!("AWQ files hold 4 bits, not {}; pack-quantized holds them", w.bits));
            }
            let gemv = format == LinearFormat::AwqGemv;
            if !w.rows.is_multiple_of(8) || gemv && !w.cols.is_multiple_of(8) {
                return Err(format!(
                    "AWQ packs eight outputs into a word, and {} x {} is no multiple of that; keep it in floats or choose pack-quantized",
                    w.rows, w.cols
                ));
            }
            if gemv && !(matches!(w.group, 32 | 64) || w.group >= 128) {
                return Err(format!("AWQ's gemv has no groups of {}; 32, 64 and 128 are possible", w.group));
            }
            false
        }
        LinearFormat::Gptq | LinearFormat::GptqV2 => {
            if !matches!(w.bits, 2 | 3 | 4 | 8) {
                return Err(format!("GPTQ files hold 2, 3, 4 or 8 bits, not {}", w.bits));
            }
            if !whole_words(w.rows) || !whole_words(w.cols) {
                return Err(format!(
                    "GPTQ packs into whole words of 32 bits, which {} x {} of {} bits do not fill; keep it in floats or choose pack-quantized",
                    w.rows, w.cols, w.bits
                ));
            }
            false
        }
        LinearFormat::PackQuantized | LinearFormat::IntQuantized => true,
    };
    let possible = match scale_type {
        SafetensorsType::F16 => true,
        SafetensorsType::BF16 | SafetensorsType::F32 => compressed,
        _ => false,
    };
    if !possible {
        return Err(format!("its scales cannot be {scale_type}; F16 is always possible"));
    }
    if input_scale.is_some() && !compressed {
        return Err("AWQ and GPTQ files hold no scale of the inputs".to_owned());
    }
    if input_scale.is_some_and(|scale| !scale.is_finite() || scale <= 0.0) {
        return Err("the scale of the inputs must be positive and finite".to_owned());
    }
    Ok(())
}

/// Little-endian floats of this type.
fn floats(values: &[f32], ty: SafetensorsType) -> Result<Vec<u8>, String> {
    let (most, bytes): (f32, Vec<u8>) = match ty {
        SafetensorsType::F16 => {
            (65519.0, values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect())
        }
        SafetensorsType::BF16 => {
            (3.389e38, values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect())
        }
        _ => (f32::MAX, values.iter().flat_map(|&v| v.to_le_bytes()).collect()),
    };
    match values.iter().find(|v| v.is_nan() || v.abs() > most) {
        Some(scale) => Err(format!("the scale {scale} is not finite as {ty}")),
        None => Ok(bytes),
    }
}
