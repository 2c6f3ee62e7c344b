//! Puts nodes in an order that needs little memory.

use super::in_place;
use super::uses::readers;
use crate::error::GraphError;
use crate::graph::Graph;
use crate::plan::live_peak;
use crate::rewrite::Rewrite;

/// Chooses among three orders the one whose values, alive together, take least memory at the worst moment, after sharing in place:
///
/// 1. the order of the graph;
/// 2. updates as soon as possible: whatever leads to updates alone runs when its inputs exist, so that a gradient is gone before the next is made;
/// 3. greedily, the node that adds least to what is alive.
///
/// A node that updates a parameter in place runs after all that read the old one. Of equal orders the first stays.
///
/// # Errors
/// None for a graph that could be built.
pub fn reorder(graph: &Graph) -> Result<Graph, GraphError> {
    let dependencies = Dependencies::of(graph);
    let mut best = in_place(graph)?;
    let mut peak = live_peak(&best);
    for order in [updates_first(graph, &dependencies), greedy(graph, &dependencies)] {
        let mut rewrite = Rewrite::new(graph)?;
        order.iter().try_for_each(|i| rewrite.copy(&graph.nodes()[*i]))?;
        let candidate = in_place(&rewrite.finish()?)?;
        let found = live_peak(&candidate);
        if found < peak {
            (best, peak) = (candidate, found);
        }
    }
    Ok(best)
}

/// Which nodes must run before which.
struct Dependencies {
    /// For every node, the nodes that wait for it.
    waiting: Vec<Vec<usize>>,
    /// For every node, how many it waits for.
    count: Vec<usize>,
}

impl Dependencies {
    fn of(graph: &Graph) -> Self {
        let nodes = graph.nodes();
        let mut before: Vec<Vec<usize>> = nodes
            .iter()
            .map(|node| node.inputs.iter().filter_map(|id| graph.producer(*id)).map(|(at, _)| at).collect())
            .collect();
        let readers = readers(graph);
        for (parameter, value) in graph.updates() {
            let Some((update, _)) = graph.producer(*value) else { continue };
            let others = readers[parameter.0].iter().filter(|reader| **reader < update);
            before[update].extend(others);
        }
        let mut waiting = vec![Vec::new(); nodes.len()];
        for (node, before) in before.iter_mut().enumerate() {
            before.sort_unstable();
            before.dedup();
            before.iter().for_each(|earlier| waiting[*earlier].push(node));
        }
        Self { waiting, count: before.iter().map(Vec::len).collect() }
    }

    /// Runs through all nodes, the next being the ready one with the least key.
    fn schedule<K: Ord>(&self, mut key: impl FnMut(usize, &[usize]) -> K) -> Vec<usize> {
        let mut count = self.count.clone();
        let mut ready: Vec<usize> = (0..count.len()).filter(|node| count[*node] == 0).collect();
        let mut order = Vec::with_capacity(count.len());
        while let Some(at) = (0..ready.len()).min_by_key(|at| (key(ready[*at], &order), ready[*at])) {
            let node = ready.swap_remove(at);
            order.push(node);
            for next in &self.waiting[node] {
                count[*next] -= 1;
                if count[*next] == 0 {
                    ready.push(*next);
                }
            }
        }
        order
    }
}

/// The order of the graph, but whatever leads to updates alone as soon as it can run.
fn updates_first(graph: &Graph, dependencies: &Dependencies) -> Vec<usize> {
    let mut outside = vec![false; graph.values().len()];
    graph.outputs().iter().for_each(|(_, id)| outside[id.0] = true);
    let updated: Vec<usize> = graph.updates().iter().map(|(_, id)| id.0).collect();
    let readers = readers(graph);
    let mut sink = vec![false; graph.nodes().len()];
    for (i, node) in graph.nodes().iter().enumerate().rev() {
        sink[i] = node.outputs.iter().all(|id| {
            let reads = readers[id.0].iter().all(|reader| sink.get(*reader).copied().unwrap_or(true));
            !outside[id.0] && reads && (updated.contains(&id.0) || !readers[id.0].is_empty())
        });
    }
    dependencies.schedule(|node, _| !sink[node])
}

/// Always the node that adds least to what is alive.
fn greedy(graph: &Graph, dependencies: &Dependencies) -> Vec<usize> {
    let mut left: Vec<usize> = readers(graph).iter().map(Vec::len).collect();
    let mut done = 0;
    dependencies.schedule(|node, order| {
        for node in &order[done..] {
            graph.nodes()[*node].inputs.iter().for_each(|id| left[id.0] -= 1);
        }
        done = order.len();
        let node = &graph.nodes()[node];
        let bytes = |id: &crate::ValueId| graph.ty(*id).bytes() as i64;
        let made: i64 = node.outputs.iter().map(bytes).sum();
        let mut inputs: Vec<_> = node.inputs.clone();
        inputs.sort_unstable();
        inputs.dedup();
        let freed: i64 = inputs
            .iter()
            .filter(|id| {
                let here = node.inputs.iter().filter(|other| other == id).count();
                graph.producer(**id).is_some() && left[id.0] == here
            })
            .map(bytes)
            .sum();
        made - freed
    })
}
