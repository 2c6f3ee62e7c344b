//! One description per format of where its numbers lie; reader and writer both go by it.

use super::LinearFormat;
use super::grid::{Along, Grid, Order};
use crate::safetensors::SafetensorsType;

/// The tensors of one linear map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) quants: Part,
    /// `None` if the format leaves the zeros of symmetric schemes away.
    pub(super) zeros: Option<Part>,
    pub(super) scales: Scales,
}

/// A tensor of small unsigned integers, `[rows, columns]` or `[rows, groups]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Last part of the tensor's name.
    pub(super) suffix: &'static str,
    pub(super) storage: Storage,
}

/// How integers `v` below `2^bits` are stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Storage {
    /// As i32 words that hold `v`.
    Words(Grid),
    /// As i32 words that hold `v - 1` modulo `2^bits`.
    WordsLessOne(Grid),
    /// As i8 `[rows, cols]` that hold `v - 2^(bits - 1)`.
    Bytes { rows: usize, cols: usize, bits: u8 },
}

/// The tensor of scales.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scales {
    /// Last part of the tensor's name.
    pub(super) suffix: &'static str,
    pub(super) shape: [usize; 2],
    /// Elements from a row to the next.
    pub(super) row_stride: usize,
    /// Elements from a group to the next.
    pub(super) group_stride: usize,
}

/// What a layout depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dimensions {
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Columns that share a scale; the last group may be shorter.
    pub(super) group: usize,
    pub(super) bits: u8,
    pub(super) symmetric: bool,
    /// Of `pack-quantized`, in files of older versions of compressed-tensors (0.12, for one): no integer crosses the end of a word.
    pub(super) padded: bool,
}

impl Dimensions {
    pub(super) fn groups(&self) -> usize {
        self.cols.div_ceil(self.group)
    }
}

/// Where the numbers of a linear map of these dimensions lie.
pub(super) fn layout(format: LinearFormat, d: Dimensions) -> Layout {
    let Dimensions { rows, cols, bits, symmetric, .. } = d;
    let groups = d.groups();
    let words = |suffix, grid| Part { suffix, storage: Storage::Words(grid) };
    let dense = |cols, along, lines_first| Grid { rows, cols, bits, order: Order::Dense, along, lines_first };
    let by_row = |suffix| Scales { suffix, shape: [rows, groups], row_stride: groups, group_stride: 1 };
    let by_group = |suffix| Scales { suffix, shape: [groups, rows], row_stride: 1, group_stride: rows };
    match format {
        LinearFormat::AwqGemm => {
            let grid = |cols| Grid { order: Order::Awq, ..dense(cols, Along::Rows, true) };
            Layout {
                quants: words("qweight", grid(cols)),
                zeros: Some(words("qzeros", grid(groups))),
                scales: by_group("scales"),
            }
        }
        LinearFormat::AwqGemv => {
            // Zeros and scales are filled up to whole words, and those to 64 bits for groups of 64, 128 bits for groups of 32.
            let whole = match d.group {
                ..64 => 4,
                64..128 => 2,
                _ => 1,
            };
            let padded = 8 * groups.div_ceil(8).next_multiple_of(whole);
            Layout {
                quants: words("qweight", dense(cols, Along::Columns, true)),
                zeros: Some(words("qzeros", dense(padded, Along::Columns, true))),
                scales: Scales {
                    suffix: "scales",
                    shape: [rows, padded],
                    row_stride: padded,
                    group_stride: 1,
                },
            }
        }
        LinearFormat::Gptq | LinearFormat::GptqV2 => {
            let zeros = dense(groups, Along::Rows, true);
            let storage = match format {
                LinearFormat::Gptq => Storage::WordsLessOne(zeros),
                _ => Storage::Words(zeros),
            };
            Layout {
                quants: words("qweight", dense(cols, Along::Columns, false)),
                zeros: Some(Part { suffix: "qzeros", storage }),
                scales: by_group("scales"),
            }
        }
        LinearFormat::PackQuantized => {
            let order = if d.padded { Order::Padded } else { Order::Dense };
            let zeros = Grid { order, ..dense(groups, Along::Rows, false) };
            Layout {
                quants: words("weight_packed", Grid { order, ..dense(cols, Along::Columns, true) }),
                zeros: (!symmetric).then(|| words("weight_zero_point", zeros)),
                scales: by_row("weight_scale"),
            }
        }
        LinearFormat::IntQuantized => {
            let bytes = |suffix, cols| Part { suffix, storage: Storage::Bytes { rows, cols, bits } };
            Layout {
                quants: bytes("weight", cols),
                zeros: (!symmetric).then(|| bytes("weight_zero_point", groups)),
                scales: by_row("weight_scale"),
            }
        }
    }
}

impl Storage {
    pub(super) fn dtype(&self) -> SafetensorsType {
        match self {
            Self::Words(_) | Self::WordsLessOne(_) => SafetensorsType::I32,
            Self::Bytes { .. } => SafetensorsType::I8,
        }
    }

    pub(super) fn shape(&self) -> [usize; 2] {
        match self {
            Self::Words(grid) | Self::WordsLessOne(grid) => grid.shape(),
            Self::Bytes { rows, cols, .. } => [*rows, *cols],
        }
    }

    /// Columns, those that only fill up included.
    pub(super) fn cols(&self) -> usize {
        match self {
            Self::Words(grid) | Self::WordsLessOne(grid) => grid.cols,
            Self::Bytes { cols, .. } => *cols,
        }
    }

    /// The bytes for `values`, `[rows, cols]`.
    pub(super) fn pack(&self, values: &[u8]) -> Vec<u8> {
        match self {
            Self::Words(grid) => grid.pack(values),
            Self::WordsLessOne(grid) => {
                let mask = mask(grid.bits);
                let less: Vec<u8> = values.iter().map(|v| v.wrapping_sub(1) & mask).collect();
                grid.pack(&less)
            }
            Self::Bytes { bits, .. } => values.iter().map(|v| v.wrapping_sub(middle(*bits))).collect(),
        }
    }

    /// Unpacks rows from `first` on into `out`, `[n, cols]`.
    pub(super) fn unpack(&self, bytes: &[u8], first: usize, out: &mut [u8]) {
        match self {
            Self::Words(grid) => grid.unpack(bytes, first, out),
            Self::WordsLessOne(grid) => {
                grid.unpack(bytes, first, out);
                out.iter_mut().for_each(|v| *v = v.wrapping_add(1) & mask(grid.bits));
            }
            Self::Bytes { cols, bits, .. } => {
                let stored = &bytes[first * cols..][..out.len()];
                for (v, &stored) in out.iter_mut().zip(stored) {
                    *v = stored.wrapping_add(middle(*bits)) & mask(*bits);
                }
            }
        }
    }
}

/// The zero of symmetric schemes.
pub(super) fn middle(bits: u8) -> u8 {
    1 << (bits - 1)
}

/// The largest integer.
pub(super) fn mask(bits: u8) -> u8 {
    u8::MAX >> (8 - bits)
}
