//! Functions of single bytes: what lies between a dequantization and a quantization becomes a table.

use std::collections::HashSet;

use ounce_graph::ops::{Op, Quantize};
use ounce_graph::{DType, Graph, Node, Tensor, TensorType, ValueId, evaluate};

use super::Lowering;

/// The nodes between bytes and bytes.
struct Cone {
    /// The bytes that all depends on.
    x: ValueId,
    /// Nodes in order, without the quantization.
    nodes: Vec<usize>,
}

impl Lowering<'_, '_> {
    /// Nodes in floats that only tables depend on.
    pub(super) fn find_lookups(&mut self) {
        let cones: Vec<(usize, Cone)> = self
            .graph
            .nodes()
            .iter()
            .enumerate()
            .filter_map(|(at, node)| Some((at, self.cone(node)?)))
            .collect();
        let mut covered: HashSet<usize> = cones.iter().map(|(at, _)| *at).collect();
        let mut inner: Vec<usize> = cones.iter().flat_map(|(_, cone)| cone.nodes.iter().copied()).collect();
        inner.sort_unstable();
        inner.dedup();
        for at in inner.into_iter().rev() {
            let y = self.graph.nodes()[at].outputs[0];
            let is_output = self.graph.outputs().iter().any(|(_, output)| *output == y);
            if !is_output && self.readers[y.index()].iter().all(|reader| covered.contains(reader)) {
                covered.insert(at);
                self.fused.insert(at);
            }
        }
    }

    /// What a quantization depends on, if that is bytes of one array, each element by itself.
    fn cone(&self, node: &Node) -> Option<Cone> {
        let Op::Quantize(Quantize { scaling, to: DType::I8 }) = &node.op else { return None };
        let whole = &self.graph.ty(node.outputs[0]).shape;
        let (mut x, mut nodes, mut left) = (None, Vec::new(), vec![node.inputs[0]]);
        while let Some(id) = left.pop() {
            if self.single(id).is_some() {
                continue;
            }
            let (at, _) = self.graph.producer(id)?;
            let node = &self.graph.nodes()[at];
            if nodes.contains(&at) {
                continue;
            }
            if self.graph.shape(id) != whole {
                return None;
            }
            match &node.op {
                Op::Dequantize(op) => {
                    let from = node.inputs[0];
                    let is_table = op.scaling.scale.len() == 1 && self.graph.ty(from).dtype == DType::I8;
                    if !is_table || x.is_some_and(|x| x != from) {
                        return None;
                    }
                    x = Some(from);
                }
                Op::Unary(_) | Op::Clip(_) | Op::Binary(_) => left.extend(&node.inputs),
                _ => return None,
            }
            nodes.push(at);
        }
        nodes.sort_unstable();
        let x = x.filter(|_| scaling.scale.len() == 1)?;
        Some(Cone { x, nodes })
    }

    /// If a quantization is a function of the bytes of one array: those, and the function's values from -128 to 127.
    pub(super) fn lookup_of(&self, node: &Node) -> Option<(ValueId, Vec<i8>)> {
        let cone = self.cone(node)?;
        let mut graph = Graph::new();
        let bytes: Vec<i8> = (i8::MIN..=i8::MAX).collect();
        let mut ids = vec![(cone.x, graph.input("x", TensorType::new(DType::I8, &[256])).ok()?)];
        let inner = cone.nodes.iter().map(|at| &self.graph.nodes()[*at]);
        for node in inner.chain([node]) {
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for id in &node.inputs {
                let known = ids.iter().find(|(old, _)| old == id).map(|(_, new)| *new);
                inputs.push(match known {
                    Some(new) => new,
                    None => graph.scalar(self.single(*id)?),
                });
            }
            ids.push((node.outputs[0], graph.apply(node.op.clone(), &inputs).ok()?));
        }
        graph.output("y", ids.last()?.1).ok()?;
        let x = Tensor::i8(&[256], bytes).ok()?;
        let result = evaluate(&graph, &[("x", &x)]).ok()?;
        Some((cone.x, result.outputs.get("y")?.as_i8()?.to_vec()))
    }
}
