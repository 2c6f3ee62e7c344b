//! Runs a graph operator by operator in the reference loops, every value in memory of its own.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::GraphError;
use crate::graph::{Graph, Node, Source, ValueId};
use crate::io::Io;
use crate::tensor::{Slice, SliceMut, Tensor};

/// What a run gave: outputs by name, and parameters that were updated.
#[derive(Clone, PartialEq, Debug)]
pub struct Evaluation {
    /// Every output.
    pub outputs: HashMap<String, Tensor>,
    /// The new value of every parameter that has an update.
    pub updated: HashMap<String, Tensor>,
}

/// Runs a graph once, by the book.
///
/// # Errors
/// If an input is missing or has another type.
pub fn evaluate(graph: &Graph, inputs: &[(&str, &Tensor)]) -> Result<Evaluation, GraphError> {
    let mut values: Vec<Option<Arc<Tensor>>> = vec![None; graph.values().len()];
    for id in graph.inputs() {
        let value = graph.value(*id);
        let Some((_, data)) = inputs.iter().find(|(name, _)| *name == value.name) else {
            let known = inputs.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(GraphError::UnknownName { kind: "input given", name: value.name.clone(), known });
        };
        check_type(&value.name, &value.ty, data)?;
        values[id.0] = Some(Arc::new((*data).clone()));
    }
    for (slot, value) in values.iter_mut().zip(graph.values()) {
        if let Source::Parameter(data) | Source::Constant(data) = &value.source {
            *slot = Some(Arc::clone(data));
        }
    }
    for node in graph.nodes() {
        let inputs: Vec<&Tensor> = node.inputs.iter().filter_map(|id| values[id.0].as_deref()).collect();
        let outputs = run_node(graph, node, &inputs);
        for (id, output) in node.outputs.iter().zip(outputs) {
            values[id.0] = Some(Arc::new(output));
        }
    }
    let named =
        |(name, id): (&str, ValueId)| values[id.0].as_deref().cloned().map(|value| (name.to_owned(), value));
    let outputs = graph.outputs().iter().map(|(name, id)| (name.as_str(), *id)).filter_map(named).collect();
    let updates = graph.updates().iter().map(|(parameter, id)| (graph.value(*parameter).name.as_str(), *id));
    Ok(Evaluation { outputs, updated: updates.filter_map(named).collect() })
}

/// Computes the outputs of one node from its inputs.
pub(crate) fn run_node(graph: &Graph, node: &Node, inputs: &[&Tensor]) -> Vec<Tensor> {
    let (input_types, output_types) = (graph.types(&node.inputs), graph.types(&node.outputs));
    let mut outputs: Vec<Tensor> = output_types.iter().map(Tensor::zeros).collect();
    if output_types.iter().all(|ty| ty.elements() == 0) {
        return outputs;
    }
    let inputs: Vec<Slice<'_>> = inputs.iter().map(|tensor| tensor.slice()).collect();
    let mut slices: Vec<SliceMut<'_>> = outputs.iter_mut().map(Tensor::slice_mut).collect();
    node.op.reference(&mut Io::new(&inputs, &input_types, &mut slices, &output_types));
    outputs
}

/// Data for a value has its type.
pub(crate) fn check_type(name: &str, expected: &crate::TensorType, data: &Tensor) -> Result<(), GraphError> {
    if data.ty() == expected {
        return Ok(());
    }
    let (expected, found) = (expected.clone(), data.ty().clone());
    Err(GraphError::DataType { name: name.to_owned(), expected, found })
}
