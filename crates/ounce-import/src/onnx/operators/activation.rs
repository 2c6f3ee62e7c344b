//! Activation functions.

use ounce_graph::ValueId;
use ounce_graph::ops::{BinaryKind, Clip, Reshape, Softmax, UnaryKind};

use super::super::call::{Attributes, Built, Call, axis};
use super::super::error::Fault;
use super::{Operator, one_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Celu", &["alpha"], celu),
    Operator::new("Clip", &["max", "min"], clip),
    Operator::new("Elu", &["alpha"], elu),
    Operator::new("Gelu", &["approximate"], gelu).checked(approximate),
    Operator::new("HardSigmoid", &["alpha", "beta"], hard_sigmoid),
    Operator::new("HardSwish", &[], |call| unary(call, UnaryKind::HardSwish)),
    Operator::new("LeakyRelu", &["alpha"], leaky_relu),
    Operator::new("LogSoftmax", &["axis"], |call| softmax(call, true)),
    Operator::new("Mish", &[], mish),
    Operator::new("PRelu", &[], prelu),
    Operator::new("Relu", &[], relu),
    Operator::new("Selu", &["alpha", "gamma"], selu),
    Operator::new("Sigmoid", &[], |call| unary(call, UnaryKind::Sigmoid)),
    Operator::new("Softmax", &["axis"], |call| softmax(call, false)),
    Operator::new("Softplus", &[], |call| unary(call, UnaryKind::Softplus)),
    Operator::new("Softsign", &[], softsign),
    Operator::new("Tanh", &[], |call| unary(call, UnaryKind::Tanh)),
];

const NEGATIVE: Clip = Clip { low: f32::NEG_INFINITY, high: 0.0 };

/// A function of one number.
pub(super) fn unary<'m>(call: &mut Call<'_, 'm>, kind: UnaryKind) -> Built<'m> {
    let x = call.real(0)?;
    let y = call.apply(kind, &[x])?;
    call.made(y)
}

/// `x factor`.
pub(super) fn scaled(call: &mut Call<'_, '_>, x: ValueId, factor: f32) -> Result<ValueId, Fault> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = call.graph().scalar(factor);
    call.apply(BinaryKind::Mul, &[x, factor])
}

/// `x + term`.
pub(super) fn shifted(call: &mut Call<'_, '_>, x: ValueId, term: f32) -> Result<ValueId, Fault> {
    let term = call.graph().scalar(term);
    call.apply(BinaryKind::Add, &[x, term])
}

fn relu<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let x = call.real(0)?;
    let y = call.apply(Clip::RELU, &[x])?;
    call.made(y)
}

fn clip<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let attributes = call.attributes();
    let mut bounds = Clip { low: f32::NEG_INFINITY, high: f32::INFINITY };
    let mut y = call.real(0)?;
    if call.opset() < 11 {
        bounds =
            Clip { low: attributes.float_or("min", f32::MIN)?, high: attributes.float_or("max", f32::MAX)? };
    } else {
        for (i, bound, kind) in
            [(1, &mut bounds.low, BinaryKind::Max), (2, &mut bounds.high, BinaryKind::Min)]
        {
            if !call.has(i) {
                continue;
            }
            if call.constant(i)?.is_some() {
                *bound = call.float(i)?;
            } else {
                let bound = call.real(i)?;
                y = call.apply(kind, &[y, bound])?;
            }
        }
    }
    if bounds.low > bounds.high {
        // All elements become the upper bound.
        bounds.low = bounds.high;
    }
    let y = call.apply(bounds, &[y])?;
    call.made(y)
}

fn leaky_relu<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let alpha = call.attributes().float_or("alpha", 0.01)?;
    let x = call.real(0)?;
    let line = scaled(call, x, alpha)?;
    let y = call.apply(if alpha <= 1.0 { BinaryKind::Max } else { BinaryKind::Min }, &[x, line])?;
    call.made(y)
}

fn prelu<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let (x, slope) = (call.real(0)?, call.real(1)?);
    let above = call.apply(Clip::RELU, &[x])?;
    let below = call.apply(NEGATIVE, &[x])?;
    let below = call.apply(BinaryKind::Mul, &[below, slope])?;
    let y = call.apply(BinaryKind::Add, &[above, below])?;
    call.made(y)
}

/// `scale (max(x, 0) + alpha (e^(min(x, 0) / width) - 1))`
fn exponential<'m>(call: &mut Call<'_, 'm>, alpha: f32, width: f32, scale: f32) -> Built<'m> {
    let x = call.real(0)?;
    let above = call.apply(Clip::RELU, &[x])?;
    let below = call.apply(NEGATIVE, &[x])?;
    let below = scaled(call, below, 1.0 / width)?;
    let power = call.apply(UnaryKind::Exp, &[below])?;
    let below = shifted(call, power, -1.0)?;
    let below = scaled(call, below, alpha)?;
    let sum = call.apply(BinaryKind::Add, &[above, below])?;
    let y = scaled(call, sum, scale)?;
    call.made(y)
}

fn elu<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let alpha = call.attributes().float_or("alpha", 1.0)?;
    exponential(call, alpha, 1.0, 1.0)
}

fn celu<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let alpha = call.attributes().float_or("alpha", 1.0)?;
    exponential(call, alpha, alpha, 1.0)
}

fn selu<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let attributes = call.attributes();
    let (alpha, gamma) =
        (attributes.float_or("alpha", 1.673_263_2)?, attributes.float_or("gamma", 1.050_701)?);
    exponential(call, alpha, 1.0, gamma)
}

fn hard_sigmoid<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let attributes = call.attributes();
    let (alpha, beta) = (attributes.float_or("alpha", 0.2)?, attributes.float_or("beta", 0.5)?);
    let x = call.real(0)?;
    let line = scaled(call, x, alpha)?;
    let line = shifted(call, line, beta)?;
    let y = call.apply(Clip { low: 0.0, high: 1.0 }, &[line])?;
    call.made(y)
}

fn mish<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let x = call.real(0)?;
    let soft = call.apply(UnaryKind::Softplus, &[x])?;
    let gate = call.apply(UnaryKind::Tanh, &[soft])?;
    let y = call.apply(BinaryKind::Mul, &[x, gate])?;
    call.made(y)
}

fn softsign<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let x = call.real(0)?;
    let size = call.apply(UnaryKind::Abs, &[x])?;
    let size = shifted(call, size, 1.0)?;
    let y = call.apply(BinaryKind::Div, &[x, size])?;
    call.made(y)
}

fn approximate(attributes: Attributes<'_>) -> Result<(), String> {
    one_of(attributes, "approximate", &["none", "tanh"])
}

fn gelu<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let is_tanh = call.attributes().text_or("approximate", "none")? == "tanh";
    unary(call, if is_tanh { UnaryKind::GeluTanh } else { UnaryKind::Gelu })
}

fn softmax<'m>(call: &mut Call<'_, 'm>, log: bool) -> Built<'m> {
    let shape = call.shape(0)?;
    let x = call.real(0)?;
    if call.opset() >= 13 {
        let axis = axis(call.attributes().int_or("axis", -1)?, shape.len())?;
        let y = call.apply(Softmax { axis, log }, &[x])?;
        return call.made(y);
    }
    // Before version 13 all axes from this one on are one.
    let at = call.attributes().int_or("axis", 1)?;
    let at = if at == shape.len() as i64 { shape.len() } else { axis(at, shape.len())? };
    let rows = vec![shape[..at].iter().product(), shape[at..].iter().product()];
    let x = call.apply(Reshape { shape: rows }, &[x])?;
    let y = call.apply(Softmax { axis: 1, log }, &[x])?;
    let y = call.apply(Reshape { shape }, &[y])?;
    call.made(y)
}
