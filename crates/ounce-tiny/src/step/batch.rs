//! Networks for several pictures at once.

use ounce_graph::ops::Op;
use ounce_graph::{Graph, Node, Rewrite, TensorType};

use super::{Network, StepError};

impl Network {
    /// The network, which takes one picture, for `batch` pictures at once.
    ///
    /// # Errors
    /// [`StepError::Batch`] if an operator does not keep pictures apart.
    pub fn with_batch(&self, batch: usize) -> Result<Self, StepError> {
        if batch == 1 {
            return Ok(self.clone());
        }
        let old = &self.graph;
        let mut rewrite = Rewrite::bare(old);
        for id in old.inputs() {
            let value = old.value(*id);
            let ty = TensorType::new(value.ty.dtype, &widened(&value.ty.shape, batch));
            let new = rewrite.graph.input(&value.name, ty)?;
            rewrite.set(*id, new);
        }
        for node in old.nodes() {
            let refused = || StepError::Batch { node: node.name.clone(), operator: node.op.name(), batch };
            let op = batched(node, batch).ok_or_else(refused)?;
            rewrite.copy_as(node, op, &node.inputs)?;
            for id in &node.outputs {
                let new = rewrite.get(*id)?;
                if rewrite.graph.shape(new) != widened(old.shape(*id), batch) {
                    return Err(refused());
                }
            }
        }
        let graph: Graph = rewrite.finish()?;
        self.around(graph, self.classifier.clone())
    }
}

/// The shape of so many values of one shape, which begins with 1.
fn widened(shape: &[usize], batch: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let Some(first @ 1) = shape.first_mut() {
        *first = batch;
    }
    shape
}

/// The operator for so many pictures, if it does to each what it does to one.
fn batched(node: &Node, batch: usize) -> Option<Op> {
    let mut op = node.op.clone();
    let apart = match &mut op {
        Op::Reshape(op) => {
            op.shape = widened(&op.shape, batch);
            true
        }
        Op::Expand(op) => {
            op.shape = widened(&op.shape, batch);
            true
        }
        Op::Crop(op) => {
            op.sizes = widened(&op.sizes, batch);
            op.starts.first() == Some(&0)
        }
        Op::Pad(op) => [&op.before, &op.after, &op.between].iter().all(|sides| sides.first() == Some(&0)),
        Op::Transpose(op) => op.axes.first() == Some(&0),
        Op::Concat(op) => op.axis != 0,
        Op::Softmax(op) => op.axis != 0,
        _ => true,
    };
    apart.then_some(op)
}
