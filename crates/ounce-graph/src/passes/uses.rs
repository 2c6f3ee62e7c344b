//! Who reads a value.

use crate::graph::{Graph, ValueId};

/// For every value, the nodes that read it, in order; outputs and updates count as a node after the last.
pub(crate) fn readers(graph: &Graph) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); graph.values().len()];
    for (i, node) in graph.nodes().iter().enumerate() {
        node.inputs.iter().for_each(|id| readers[id.0].push(i));
    }
    let end = graph.nodes().len();
    graph.outputs().iter().for_each(|(_, id)| readers[id.0].push(end));
    graph.updates().iter().for_each(|(_, id)| readers[id.0].push(end));
    readers
}

/// The only node that reads a value, if there is exactly one and the value is no output.
pub(crate) fn only_reader(graph: &Graph, readers: &[Vec<usize>], id: ValueId) -> Option<usize> {
    match readers[id.0][..] {
        [reader] if reader < graph.nodes().len() => Some(reader),
        _ => None,
    }
}
