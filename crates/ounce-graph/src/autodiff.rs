//! Reverse-mode differentiation at compile time: the gradient is more nodes of the graph.

use crate::error::GraphError;
use crate::graph::{Graph, Node, ValueId};
use crate::ops::{Binary, BinaryKind, Op, Reduce, ReduceKind, Reshape};
use crate::tensor::Tensor;

/// A graph with its gradients.
#[derive(Clone, Debug)]
pub struct Differentiated {
    /// The forward graph, whose values keep their ids, followed by the nodes of the gradients.
    pub graph: Graph,
    /// The gradient of the loss by each value asked for, in f32 and of that value's shape.
    pub gradients: Vec<ValueId>,
}

/// Appends the nodes that compute the gradients of a loss by `wrt`. Only what these need is appended: the walk backward goes along paths
/// from `wrt` to the loss and ends where nothing needs a gradient.
///
/// A value in integers has a gradient in f32 too, by one step of the integer: rounding is passed straight through.
///
/// # Errors
/// If the loss is not one float or does not depend on a value of `wrt`, or if an operator between has no gradient.
pub fn differentiate(graph: &Graph, loss: ValueId, wrt: &[ValueId]) -> Result<Differentiated, GraphError> {
    let values = graph.values().len();
    for id in wrt.iter().chain([&loss]) {
        if id.0 >= values {
            return Err(GraphError::UnknownValue(id.0, values));
        }
    }
    let ty = graph.ty(loss);
    if ty.elements() != 1 || ty.dtype != crate::DType::F32 {
        return Err(GraphError::Loss { name: graph.value(loss).name.clone(), found: ty.clone() });
    }
    let needs = on_path(graph, loss, wrt);
    if let Some(id) = wrt.iter().find(|id| !needs[id.0]) {
        let (loss, value) = (graph.value(loss).name.clone(), graph.value(*id).name.clone());
        return Err(GraphError::Independent { loss, value });
    }
    let mut result = graph.clone();
    let mut gradients: Vec<Option<ValueId>> = vec![None; values];
    gradients[loss.0] = Some(result.constant(Tensor::f32(&ty.shape, vec![1.0])?));
    for node in graph.nodes().iter().rev() {
        let reached = node.outputs.iter().any(|id| gradients[id.0].is_some());
        if reached && node.inputs.iter().any(|id| needs[id.0]) {
            let mut gradient =
                Gradient { graph: &mut result, node, needs: &needs, gradients: &mut gradients };
            node.op.gradient(&mut gradient)?;
        }
    }
    let gradients = wrt
        .iter()
        .map(|id| {
            gradients[id.0].ok_or_else(|| GraphError::Independent {
                loss: graph.value(loss).name.clone(),
                value: graph.value(*id).name.clone(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Differentiated { graph: result, gradients })
}

/// The values that depend on one of `wrt` and that the loss depends on.
fn on_path(graph: &Graph, loss: ValueId, wrt: &[ValueId]) -> Vec<bool> {
    let mut depends = vec![false; graph.values().len()];
    wrt.iter().for_each(|id| depends[id.0] = true);
    for node in graph.nodes() {
        if node.inputs.iter().any(|id| depends[id.0]) {
            node.outputs.iter().for_each(|id| depends[id.0] = true);
        }
    }
    let mut leads = vec![false; graph.values().len()];
    leads[loss.0] = true;
    for node in graph.nodes().iter().rev() {
        if node.outputs.iter().any(|id| leads[id.0]) {
            node.inputs.iter().for_each(|id| leads[id.0] = true);
        }
    }
    depends.iter().zip(leads).map(|(depends, leads)| *depends && leads).collect()
}

/// What an operator sees when it is asked for its gradient.
#[derive(Debug)]
pub struct Gradient<'a> {
    graph: &'a mut Graph,
    node: &'a Node,
    needs: &'a [bool],
    gradients: &'a mut [Option<ValueId>],
}

impl Gradient<'_> {
    /// The graph, to append to.
    pub fn graph(&mut self) -> &mut Graph {
        self.graph
    }

    /// Input `i` of the node.
    pub fn input(&self, i: usize) -> ValueId {
        self.node.inputs[i]
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// Output `o` of the node.
    pub fn output(&self, o: usize) -> ValueId {
        self.node.outputs[o]
    }

    /// The shape of input `i`.
    pub fn shape(&self, i: usize) -> Vec<usize> {
        self.graph.shape(self.node.inputs[i]).to_vec()
    }

    /// The gradient of the loss by output `o`, or `None` where the loss does not depend on it.
    pub fn upstream(&self, o: usize) -> Option<ValueId> {
        self.gradients[self.node.outputs[o].0]
    }

    /// The gradient of the loss by output 0.
    ///
    /// # Errors
    /// If the loss depends on another output only, of an operator that has a gradient through its first alone.
    pub fn upstream_first(&self) -> Result<ValueId, GraphError> {
        self.upstream(0).ok_or_else(|| self.refuse("it has one through its first output only"))
    }

    /// Whether the gradient by input `i` is wanted.
    pub fn needs(&self, i: usize) -> bool {
        self.needs[self.node.inputs[i].0]
    }

    /// Appends a node and returns its first output.
    ///
    /// # Errors
    /// As [`Graph::apply`].
    pub fn apply(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        Ok(self.apply_all(op, inputs)?[0])
    }

    /// Appends a node and returns its outputs.
    ///
    /// # Errors
    /// As [`Graph::apply`].
    pub fn apply_all(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, GraphError> {
        let op = op.into();
        let name = format!("{}/{}_{}", self.node.name, op.name(), self.graph.nodes().len());
        self.graph.append(name, op, inputs)
    }

    /// Appends a binary operation.
    ///
    /// # Errors
    /// As [`Graph::apply`].
    pub fn binary(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> Result<ValueId, GraphError> {
        self.apply(Binary { kind }, &[a, b])
    }

    /// Adds to the gradient by input `i`.
    ///
    /// # Errors
    /// As [`Graph::apply`].
    pub fn add(&mut self, i: usize, gradient: ValueId) -> Result<(), GraphError> {
        let input = self.node.inputs[i].0;
        self.gradients[input] = Some(match self.gradients[input] {
            Some(sum) => self.binary(BinaryKind::Add, sum, gradient)?,
            None => gradient,
        });
        Ok(())
    }

    /// Adds to the gradient by input `i`, which was broadcast: sums along the axes on which it was repeated.
    ///
    /// # Errors
    /// As [`Graph::apply`].
    pub fn add_broadcast(&mut self, i: usize, gradient: ValueId) -> Result<(), GraphError> {
        let to = self.shape(i);
        let gradient = self.sum_to(gradient, &to)?;
        self.add(i, gradient)
    }

    /// Sums a value along the axes on which an array of shape `to` is repeated to get its shape.
    ///
    /// # Errors
    /// As [`Graph::apply`].
    pub fn sum_to(&mut self, value: ValueId, to: &[usize]) -> Result<ValueId, GraphError> {
        let from = self.graph.shape(value).to_vec();
        if from == to {
            return Ok(value);
        }
        let missing = from.len() - to.len();
        let axes: Vec<usize> = (0..from.len())
            .filter(|axis| axis.checked_sub(missing).is_none_or(|own| to[own] == 1 && from[*axis] != 1))
            .collect();
        let sum = self.apply(Reduce { kind: ReduceKind::Sum, axes, keep_dims: true }, &[value])?;
        self.apply(Reshape { shape: to.to_vec() }, &[sum])
    }

    /// The error of an operator that has no gradient here.
    pub fn refuse(&self, reason: &str) -> GraphError {
        GraphError::NotDifferentiable {
            node: self.node.name.clone(),
            operator: self.node.op.name(),
            reason: reason.to_owned(),
        }
    }
}
