//! Leaves out what no output and no update needs.

use crate::error::GraphError;
use crate::graph::{Graph, ValueId};
use crate::rewrite::Rewrite;

/// Leaves out nodes, constants and parameters that no output and no update depends on, and outputs of nodes where the operator can do without. Inputs stay, so that the caller need not change. With gradients as
/// the only further outputs or updates, this is what prunes backward computation.
///
/// # Errors
/// None for a graph that could be built.
pub fn dead_code(graph: &Graph) -> Result<Graph, GraphError> {
    let live = live_values(graph);
    let mut rewrite = Rewrite::keeping(graph, |id| live[id.0])?;
    for node in graph.nodes() {
        if node.outputs.iter().any(|id| live[id.0]) {
            let used: Vec<bool> = node.outputs.iter().map(|id| live[id.0]).collect();
            match node.op.without_unused(&used) {
                Some(op) => rewrite.copy_as(node, op, &node.inputs)?,
                None => rewrite.copy(node)?,
            }
        }
    }
    rewrite.finish()
}

/// Which values an output or an update depends on.
fn live_values(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.values().len()];
    let mut mark = |id: &ValueId| live[id.0] = true;
    graph.outputs().iter().for_each(|(_, id)| mark(id));
    graph.updates().iter().for_each(|(parameter, id)| [parameter, id].into_iter().for_each(&mut mark));
    for node in graph.nodes().iter().rev() {
        if node.outputs.iter().any(|id| live[id.0]) {
            node.inputs.iter().for_each(|id| live[id.0] = true);
        }
    }
    live
}
