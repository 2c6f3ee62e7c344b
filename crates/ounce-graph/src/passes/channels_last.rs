//! Lays the images of quantized networks out with their channels side by side.

use std::collections::HashMap;

use crate::error::GraphError;
use crate::graph::{Graph, Node, Source, ValueId};
use crate::ops::{ChannelsLastConv2d, Op, Reshape, Transpose};
use crate::rewrite::Rewrite;
use crate::tensor::Tensor;
use crate::types::DType;

/// Gives convolutions of bytes with constant weights images `[N, H, W, C]` and packed weights ([`ChannelsLastConv2d`]), and lets operators between them that can ([`Operator::channels_last`])
/// take and give such images; where others read them, they are transposed. Inputs and outputs of the graph stay as they are.
///
/// For running on this machine: what emits code and what differentiates knows these operators not.
///
/// [`Operator::channels_last`]: crate::Operator::channels_last
///
/// # Errors
/// None for a graph that could be built.
pub fn channels_last(graph: &Graph) -> Result<Graph, GraphError> {
    let mut layout = Layouts { rewrite: Rewrite::new(graph)?, old: graph, last: HashMap::new() };
    for node in graph.nodes() {
        if let Some((op, planes)) = layout.convolution(node) {
            let x = if planes { layout.planes(node.inputs[0])? } else { layout.last(node.inputs[0])? };
            layout.append(node, op, &[x])?;
        } else if let Some(op) = layout.follows(node) {
            let inputs = node.inputs.iter().map(|id| layout.last(*id)).collect::<Result<Vec<_>, _>>()?;
            layout.append(node, op, &inputs)?;
        } else {
            for id in &node.inputs {
                layout.planes(*id)?;
            }
            layout.rewrite.copy(node)?;
        }
    }
    for id in graph.outputs().iter().map(|(_, id)| id).chain(graph.updates().iter().map(|(_, id)| id)) {
        layout.planes(*id)?;
    }
    layout.rewrite.finish()
}

/// Which values exist in which layouts.
struct Layouts<'a> {
    rewrite: Rewrite<'a>,
    old: &'a Graph,
    /// New values with channels last, by the old value that they stand for.
    last: HashMap<ValueId, ValueId>,
}

impl Layouts<'_> {
    fn constant(&self, id: ValueId) -> Option<&Tensor> {
        match &self.old.value(id).source {
            Source::Constant(data) => Some(data),
            _ => None,
        }
    }

    /// The convolution in a node's place, and whether it reads planes: a few of them that are not yet laid out otherwise.
    fn convolution(&self, node: &Node) -> Option<(Op, bool)> {
        let Op::QuantizedConv2d(conv) = &node.op else { return None };
        let shape = self.old.shape(node.inputs[0]);
        let (w, bias) = (self.constant(node.inputs[1])?, self.constant(node.inputs[2])?);
        let planes = shape[1] <= 4 && conv.groups <= 1 && !self.last.contains_key(&node.inputs[0]);
        Some((ChannelsLastConv2d::new(conv, shape, w, bias, planes)?.into(), planes))
    }

    /// The operator in a node's place if one of its inputs has its channels last.
    fn follows(&self, node: &Node) -> Option<Op> {
        let image = |id: &ValueId| self.old.ty(*id).dtype == DType::I8 && self.old.shape(*id).len() == 4;
        let images = node.inputs.iter().chain(&node.outputs).all(image);
        let some = node.inputs.iter().any(|id| self.last.contains_key(id));
        if images && some { node.op.channels_last(&self.old.types(&node.inputs)) } else { None }
    }

    fn append(&mut self, node: &Node, op: Op, inputs: &[ValueId]) -> Result<(), GraphError> {
        let outputs = self.rewrite.graph.append(node.name.clone(), op, inputs)?;
        self.last.extend(node.outputs.iter().copied().zip(outputs));
        Ok(())
    }

    /// An old value with its channels last.
    fn last(&mut self, old: ValueId) -> Result<ValueId, GraphError> {
        if let Some(new) = self.last.get(&old) {
            return Ok(*new);
        }
        let planes = self.rewrite.get(old)?;
        let shape = self.old.shape(old).to_vec();
        let new = self.moved(planes, [0, 2, 3, 1], shape)?;
        self.last.insert(old, new);
        Ok(new)
    }

    /// An old value as it was.
    fn planes(&mut self, old: ValueId) -> Result<ValueId, GraphError> {
        if let (Some(last), false) = (self.last.get(&old).copied(), self.rewrite.has(old)) {
            let shape = self.old.shape(old);
            let shape = vec![shape[0], shape[2], shape[3], shape[1]];
            let new = self.moved(last, [0, 3, 1, 2], shape)?;
            self.rewrite.set(old, new);
        }
        self.rewrite.get(old)
    }

    /// A new value of shape `shape` with its axes permuted.
    fn moved(&mut self, id: ValueId, axes: [usize; 4], shape: Vec<usize>) -> Result<ValueId, GraphError> {
        let long = |axis: &&usize| shape[**axis] > 1;
        // Where the axes that are longer than 1 keep their order, nothing moves.
        let order: Vec<usize> = axes.iter().filter(long).copied().collect();
        let op: Op = if order.is_sorted() {
            Reshape { shape: axes.iter().map(|axis| shape[*axis]).collect() }.into()
        } else {
            Transpose { axes: axes.to_vec() }.into()
        };
        let name = format!("{}/{}", self.rewrite.graph.value(id).name, op.name());
        Ok(self.rewrite.graph.append(name, op, &[id])?[0])
    }
}
