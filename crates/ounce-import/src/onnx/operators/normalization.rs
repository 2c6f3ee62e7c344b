//! Normalization.

use ounce_graph::ValueId;
use ounce_graph::ops::{BatchNorm, BinaryKind, Normalize, Reduce, ReduceKind, Reshape, UnaryKind};

use super::super::call::{Attributes, Built, Call, axis};
use super::super::error::Fault;
use super::super::importer::Value;
use super::activation::shifted;
use super::{Operator, int_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("BatchNormalization", &["epsilon", "momentum", "spatial", "training_mode"], batch)
        .checked(inference),
    Operator::new("GroupNormalization", &["epsilon", "num_groups", "stash_type"], group),
    Operator::new("InstanceNormalization", &["epsilon"], instance),
    Operator::new("LayerNormalization", &["axis", "epsilon", "stash_type"], layer).outputs(3),
];

fn inference(attributes: Attributes<'_>) -> Result<(), String> {
    int_of(attributes, "training_mode", &[0])?;
    int_of(attributes, "spatial", &[1])
}

fn batch<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let eps = call.attributes().float_or("epsilon", 1e-5)?;
    let inputs = [call.real(0)?, call.real(1)?, call.real(2)?, call.real(3)?, call.real(4)?];
    let y = call.apply(BatchNorm { eps }, &inputs)?;
    call.made(y)
}

/// `y weight + bias` with weight and bias per channel.
fn per_channel(call: &mut Call<'_, '_>, y: ValueId) -> Result<ValueId, Fault> {
    let shape = call.shape_of(y);
    let mut channel = vec![1; shape.len() - 1];
    channel[0] = shape[1];
    let mut result = y;
    for (i, kind) in [(1, BinaryKind::Mul), (2, BinaryKind::Add)] {
        let value = call.real(i)?;
        let value = call.apply(Reshape { shape: channel.clone() }, &[value])?;
        result = call.apply(kind, &[result, value])?;
    }
    Ok(result)
}

fn channels(call: &Call<'_, '_>) -> Result<Vec<usize>, Fault> {
    let shape = call.shape(0)?;
    if shape.len() < 3 {
        return Err(Fault::Shape(format!("input 0 must be [N, C, ..], found {shape:?}")));
    }
    Ok(shape)
}

fn instance<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let eps = call.attributes().float_or("epsilon", 1e-5)?;
    let axes = channels(call)?.len() - 2;
    let x = call.real(0)?;
    let y = call.apply(Normalize { axes, eps }, &[x])?;
    let y = per_channel(call, y)?;
    call.made(y)
}

fn group<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let eps = call.attributes().float_or("epsilon", 1e-5)?;
    let shape = channels(call)?;
    let groups = call.attributes().int_or("num_groups", 0)?;
    let groups = usize::try_from(groups).ok().filter(|n| *n > 0 && shape[1].is_multiple_of(*n));
    let Some(groups) = groups else {
        return Err(Fault::attribute("num_groups", format!("must divide the {} channels", shape[1])));
    };
    let x = call.real(0)?;
    let rows = vec![shape[0], groups, shape[1..].iter().product::<usize>() / groups];
    let y = call.apply(Reshape { shape: rows }, &[x])?;
    let mut y = call.apply(Normalize { axes: 1, eps }, &[y])?;
    if call.opset() < 21 {
        // Weight and bias are per group.
        y = per_channel(call, y)?;
        y = call.apply(Reshape { shape }, &[y])?;
    } else {
        y = call.apply(Reshape { shape }, &[y])?;
        y = per_channel(call, y)?;
    }
    call.made(y)
}

fn layer<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let attributes = call.attributes();
    let eps = attributes.float_or("epsilon", 1e-5)?;
    let rank = call.shape(0)?.len();
    let first = axis(attributes.int_or("axis", -1)?, rank)?;
    let x = call.real(0)?;
    let mut y = call.apply(Normalize { axes: rank - first, eps }, &[x])?;
    let weight = call.real(1)?;
    y = call.apply(BinaryKind::Mul, &[y, weight])?;
    if let Some(bias) = call.optional(2)? {
        y = call.apply(BinaryKind::Add, &[y, bias])?;
    }
    let mut outputs = call.made(y)?;
    if call.wants(1) || call.wants(2) {
        let mean = Reduce { kind: ReduceKind::Mean, axes: (first..rank).collect(), keep_dims: true };
        let average = call.apply(mean.clone(), &[x])?;
        let centred = call.apply(BinaryKind::Sub, &[x, average])?;
        let square = call.apply(UnaryKind::Square, &[centred])?;
        let variance = call.apply(mean, &[square])?;
        let variance = shifted(call, variance, eps)?;
        let inverse = call.apply(UnaryKind::Rsqrt, &[variance])?;
        for id in [average, inverse] {
            outputs.push(Value::Graph(id, ounce_formats::onnx::ElementType::Float));
        }
    }
    Ok(outputs)
}
