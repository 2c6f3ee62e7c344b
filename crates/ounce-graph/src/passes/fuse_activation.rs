//! Lets convolutions and batch norm apply the activation that follows.

use super::uses::{only_reader, readers};
use crate::error::GraphError;
use crate::graph::{Graph, Node, ValueId};
use crate::ops::{BatchNormTraining, BatchNormTrainingGradient, Clip, ClipGradient, Conv2d, Op};
use crate::rewrite::Rewrite;

/// Replaces a convolution, or a batch norm in training, followed by a clip (ReLU, ReLU6), which alone reads it, by one operator with that activation. The gradient
/// of batch norm takes the gradient of the clip along.
///
/// # Errors
/// None for a graph that could be built.
pub fn fuse_activation(graph: &Graph) -> Result<Graph, GraphError> {
    let readers = readers(graph);
    let mut rewrite = Rewrite::new(graph)?;
    // For every node that became part of another, nothing is left to do.
    let mut fused = vec![false; graph.nodes().len()];
    let gradients: Vec<Option<Fused>> =
        graph.nodes().iter().map(|node| fused_gradient(graph, &readers, node)).collect();
    gradients.iter().flatten().for_each(|gradient| fused[gradient.clip] = true);
    for (i, node) in graph.nodes().iter().enumerate() {
        if fused[i] {
            continue;
        }
        if let Some(gradient) = &gradients[i] {
            let inputs: Vec<ValueId> =
                std::iter::once(gradient.upstream).chain(node.inputs[1..].iter().copied()).collect();
            rewrite.copy_as(node, gradient.op.clone(), &inputs)?;
        } else if let Some(at) = only_reader(graph, &readers, node.outputs[0])
            && let Op::Clip(clip) = graph.nodes()[at].op
            && let Some(op) = with_activation(&node.op, clip)
        {
            rewrite.copy_as(node, op, &node.inputs)?;
            let y = rewrite.get(node.outputs[0])?;
            rewrite.set(graph.nodes()[at].outputs[0], y);
            fused[at] = true;
        } else {
            rewrite.copy(node)?;
        }
    }
    rewrite.finish()
}

/// The operator followed by a clip, if it can apply that itself.
fn with_activation(op: &Op, clip: Clip) -> Option<Op> {
    match op {
        Op::Conv2d(conv @ Conv2d { activation: None, .. }) => {
            Some(Conv2d { activation: Some(clip), ..conv.clone() }.into())
        }
        Op::BatchNormTraining(norm @ BatchNormTraining { activation: None, .. }) => {
            Some(BatchNormTraining { activation: Some(clip), ..*norm }.into())
        }
        _ => None,
    }
}

/// A gradient of batch norm that takes the gradient of the clip behind it along.
struct Fused {
    op: Op,
    /// The gradient of the clip's result.
    upstream: ValueId,
    /// The node that is no longer needed.
    clip: usize,
}

/// If a node is a gradient of batch norm, and what it gets comes from the clip behind that batch norm.
fn fused_gradient(graph: &Graph, readers: &[Vec<usize>], node: &Node) -> Option<Fused> {
    let Op::BatchNormTrainingGradient(gradient @ BatchNormTrainingGradient { activation: None, .. }) =
        node.op
    else {
        return None;
    };
    let (at, _) = graph.producer(node.inputs[0])?;
    only_reader(graph, readers, node.inputs[0])?;
    let Op::ClipGradient(ClipGradient { low, high }) = graph.nodes()[at].op else { return None };
    let [upstream, clipped] = graph.nodes()[at].inputs[..] else { return None };
    let clip = &graph.nodes()[graph.producer(clipped)?.0];
    let Op::Clip(own) = clip.op else { return None };
    // Of the same batch norm, which the mean is from.
    let same = graph.producer(clip.inputs[0])? == (graph.producer(node.inputs[4])?.0, 0);
    let activation = Some(own);
    (same && own == Clip { low, high }).then(|| Fused {
        op: BatchNormTrainingGradient { activation, ..gradient }.into(),
        upstream,
        clip: at,
    })
}
