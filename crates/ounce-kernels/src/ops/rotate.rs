//! Rotation of rows by a Hadamard matrix.

use super::elementwise::for_rows;
use crate::Team;
use crate::pool::SharedMut;

/// Why rows cannot be rotated in blocks of some size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockError {
    /// Elements of a row.
    pub cols: usize,
    /// Elements of a block.
    pub block: usize,
}

impl std::fmt::Display for BlockError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cols, block } = self;
        write!(
            f,
            "blocks of {block} columns cannot rotate {cols} columns: the block must be a power of two and divide the columns"
        )
    }
}

impl std::error::Error for BlockError {}

/// A Hadamard rotation of blocks of so many elements of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rotation(usize);

impl Rotation {
    /// The rotation of rows of `cols` elements in blocks of `block`.
    ///
    /// # Errors
    /// [`BlockError`] unless the block is a power of two, at least 2, that divides `cols`.
    pub fn new(cols: usize, block: usize) -> Result<Self, BlockError> {
        let fits = block >= 2 && block.is_power_of_two() && cols.is_multiple_of(block) && cols > 0;
        if fits { Ok(Self(block)) } else { Err(BlockError { cols, block }) }
    }

    /// The rotation in the largest blocks that fit `cols` elements; `None` where their number is odd.
    pub fn largest(cols: usize) -> Option<Self> {
        Self::new(cols, 1usize.checked_shl(cols.trailing_zeros())?).ok()
    }

    /// Elements of a block.
    pub fn block(self) -> usize {
        self.0
    }
}

/// Multiplies every block of every row of `x [n, cols]` with the orthogonal Hadamard matrix of its size, in Sylvester's order, which is its own
/// inverse: twice gives `x` back, but for rounding.
///
/// # Panics
/// If `x` is not a whole number of rows, or blocks do not divide them.
pub fn rotate(team: &mut Team<'_>, x: &mut [f32], cols: usize, rotation: Rotation) {
    assert!(cols > 0 && x.len().is_multiple_of(cols) && cols.is_multiple_of(rotation.0));
    let kernels = team.kernels();
    let rows = x.len() / cols;
    let x = SharedMut::new(x);
    for_rows(team, rows, cols, |row| {
        // SAFETY: rows do not overlap, and each is visited once.
        kernels.hadamard(unsafe { x.slice(row * cols, cols) }, rotation.0);
    });
}
