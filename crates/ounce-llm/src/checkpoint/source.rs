//! Where a matrix lies in a checkpoint.

use super::Tensor;

/// A matrix in a checkpoint, found and checked but not read. Leading dimensions of a tensor of more than two count as rows.
pub(crate) struct MatrixSource {
    pub(super) tensor: Tensor,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl MatrixSource {
    /// The matrix that a tensor holds.
    pub(crate) fn of(tensor: Tensor) -> Self {
        let (cols, leading) = tensor.shape.split_last().map_or((1, &[][..]), |(&cols, rest)| (cols, rest));
        let rows = leading.iter().product();
        Self { tensor, rows, cols }
    }

    /// Output features.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Input features.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The name in the file, for errors.
    pub(crate) fn name(&self) -> &str {
        &self.tensor.name
    }
}
