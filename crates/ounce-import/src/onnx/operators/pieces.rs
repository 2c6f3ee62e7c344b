//! Operators that cut and join.

use ounce_formats::onnx::ElementType;
use ounce_graph::ops::{Concat, Crop, Gather, Pad};
use ounce_graph::shape::{around, strides, walk};
use ounce_graph::{Tensor, ValueId};

use super::super::call::{Attributes, Built, Call, axis, extents};
use super::super::constant::{Constant, Numbers};
use super::super::error::Fault;
use super::super::importer::Value;
use super::known::movable;
use super::{Operator, one_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Concat", &["axis"], concat),
    Operator::new("Gather", &["axis"], gather),
    Operator::new("Pad", &["mode", "pads", "value"], pad).checked(pad_mode),
    Operator::new("Slice", &["axes", "ends", "starts"], slice),
    Operator::new("Split", &["axis", "num_outputs", "split"], split).outputs(usize::MAX),
];

fn concat<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let rank = call.shape(0)?.len();
    let at = axis(call.attributes().int_or("axis", 0)?, rank)?;
    if let Some(all) = call.constants(super::super::fold::MOST)?
        && all.iter().all(|one| matches!(one.numbers, Numbers::Ints(_)))
    {
        if rank != 1 || all.iter().any(|one| one.shape.len() != 1) {
            return Err(Fault::Shape("constants of more than one axis are not joined".to_owned()));
        }
        let mut joined = Vec::new();
        all.iter().for_each(|one| {
            if let Numbers::Ints(ints) = &one.numbers {
                joined.extend_from_slice(ints);
            }
        });
        call.reserve(&[joined.len()])?;
        return call.known(Constant {
            element: all[0].element,
            shape: vec![joined.len()],
            numbers: Numbers::Ints(joined),
        });
    }
    let element = call.element(0)?;
    let mut inputs = Vec::with_capacity(call.inputs());
    for i in 0..call.inputs() {
        let found = call.element(i)?;
        if found != element {
            return Err(Fault::Element {
                input: i,
                expected: "elements as those of input 0",
                found: format!("{found:?}"),
            });
        }
        inputs.push(call.value(i)?);
    }
    // A node of the graph takes a bounded number of inputs.
    while inputs.len() > 1 {
        let groups: Vec<Vec<ValueId>> = inputs.chunks(16).map(<[ValueId]>::to_vec).collect();
        inputs.clear();
        for group in groups {
            inputs.push(if let [one] = group[..] { one } else { call.apply(Concat { axis: at }, &group)? });
        }
    }
    call.made_like(inputs[0], 0)
}

fn gather<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let at = axis(call.attributes().int_or("axis", 0)?, shape.len())?;
    let Some(indices) = call.constant(1)? else {
        let inputs = [call.real(0)?, call.value(1)?];
        let y = call.apply(Gather { axis: at }, &inputs)?;
        return call.made_like(y, 0);
    };
    let Numbers::Ints(ints) = &indices.numbers else {
        return Err(Fault::Element {
            input: 1,
            expected: "integers",
            found: format!("{:?}", indices.element),
        });
    };
    let places = ints.iter().map(|index| axis(*index, shape[at])).collect::<Result<Vec<_>, _>>()?;
    let result = [&shape[..at], &indices.shape, &shape[at + 1..]].concat();
    if let Some(constant) = call.constant(0)?.filter(|constant| matches!(constant.numbers, Numbers::Ints(_)))
    {
        call.reserve(&result)?;
        let [outer, extent, inner] = around(&shape, at);
        let places = &places;
        let all = (0..outer).flat_map(|o| {
            places.iter().flat_map(move |place| (0..inner).map(move |i| (o * extent + place) * inner + i))
        });
        return call.known(constant.picked(result, all));
    }
    let x = call.value(0)?;
    if let [place] = places[..] {
        let y = call.apply(Crop::along(&shape, at, place, 1), &[x])?;
        let y = call.apply(ounce_graph::ops::Reshape { shape: result }, &[y])?;
        return call.made_like(y, 0);
    }
    let y = looked_up(call, x, at, &places, &indices.shape)?;
    call.made_like(y, 0)
}

/// Slices along an axis by index.
fn looked_up(
    call: &mut Call<'_, '_>,
    x: ValueId,
    at: usize,
    places: &[usize],
    shape: &[usize],
) -> Result<ValueId, Fault> {
    let places = places.iter().map(|place| i32::try_from(*place).map_err(|_| Fault::Range(*place as i64)));
    let indices = Tensor::i32(shape, places.collect::<Result<_, _>>()?)?;
    let indices = call.graph().constant(indices);
    call.apply(Gather { axis: at }, &[x, indices])
}

/// Indices along an axis: the first, how many, and the step.
type Run = (usize, usize, i64);

fn run(start: i64, end: i64, step: i64, extent: usize) -> Result<Run, Fault> {
    let n = extent as i64;
    if step == 0 {
        return Err(Fault::attribute("steps", "must not be 0"));
    }
    let from_front = |at: i64| if at < 0 { at.saturating_add(n) } else { at };
    // Going backwards, the end may lie before the first.
    let (least, most) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let (start, end) =
        (from_front(start).clamp(least.max(0), most.max(0)), from_front(end).clamp(least, most));
    let distance = if step > 0 { end - start } else { start - end };
    let count = if distance <= 0 || n == 0 { 0 } else { (distance - 1) / step.saturating_abs() + 1 };
    Ok((start as usize, count as usize, step))
}

fn slice<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let attributes = call.attributes();
    let (starts, ends, axes, steps) = match (attributes.ints("starts")?, attributes.ints("ends")?) {
        (Some(starts), Some(ends)) => {
            (starts.to_vec(), ends.to_vec(), attributes.ints("axes")?.map(<[i64]>::to_vec), None)
        }
        _ => {
            let optional = |i: usize| if call.has(i) { call.ints(i).map(Some) } else { Ok(None) };
            (call.ints(1)?, call.ints(2)?, optional(3)?, optional(4)?)
        }
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Fault::Shape("starts, ends, axes and steps must be of one length".to_owned()));
    }
    let mut runs: Vec<Run> = shape.iter().map(|extent| (0, *extent, 1)).collect();
    for (i, at) in axes.iter().enumerate() {
        let at = axis(*at, shape.len())?;
        runs[at] = run(starts[i], ends[i], steps[i], shape[at])?;
    }
    let sizes: Vec<usize> = runs.iter().map(|(_, count, _)| *count).collect();
    if let Value::Constant(constant) = call.input(0)? {
        return sliced(call, &constant, &runs, sizes);
    }
    if call.constants(super::super::fold::MOST)?.is_some()
        && let Some(constant) = call.constant(0)?.filter(|c| matches!(c.numbers, Numbers::Ints(_)))
    {
        return sliced(call, &constant, &runs, sizes);
    }
    let mut y = call.value(0)?;
    for (at, (start, count, step)) in runs.iter().enumerate().filter(|(_, run)| run.2 < 0) {
        let places: Vec<usize> =
            (0..*count).map(|i| (*start as i64 + i as i64 * step).max(0) as usize).collect();
        y = looked_up(call, y, at, &places, &[*count])?;
    }
    let forward =
        runs.iter().map(|(start, _, step)| if *step > 0 { (*start, *step as usize) } else { (0, 1) });
    let (starts, steps): (Vec<usize>, Vec<usize>) = forward.unzip();
    if call.shape_of(y) != sizes {
        y = call.apply(Crop { starts, sizes, steps }, &[y])?;
    }
    call.made_like(y, 0)
}

fn sliced<'m>(call: &mut Call<'_, 'm>, constant: &Constant, runs: &[Run], sizes: Vec<usize>) -> Built<'m> {
    call.reserve(&sizes)?;
    let own = strides(&constant.shape);
    // An index per element and axis, so that steps may go backwards.
    let unit = strides(&sizes);
    let mut places = Vec::new();
    walk(&sizes, [&unit], |_, [at]| {
        let place = runs.iter().enumerate().map(|(axis, (start, count, step))| {
            let index = at / unit[axis] % (*count).max(1);
            (*start as i64 + index as i64 * step) as usize * own[axis]
        });
        places.push(place.sum());
    });
    call.known(constant.picked(sizes, places.into_iter()))
}

fn split<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let attributes = call.attributes();
    let at = axis(attributes.int_or("axis", 0)?, shape.len())?;
    let parts = call.outputs();
    let sizes = match attributes.ints("split")? {
        Some(sizes) => extents(sizes)?,
        None if call.has(1) => extents(&call.ints(1)?)?,
        None => {
            if parts == 0 {
                return Ok(Vec::new());
            }
            // The last part is smaller where the extent does not divide.
            let size = shape[at].div_ceil(parts);
            (0..parts).map(|i| size.min(shape[at].saturating_sub(i * size))).collect()
        }
    };
    let total = sizes.iter().fold(0usize, |sum, size| sum.saturating_add(*size));
    if sizes.len() != parts || total != shape[at] {
        return Err(Fault::attribute(
            "split",
            format!("{sizes:?} do not cut {} into {parts} parts", shape[at]),
        ));
    }
    let mut start = 0;
    let mut outputs = Vec::with_capacity(parts);
    if let Some(constant) = call.constant(0)?.filter(|constant| matches!(constant.numbers, Numbers::Ints(_)))
    {
        for size in sizes {
            let mut runs: Vec<Run> = shape.iter().map(|extent| (0, *extent, 1)).collect();
            runs[at] = (start, size, 1);
            let sizes = runs.iter().map(|run| run.1).collect();
            outputs.extend(sliced(call, &constant, &runs, sizes)?);
            start += size;
        }
        return Ok(outputs);
    }
    let x = call.value(0)?;
    for size in sizes {
        let y = call.apply(Crop::along(&shape, at, start, size), &[x])?;
        outputs.extend(call.made_like(y, 0)?);
        start += size;
    }
    Ok(outputs)
}

fn pad_mode(attributes: Attributes<'_>) -> Result<(), String> {
    one_of(attributes, "mode", &["constant", "edge", "reflect", "wrap"])
}

fn pad<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let rank = shape.len();
    let attributes = call.attributes();
    let given = match attributes.ints("pads")? {
        Some(pads) => pads.to_vec(),
        None => call.ints(1)?,
    };
    let axes = if call.has(3) { call.ints(3)? } else { (0..rank as i64).collect() };
    if given.len() != 2 * axes.len() {
        return Err(Fault::attribute(
            "pads",
            format!("must have {} values, found {}", 2 * axes.len(), given.len()),
        ));
    }
    let mut pads = vec![(0i64, 0i64); rank];
    for (i, at) in axes.iter().enumerate() {
        pads[axis(*at, rank)?] = (given[i], given[axes.len() + i]);
    }
    let value = if call.has(2) { pad_value(call)? } else { attributes.float_or("value", 0.0)? };
    let mut y = call.value(0)?;
    // Negative padding cuts.
    let cut = |n: i64| usize::try_from(n.saturating_neg()).unwrap_or(0);
    if pads.iter().any(|(before, after)| *before < 0 || *after < 0) {
        let starts: Vec<usize> = pads.iter().map(|(before, _)| cut(*before)).collect();
        let sizes = (0..rank)
            .map(|at| shape[at].saturating_sub(starts[at]).saturating_sub(cut(pads[at].1)))
            .collect();
        y = call.apply(Crop { starts, sizes, steps: vec![1; rank] }, &[y])?;
    }
    let add = |n: i64| usize::try_from(n).unwrap_or(0);
    let (before, after): (Vec<usize>, Vec<usize>) =
        pads.iter().map(|(before, after)| (add(*before), add(*after))).unzip();
    let mode = attributes.text_or("mode", "constant")?;
    if mode == "constant" {
        if call.element(0)? == ElementType::Uint8 {
            return Err(Fault::Element {
                input: 0,
                expected: "floats or signed integers",
                found: "Uint8".to_owned(),
            });
        }
        y = call.apply(Pad { before, after, between: vec![0; rank], value }, &[y])?;
        return call.made_like(y, 0);
    }
    for at in 0..rank {
        if before[at] == 0 && after[at] == 0 {
            continue;
        }
        let extent = call.shape_of(y)[at];
        let total = before[at].saturating_add(extent).saturating_add(after[at]);
        call.reserve(&[total])?;
        if extent == 0 {
            return Err(Fault::Shape("an empty axis cannot be padded with its elements".to_owned()));
        }
        let places: Vec<usize> =
            (0..total).map(|i| source(mode, i as i64 - before[at] as i64, extent as i64)).collect();
        y = looked_up(call, y, at, &places, &[total])?;
    }
    call.made_like(y, 0)
}

fn pad_value(call: &Call<'_, '_>) -> Result<f32, Fault> {
    let constant = call.constant(2)?.ok_or(Fault::NotConstant(2))?;
    match &constant.numbers {
        Numbers::Floats(floats) if floats.len() == 1 => Ok(floats[0]),
        Numbers::Ints(ints) if ints.len() == 1 && movable(constant.element) => Ok(ints[0] as f32),
        _ => Err(Fault::Shape("input 2 must be one number".to_owned())),
    }
}

/// The element that stands at a place beyond the edges.
fn source(mode: &str, at: i64, extent: i64) -> usize {
    let place = match mode {
        "edge" => at.clamp(0, extent - 1),
        "wrap" => at.rem_euclid(extent),
        _ => {
            // To and fro without repeating the edges.
            let period = (2 * (extent - 1)).max(1);
            let at = at.rem_euclid(period);
            if at < extent { at } else { period - at }
        }
    };
    place as usize
}
