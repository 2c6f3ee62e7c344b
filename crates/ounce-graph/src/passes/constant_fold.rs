//! Computes what depends on constants alone.

use crate::error::GraphError;
use crate::execute::reference::run_node;
use crate::graph::Graph;
use crate::rewrite::Rewrite;
use crate::tensor::Tensor;

/// Replaces nodes whose inputs are all constants by their results. A result that is more than four times as large as what it is computed
/// from, such as a broadcast, stays computed.
///
/// # Errors
/// None for a graph that could be built.
pub fn constant_fold(graph: &Graph) -> Result<Graph, GraphError> {
    let mut rewrite = Rewrite::new(graph)?;
    for node in graph.nodes() {
        let inputs = node.inputs.iter().map(|id| {
            let id = rewrite.get(*id)?;
            Ok(rewrite.graph.constant_data(id).cloned())
        });
        let inputs: Option<Vec<_>> = inputs.collect::<Result<Option<_>, GraphError>>()?;
        let Some(inputs) = inputs.filter(|inputs| !inputs.is_empty()) else {
            rewrite.copy(node)?;
            continue;
        };
        let size = |bytes: usize| bytes.max(64);
        let from: usize = inputs.iter().map(|tensor| tensor.ty().bytes()).sum();
        let to: usize = node.outputs.iter().map(|id| graph.ty(*id).bytes()).sum();
        let updated = graph.updates().iter().any(|(_, value)| node.outputs.contains(value));
        if to > 4 * size(from) || updated {
            rewrite.copy(node)?;
            continue;
        }
        let inputs: Vec<&Tensor> = inputs.iter().map(|tensor| &**tensor).collect();
        for (id, output) in node.outputs.iter().zip(run_node(graph, node, &inputs)) {
            let constant = rewrite.graph.constant(output);
            rewrite.set(*id, constant);
        }
    }
    rewrite.finish()
}
