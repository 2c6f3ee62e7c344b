//! How a model is to be loaded.

use super::HeadPrecision;

/// Options of [`Model::load_with`](crate::Model::load_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The precision of the output matrix.
    pub head: HeadPrecision,
    /// Dequantize every matrix to single-precision floats, and leave activations as they are: the reference that faster arithmetic is
    /// measured against. Takes 4 bytes per weight.
    pub in_f32: bool,
}
