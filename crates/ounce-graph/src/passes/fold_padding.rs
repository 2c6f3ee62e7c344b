//! Lets convolutions pad images themselves.

use crate::error::GraphError;
use crate::graph::{Graph, Node, ValueId};
use crate::ops::{Op, Pad, Window};
use crate::rewrite::Rewrite;

/// Takes the padding before a convolution, if it is of what the convolution itself pads with, into the convolution's window. What nothing else reads of the padded image
/// is left to [`dead_code`](super::dead_code).
///
/// # Errors
/// None for a graph that could be built.
pub fn fold_padding(graph: &Graph) -> Result<Graph, GraphError> {
    let mut rewrite = Rewrite::new(graph)?;
    for node in graph.nodes() {
        match folded(graph, node) {
            Some((op, x)) => {
                let mut inputs = node.inputs.clone();
                inputs[0] = x;
                rewrite.copy_as(node, op, &inputs)?;
            }
            None => rewrite.copy(node)?,
        }
    }
    rewrite.finish()
}

/// The operator of the image as it is before padding, and that image.
fn folded(graph: &Graph, node: &Node) -> Option<(Op, ValueId)> {
    let (at, _) = graph.producer(*node.inputs.first()?)?;
    let before = &graph.nodes()[at];
    let Op::Pad(pad) = &before.op else { return None };
    let op = match &node.op {
        Op::Conv2d(op) => {
            let mut op = op.clone();
            op.window = widened(op.window, pad, 0.0)?;
            op.into()
        }
        Op::QuantizedConv2d(op) => {
            let mut op = op.clone();
            op.window = widened(op.window, pad, op.x_zero as f32)?;
            op.into()
        }
        _ => return None,
    };
    Some((op, before.inputs[0]))
}

/// The window with the padding of an image, if it pads height and width with `zero`.
fn widened(mut window: Window, pad: &Pad, zero: f32) -> Option<Window> {
    let along = |sides: &[usize]| match sides {
        [0, 0, height, width] => Some([*height, *width]),
        _ => None,
    };
    let (before, after) = (along(&pad.before)?, along(&pad.after)?);
    if pad.value != zero || pad.between.iter().any(|n| *n != 0) {
        return None;
    }
    for axis in 0..2 {
        window.before[axis] = window.before[axis].checked_add(before[axis])?;
        window.after[axis] = window.after[axis].checked_add(after[axis])?;
    }
    Some(window)
}
