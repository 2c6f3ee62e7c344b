//! What is known while importing: constants and shapes.

use ounce_formats::onnx::{AttributeValue, ElementType};

use super::super::call::{Attributes, Built, Call, axis, extents};
use super::super::constant::{Constant, Numbers};
use super::super::error::Fault;
use super::Operator;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Constant", &["value", "value_float", "value_floats", "value_int", "value_ints"], constant)
        .checked(one_value),
    Operator::new("ConstantOfShape", &["value"], filled),
    Operator::new("Dropout", &["ratio", "seed"], dropout),
    Operator::new("Identity", &[], |call| Ok(vec![call.input(0)?])),
    Operator::new("Range", &[], range),
    Operator::new("Shape", &["end", "start"], shape),
    Operator::new("Size", &[], size),
];

fn one_value(attributes: Attributes<'_>) -> Result<(), String> {
    if let Some(AttributeValue::Tensor(tensor)) = attributes.0.attribute("value")
        && tensor.element.scalar().is_none()
    {
        return Err(format!("elements of type {:?} are not supported", tensor.element));
    }
    Ok(())
}

fn constant<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let attributes = call.attributes();
    if let Some(tensor) = call.tensor("value")? {
        return call.known(tensor);
    }
    let constant = if let Some(ints) = attributes.ints("value_ints")? {
        Constant::ints(vec![ints.len()], ints.to_vec())
    } else if let Some(floats) = attributes.floats("value_floats")? {
        Constant::floats(vec![floats.len()], floats.to_vec())
    } else if let Some(int) = attributes.int("value_int")? {
        Constant::ints(Vec::new(), vec![int])
    } else {
        Constant::floats(Vec::new(), vec![attributes.float_or("value_float", 0.0)?])
    };
    call.known(constant)
}

fn filled<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = extents(&call.ints(0)?)?;
    call.reserve(&shape)?;
    let value = call.tensor("value")?.unwrap_or_else(|| Constant::floats(vec![1], vec![0.0]));
    if value.len() != 1 {
        return Err(Fault::attribute("value", "must be one number"));
    }
    let count = shape.iter().product();
    let constant = value.picked(shape, std::iter::repeat_n(0, count));
    call.known(constant)
}

/// At inference nothing is dropped.
fn dropout<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    if call.has(2) && call.ints(2)? != [0] {
        return Err(Fault::Shape("training_mode is set: export the model for inference".to_owned()));
    }
    Ok(vec![call.input(0)?])
}

fn range<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let [start, limit, delta] =
        [0, 1, 2].map(|i| call.constant(i).and_then(|c| c.ok_or(Fault::NotConstant(i))));
    let (start, limit, delta) = (start?, limit?, delta?);
    let constant = match (&start.numbers, &limit.numbers, &delta.numbers) {
        (Numbers::Ints(a), Numbers::Ints(b), Numbers::Ints(d)) if [a.len(), b.len(), d.len()] == [1; 3] => {
            let (a, b, d) = (i128::from(a[0]), i128::from(b[0]), i128::from(d[0]));
            if d == 0 {
                return Err(Fault::Arithmetic);
            }
            let count = ((b - a + d - d.signum()) / d).max(0);
            let count = usize::try_from(count).map_err(|_| Fault::Arithmetic)?;
            call.reserve(&[count])?;
            let numbers = Numbers::Ints((0..count).map(|i| (a + i as i128 * d) as i64).collect());
            Constant { element: start.element, shape: vec![count], numbers }
        }
        (Numbers::Floats(a), Numbers::Floats(b), Numbers::Floats(d))
            if [a.len(), b.len(), d.len()] == [1; 3] =>
        {
            let count = ((b[0] - a[0]) / d[0]).ceil().max(0.0);
            if !count.is_finite() {
                return Err(Fault::Arithmetic);
            }
            let count = count as usize;
            call.reserve(&[count])?;
            let floats = (0..count).map(|i| a[0] + i as f32 * d[0]).collect();
            Constant { element: start.element, shape: vec![count], numbers: Numbers::Floats(floats) }
        }
        _ => {
            return Err(Fault::Shape("start, limit and delta must be single numbers of one type".to_owned()));
        }
    };
    call.known(constant)
}

fn shape<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let shape = call.shape(0)?;
    let rank = shape.len() as i64;
    let bound = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let attributes = call.attributes();
    let (start, end) = (bound(attributes.int_or("start", 0)?), bound(attributes.int_or("end", rank)?));
    let part: Vec<i64> =
        shape.get(start..end).unwrap_or_default().iter().map(|extent| *extent as i64).collect();
    call.known(Constant::ints(vec![part.len()], part))
}

fn size<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let elements =
        call.shape(0)?.iter().try_fold(1i64, |n, extent| n.checked_mul(i64::try_from(*extent).ok()?));
    call.known(Constant::ints(Vec::new(), vec![elements.ok_or(Fault::Arithmetic)?]))
}

/// Axes from an attribute (before version 13) or an input, in ascending order, each once.
pub(super) fn axes(call: &Call<'_, '_>, input: usize, rank: usize) -> Result<Option<Vec<usize>>, Fault> {
    let given = match call.attributes().ints("axes")? {
        Some(axes) => axes.to_vec(),
        None if call.has(input) => call.ints(input)?,
        None => return Ok(None),
    };
    let mut axes = given.into_iter().map(|at| axis(at, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(Some(axes))
}

/// Whether elements can be moved about in a graph.
pub(super) fn movable(element: ElementType) -> bool {
    super::super::importer::dtype(element).is_some()
}
