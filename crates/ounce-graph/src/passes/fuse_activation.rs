//! Lets convolutions apply the activation that follows.

use super::uses::{only_reader, readers};
use crate::error::GraphError;
use crate::graph::Graph;
use crate::ops::{Conv2d, Op};
use crate::rewrite::Rewrite;

/// Replaces a convolution followed by a clip (ReLU, ReLU6), which alone reads it, by one convolution with that activation.
///
/// # Errors
/// None for a graph that could be built.
pub fn fuse_activation(graph: &Graph) -> Result<Graph, GraphError> {
    let readers = readers(graph);
    let mut rewrite = Rewrite::new(graph)?;
    // For every clip that is fused, nothing is left to do.
    let mut fused = vec![false; graph.nodes().len()];
    for (i, node) in graph.nodes().iter().enumerate() {
        if fused[i] {
            continue;
        }
        let clip = match &node.op {
            Op::Conv2d(Conv2d { activation: None, .. }) => only_reader(graph, &readers, node.outputs[0]),
            _ => None,
        };
        if let (Op::Conv2d(conv), Some(at)) = (&node.op, clip)
            && let Op::Clip(clip) = graph.nodes()[at].op
        {
            let op = Conv2d { activation: Some(clip), ..conv.clone() };
            rewrite.copy_as(node, op.into(), &node.inputs)?;
            let y = rewrite.get(node.outputs[0])?;
            rewrite.set(graph.nodes()[at].outputs[0], y);
            fused[at] = true;
        } else {
            rewrite.copy(node)?;
        }
    }
    rewrite.finish()
}
