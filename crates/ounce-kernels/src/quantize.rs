//! Activations quantized on the fly for products with integer weights.

use crate::isa::{WORD_TOKENS, WordTokens};

/// Columns that share one activation scale.
pub(crate) const BLOCK: usize = 32;
/// Columns that share one sum of quants: the smallest group of a weight layout.
pub(crate) const HALF_BLOCK: usize = 16;

/// Rows of activations, symmetric 8-bit per block of 32 columns: `x = scale * q`, `|q| <= 127`.
#[derive(Default)]
pub(crate) struct QuantizedRows {
    cols: usize,
    quants: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    half_sums: Vec<f32>,
}

/// Parts of some rows that a kernel writes: quants `[cols]`, scales and sums of the quantized values (scale
/// times quant) `[cols/32]`, and sums of halves of blocks `[cols/16]`.
pub(crate) struct QuantizedRowMut<'a> {
    pub(crate) quants: &'a mut [i8],
    pub(crate) scales: &'a mut [f32],
    pub(crate) sums: &'a mut [f32],
    pub(crate) half_sums: &'a mut [f32],
}

/// A view of consecutive rows.
#[derive(Clone, Copy)]
pub(crate) struct QuantizedView<'a> {
    pub(crate) cols: usize,
    /// `[rows, cols]`
    pub(crate) quants: &'a [i8],
    /// `[rows, cols/32]`
    pub(crate) scales: &'a [f32],
    /// `[rows, cols/32]`: sums of `scale * quant`
    pub(crate) sums: &'a [f32],
    /// `[rows, cols/16]`: the same for halves of blocks
    pub(crate) half_sums: &'a [f32],
}

#[cfg(target_arch = "x86_64")]
impl QuantizedView<'_> {
    /// One of the rows.
    pub(crate) fn row(&self, index: usize) -> Self {
        let (cols, blocks, halves) = (self.cols, self.cols / BLOCK, self.cols / HALF_BLOCK);
        Self {
            cols,
            quants: &self.quants[index * cols..][..cols],
            scales: &self.scales[index * blocks..][..blocks],
            sums: &self.sums[index * blocks..][..blocks],
            half_sums: &self.half_sums[index * halves..][..halves],
        }
    }
}

impl QuantizedRows {
    /// Makes room for `rows` rows of `cols` columns, a multiple of 32. Contents are unspecified.
    pub(crate) fn reset(&mut self, rows: usize, cols: usize) {
        debug_assert_eq!(cols % BLOCK, 0);
        self.cols = cols;
        if self.quants.len() < rows * cols {
            self.quants.resize(rows * cols, 0);
        }
        if self.scales.len() < rows * cols / BLOCK {
            self.scales.resize(rows * cols / BLOCK, 0.0);
        }
        if self.half_sums.len() < rows * cols / HALF_BLOCK {
            self.sums.resize(rows * cols / BLOCK, 0.0);
            self.half_sums.resize(rows * cols / HALF_BLOCK, 0.0);
        }
    }

    /// The three arrays from their beginning, to be cut into rows by the caller.
    pub(crate) fn parts_mut(&mut self) -> QuantizedRowMut<'_> {
        QuantizedRowMut {
            quants: &mut self.quants,
            scales: &mut self.scales,
            sums: &mut self.sums,
            half_sums: &mut self.half_sums,
        }
    }

    /// `count` rows from row `first`.
    pub(crate) fn view(&self, first: usize, count: usize) -> QuantizedView<'_> {
        let (cols, blocks, halves) = (self.cols, self.cols / BLOCK, self.cols / HALF_BLOCK);
        QuantizedView {
            cols,
            quants: &self.quants[first * cols..(first + count) * cols],
            scales: &self.scales[first * blocks..(first + count) * blocks],
            sums: &self.sums[first * blocks..(first + count) * blocks],
            half_sums: &self.half_sums[first * halves..(first + count) * halves],
        }
    }
}

/// Columns of a row of bytes that products with [`W8A8Tile`](crate::isa::W8A8Tile) read: a multiple of 32.
pub(crate) fn padded(cols: usize) -> usize {
    cols.next_multiple_of(BLOCK)
}

/// Rows of activations, symmetric 8-bit with one scale per row: `x = scale * q`, `|q| <= 127`. Rows are filled up with zeros to
/// [`padded`] columns.
#[derive(Default)]
pub(crate) struct TokenRows {
    cols: usize,
    quants: Vec<i8>,
    words: Vec<i16>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

/// Parts of some rows that are written: quants `[rows, cols]`, the same widened or nothing, and one scale and one sum a row.
pub(crate) struct TokenRowsMut<'a> {
    pub(crate) quants: &'a mut [i8],
    pub(crate) words: &'a mut [i16],
    pub(crate) scales: &'a mut [f32],
    pub(crate) sums: &'a mut [i32],
}

/// A view of consecutive rows.
#[derive(Clone, Copy)]
pub(crate) struct TokenView<'a> {
    pub(crate) cols: usize,
    /// `[rows, cols]`
    pub(crate) quants: &'a [i8],
    /// `[rows]`
    pub(crate) scales: &'a [f32],
    /// `[rows]`: sums of quants
    pub(crate) sums: &'a [i32],
}

impl TokenRows {
    /// Makes room for `rows` rows of `cols` columns, rounded up to a multiple of 32, and if `words` for as many in 16 bits, in whole
    /// groups of [`WORD_TOKENS`]. Contents are unspecified.
    pub(crate) fn reset(&mut self, rows: usize, cols: usize, words: bool) {
        self.cols = padded(cols);
        let rows = if words { rows.next_multiple_of(WORD_TOKENS) } else { rows };
        let len = rows * self.cols;
        if self.quants.len() < len {
            self.quants.resize(len, 0);
        }
        if words && self.words.len() < len {
            self.words.resize(len, 0);
        }
        if self.scales.len() < rows {
            self.scales.resize(rows, 0.0);
            self.sums.resize(rows, 0);
        }
    }

    /// The arrays from their beginning, to be cut into rows by the caller.
    pub(crate) fn parts_mut(&mut self) -> TokenRowsMut<'_> {
        TokenRowsMut {
            quants: &mut self.quants,
            words: &mut self.words,
            scales: &mut self.scales,
            sums: &mut self.sums,
        }
    }

    /// `count` rows from row `first`.
    pub(crate) fn view(&self, first: usize, count: usize) -> TokenView<'_> {
        TokenView {
            cols: self.cols,
            quants: &self.quants[first * self.cols..(first + count) * self.cols],
            scales: &self.scales[first..first + count],
            sums: &self.sums[first..first + count],
        }
    }

    /// The widened groups of rows from row `first` on, a multiple of [`WORD_TOKENS`].
    pub(crate) fn words(&self, first: usize) -> impl Iterator<Item = WordTokens<'_>> {
        debug_assert!(first.is_multiple_of(WORD_TOKENS));
        let words = self.words[first * self.cols..].chunks_exact(WORD_TOKENS * self.cols);
        let (scales, _) = self.scales[first..].as_chunks();
        let (sums, _) = self.sums[first..].as_chunks();
        words.zip(scales).zip(sums).map(|((quants, scales), sums)| WordTokens { quants, scales, sums })
    }
}
