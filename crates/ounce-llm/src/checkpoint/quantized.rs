//! From quantized linear maps of Hugging Face folders to the layouts of the kernels.

use ounce_formats::quantized::{Activations, QuantizedLinear};
use ounce_kernels::ops::{self, Rotation};
use ounce_kernels::{ActivationScale, Matrix, MatrixError, PackSpec, QuantRow, Quants, Team, W8A8Spec};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rows that are unpacked together, since AWQ and GPTQ interleave rows; as many as the kernels have in a tile.
const RUN: usize = 16;

/// Lays out the given rows of `linear`, on all threads:
///
/// * `W8A8` where activations are to be int8 and rows have one scale and no zero, which also rotates them if they are to be,
/// * 4-bit quants for at most 4 bits and 8-bit quants for more, with a minimum `-zero * scale` per group unless symmetric,
/// * single-precision floats where the kernels have no layout: columns that are no multiple of 32, groups that are no multiple of 16, other
///   quants of rotated inputs.
pub(super) fn pack(
    team: &mut Team,
    linear: &QuantizedLinear,
    rotation: Option<Rotation>,
    sources: &[usize],
) -> Result<Matrix, MatrixError> {
    let (rows, cols) = (sources.len(), linear.cols());
    let runs = Runs::new(linear);
    let (bits, symmetric) = (linear.bits().min(8), linear.symmetric());
    let middle = 1i16 << bits >> 1;
    if linear.activations() != Activations::Float && symmetric && linear.group() == cols {
        let activations = linear.input_scale().map_or(ActivationScale::PerToken, ActivationScale::Fixed);
        return Matrix::pack_w8a8(team, W8A8Spec { rows, cols, activations, rotation }, |row, out| {
            runs.with_row(sources[row], |quants, scales, _| {
                for (out, &q) in out.iter_mut().zip(quants) {
                    *out = (i16::from(q) - middle) as i8;
                }
                scales.first().copied().unwrap_or_default()
            })
        });
    }
    let Some(group) = packed_group(linear.group(), cols).filter(|_| rotation.is_none()) else {
        return dequantize(team, linear, rotation, sources);
    };
    // Quants are stored as `q - shift`. With minimums `w = scale * stored + (shift - zero) * scale`.
    let (quants, shift) = match (bits, symmetric) {
        (..=4, _) => (Quants::U4 { symmetric }, if symmetric { middle - 8 } else { 0 }),
        (_, true) => {
            let (lowest, highest) = (-middle as i8, (middle - 1) as i8);
            (Quants::I8 { mins: false, lowest, highest }, middle)
        }
        (8, false) => (Quants::I8 { mins: true, lowest: -128, highest: 127 }, 128),
        (_, false) => (Quants::I8 { mins: true, lowest: 0, highest: (2 * middle - 1) as i8 }, 0),
    };
    let parts = linear.group() / group;
    Matrix::pack(team, PackSpec { rows, cols, group, quants }, |row, out: QuantRow<'_>| {
        runs.with_row(sources[row], |quants, scales, zeros| {
            for (out, &q) in out.quants.iter_mut().zip(quants) {
                *out = (i16::from(q) - shift) as i8;
            }
            for (out, scale) in out.scales.chunks_mut(parts).zip(scales) {
                out.fill(*scale);
            }
            for (out, (scale, &zero)) in out.mins.chunks_mut(parts).zip(scales.iter().zip(zeros)) {
                out.fill(f32::from(shift - i16::from(zero)) * scale);
            }
        });
    })
}

/// The given rows of `linear` as single-precision floats, on all threads. Of rotated inputs the rotation is taken out of the weights.
pub(super) fn dequantize(
    team: &mut Team,
    linear: &QuantizedLinear,
    rotation: Option<Rotation>,
    sources: &[usize],
) -> Result<Matrix, MatrixError> {
    let (cols, group) = (linear.cols(), linear.group());
    let runs = Runs::new(linear);
    let mut values = vec![0.0; sources.len() * cols];
    team.for_each_chunk_mut(&mut values, RUN * cols, |chunk, out| {
        for (out, &row) in out.chunks_exact_mut(cols.max(1)).zip(&sources[chunk * RUN..]) {
            runs.with_row(row, |quants, scales, zeros| {
                let groups = out.chunks_mut(group).zip(quants.chunks(group));
                for ((out, quants), (scale, &zero)) in groups.zip(scales.iter().zip(zeros)) {
                    for (out, &q) in out.iter_mut().zip(quants) {
                        *out = scale * (f32::from(q) - f32::from(zero));
                    }
                }
            });
        }
    });
    if let Some(rotation) = rotation {
        ops::rotate(team, &mut values, cols, rotation);
    }
    Matrix::from_f32(sources.len(), cols, values)
}

/// The group in which the kernels can hold groups of `group` columns, the scales repeated where it is smaller.
fn packed_group(group: usize, cols: usize) -> Option<usize> {
    match group {
        _ if !cols.is_multiple_of(32) => None,
        _ if group > 0 && group.is_multiple_of(32) => Some(group),
        _ if group > 0 && group.is_multiple_of(16) => Some(16),
        _ => None,
    }
}

/// Rows of a linear map by number, unpacked in runs. The kernels ask for neighbouring rows one after another, on each thread from
/// another place; a run per thread is kept until another is asked for.
struct Runs<'a> {
    linear: &'a QuantizedLinear<'a>,
    idle: Mutex<Vec<Run>>,
}

/// Unpacked rows from `first`: quants `[rows, cols]`, scales and zeros `[rows, groups]`.
#[derive(Default)]
struct Run {
    first: Option<usize>,
    quants: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<u8>,
}

impl<'a> Runs<'a> {
    fn new(linear: &'a QuantizedLinear<'a>) -> Self {
        Self { linear, idle: Mutex::default() }
    }

    /// Calls `read` with the quants `[cols]`, scales and zeros `[groups]` of a row.
    fn with_row<T>(&self, row: usize, read: impl FnOnce(&[u8], &[f32], &[u8]) -> T) -> T {
        let first = row / RUN * RUN;
        let mut run = {
            let mut idle = self.idle();
            let found = idle.iter().position(|run| run.first == Some(first));
            match found {
                Some(at) => idle.swap_remove(at),
                None => idle.pop().unwrap_or_default(),
            }
        };
        let (cols, groups) = (self.linear.cols(), self.linear.cols() / self.linear.group());
        if run.first != Some(first) {
            let rows = RUN.min(self.linear.rows() - first);
            run.first = Some(first);
            run.quants.resize(rows * cols, 0);
            run.scales.resize(rows * groups, 0.0);
            run.zeros.resize(rows * groups, 0);
            self.linear.unpack_rows(first, &mut run.quants, &mut run.scales, &mut run.zeros);
        }
        let at = row - first;
        let of_groups = at * groups..(at + 1) * groups;
        let result = read(
            &run.quants[at * cols..(at + 1) * cols],
            &run.scales[of_groups.clone()],
            &run.zeros[of_groups],
        );
        self.idle().push(run);
        result
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Run>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
