//! Cutting a graph in two where the second part begins to depend on certain parameters.

use crate::error::GraphError;
use crate::graph::{Graph, Source, ValueId};

/// A graph in two parts.
#[derive(Clone, PartialEq, Debug)]
pub struct Cut {
    /// What depends on none of the parameters. Its outputs are what `after` needs of it, under the names of these values.
    pub before: Graph,
    /// The rest, with the outputs and updates of the whole. What `before` gives are inputs here; inputs of the whole that are not needed are left out.
    pub after: Graph,
    /// For every value of the whole, what stands for it in `after`, if anything does.
    pub values: Vec<Option<ValueId>>,
}

/// Cuts a graph where values begin to depend on `parameters`. While these alone change, `before` gives the same for the same inputs, so that its results can be kept.
///
/// # Errors
/// If a parameter is no value of the graph, or two values at the cut have the same name, or one that an input has.
pub fn cut(graph: &Graph, parameters: &[ValueId]) -> Result<Cut, GraphError> {
    let mut depends = vec![false; graph.values().len()];
    for id in parameters {
        *depends.get_mut(id.0).ok_or(GraphError::UnknownValue(id.0, graph.values().len()))? = true;
    }
    for node in graph.nodes() {
        if node.inputs.iter().any(|id| depends[id.0]) {
            node.outputs.iter().for_each(|id| depends[id.0] = true);
        }
    }
    let mut edge: Vec<ValueId> = Vec::new();
    let mut reach = |id: &ValueId| {
        if !depends[id.0] && graph.producer(*id).is_some() && !edge.contains(id) {
            edge.push(*id);
        }
    };
    let depending = graph.nodes().iter().filter(|node| depends[node.outputs[0].0]);
    depending.for_each(|node| node.inputs.iter().for_each(&mut reach));
    graph.outputs().iter().for_each(|(_, id)| reach(id));
    graph.updates().iter().for_each(|(_, id)| reach(id));
    let named = |id: &ValueId| (graph.value(*id).name.clone(), *id);
    let (before, _) = part(graph, &[], &edge.iter().map(named).collect::<Vec<_>>(), &[])?;
    let (after, values) = part(graph, &edge, graph.outputs(), graph.updates())?;
    Ok(Cut { before, after, values })
}

/// What `outputs` and `updates` need, `given` being inputs.
fn part(
    graph: &Graph,
    given: &[ValueId],
    outputs: &[(String, ValueId)],
    updates: &[(ValueId, ValueId)],
) -> Result<(Graph, Vec<Option<ValueId>>), GraphError> {
    let mut live = vec![false; graph.values().len()];
    outputs.iter().for_each(|(_, id)| live[id.0] = true);
    updates.iter().for_each(|(a, b)| [a, b].into_iter().for_each(|id| live[id.0] = true));
    let computed = |live: &[bool], id: &ValueId| live[id.0] && !given.contains(id);
    for node in graph.nodes().iter().rev() {
        if node.outputs.iter().any(|id| computed(&live, id)) {
            node.inputs.iter().for_each(|id| live[id.0] = true);
        }
    }
    let mut part = Graph::new();
    let mut map = vec![None; live.len()];
    for (i, value) in graph.values().iter().enumerate().filter(|(i, _)| live[*i]) {
        map[i] = match &value.source {
            Source::Input => Some(part.input(&value.name, value.ty.clone())?),
            Source::Parameter(data) => Some(part.parameter(&value.name, data.clone())?),
            Source::Constant(data) => Some(part.constant(data.clone())),
            Source::Node { .. } if given.contains(&ValueId(i)) => {
                Some(part.input(&value.name, value.ty.clone())?)
            }
            Source::Node { .. } => None,
        };
    }
    let mapped =
        |map: &[Option<ValueId>], id: &ValueId| map[id.0].ok_or(GraphError::UnknownValue(id.0, map.len()));
    for node in graph.nodes() {
        if !node.outputs.iter().any(|id| computed(&live, id)) {
            continue;
        }
        let inputs = node.inputs.iter().map(|id| mapped(&map, id)).collect::<Result<Vec<_>, _>>()?;
        let made = part.append(node.name.clone(), node.op.clone(), &inputs)?;
        for (old, new) in node.outputs.iter().zip(made) {
            map[old.0] = map[old.0].or(Some(new));
        }
    }
    for (name, id) in outputs {
        part.output(name, mapped(&map, id)?)?;
    }
    for (parameter, id) in updates {
        part.update(mapped(&map, parameter)?, mapped(&map, id)?)?;
    }
    Ok((part, map))
}
