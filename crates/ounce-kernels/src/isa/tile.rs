//! Tiles of 16 rows of packed integer weights, as the kernels see them.
//!
//! A [`PackedTile`] is a sequence of units. A unit covers `max(group, 32)` columns and holds, in this order:
//!
//! 1. the scales: 16 f16, one per row (two times 16 where the group is 16 columns);
//! 2. the minimums, likewise, if the layout has them;
//! 3. one block of quants per 32 columns.
//!
//! A block keeps the quants of 4 neighbouring columns of one row together ("a quad"), and the quads of the 16 rows after one
//! another, 64 bytes in all, so that one dot-product instruction serves 8 or 16 rows without a horizontal sum:
//!
//! * bytes: 8 runs of 64 bytes, run `c` holding columns `4c..4c+4`;
//! * nibbles: 4 runs of 64 bytes, run `c` holding columns `4c..4c+4` in the low and `16+4c..16+4c+4` in the high halves;
//! * five and six bits: the low 4 bits as nibbles, then one run of the fifth bits (bit `q` of a byte belongs to quad `q`), or two runs
//!   of the upper two bits (run 0 for quads 0 to 3, run 1 for quads 4 to 7; bits `2q` and `2q + 1`, q counted within the run).

use crate::quantize::BLOCK;

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 16;
/// Bytes of one run: a quad of every row.
pub(crate) const RUN: usize = 64;

/// How far ahead of the block at hand the kernels for one token fetch weights.
pub(crate) const PREFETCH_BYTES: usize = 4096;

/// [`Bytes`] without its fields, for kernels that take it at compile time.
pub(crate) const NIBBLES: u8 = 0;
/// See [`NIBBLES`].
pub(crate) const NARROW: u8 = 1;
/// See [`NIBBLES`].
pub(crate) const WIDE: u8 = 2;
/// See [`NIBBLES`].
#[cfg(target_arch = "x86_64")]
pub(crate) const FIVE: u8 = 3;
/// See [`NIBBLES`].
#[cfg(target_arch = "x86_64")]
pub(crate) const SIX: u8 = 4;

/// How a block's quants are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bytes {
    /// Unsigned nibbles; the weight's quant is `stored - zero`.
    Nibbles { zero: u8 },
    /// Unsigned bytes of at most 64; the weight's quant is `stored - zero`.
    Narrow { zero: u8 },
    /// Unsigned 5-bit quants; the weight's quant is `stored - zero`. Only for tables that ask for bit planes.
    Five { zero: u8 },
    /// Unsigned 6-bit quants; the weight's quant is `stored - zero`. Only for tables that ask for bit planes.
    Six { zero: u8 },
    /// Signed bytes.
    Wide,
}

impl Bytes {
    /// Bytes of one block of a tile.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Bytes::Nibbles { .. } => TILE_ROWS * BLOCK / 2,
            Bytes::Five { .. } => TILE_ROWS * BLOCK / 2 + RUN,
            Bytes::Six { .. } => TILE_ROWS * BLOCK / 2 + 2 * RUN,
            Bytes::Narrow { .. } | Bytes::Wide => TILE_ROWS * BLOCK,
        }
    }
}

/// One tile and what a kernel must know to read it.
#[derive(Clone, Copy)]
pub(crate) struct PackedTile<'a> {
    /// The units of the tile.
    pub(crate) data: &'a [u8],
    /// Columns, a multiple of 32 and of the group.
    pub(crate) cols: usize,
    /// Columns that share a scale: 16, or a multiple of 32.
    pub(crate) group: usize,
    pub(crate) bytes: Bytes,
    pub(crate) mins: bool,
    /// All scales and minimums of the tile are stored divided by this power of two.
    pub(crate) multiplier: f32,
}

impl PackedTile<'_> {
    /// Blocks of 32 columns in a unit.
    pub(crate) fn unit_blocks(&self) -> usize {
        self.group.div_ceil(BLOCK)
    }

    /// Groups of columns in a unit: 2 where the group is half a block, else 1.
    pub(crate) fn unit_groups(&self) -> usize {
        (BLOCK / self.group).max(1)
    }

    /// Bytes of the scales of a unit, and of the minimums if there are any.
    pub(crate) fn header_bytes(&self) -> usize {
        self.unit_groups() * TILE_ROWS * 2
    }

    /// Bytes of a unit.
    pub(crate) fn unit_bytes(&self) -> usize {
        self.header_bytes() * (1 + usize::from(self.mins)) + self.unit_blocks() * self.bytes.block_bytes()
    }

    /// Whether `data` has the size that the other fields ask for; kernels rely on it.
    pub(crate) fn is_consistent(&self) -> bool {
        let unit_cols = self.unit_blocks() * BLOCK;
        self.cols.is_multiple_of(unit_cols) && self.data.len() == self.cols / unit_cols * self.unit_bytes()
    }
}

/// One tile of signed bytes with a scale per row: the quads of 4 neighbouring columns of the 16 rows after one another, as in a block
/// of bytes, but with nothing between the blocks.
#[derive(Clone, Copy)]
pub(crate) struct W8A8Tile<'a> {
    /// `[cols / 4][16][4]`
    pub(crate) data: &'a [i8],
    /// Columns, a multiple of 32.
    pub(crate) cols: usize,
    /// One scale per row.
    pub(crate) scales: &'a [f32; TILE_ROWS],
}
