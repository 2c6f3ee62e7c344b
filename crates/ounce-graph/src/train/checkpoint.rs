//! The state of training between steps. Files are another crate's job.

use std::collections::BTreeMap;

use crate::tensor::Tensor;

/// All parameters, the state of the optimizer among them, and how many steps were taken.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Checkpoint {
    /// By name.
    pub parameters: BTreeMap<String, Tensor>,
    /// Steps taken.
    pub steps: u64,
}
