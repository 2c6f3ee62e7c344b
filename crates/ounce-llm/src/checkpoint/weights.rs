//! From tensors of a checkpoint to the layouts of the kernels.
#![expect(clippy::single_range_in_vec_init, reason = "rows are chosen by ranges, a single one being common")]

use super::source::Content;
use super::{Checkpoint, LoadError, MatrixSource, Tensor, quantized};
use crate::model::LoadProgress;
use ounce_formats::ggml::GgmlType;
use ounce_formats::quantized::QuantizedLinear;
use ounce_kernels::ops::Rotation;
use ounce_kernels::{FloatType, Matrix, MatrixError, PackSpec, QuantRow, Quants, SharedBytes, Team};
use std::ops::Range;

/// Reads weights by name, checks their shapes, repacks quantized ones on all threads and reports progress.
pub(crate) struct WeightLoader<'l, 't> {
    pub(super) checkpoint: &'l Checkpoint,
    pub(super) team: &'l mut Team<'t>,
    progress: &'l mut dyn FnMut(LoadProgress),
    pub(super) in_f32: bool,
    done: u64,
    total: u64,
}

/// Elements that one piece of work dequantizes at least.
const PIECE: usize = 1 << 14;

impl<'l, 't> WeightLoader<'l, 't> {
    pub(crate) fn new(
        checkpoint: &'l Checkpoint,
        team: &'l mut Team<'t>,
        progress: &'l mut dyn FnMut(LoadProgress),
    ) -> Self {
        let total = checkpoint.tensors().iter().map(|tensor| tensor.bytes).sum();
        Self { checkpoint, team, progress, in_f32: false, done: 0, total }
    }

    /// Makes every matrix one of single-precision floats, whatever the checkpoint holds: see [`Matrix::as_f32`].
    pub(crate) fn in_f32(self) -> Self {
        Self { in_f32: true, ..self }
    }

    /// The first of `names` that the checkpoint holds.
    pub(crate) fn find<'n>(&self, names: &'n [String]) -> Option<&'n str> {
        names.iter().map(String::as_str).find(|name| self.checkpoint.holds(name))
    }

    /// The tensor under the first of `names` that the checkpoint holds, of the given shape.
    pub(crate) fn tensor(&self, names: &[String], expected: &[usize]) -> Result<Tensor, LoadError> {
        let missing = || LoadError::MissingTensor { name: names.join(" or "), expected: expected.to_vec() };
        let name = self.find(names).ok_or_else(missing)?;
        let tensor = self.checkpoint.tensor(name)?.ok_or_else(missing)?;
        if tensor.shape != expected {
            return Err(LoadError::TensorShape {
                name: tensor.name,
                expected: expected.to_vec(),
                found: tensor.shape,
            });
        }
        Ok(tensor)
    }

    /// A vector, as floats.
    pub(crate) fn vector(&mut self, names: &[String], length: usize) -> Result<Vec<f32>, LoadError> {
        let tensor = self.tensor(names, &[length])?;
        self.advance(tensor.bytes().len());
        Ok(tensor.dequantize())
    }

    /// A matrix `[rows, cols]` under the first of `stems` that the checkpoint holds.
    pub(crate) fn matrix(&mut self, stems: &[String], rows: usize, cols: usize) -> Result<Matrix, LoadError> {
        let source = self.source(stems, &[rows, cols])?;
        self.read(&source)
    }

    /// All rows of a matrix.
    pub(crate) fn read(&mut self, source: &MatrixSource<'_>) -> Result<Matrix, LoadError> {
        self.read_rows(source, &[0..source.rows()])
    }

    /// A matrix of the given ranges of rows. Floats that lie in one piece are borrowed from the file.
    pub(crate) fn read_rows(
        &mut self,
        source: &MatrixSource<'_>,
        ranges: &[Range<usize>],
    ) -> Result<Matrix, LoadError> {
        let tensor = match &source.content {
            Content::Tensor(tensor) => tensor,
            Content::Quantized(linear, rotation) => {
                return self.read_quantized(source, linear, *rotation, ranges);
            }
        };
        let cols = source.cols;
        let row_bytes = tensor.row_bytes(cols);
        let rows: usize = ranges.iter().map(|range| range.len()).sum();
        let float = match tensor.ty {
            GgmlType::F32 => Some(FloatType::F32),
            GgmlType::F16 => Some(FloatType::F16),
            GgmlType::BF16 => Some(FloatType::BF16),
            _ => None,
        };
        let damaged = || LoadError::TensorBytes {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            expected: ranges.iter().map(|range| range.end).max().unwrap_or(0).saturating_mul(row_bytes),
            found: tensor.bytes().len(),
        };
        if ranges.iter().any(|range| range.end.saturating_mul(row_bytes) > tensor.bytes().len()) {
            return Err(damaged());
        }
        let matrix = match (float, ranges) {
            (_, ranges) if self.in_f32 => {
                let sources: Vec<usize> = ranges.iter().flat_map(Clone::clone).collect();
                self.dequantize(tensor, &sources, cols)
            }
            (Some(ty), [range]) => {
                let bytes = tensor.share(range.start * row_bytes..range.end * row_bytes);
                Matrix::from_float(ty, rows, cols, bytes.ok_or_else(damaged)?)
            }
            (Some(ty), ranges) => {
                let mut bytes = Vec::with_capacity(rows * row_bytes);
                for range in ranges {
                    bytes.extend_from_slice(&tensor.bytes()[range.start * row_bytes..range.end * row_bytes]);
                }
                Matrix::from_float(ty, rows, cols, SharedBytes::from_vec(bytes))
            }
            (None, ranges) => {
                let sources: Vec<usize> = ranges.iter().flat_map(Clone::clone).collect();
                self.pack(tensor, &sources, cols)?
            }
        };
        self.advance(rows * row_bytes);
        matrix.map_err(|source| LoadError::Matrix { name: tensor.name.clone(), source })
    }

    fn read_quantized(
        &mut self,
        source: &MatrixSource<'_>,
        linear: &QuantizedLinear<'_>,
        rotation: Option<Rotation>,
        ranges: &[Range<usize>],
    ) -> Result<Matrix, LoadError> {
        let sources: Vec<usize> = ranges.iter().flat_map(Clone::clone).collect();
        let matrix = if self.in_f32 {
            quantized::dequantize(self.team, linear, rotation, &sources)
        } else {
            quantized::pack(self.team, linear, rotation, &sources)
        };
        self.advance(linear.bytes() / linear.rows().max(1) * sources.len());
        matrix.map_err(|error| LoadError::Matrix { name: source.name.clone(), source: error })
    }

    /// Rows of a tensor as single-precision floats, on all threads.
    fn dequantize(&mut self, tensor: &Tensor, sources: &[usize], cols: usize) -> Result<Matrix, MatrixError> {
        let (bytes, row_bytes) = (tensor.bytes(), tensor.row_bytes(cols));
        let mut values = vec![0.0; sources.len() * cols];
        let rows_at_once = PIECE.div_ceil(cols.max(1));
        self.team.for_each_chunk_mut(&mut values, rows_at_once * cols, |chunk, out| {
            let sources = &sources[chunk * rows_at_once..];
            for (out, &row) in out.chunks_exact_mut(cols).zip(sources) {
                tensor.ty.dequantize(&bytes[row * row_bytes..(row + 1) * row_bytes], out);
            }
        });
        Matrix::from_f32(sources.len(), cols, values)
    }

    /// Repacks rows of a quantized tensor, on all threads.
    fn pack(
        &mut self,
        tensor: &Tensor,
        sources: &[usize],
        cols: usize,
    ) -> Result<Result<Matrix, MatrixError>, LoadError> {
        let Some(unpacking) = tensor.ty.unpacking() else {
            return Err(LoadError::TensorType {
                name: tensor.name.clone(),
                found: tensor.ty.name().to_string(),
                supported: "floats and block-quantized types",
            });
        };
        let quants = if unpacking.four_bit {
            Quants::U4 { symmetric: unpacking.symmetric }
        } else {
            let highest = unpacking.max_abs.min(127) as i8;
            // With minimums the quants count up from 0; without, a two's complement number reaches one further down than up.
            let (lowest, highest) = match unpacking.max_abs {
                _ if unpacking.mins => (0, highest),
                16 | 32 => (-highest, highest - 1),
                _ => (-128, 127),
            };
            Quants::I8 { mins: unpacking.mins, lowest, highest }
        };
        let spec = PackSpec { rows: sources.len(), cols, group: unpacking.group, quants };
        let row_bytes = tensor.row_bytes(cols);
        let bytes = tensor.bytes();
        Ok(Matrix::pack(self.team, spec, |row, QuantRow { quants, scales, mins }| {
            let start = sources[row] * row_bytes;
            tensor.ty.unpack_row(&bytes[start..start + row_bytes], quants, scales, mins);
        }))
    }

    /// Reports that nothing is left to do. Some tensors of the checkpoint may not have been needed.
    pub(crate) fn finish(&mut self) {
        self.done = self.total;
        self.advance(0);
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.done = (self.done + bytes as u64).min(self.total);
        (self.progress)(LoadProgress::Tensor { done: self.done, total: self.total });
    }
}

/// What the weights under `stems` are called.
pub(crate) fn weight_names(stems: &[String]) -> Vec<String> {
    stems.iter().map(|stem| format!("{stem}.weight")).collect()
}

/// What the biases under `stems` are called.
pub(crate) fn bias_names(stems: &[String]) -> Vec<String> {
    stems.iter().map(|stem| format!("{stem}.bias")).collect()
}
