//! Arithmetic on every element.

use ounce_formats::onnx::ElementType;
use ounce_graph::ValueId;
use ounce_graph::ops::{BinaryKind, UnaryKind};

use super::super::call::{Attributes, Built, Call};
use super::super::constant::{Numbers, is_float};
use super::super::error::Fault;
use super::super::fold::{self, Arithmetic};
use super::super::importer::{Value, dtype};
use super::Operator;
use super::activation::{scaled, unary};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Abs", &[], |call| function(call, UnaryKind::Abs)),
    Operator::new("Add", &[], |call| binary(call, BinaryKind::Add)),
    Operator::new("And", &[], |call| test(call, &AND)),
    Operator::new("Cast", &["to", "saturate"], cast).checked(known_type),
    Operator::new("Ceil", &[], |call| known(call, Some, f32::ceil)),
    Operator::new("Cos", &[], |call| unary(call, UnaryKind::Cos)),
    Operator::new("Div", &[], |call| binary(call, BinaryKind::Div)),
    Operator::new("Equal", &[], |call| test(call, &EQUAL)),
    Operator::new("Erf", &[], |call| unary(call, UnaryKind::Erf)),
    Operator::new("Exp", &[], |call| unary(call, UnaryKind::Exp)),
    Operator::new("Floor", &[], |call| known(call, Some, f32::floor)),
    Operator::new("Greater", &[], |call| greater(call, false)),
    Operator::new("Less", &[], |call| greater(call, true)),
    Operator::new("Log", &[], |call| unary(call, UnaryKind::Log)),
    Operator::new("Max", &[], |call| variadic(call, BinaryKind::Max)),
    Operator::new("Mean", &[], mean),
    Operator::new("Min", &[], |call| variadic(call, BinaryKind::Min)),
    Operator::new("Mod", &["fmod"], |call| {
        let is_remainder = call.attributes().flag("fmod", false)?;
        test(call, if is_remainder { &FMOD } else { &MOD })
    }),
    Operator::new("Mul", &[], |call| binary(call, BinaryKind::Mul)),
    Operator::new("Neg", &[], |call| function(call, UnaryKind::Neg)),
    Operator::new("Not", &[], |call| known(call, |i| Some(i64::from(i == 0)), |x| x)),
    Operator::new("Or", &[], |call| test(call, &OR)),
    Operator::new("Pow", &[], power),
    Operator::new("Reciprocal", &[], |call| unary(call, UnaryKind::Reciprocal)),
    Operator::new("Sin", &[], |call| unary(call, UnaryKind::Sin)),
    Operator::new("Sqrt", &[], |call| function(call, UnaryKind::Sqrt)),
    Operator::new("Sub", &[], |call| binary(call, BinaryKind::Sub)),
    Operator::new("Sum", &[], |call| variadic(call, BinaryKind::Add)),
    Operator::new("Where", &[], select),
];

const AND: Arithmetic = truth(|a, b| Some(i64::from(a != 0 && b != 0)), |_, _| f32::NAN);
const OR: Arithmetic = truth(|a, b| Some(i64::from(a != 0 || b != 0)), |_, _| f32::NAN);
const EQUAL: Arithmetic = truth(|a, b| Some(i64::from(a == b)), |a, b| f32::from(u8::from(a == b)));
const GREATER: Arithmetic = truth(|a, b| Some(i64::from(a > b)), |a, b| f32::from(u8::from(a > b)));
/// The sign of the result is that of the dividend.
const FMOD: Arithmetic = Arithmetic { ints: i64::checked_rem, floats: |a, b| a % b, is_test: false };
/// The sign of the result is that of the divisor.
const MOD: Arithmetic = Arithmetic {
    ints: |a, b| {
        let rest = a.checked_rem(b)?;
        Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
    },
    floats: |a, b| a % b,
    is_test: false,
};

const fn truth(ints: fn(i64, i64) -> Option<i64>, floats: fn(f32, f32) -> f32) -> Arithmetic {
    Arithmetic { ints, floats, is_test: true }
}

fn arithmetic(kind: BinaryKind) -> Option<Arithmetic> {
    let with = |ints, floats| Some(Arithmetic { ints, floats, is_test: false });
    match kind {
        BinaryKind::Add => with(i64::checked_add, |a, b| a + b),
        BinaryKind::Sub => with(i64::checked_sub, |a, b| a - b),
        BinaryKind::Mul => with(i64::checked_mul, |a, b| a * b),
        BinaryKind::Div => with(i64::checked_div, |a, b| a / b),
        BinaryKind::Max => with(|a, b| Some(a.max(b)), f32::max),
        BinaryKind::Min => with(|a, b| Some(a.min(b)), f32::min),
        BinaryKind::Pow => with(|a, b| a.checked_pow(u32::try_from(b).ok()?), f32::powf),
        _ => None,
    }
}

fn binary<'m>(call: &mut Call<'_, 'm>, kind: BinaryKind) -> Built<'m> {
    if let Some(both) = call.constants(fold::MOST)?
        && let ([a, b], Some(with)) = (&both[..], arithmetic(kind))
    {
        return folded(call, a, b, &with);
    }
    let inputs = [call.real(0)?, call.real(1)?];
    let y = call.apply(kind, &inputs)?;
    call.made(y)
}

fn folded<'m>(
    call: &mut Call<'_, 'm>,
    a: &super::super::constant::Constant,
    b: &super::super::constant::Constant,
    with: &Arithmetic,
) -> Built<'m> {
    let shape =
        ounce_graph::shape::broadcast(&a.shape, &b.shape).map_err(|error| Fault::Shape(error.to_string()))?;
    call.reserve(&shape)?;
    let result = fold::binary(a, b, with)?;
    call.known(result)
}

/// Functions that exist for constants alone.
fn test<'m>(call: &mut Call<'_, 'm>, with: &Arithmetic) -> Built<'m> {
    let (a, b) =
        (call.constant(0)?.ok_or(Fault::NotConstant(0))?, call.constant(1)?.ok_or(Fault::NotConstant(1))?);
    folded(call, &a, &b, with)
}

fn greater<'m>(call: &mut Call<'_, 'm>, swapped: bool) -> Built<'m> {
    let order = if swapped { [1, 0] } else { [0, 1] };
    if let Some(both) = call.constants(fold::MOST)?
        && let [_, _] = &both[..]
    {
        let [a, b] = order.map(|i| both[i].clone());
        return folded(call, &a, &b, &GREATER);
    }
    let inputs = [call.real(order[0])?, call.real(order[1])?];
    let y = call.apply(BinaryKind::Greater, &inputs)?;
    Ok(vec![Value::Graph(y, ElementType::Bool)])
}

fn known<'m>(call: &mut Call<'_, 'm>, ints: fn(i64) -> Option<i64>, floats: fn(f32) -> f32) -> Built<'m> {
    let x = call.constant(0)?.ok_or(Fault::NotConstant(0))?;
    call.reserve(&x.shape)?;
    let result = fold::unary(&x, ints, floats)?;
    call.known(result)
}

/// A function of the graph that also meets constants which come of shapes.
fn function<'m>(call: &mut Call<'_, 'm>, kind: UnaryKind) -> Built<'m> {
    if call.constants(fold::MOST)?.is_none() {
        return unary(call, kind);
    }
    match kind {
        UnaryKind::Abs => known(call, i64::checked_abs, f32::abs),
        UnaryKind::Sqrt => known(call, |_| None, f32::sqrt),
        _ => known(call, i64::checked_neg, |x| -x),
    }
}

/// A power. Exponents 1/2 and 2, which are common, have operators of their own.
fn power<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let exponent = call.constant(1)?.map(|exponent| match &exponent.numbers {
        Numbers::Floats(floats) => (floats.clone(), exponent.shape.clone()),
        Numbers::Ints(ints) => (ints.iter().map(|i| *i as f32).collect(), exponent.shape.clone()),
    });
    let (is_graph, Some((floats, shape))) = (matches!(call.input(0)?, Value::Graph(..)), exponent) else {
        return binary(call, BinaryKind::Pow);
    };
    if !is_graph && call.element(0)? == call.element(1)? {
        return binary(call, BinaryKind::Pow);
    }
    let x = call.real(0)?;
    let rank = call.shape_of(x).len();
    let y = match floats[..] {
        [2.0] if shape.len() <= rank => call.apply(UnaryKind::Square, &[x])?,
        [0.5] if shape.len() <= rank => call.apply(UnaryKind::Sqrt, &[x])?,
        _ => {
            let exponent = super::super::constant::Constant::floats(shape, floats).tensor()?;
            let exponent = call.graph().constant(exponent);
            call.apply(BinaryKind::Pow, &[x, exponent])?
        }
    };
    call.made(y)
}

fn all(call: &mut Call<'_, '_>, kind: BinaryKind) -> Result<ValueId, Fault> {
    let mut y = call.real(0)?;
    for i in 1..call.inputs() {
        let next = call.real(i)?;
        y = call.apply(kind, &[y, next])?;
    }
    Ok(y)
}

fn variadic<'m>(call: &mut Call<'_, 'm>, kind: BinaryKind) -> Built<'m> {
    if call.inputs() == 2 {
        return binary(call, kind);
    }
    let y = all(call, kind)?;
    call.made(y)
}

fn mean<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let sum = all(call, BinaryKind::Add)?;
    let y = scaled(call, sum, 1.0 / call.inputs().max(1) as f32)?;
    call.made(y)
}

fn target(attributes: Attributes<'_>) -> Result<ElementType, Fault> {
    let number = attributes.int_or("to", 0)?;
    let element = ElementType::from_number(number).filter(|element| dtype(*element).is_some());
    element.ok_or_else(|| Fault::attribute("to", format!("element type {number} is not supported")))
}

fn known_type(attributes: Attributes<'_>) -> Result<(), String> {
    target(attributes).map(|_| ()).map_err(|fault| fault.to_string())
}

fn cast<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let to = target(call.attributes())?;
    if let Value::Constant(constant) = call.input(0)? {
        call.reserve(&constant.shape)?;
        let result = fold::cast(&constant, to)?;
        return call.known(result);
    }
    let from = call.element(0)?;
    if from == to || (is_float(from) && is_float(to)) {
        return Ok(vec![call.input(0)?]);
    }
    if call.constants(fold::MOST)?.is_some() {
        let constant = call.constant(0)?.ok_or(Fault::NotConstant(0))?;
        let result = fold::cast(&constant, to)?;
        return call.known(result);
    }
    let unsupported = || {
        let problem = format!("from {from:?} to {to:?} is not supported for values that the graph computes");
        Fault::attribute("to", problem)
    };
    if from == ElementType::Uint8 || to == ElementType::Uint8 || to == ElementType::Bool {
        return Err(unsupported());
    }
    let dtype = dtype(to).ok_or_else(unsupported)?;
    let mut y = call.value(0)?;
    if call.graph().ty(y).dtype != dtype {
        y = call.apply(ounce_graph::ops::Cast { to: dtype }, &[y])?;
    }
    Ok(vec![Value::Graph(y, to)])
}

fn select<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let mut known = Vec::new();
    for i in 0..3 {
        known.push(call.constant(i)?.ok_or(Fault::NotConstant(i))?);
    }
    let shape = ounce_graph::shape::broadcast(&known[1].shape, &known[2].shape);
    let shape = shape.and_then(|shape| ounce_graph::shape::broadcast(&known[0].shape, &shape));
    call.reserve(&shape.map_err(|error| Fault::Shape(error.to_string()))?)?;
    let result = fold::select(&known[0], &known[1], &known[2])?;
    call.known(result)
}
