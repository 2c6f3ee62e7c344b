//! Puts batch norm into the convolution before it.

use super::uses::{only_reader, readers};
use crate::error::GraphError;
use crate::graph::{Graph, Node, ValueId};
use crate::ops::{Conv2d, Op};
use crate::rewrite::Rewrite;
use crate::tensor::Tensor;

/// Replaces a convolution with constant kernel, followed by batch norm with constant statistics and read by nothing else, by one convolution.
/// [`Graph::freeze_all`] makes parameters constant.
///
/// # Errors
/// None for a graph that could be built.
pub fn fold_batch_norm(graph: &Graph) -> Result<Graph, GraphError> {
    let readers = readers(graph);
    let mut rewrite = Rewrite::new(graph)?;
    let mut folded = vec![None; graph.nodes().len()];
    for node in graph.nodes() {
        if let Some((at, weight, bias)) = fold(graph, &readers, node) {
            folded[at] = Some((weight, bias));
        }
    }
    for (i, node) in graph.nodes().iter().enumerate() {
        if let Some((weight, bias)) = folded[i].take() {
            let x = rewrite.get(node.inputs[0])?;
            let (weight, bias) = (rewrite.graph.constant(weight), rewrite.graph.constant(bias));
            let y = rewrite.graph.append(node.name.clone(), node.op.clone(), &[x, weight, bias])?[0];
            rewrite.set(node.outputs[0], y);
            // The batch norm that reads it.
            let norm = &graph.nodes()[readers[node.outputs[0].0][0]];
            rewrite.set(norm.outputs[0], y);
        } else if fold(graph, &readers, node).is_none() {
            rewrite.copy(node)?;
        }
    }
    rewrite.finish()
}

/// If a node is a batch norm that can be folded: the convolution's place, its new kernel and its new bias.
fn fold(graph: &Graph, readers: &[Vec<usize>], node: &Node) -> Option<(usize, Tensor, Tensor)> {
    let Op::BatchNorm(norm) = &node.op else { return None };
    let data = |id: ValueId| graph.constant_data(id)?.as_f32();
    let (at, _) = graph.producer(node.inputs[0])?;
    only_reader(graph, readers, node.inputs[0])?;
    let conv = &graph.nodes()[at];
    let Op::Conv2d(Conv2d { activation: None, .. }) = &conv.op else { return None };
    let kernel = data(conv.inputs[1])?;
    let bias = match conv.inputs.get(2) {
        Some(bias) => Some(data(*bias)?),
        None => None,
    };
    let [weight, shift, mean, var] =
        [data(node.inputs[1])?, data(node.inputs[2])?, data(node.inputs[3])?, data(node.inputs[4])?];
    let scale: Vec<f32> = weight.iter().zip(var).map(|(w, v)| w / (v + norm.eps).sqrt()).collect();
    let shape = graph.shape(conv.inputs[1]);
    let per_channel = kernel.len().checked_div(scale.len()).filter(|n| *n > 0)?;
    let kernel = kernel.iter().enumerate().map(|(i, w)| w * scale[i / per_channel]).collect();
    let bias = (0..scale.len())
        .map(|c| (bias.map_or(0.0, |bias| bias[c]) - mean[c]) * scale[c] + shift[c])
        .collect();
    Some((at, Tensor::f32(shape, kernel).ok()?, Tensor::f32(&[scale.len()], bias).ok()?))
}
