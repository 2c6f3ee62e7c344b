//! Marks outputs that may take the memory of an input.

use super::uses::readers;
use crate::error::GraphError;
use crate::graph::{Graph, Source};
use crate::plan::Storage;

/// Marks, for every node whose operator can do so, an input that output 0 overwrites: one that nothing reads later, or the parameter that the output updates.
///
/// # Errors
/// None for a graph that could be built.
pub fn in_place(graph: &Graph) -> Result<Graph, GraphError> {
    let mut graph = graph.clone();
    let readers = readers(&graph);
    let last_read: Vec<usize> =
        readers.iter().map(|readers| readers.iter().copied().max().unwrap_or(0)).collect();
    let mut storage = Storage::new(&graph);
    // The last time that any value in a piece of memory is read, by the value that began it.
    let mut last = last_read.clone();
    for i in 0..graph.nodes().len() {
        let node = &graph.nodes()[i];
        let output = node.outputs[0];
        let candidates =
            if node.op.is_view() { Vec::new() } else { node.op.overwrites(&graph.types(&node.inputs)) };
        let chosen = candidates.into_iter().find(|candidate| {
            let input = node.inputs[*candidate];
            let root = storage.root(input);
            let shared = node.inputs.iter().filter(|id| storage.root(**id) == root).count() > 1;
            let owned = match graph.value(root).source {
                Source::Constant(_) => false,
                Source::Parameter(_) => graph.updates().contains(&(root, output)),
                Source::Input | Source::Node { .. } => true,
            };
            owned && !shared && last[root.0] <= i && graph.ty(input) == graph.ty(output)
        });
        let shared = if node.op.is_view() { Some(0) } else { chosen };
        if let Some(shared) = shared {
            let root = storage.root(node.inputs[shared]);
            last[root.0] = last[root.0].max(last_read[output.0]);
            storage.join(output, root);
        }
        graph.set_in_place(i, chosen);
    }
    Ok(graph)
}
