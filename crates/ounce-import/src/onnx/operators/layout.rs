//! Operators that change shape and order of elements.

use ounce_graph::ops::{Expand, Reshape, Transpose};
use ounce_graph::shape::{broadcast, broadcast_strides, strides, walk};

use super::super::call::{Attributes, Built, Call, axis, extents};
use super::super::constant::Constant;
use super::super::error::Fault;
use super::super::importer::Value;
use super::known::axes;
use super::{Operator, one_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("DepthToSpace", &["blocksize", "mode"], depth_to_space).checked(mode),
    Operator::new("Expand", &[], expand),
    Operator::new("Flatten", &["axis"], flatten),
    Operator::new("Reshape", &["allowzero", "shape"], reshape),
    Operator::new("SpaceToDepth", &["blocksize"], space_to_depth),
    Operator::new("Squeeze", &["axes"], squeeze),
    Operator::new("Tile", &[], tile),
    Operator::new("Transpose", &["perm"], transpose),
    Operator::new("Unsqueeze", &["axes"], unsqueeze),
];

/// Input 0 under another shape.
fn under<'m>(call: &mut Call<'_, 'm>, shape: Vec<usize>) -> Built<'m> {
    let own = call.shape(0)?;
    let elements = |shape: &[usize]| shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
    if elements(&own) != elements(&shape) {
        return Err(Fault::Shape(format!("{own:?} has another number of elements than {shape:?}")));
    }
    if let Value::Constant(constant) = call.input(0)? {
        call.reserve(&shape)?;
        return call.known(constant.reshaped(&shape));
    }
    let x = call.value(0)?;
    let y = call.apply(Reshape { shape }, &[x])?;
    call.made_like(y, 0)
}

fn reshape<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let own = call.shape(0)?;
    let wanted = call.ints(1)?;
    let copies_zero = !call.attributes().flag("allowzero", false)?;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (at, extent) in wanted.into_iter().enumerate() {
        shape.push(match extent {
            0 if copies_zero => *own.get(at).ok_or(Fault::Axis { axis: at as i64, rank: own.len() })?,
            -1 if open.is_none() => {
                open = Some(at);
                1
            }
            extent => extents(&[extent])?[0],
        });
    }
    if let Some(at) = open {
        let total: usize = own.iter().product();
        let rest = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent)).filter(|rest| *rest > 0);
        let Some(rest) = rest.filter(|rest| total.is_multiple_of(*rest)) else {
            return Err(Fault::Shape(format!("{own:?} cannot be cut into {shape:?}")));
        };
        shape[at] = total / rest;
    }
    under(call, shape)
}

fn flatten<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let at = call.attributes().int_or("axis", 1)?;
    let at = if at == shape.len() as i64 { shape.len() } else { axis(at, shape.len())? };
    under(call, vec![shape[..at].iter().product(), shape[at..].iter().product()])
}

fn squeeze<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let axes = match axes(call, 1, shape.len())? {
        Some(axes) => axes,
        None => (0..shape.len()).filter(|at| shape[*at] == 1).collect(),
    };
    if let Some(at) = axes.iter().find(|at| shape[**at] != 1) {
        return Err(Fault::Shape(format!("axis {at} of {shape:?} is not of extent 1")));
    }
    let rest = (0..shape.len()).filter(|at| !axes.contains(at)).map(|at| shape[at]).collect();
    under(call, rest)
}

fn unsqueeze<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let given = match call.attributes().ints("axes")? {
        Some(axes) => axes.len(),
        None => call.ints(1)?.len(),
    };
    let rank = shape.len().saturating_add(given);
    let axes = axes(call, 1, rank)?.unwrap_or_default();
    if axes.len() != given {
        return Err(Fault::attribute("axes", "an axis occurs twice"));
    }
    let mut own = shape.iter();
    let shape =
        (0..rank).filter_map(|at| if axes.contains(&at) { Some(1) } else { own.next().copied() }).collect();
    under(call, shape)
}

fn transpose<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let axes: Vec<usize> = match call.attributes().ints("perm")? {
        Some(perm) => perm.iter().map(|at| axis(*at, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).rev().collect(),
    };
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..shape.len()) {
        return Err(Fault::attribute("perm", format!("{axes:?} is no permutation of the axes of {shape:?}")));
    }
    if let Value::Constant(constant) = call.input(0)? {
        let own = strides(&shape);
        let read: Vec<usize> = axes.iter().map(|at| own[*at]).collect();
        return moved(call, &constant, axes.iter().map(|at| shape[*at]).collect(), &read);
    }
    let x = call.value(0)?;
    let y = call.apply(Transpose { axes }, &[x])?;
    call.made_like(y, 0)
}

/// A constant read with the given strides along the axes of a shape.
fn moved<'m>(call: &mut Call<'_, 'm>, constant: &Constant, shape: Vec<usize>, read: &[usize]) -> Built<'m> {
    call.reserve(&shape)?;
    let mut places = Vec::new();
    walk(&shape, [read], |_, [at]| places.push(at));
    call.known(constant.picked(shape, places.into_iter()))
}

fn expand<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let own = call.shape(0)?;
    let wanted = extents(&call.ints(1)?)?;
    let shape = broadcast(&own, &wanted).map_err(|error| Fault::Shape(error.to_string()))?.to_vec();
    if own.len().max(wanted.len()) != shape.len() {
        return Err(Fault::Shape(format!("{} axes are more than a graph has", wanted.len())));
    }
    if let Value::Constant(constant) = call.input(0)? {
        let read = broadcast_strides(&own, &shape);
        return moved(call, &constant, shape, &read);
    }
    let x = call.value(0)?;
    let y = call.apply(Expand { shape }, &[x])?;
    call.made_like(y, 0)
}

fn tile<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let repeats = extents(&call.ints(1)?)?;
    if repeats.len() != shape.len() {
        return Err(Fault::Shape(format!("{} repeats for {} axes", repeats.len(), shape.len())));
    }
    let mut y = call.value(0)?;
    for (at, repeat) in repeats.into_iter().enumerate() {
        if repeat == 1 {
            continue;
        }
        let shape = call.shape_of(y);
        let [outer, inner] = [&shape[..at], &shape[at..]].map(|part| part.iter().product::<usize>());
        let once = call.apply(Reshape { shape: vec![outer, 1, inner] }, &[y])?;
        let many = call.apply(Expand { shape: vec![outer, repeat, inner] }, &[once])?;
        let mut whole = shape;
        whole[at] = whole[at].checked_mul(repeat).ok_or(Fault::Arithmetic)?;
        y = call.apply(Reshape { shape: whole }, &[many])?;
    }
    call.made_like(y, 0)
}

fn mode(attributes: Attributes<'_>) -> Result<(), String> {
    one_of(attributes, "mode", &["DCR", "CRD"])
}

/// Extents of images and the block that moves between channels and places.
fn block(call: &Call<'_, '_>) -> Result<([usize; 4], usize), Fault> {
    let shape = call.shape(0)?;
    let size = usize::try_from(call.attributes().int_or("blocksize", 0)?).unwrap_or(0);
    match (&shape[..], size) {
        ([n, c, h, w], 1..) if size.checked_mul(size).is_some() => Ok(([*n, *c, *h, *w], size)),
        ([_, _, _, _], _) => Err(Fault::attribute("blocksize", "must be at least 1")),
        _ => Err(Fault::Shape(format!("input 0 must be [N, C, H, W], found {shape:?}"))),
    }
}

/// Reshape, transpose, reshape.
fn shuffled<'m>(call: &mut Call<'_, 'm>, cut: Vec<usize>, axes: &[usize], joined: Vec<usize>) -> Built<'m> {
    let x = call.value(0)?;
    let x = call.apply(Reshape { shape: cut }, &[x])?;
    let x = call.apply(Transpose { axes: axes.to_vec() }, &[x])?;
    let y = call.apply(Reshape { shape: joined }, &[x])?;
    call.made_like(y, 0)
}

fn depth_to_space<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let ([n, c, h, w], b) = block(call)?;
    let depth = c / (b * b);
    let joined = vec![n, depth, h.saturating_mul(b), w.saturating_mul(b)];
    if call.attributes().text_or("mode", "DCR")? == "DCR" {
        shuffled(call, vec![n, b, b, depth, h, w], &[0, 3, 4, 1, 5, 2], joined)
    } else {
        shuffled(call, vec![n, depth, b, b, h, w], &[0, 1, 4, 2, 5, 3], joined)
    }
}

fn space_to_depth<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let ([n, c, h, w], b) = block(call)?;
    let joined = vec![n, c.saturating_mul(b * b), h / b, w / b];
    shuffled(call, vec![n, c, h / b, b, w / b, b], &[0, 3, 5, 1, 2, 4], joined)
}
