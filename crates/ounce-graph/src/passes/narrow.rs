//! Computes of a kernel's gradient only the part that is used.

use super::uses::{only_reader, readers};
use crate::error::GraphError;
use crate::graph::{Graph, ValueId};
use crate::ops::{Conv2dWeightGradient, Crop, Op};
use crate::rewrite::Rewrite;

/// Replaces the leading block of a kernel's gradient, where nothing else reads the gradient, by the gradient of the leading channels: of the image's
/// for an ordinary convolution, of image and result for a depthwise one. Only these channels of the image need then be kept for the backward pass, which
/// is the sparse update by channels of MCUNetV3.
///
/// # Errors
/// None for a graph that could be built.
pub fn narrow(graph: &Graph) -> Result<Graph, GraphError> {
    let readers = readers(graph);
    let mut rewrite = Rewrite::new(graph)?;
    for node in graph.nodes() {
        let Some((gradient, crop)) = narrowed(graph, &readers, node.outputs[0]) else {
            rewrite.copy(node)?;
            continue;
        };
        let Op::Conv2dWeightGradient(op) = &gradient.op else { continue };
        let (mut x, mut g) = (rewrite.get(gradient.inputs[0])?, rewrite.get(gradient.inputs[1])?);
        let mut op = op.clone();
        if op.groups > 1 {
            op.groups = crop.sizes[0];
            x = channels(&mut rewrite.graph, x, crop.sizes[0])?;
            g = channels(&mut rewrite.graph, g, crop.sizes[0])?;
        } else {
            x = channels(&mut rewrite.graph, x, crop.sizes[1])?;
            g = channels(&mut rewrite.graph, g, crop.sizes[0])?;
        }
        let narrow = rewrite.graph.append(node.name.clone(), op.into(), &[x, g])?[0];
        rewrite.set(node.outputs[0], narrow);
    }
    super::dead_code(&rewrite.finish()?)
}

/// The first channels of an image.
fn channels(graph: &mut Graph, x: ValueId, count: usize) -> Result<ValueId, GraphError> {
    if graph.shape(x)[1] == count { Ok(x) } else { graph.slice(x, 1, 0, count) }
}

/// If a value is a leading block of a kernel's gradient that can be computed alone: the gradient's node and the block.
fn narrowed<'a>(
    graph: &'a Graph,
    readers: &[Vec<usize>],
    id: ValueId,
) -> Option<(&'a crate::graph::Node, &'a Crop)> {
    let (at, _) = graph.producer(id)?;
    let Op::Crop(crop) = &graph.nodes()[at].op else { return None };
    let source = graph.nodes()[at].inputs[0];
    let (at, _) = graph.producer(source)?;
    let gradient = &graph.nodes()[at];
    let Op::Conv2dWeightGradient(Conv2dWeightGradient { groups, .. }) = &gradient.op else { return None };
    only_reader(graph, readers, source)?;
    let full = graph.shape(source);
    let leading = crop.starts.iter().all(|start| *start == 0)
        && crop.steps.iter().all(|step| *step == 1)
        && crop.sizes[2..] == full[2..]
        && crop.sizes.iter().all(|size| *size > 0);
    let depthwise = *groups == full[0] && full[1] == 1;
    (leading && (*groups <= 1 || depthwise)).then_some((gradient, crop))
}
