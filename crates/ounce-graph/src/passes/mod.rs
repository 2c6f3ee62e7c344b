//! Transformations of graphs. Each is a function from a graph to a graph that computes the same; [`optimize`] is the usual chain.

mod channels_last;
mod constant_fold;
mod dead_code;
mod fold_batch_norm;
mod fold_padding;
mod freeze;
mod fuse_activation;
mod in_place;
mod narrow;
mod reorder;
pub(crate) mod uses;

pub use channels_last::channels_last;
pub use constant_fold::constant_fold;
pub use dead_code::dead_code;
pub use fold_batch_norm::fold_batch_norm;
pub use fold_padding::fold_padding;
pub use freeze::freeze;
pub use fuse_activation::fuse_activation;
pub use in_place::in_place;
pub use narrow::narrow;
pub use reorder::reorder;

use crate::error::GraphError;
use crate::graph::Graph;

/// All passes in order: what is not needed goes, constants are folded, batch norm and padding go into convolutions, weight gradients are narrowed to what is updated,
/// activations are fused, nodes are reordered for memory, and what may be overwritten is marked.
///
/// # Errors
/// None for a graph that could be built.
pub fn optimize(graph: &Graph) -> Result<Graph, GraphError> {
    let passes = [
        dead_code,
        fold_batch_norm,
        constant_fold,
        fold_padding,
        narrow,
        fuse_activation,
        dead_code,
        reorder,
        in_place,
    ];
    passes.iter().try_fold(graph.clone(), |graph, pass| pass(&graph))
}

/// As [`optimize`], for graphs that run on this machine and whose parameters only the graph itself changes: the others become constants, and images of quantized networks are
/// laid out as the kernels like them best.
///
/// # Errors
/// None for a graph that could be built.
pub fn optimize_for_host(graph: &Graph) -> Result<Graph, GraphError> {
    let passes = [freeze, optimize, channels_last, dead_code, reorder, in_place];
    passes.iter().try_fold(graph.clone(), |graph, pass| pass(&graph))
}
