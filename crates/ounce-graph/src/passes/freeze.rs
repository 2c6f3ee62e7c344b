//! Makes constants of what does not change.

use crate::error::GraphError;
use crate::graph::{Graph, Source, ValueId};
use crate::rewrite::Rewrite;

/// Replaces every parameter that the graph does not update by a constant, so that it can no longer be replaced in an executor, and passes can use its value.
///
/// # Errors
/// None for a graph that could be built.
pub fn freeze(graph: &Graph) -> Result<Graph, GraphError> {
    let updated = |id: ValueId| graph.updates().iter().any(|(parameter, _)| *parameter == id);
    let mut rewrite = Rewrite::keeping(graph, updated)?;
    for (i, value) in graph.values().iter().enumerate() {
        if let Source::Parameter(data) = &value.source
            && !updated(ValueId(i))
        {
            let constant = rewrite.graph.constant(data.clone());
            rewrite.set(ValueId(i), constant);
        }
    }
    graph.nodes().iter().try_for_each(|node| rewrite.copy(node))?;
    rewrite.finish()
}
