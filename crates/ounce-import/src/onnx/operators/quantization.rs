//! Between floats and 8-bit integers.

use ounce_formats::onnx::ElementType;
use ounce_graph::DType;
use ounce_graph::ops::{Dequantize, Quantize, Scaling};

use super::super::call::{Attributes, Built, Call, axis};
use super::super::constant::Numbers;
use super::super::error::Fault;
use super::super::importer::Value;
use super::{Operator, int_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("DequantizeLinear", &["axis", "block_size"], dequantize).checked(unblocked),
    Operator::new("QuantizeLinear", &["axis", "block_size", "output_dtype", "saturate"], quantize)
        .checked(eight_bits),
];

fn unblocked(attributes: Attributes<'_>) -> Result<(), String> {
    int_of(attributes, "block_size", &[0])
}

fn eight_bits(attributes: Attributes<'_>) -> Result<(), String> {
    unblocked(attributes)?;
    let types = [0, ElementType::Uint8.number().into(), ElementType::Int8.number().into()];
    int_of(attributes, "output_dtype", &types)
}

/// Scales and zero point of a node, for integers of a type. A uint8 is kept 128 less.
fn scaling(call: &Call<'_, '_>, element: ElementType) -> Result<Scaling, Fault> {
    let scale = call.floats(1)?;
    let shift = if element == ElementType::Uint8 { 128 } else { 0 };
    let mut zero_point = 0;
    if call.has(2) {
        let constant = call.constant(2)?.ok_or(Fault::NotConstant(2))?;
        if let Numbers::Ints(zeros) = &constant.numbers {
            zero_point = zeros.first().copied().unwrap_or(0);
            if zeros.iter().any(|zero| *zero != zero_point) {
                return Err(Fault::Shape(
                    "zero points that differ from channel to channel are not supported".to_owned(),
                ));
            }
        }
    }
    let zero_point = i32::try_from(zero_point - shift).map_err(|_| Fault::Range(zero_point))?;
    let rank = call.shape(0)?.len();
    let at = call.attributes().int_or("axis", 1)?;
    let axis = if scale.len() == 1 { 0 } else { axis(at, rank)? };
    Ok(Scaling { scale, axis, zero_point })
}

fn quantize<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let wanted = call.attributes().int_or("output_dtype", 0)?;
    let element = match ElementType::from_number(wanted) {
        _ if call.has(2) => call.element(2)?,
        Some(element) => element,
        None => ElementType::Uint8,
    };
    if !matches!(element, ElementType::Int8 | ElementType::Uint8) {
        return Err(Fault::Element { input: 2, expected: "int8 or uint8", found: format!("{element:?}") });
    }
    let scaling = scaling(call, element)?;
    let x = call.real(0)?;
    let y = call.apply(Quantize { scaling, to: DType::I8 }, &[x])?;
    Ok(vec![Value::Graph(y, element)])
}

fn dequantize<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let element = call.element(0)?;
    if !matches!(element, ElementType::Int8 | ElementType::Uint8 | ElementType::Int32) {
        return Err(Fault::Element {
            input: 0,
            expected: "int8, uint8 or int32",
            found: format!("{element:?}"),
        });
    }
    let scaling = scaling(call, element)?;
    let x = call.value(0)?;
    let y = call.apply(Dequantize { scaling }, &[x])?;
    call.made(y)
}
