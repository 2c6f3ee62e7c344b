//! Computes of a kernel's gradient only the part that is used.

use super::uses::{only_reader, readers};
use crate::error::GraphError;
use crate::graph::{Graph, Node, ValueId};
use crate::ops::{Conv2dWeightGradient, Crop, Op, SelectChannels};
use crate::rewrite::Rewrite;

/// Replaces the leading block of a kernel's gradient, or chosen channels of it, where nothing else reads the gradient, by the gradient of these channels: of the image's
/// for an ordinary convolution, of image and result for a depthwise one. Only these channels of the image need then be kept for the backward pass, which
/// is the sparse update by channels of MCUNetV3.
///
/// # Errors
/// None for a graph that could be built.
pub fn narrow(graph: &Graph) -> Result<Graph, GraphError> {
    let readers = readers(graph);
    let mut rewrite = Rewrite::new(graph)?;
    for node in graph.nodes() {
        let Some((gradient, op, part)) = narrowed(graph, &readers, node) else {
            rewrite.copy(node)?;
            continue;
        };
        let (mut x, mut g) = (rewrite.get(gradient.inputs[0])?, rewrite.get(gradient.inputs[1])?);
        let mut op = op.clone();
        let depthwise = op.groups > 1;
        match part {
            Part::Leading(crop) => {
                let [outputs, inputs] = [crop.sizes[0], crop.sizes[1]];
                if depthwise {
                    op.groups = outputs;
                }
                x = leading(&mut rewrite.graph, x, if depthwise { outputs } else { inputs })?;
                g = leading(&mut rewrite.graph, g, outputs)?;
            }
            Part::Chosen(SelectChannels { channels, .. }) => {
                let image = SelectChannels { axis: 1, channels: channels.clone() };
                if depthwise {
                    op.groups = channels.len();
                    g = rewrite.graph.apply(image.clone(), &[g])?;
                }
                x = rewrite.graph.apply(image, &[x])?;
            }
        }
        let narrow = rewrite.graph.append(node.name.clone(), op.into(), &[x, g])?[0];
        rewrite.set(node.outputs[0], narrow);
    }
    super::dead_code(&rewrite.finish()?)
}

/// The first channels of an image.
fn leading(graph: &mut Graph, x: ValueId, count: usize) -> Result<ValueId, GraphError> {
    if graph.shape(x)[1] == count { Ok(x) } else { graph.slice(x, 1, 0, count) }
}

/// A part of a kernel's gradient.
enum Part<'a> {
    Leading(&'a Crop),
    Chosen(&'a SelectChannels),
}

/// If a node takes a part of a kernel's gradient that can be computed alone: the gradient's node, its operator and the part.
fn narrowed<'a>(
    graph: &'a Graph,
    readers: &[Vec<usize>],
    node: &'a Node,
) -> Option<(&'a Node, &'a Conv2dWeightGradient, Part<'a>)> {
    let part = match &node.op {
        Op::Crop(crop) => Part::Leading(crop),
        Op::SelectChannels(chosen) => Part::Chosen(chosen),
        _ => return None,
    };
    let source = node.inputs[0];
    let (at, _) = graph.producer(source)?;
    let gradient = &graph.nodes()[at];
    let Op::Conv2dWeightGradient(op) = &gradient.op else { return None };
    only_reader(graph, readers, source)?;
    let full = graph.shape(source);
    let depthwise = op.groups > 1 && op.groups == full[0] && full[1] == 1;
    let alone = match part {
        Part::Leading(crop) => {
            crop.starts.iter().all(|start| *start == 0)
                && crop.steps.iter().all(|step| *step == 1)
                && crop.sizes[2..] == full[2..]
                && crop.sizes.iter().all(|size| *size > 0)
                && (op.groups <= 1 || depthwise)
        }
        Part::Chosen(SelectChannels { axis, channels }) => match axis {
            0 => depthwise && !channels.is_empty(),
            _ => *axis == 1 && op.groups <= 1 && !channels.is_empty(),
        },
    };
    alone.then_some((gradient, op, part))
}
