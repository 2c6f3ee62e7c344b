//! The output matrix in 8 bits.

use super::source::Content;
use super::{LoadError, MatrixSource, Tensor, WeightLoader};
use ounce_formats::ggml::GgmlType;
use ounce_kernels::{Matrix, PackSpec, QuantRow, Quants};

/// Columns that share a scale.
const GROUP: usize = 32;

/// In what precision the output matrix (`lm_head`, or the embedding where the two are tied) is used.
///
/// Quantizing methods leave it in floats. To decode a token is to read every weight from memory once, and the vocabulary is large: in a
/// model of half a billion parameters whose linear maps take 4 bits, an output matrix in 16 bits would be most of what is read. In 8 bits
/// with a scale for every 32 columns (as GGUF's Q8_0) it is half as much, at an error that is small beside that of the linear maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadPrecision {
    /// [`Int8`](Self::Int8) in quantized Hugging Face folders, as stored in all other checkpoints. A GGUF file says for each tensor what
    /// its maker wanted.
    #[default]
    Auto,
    /// As stored.
    Float,
    /// Floats are rounded to 8 bits when the model is loaded. What is quantized already stays as it is, and so do matrices whose
    /// columns are no multiple of 32.
    Int8,
}

impl WeightLoader<'_, '_> {
    /// The output matrix.
    pub(crate) fn read_head(
        &mut self,
        source: &MatrixSource<'_>,
        precision: HeadPrecision,
    ) -> Result<Matrix, LoadError> {
        let int8 = match precision {
            HeadPrecision::Auto => self.checkpoint.quantization().is_some(),
            HeadPrecision::Float => false,
            HeadPrecision::Int8 => true,
        };
        match &source.content {
            Content::Tensor(tensor)
                if int8 && !self.in_f32 && tensor.is_float() && source.cols.is_multiple_of(GROUP) =>
            {
                self.round(source, tensor)
            }
            _ => self.read(source),
        }
    }

    /// Rounds floats to 8 bits, on all threads.
    fn round(&mut self, source: &MatrixSource<'_>, tensor: &Tensor) -> Result<Matrix, LoadError> {
        let quants = Quants::I8 { mins: false, lowest: -127, highest: 127 };
        let spec = PackSpec { rows: source.rows, cols: source.cols, group: GROUP, quants };
        let (bytes, row_bytes, group_bytes) =
            (tensor.bytes(), tensor.row_bytes(source.cols), tensor.row_bytes(GROUP));
        let matrix = Matrix::pack(self.team, spec, |row, QuantRow { quants, scales, .. }| {
            let groups = bytes[row * row_bytes..(row + 1) * row_bytes].chunks_exact(group_bytes);
            for ((bytes, quants), scale) in groups.zip(quants.chunks_exact_mut(GROUP)).zip(scales) {
                *scale = round_group(tensor.ty, bytes, quants);
            }
        });
        self.advance(bytes.len());
        matrix.map_err(|error| LoadError::Matrix { name: source.name.clone(), source: error })
    }
}

/// Quants and scale of 32 floats as in Q8_0: the largest magnitude becomes 127, the scale is kept in half precision.
fn round_group(ty: GgmlType, bytes: &[u8], quants: &mut [i8]) -> f32 {
    let mut values = [0.0f32; GROUP];
    ty.dequantize(bytes, &mut values);
    let scale = values.iter().fold(0.0f32, |max, value| max.max(value.abs())) / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (quant, value) in quants.iter_mut().zip(values) {
        *quant = (value * inverse).round() as i8;
    }
    half::f16::from_f32(scale).to_f32()
}
