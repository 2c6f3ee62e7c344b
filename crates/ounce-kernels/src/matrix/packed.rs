//! Integer matrices in tiles of 16 rows; the layout of a tile is described in [`crate::isa`]'s `tile` module.

use super::arena::Region;
use super::{MatrixError, PackSpec, QuantRow, Quants};
use crate::Team;
use crate::isa::{Bytes, PackedTile, TILE_ROWS};
use crate::pool::SharedMut;
use crate::quantize::BLOCK;

/// A quantized matrix in tiles of 16 rows. The last tile is filled up with rows of zeros.
pub(crate) struct PackedMatrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    group: usize,
    bytes: Bytes,
    mins: bool,
    tile_bytes: usize,
    data: Region,
    /// `[tiles]`
    multipliers: Vec<f32>,
}

impl PackedMatrix {
    pub(crate) fn pack(
        team: &mut Team<'_>,
        spec: PackSpec,
        fill: impl Fn(usize, QuantRow<'_>) + Sync,
    ) -> Result<Self, MatrixError> {
        let PackSpec { rows, cols, group, quants } = spec;
        if !(group == 16 || (group > 0 && group.is_multiple_of(BLOCK)))
            || !cols.is_multiple_of(group)
            || !cols.is_multiple_of(BLOCK)
        {
            return Err(MatrixError::Group { cols, group });
        }
        let (bytes, mins) = match quants {
            Quants::U4 { symmetric } => (Bytes::Nibbles { zero: if symmetric { 8 } else { 0 } }, !symmetric),
            Quants::I8 { mins, lowest, highest } => {
                (byte_layout(lowest, highest, team.kernels().bit_planes()), mins)
            }
        };
        let shape = PackedTile { data: &[], cols, group, bytes, mins, multiplier: 1.0 };
        let tiles = rows.div_ceil(TILE_ROWS);
        let tile_bytes = cols / (shape.unit_blocks() * BLOCK) * shape.unit_bytes();
        let total = tiles
            .checked_mul(tile_bytes)
            .filter(|&total| total <= isize::MAX as usize / 2)
            .ok_or(MatrixError::Size { shape: [rows, cols], expected: None, found: 0 })?;
        let mut data = team.arena().take(total);
        let mut multipliers = vec![1.0; tiles];
        {
            let bytes_of = SharedMut::new(data.bytes_mut());
            let multiplier_of = SharedMut::new(&mut multipliers);
            let chunks = tiles.min(team.threads() * 16);
            team.run(chunks, |chunk, _| {
                let mut packer = TilePacker::new(shape);
                for tile in tiles * chunk / chunks..tiles * (chunk + 1) / chunks {
                    // SAFETY: tiles do not overlap, and each belongs to one chunk.
                    let (out, multiplier) = unsafe {
                        (bytes_of.slice(tile * tile_bytes, tile_bytes), multiplier_of.slice(tile, 1))
                    };
                    let first = tile * TILE_ROWS;
                    multiplier[0] = packer.pack(first, TILE_ROWS.min(rows - first), &fill, out);
                }
            });
        }
        Ok(Self { rows, cols, group, bytes, mins, tile_bytes, data, multipliers })
    }

    /// Rows rounded up to whole tiles, divided by 16.
    pub(crate) fn tiles(&self) -> usize {
        self.multipliers.len()
    }

    /// The 16 rows from `16 * index`.
    pub(crate) fn tile(&self, index: usize) -> PackedTile<'_> {
        PackedTile {
            data: &self.data.bytes()[index * self.tile_bytes..][..self.tile_bytes],
            cols: self.cols,
            group: self.group,
            bytes: self.bytes,
            mins: self.mins,
            multiplier: self.multipliers[index],
        }
    }

    /// Bytes of all tiles.
    pub(crate) fn bytes(&self) -> usize {
        self.tiles() * self.tile_bytes
    }

    pub(crate) fn layout_name(&self) -> String {
        let name = match self.bytes {
            Bytes::Nibbles { .. } => "u4",
            Bytes::Five { .. } => "u5",
            Bytes::Six { .. } => "u6",
            Bytes::Narrow { .. } => "u8",
            Bytes::Wide => "i8",
        };
        format!("{name} g{}{}", self.group, if self.mins { " min" } else { "" })
    }
}

impl std::fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedMatrix({} x {}, {})", self.rows, self.cols, self.layout_name())
    }
}

/// Packs one tile after another, with room for 16 unpacked rows.
struct TilePacker<'a> {
    shape: PackedTile<'a>,
    groups: usize,
    quants: Vec<i8>,
    scales: Vec<f32>,
    mins: Vec<f32>,
}

impl<'a> TilePacker<'a> {
    fn new(shape: PackedTile<'a>) -> Self {
        let groups = shape.cols / shape.group;
        let mins = if shape.mins { groups } else { 0 };
        Self {
            shape,
            groups,
            quants: vec![0; TILE_ROWS * shape.cols],
            scales: vec![0.0; TILE_ROWS * groups],
            mins: vec![0.0; TILE_ROWS * mins],
        }
    }

    /// Fills `out` with rows `first..first + count` and returns the tile's multiplier.
    fn pack(
        &mut self,
        first: usize,
        count: usize,
        fill: &impl Fn(usize, QuantRow<'_>),
        out: &mut [u8],
    ) -> f32 {
        let (cols, groups) = (self.shape.cols, self.groups);
        let mins = self.mins.len() / TILE_ROWS;
        self.quants[count * cols..].fill(0);
        self.scales[count * groups..].fill(0.0);
        self.mins[count * mins..].fill(0.0);
        for row in 0..count {
            fill(
                first + row,
                QuantRow {
                    quants: &mut self.quants[row * cols..][..cols],
                    scales: &mut self.scales[row * groups..][..groups],
                    mins: &mut self.mins[row * mins..][..mins],
                },
            );
        }
        let multiplier = multiplier(self.scales.iter().chain(&self.mins));
        let unit_groups = self.shape.unit_groups();
        let unit_blocks = self.shape.unit_blocks();
        let block_bytes = self.shape.bytes.block_bytes();
        let header = self.shape.header_bytes();
        for (u, unit) in out.chunks_exact_mut(self.shape.unit_bytes()).enumerate() {
            let (scales, rest) = unit.split_at_mut(header);
            let (mins, blocks) = rest.split_at_mut(if self.shape.mins { header } else { 0 });
            write_halves(scales, &self.scales, groups, u * unit_groups, multiplier);
            write_halves(mins, &self.mins, groups, u * unit_groups, multiplier);
            for (b, block) in blocks.chunks_exact_mut(block_bytes).enumerate() {
                self.pack_block((u * unit_blocks + b) * BLOCK, block);
            }
        }
        multiplier
    }

    /// Interleaves the quants of 32 columns of all rows.
    fn pack_block(&self, column: usize, out: &mut [u8]) {
        for row in 0..TILE_ROWS {
            let Some((quants, _)) =
                self.quants[row * self.shape.cols + column..].split_first_chunk::<BLOCK>()
            else {
                continue;
            };
            for quad in 0..8 {
                for k in 0..4 {
                    let q = quants[4 * quad + k];
                    let at = quad % 4 * 64 + row * 4 + k;
                    match self.shape.bytes {
                        Bytes::Nibbles { .. } if quad < 4 => out[at] = q as u8 & 15,
                        Bytes::Nibbles { .. } => out[at] |= (q as u8) << 4,
                        Bytes::Five { zero } | Bytes::Six { zero } => {
                            let stored = q.wrapping_add(zero as i8) as u8 & 63;
                            out[at] |= (stored & 15) << (quad / 4 * 4);
                            let (plane, shift) = match self.shape.bytes {
                                Bytes::Five { .. } => (4, quad),
                                _ => (4 + quad / 4, 2 * (quad % 4)),
                            };
                            out[plane * 64 + row * 4 + k] |= (stored >> 4) << shift;
                        }
                        Bytes::Narrow { zero } => {
                            out[quad * 64 + row * 4 + k] =
                                (i16::from(q) + i16::from(zero)).clamp(0, 64) as u8;
                        }
                        Bytes::Wide => out[quad * 64 + row * 4 + k] = q as u8,
                    }
                }
            }
        }
    }
}

/// The layout for quants from `lowest` to `highest`. Unsigned ones multiply faster, if they are at most 64.
fn byte_layout(lowest: i8, highest: i8, bit_planes: bool) -> Bytes {
    let zero = lowest.min(0).unsigned_abs();
    match i16::from(highest) - i16::from(lowest.min(0)) {
        _ if zero > 32 => Bytes::Wide,
        0..=31 if bit_planes => Bytes::Five { zero },
        0..=63 if bit_planes => Bytes::Six { zero },
        0..=64 => Bytes::Narrow { zero },
        _ => Bytes::Wide,
    }
}

/// The power of two by which all scales and minimums of a tile are divided, so that the largest comes near the top of the range of
/// half precision and the others keep their 11 bits.
fn multiplier<'a>(values: impl Iterator<Item = &'a f32>) -> f32 {
    let largest = values.map(|v| v.abs()).filter(|v| v.is_finite()).fold(0.0f32, f32::max);
    if largest < f32::MIN_POSITIVE {
        return 1.0;
    }
    // 2^exponent <= largest < 2^(exponent + 1); 2^14 is the largest power of two with room above it in half precision.
    let exponent = (largest.to_bits() >> 23) as i32 - 127;
    let power = (exponent - 14).clamp(-126, 127);
    f32::from_bits(((power + 127) as u32) << 23)
}

fn write_halves(out: &mut [u8], values: &[f32], groups: usize, first: usize, multiplier: f32) {
    for (at, out) in out.chunks_exact_mut(2).enumerate() {
        let (group, row) = (first + at / TILE_ROWS, at % TILE_ROWS);
        out.copy_from_slice(
            &half::f16::from_f32_const(values[row * groups + group] / multiplier).to_le_bytes(),
        );
    }
}
