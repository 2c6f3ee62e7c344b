//! How large an imported graph may be.

use ounce_graph::{Graph, TensorType};

/// Bounds on what a file may ask for. A few bytes of a file can name a shape of any size, so shapes are held against these before anything of their size is
/// made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The bytes of one value.
    pub value_bytes: usize,
    /// The bytes of all values that nodes compute, together.
    pub total_bytes: usize,
    /// The elements of all constants that are computed while importing, together.
    pub folded_elements: usize,
}

impl Default for Limits {
    /// 1 GiB for a value, 64 GiB for all of them, 16 million elements of computed constants.
    fn default() -> Self {
        Self { value_bytes: 1 << 30, total_bytes: 1 << 36, folded_elements: 1 << 24 }
    }
}

/// A bound that a graph goes beyond.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LimitError {
    /// One value.
    #[error(
        "a value {ty} takes {bytes} bytes, more than the limit of {limit}: give smaller inputs, or raise the limit"
    )]
    Value {
        /// Its type.
        ty: TensorType,
        /// What it takes.
        bytes: usize,
        /// What it may take.
        limit: usize,
    },
    /// All values.
    #[error(
        "the values of the network take more than the limit of {0} bytes together: give smaller inputs, or raise the limit"
    )]
    Total(usize),
    /// Constants.
    #[error(
        "constants computed from shapes take more than the limit of {0} elements: give smaller inputs, or raise the limit"
    )]
    Folded(usize),
}

/// Watches a graph as it grows.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: Limits,
    seen: usize,
    total: usize,
    folded: usize,
}

impl Watch {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, seen: 0, total: 0, folded: 0 }
    }

    /// A value of this type may be made.
    pub(crate) fn value(&self, ty: &TensorType) -> Result<(), LimitError> {
        let elements = ty.shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
        let bytes = elements.filter(|n| n.checked_mul(4).is_some()).map_or(usize::MAX, |n| ty.dtype.bytes(n));
        if bytes <= self.limits.value_bytes {
            return Ok(());
        }
        Err(LimitError::Value { ty: ty.clone(), bytes, limit: self.limits.value_bytes })
    }

    /// The values that were added to the graph since the last call are within bounds.
    pub(crate) fn graph(&mut self, graph: &Graph) -> Result<(), LimitError> {
        for value in &graph.values()[self.seen..] {
            self.value(&value.ty)?;
            self.total = self.total.saturating_add(value.ty.bytes());
        }
        self.seen = graph.values().len();
        if self.total <= self.limits.total_bytes {
            Ok(())
        } else {
            Err(LimitError::Total(self.limits.total_bytes))
        }
    }

    /// A constant of so many elements may be made.
    pub(crate) fn folded(&mut self, elements: usize) -> Result<(), LimitError> {
        self.folded = self.folded.saturating_add(elements);
        if self.folded <= self.limits.folded_elements {
            Ok(())
        } else {
            Err(LimitError::Folded(self.limits.folded_elements))
        }
    }
}
