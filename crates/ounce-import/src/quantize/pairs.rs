//! Graphs that quantize values and dequantize them at once.

use ounce_graph::ops::Scaling;
use ounce_graph::{DType, Graph, GraphError, Op, Source, ValueId};

use super::Quantization;

fn per_tensor(scaling: &Scaling) -> Option<Quantization> {
    let [scale] = scaling.scale[..] else { return None };
    Some(Quantization { scale, zero: scaling.zero_point })
}

/// A graph without the pairs, and for every value the quantization that its pair has.
pub(super) fn without(old: &Graph) -> Result<(Graph, Vec<Option<Quantization>>), GraphError> {
    let mut graph = Graph::new();
    let mut map: Vec<Option<ValueId>> = vec![None; old.values().len()];
    let mut found: Vec<(ValueId, Quantization)> = Vec::new();
    for id in old.inputs() {
        let value = old.value(*id);
        map[id.index()] = Some(graph.input(&value.name, value.ty.clone())?);
    }
    let wanted = wanted(old);
    for node in old.nodes() {
        if let Some((x, quantization)) = pair(old, node) {
            let x = copied(old, &mut graph, &mut map, x)?;
            map[node.outputs[0].index()] = Some(x);
            found.push((x, quantization));
            continue;
        }
        if !node.outputs.iter().any(|id| wanted[id.index()]) {
            continue;
        }
        let inputs = node.inputs.iter().map(|id| copied(old, &mut graph, &mut map, *id));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let outputs = graph.append(node.name.clone(), node.op.clone(), &inputs)?;
        node.outputs.iter().zip(outputs).for_each(|(old, new)| map[old.index()] = Some(new));
    }
    for (name, id) in old.outputs() {
        let id = copied(old, &mut graph, &mut map, *id)?;
        graph.output(name, id)?;
    }
    let mut quantizations = vec![None; graph.values().len()];
    found.into_iter().for_each(|(id, quantization)| quantizations[id.index()] = Some(quantization));
    Ok((graph, quantizations))
}

/// Which values something else than the second half of a pair reads.
fn wanted(old: &Graph) -> Vec<bool> {
    let mut wanted = vec![false; old.values().len()];
    let readers = old.nodes().iter().filter(|node| pair(old, node).is_none());
    let read = readers.flat_map(|node| &node.inputs).chain(old.outputs().iter().map(|(_, id)| id));
    read.for_each(|id| wanted[id.index()] = true);
    wanted
}

/// The new value for an old one, whose node has been copied.
fn copied(
    old: &Graph,
    graph: &mut Graph,
    map: &mut [Option<ValueId>],
    id: ValueId,
) -> Result<ValueId, GraphError> {
    if let Some(new) = map[id.index()] {
        return Ok(new);
    }
    let (Source::Constant(data) | Source::Parameter(data)) = &old.value(id).source else {
        return Err(GraphError::UnknownValue(id.index(), map.len()));
    };
    let new = graph.constant(data.clone());
    map[id.index()] = Some(new);
    Ok(new)
}

/// If a node dequantizes what was quantized just before, with the same scale and zero point: the value before both.
fn pair(old: &Graph, node: &ounce_graph::Node) -> Option<(ValueId, Quantization)> {
    let Op::Dequantize(after) = &node.op else { return None };
    let (at, _) = old.producer(node.inputs[0])?;
    let Op::Quantize(before) = &old.nodes()[at].op else { return None };
    let x = old.nodes()[at].inputs[0];
    let computed = !matches!(old.value(x).source, Source::Constant(_));
    let same = before.scaling == after.scaling && before.to == DType::I8 && computed;
    Some((x, per_tensor(&after.scaling).filter(|_| same)?))
}
