//! QOC (Wang et al., "On-chip QNN: Towards Efficient On-Chip Training of Quantum Neural Networks", DAC 2022): training by parameter shift, with
//! gradients pruned that are too small to be measured well.

mod pruning;

pub use pruning::{Pruner, PrunerState, Pruning};
