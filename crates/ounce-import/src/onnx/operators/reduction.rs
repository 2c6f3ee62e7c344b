//! Sums, means and extremes along axes.

use ounce_graph::ValueId;
use ounce_graph::ops::{BinaryKind, Reduce, ReduceKind, Reshape, UnaryKind};

use super::super::call::{Built, Call, axis};
use super::super::error::Fault;
use super::super::fold;
use super::Operator;

const ATTRIBUTES: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("ReduceL1", ATTRIBUTES, |call| reduce(call, ReduceKind::Sum, Some(UnaryKind::Abs), None)),
    Operator::new("ReduceL2", ATTRIBUTES, |call| {
        reduce(call, ReduceKind::Sum, Some(UnaryKind::Square), Some(UnaryKind::Sqrt))
    }),
    Operator::new("ReduceLogSum", ATTRIBUTES, |call| {
        reduce(call, ReduceKind::Sum, None, Some(UnaryKind::Log))
    }),
    Operator::new("ReduceLogSumExp", ATTRIBUTES, log_sum_exp),
    Operator::new("ReduceMax", ATTRIBUTES, |call| reduce(call, ReduceKind::Max, None, None)),
    Operator::new("ReduceMean", ATTRIBUTES, |call| reduce(call, ReduceKind::Mean, None, None)),
    Operator::new("ReduceMin", ATTRIBUTES, |call| {
        reduce(call, ReduceKind::Max, Some(UnaryKind::Neg), Some(UnaryKind::Neg))
    }),
    Operator::new("ReduceProd", ATTRIBUTES, known_product),
    Operator::new("ReduceSum", ATTRIBUTES, |call| reduce(call, ReduceKind::Sum, None, None)),
    Operator::new("ReduceSumSquare", ATTRIBUTES, |call| {
        reduce(call, ReduceKind::Sum, Some(UnaryKind::Square), None)
    }),
];

/// The axes that are reduced, in ascending order; `None` where nothing is to be done.
fn axes(call: &Call<'_, '_>) -> Result<Option<Vec<usize>>, Fault> {
    let rank = call.shape(0)?.len();
    let given = match call.attributes().ints("axes")? {
        Some(axes) => axes.to_vec(),
        None if call.has(1) => call.ints(1)?,
        None => Vec::new(),
    };
    if given.is_empty() {
        let is_identity = call.attributes().flag("noop_with_empty_axes", false)?;
        return Ok((!is_identity).then(|| (0..rank).collect()));
    }
    let mut axes = given.into_iter().map(|at| axis(at, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

/// `after(reduce(before(x)))`
fn reduce<'m>(
    call: &mut Call<'_, 'm>,
    kind: ReduceKind,
    before: Option<UnaryKind>,
    after: Option<UnaryKind>,
) -> Built<'m> {
    let mut y = call.real(0)?;
    if let Some(before) = before {
        y = call.apply(before, &[y])?;
    }
    if let Some(axes) = axes(call)? {
        let keep_dims = call.attributes().flag("keepdims", true)?;
        y = call.apply(Reduce { kind, axes, keep_dims }, &[y])?;
    }
    if let Some(after) = after {
        y = call.apply(after, &[y])?;
    }
    call.made(y)
}

/// `max + log(sum(e^(x - max)))`
fn log_sum_exp<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let x = call.real(0)?;
    let Some(axes) = axes(call)? else { return call.made(x) };
    let kept = |kind| Reduce { kind, axes: axes.clone(), keep_dims: true };
    let largest = call.apply(kept(ReduceKind::Max), &[x])?;
    let shifted = call.apply(BinaryKind::Sub, &[x, largest])?;
    let power = call.apply(UnaryKind::Exp, &[shifted])?;
    let sum = call.apply(kept(ReduceKind::Sum), &[power])?;
    let log = call.apply(UnaryKind::Log, &[sum])?;
    let y = call.apply(BinaryKind::Add, &[log, largest])?;
    let y = without(call, y, &axes)?;
    call.made(y)
}

/// Takes the reduced axes out unless they are kept.
fn without(call: &mut Call<'_, '_>, y: ValueId, axes: &[usize]) -> Result<ValueId, Fault> {
    if call.attributes().flag("keepdims", true)? {
        return Ok(y);
    }
    let shape = call.shape_of(y);
    let rest = shape.iter().enumerate().filter(|(at, _)| !axes.contains(at)).map(|(_, extent)| *extent);
    call.apply(Reshape { shape: rest.collect() }, &[y])
}

/// A product of constants, as models compute from shapes.
fn known_product<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let x = call.constant(0)?.ok_or(Fault::NotConstant(0))?;
    let rank = x.shape.len();
    if axes(call)?.is_none_or(|axes| axes.len() != rank) {
        return Err(Fault::attribute("axes", "products along some axes only are not supported"));
    }
    let shape = if call.attributes().flag("keepdims", true)? { vec![1; rank] } else { Vec::new() };
    let product = fold::product(&x, shape)?;
    call.known(product)
}
