//! Reading `TensorProto`: whichever field holds the elements, they come out as little-endian bytes.

use std::borrow::Cow;

use super::error::{Broken, Fault, Parsed};
use super::model::{External, Tensor, TensorData};
use super::wire::{Field, Fixed, Message};
use super::{ElementType, Text};

/// The fields of a tensor as they stand in the file.
#[derive(Default)]
struct Raw<'a> {
    name: &'a str,
    element: i64,
    dims: Vec<i64>,
    raw: Option<&'a [u8]>,
    /// Numbers of fixed size; the name of their field.
    fixed: Option<(Cow<'a, [u8]>, &'static str)>,
    /// Numbers as varints; the name of their field.
    ints: Option<(Vec<i64>, &'static str)>,
    strings: Vec<Cow<'a, [u8]>>,
    external: Vec<(&'a str, &'a str)>,
    is_external: bool,
}

/// Reads a tensor.
pub(super) fn read(mut message: Message<'_>) -> Parsed<Tensor<'_>> {
    let offset = message.start();
    let mut raw = Raw::default();
    let result = fields(&mut message, &mut raw).and_then(|()| build(&mut raw, offset));
    result.map_err(|broken| broken.within(|| format!("tensor \"{}\"", raw.name)))
}

fn fields<'a>(message: &mut Message<'a>, raw: &mut Raw<'a>) -> Parsed<()> {
    while let Some(field) = message.next()? {
        match field.number {
            1 => field.ints(&mut raw.dims)?,
            2 => raw.element = field.int()?,
            3 => return Err(Broken::new(field.offset, segments())),
            4 => append::<4>(&field, &mut raw.fixed, "float_data")?,
            10 => append::<8>(&field, &mut raw.fixed, "double_data")?,
            5 => integers(&field, &mut raw.ints, "int32_data")?,
            7 => integers(&field, &mut raw.ints, "int64_data")?,
            11 => integers(&field, &mut raw.ints, "uint64_data")?,
            6 => raw.strings.push(Cow::Borrowed(field.bytes()?)),
            8 => raw.name = field.text()?,
            9 => raw.raw = Some(field.bytes()?),
            13 => raw.external.push(super::reader::key_value(field.message()?)?),
            14 => raw.is_external = field.int()? == 1,
            _ => {}
        }
    }
    Ok(())
}

fn segments() -> Fault {
    let what = "tensors in segments".to_owned();
    Fault::Unsupported { what, remedy: "save the model again with a current exporter" }
}

fn append<'a, const N: usize>(
    field: &Field<'a>,
    into: &mut Option<(Cow<'a, [u8]>, &'static str)>,
    name: &'static str,
) -> Parsed<()> {
    let fixed = field.fixed::<N>()?;
    match (&mut *into, fixed) {
        (None, Fixed::Packed(bytes)) => *into = Some((Cow::Borrowed(bytes), name)),
        (None, Fixed::One32(bytes)) => *into = Some((Cow::Owned(bytes.to_vec()), name)),
        (None, Fixed::One64(bytes)) => *into = Some((Cow::Owned(bytes.to_vec()), name)),
        (Some((_, other)), _) if *other != name => return Err(two_fields(field)),
        (Some((all, _)), Fixed::Packed(bytes)) => all.to_mut().extend_from_slice(bytes),
        (Some((all, _)), Fixed::One32(bytes)) => all.to_mut().extend_from_slice(&bytes),
        (Some((all, _)), Fixed::One64(bytes)) => all.to_mut().extend_from_slice(&bytes),
    }
    Ok(())
}

fn integers(
    field: &Field<'_>,
    into: &mut Option<(Vec<i64>, &'static str)>,
    name: &'static str,
) -> Parsed<()> {
    let (ints, first) = into.get_or_insert((Vec::new(), name));
    if *first != name {
        return Err(two_fields(field));
    }
    Ok(field.ints(ints)?)
}

fn two_fields(field: &Field<'_>) -> Broken {
    Broken::new(field.offset, Fault::Twice("the data"))
}

fn build<'a>(raw: &mut Raw<'a>, offset: usize) -> Parsed<Tensor<'a>> {
    let fail = |fault| Broken::new(offset, fault);
    let element = match raw.element {
        0 => return Err(fail(Fault::Missing("data_type"))),
        number => ElementType::from_number(number).ok_or_else(|| fail(Fault::Element(number)))?,
    };
    let shape = raw.dims.iter().map(|&n| usize::try_from(n).map_err(|_| fail(Fault::Dimension(n))));
    let shape = shape.collect::<Result<Vec<usize>, _>>()?;
    let name = Text::Borrowed(raw.name);
    let size = |needed, given| fail(Fault::Size { element, shape: shape.clone(), needed, given });
    if element == ElementType::String {
        let needed = shape.iter().try_fold(1usize, |count, &n| count.checked_mul(n));
        if needed != Some(raw.strings.len()) {
            return Err(size(needed, raw.strings.len()));
        }
        let data = TensorData::Strings(std::mem::take(&mut raw.strings));
        return Ok(Tensor { name, element, shape, data });
    }
    let needed = element.bytes_of_shape(&shape).ok_or_else(|| size(None, 0))?;
    if raw.is_external {
        let data = TensorData::External(external(raw, needed).map_err(fail)?);
        return Ok(Tensor { name, element, shape, data });
    }
    let fields = [raw.raw.is_some(), raw.fixed.is_some(), raw.ints.is_some()];
    if fields.into_iter().filter(|&there| there).count() > 1 {
        return Err(fail(Fault::Twice("the data")));
    }
    let bytes = match (raw.raw, raw.fixed.take(), raw.ints.take()) {
        (Some(bytes), ..) => Cow::Borrowed(bytes),
        (_, Some((bytes, field)), _) => {
            let fits = match field {
                "float_data" => matches!(element, ElementType::Float | ElementType::Complex64),
                _ => matches!(element, ElementType::Double | ElementType::Complex128),
            };
            if !fits {
                return Err(fail(Fault::DataField { element, field }));
            }
            bytes
        }
        (_, _, Some((ints, field))) => Cow::Owned(narrow(&ints, element, field).map_err(fail)?),
        _ => Cow::Borrowed(&[][..]),
    };
    if bytes.len() != needed {
        return Err(size(Some(needed), bytes.len()));
    }
    Ok(Tensor { name, element, shape, data: TensorData::Bytes(bytes) })
}

/// Integers as the bytes of their type. Floats of up to 16 bits and packed numbers are stored as the bits
/// they have.
fn narrow(ints: &[i64], element: ElementType, field: &'static str) -> Result<Vec<u8>, Fault> {
    use ElementType as E;
    let (least, most, width): (i64, i64, usize) = match (field, element) {
        ("int32_data", E::Int32) => (i32::MIN.into(), i32::MAX.into(), 4),
        ("int32_data", E::Int16) => (i16::MIN.into(), i16::MAX.into(), 2),
        ("int32_data", E::Int8) => (i8::MIN.into(), i8::MAX.into(), 1),
        ("int32_data", E::Uint16 | E::Float16 | E::Bfloat16) => (0, u16::MAX.into(), 2),
        ("int32_data", E::Bool) => (0, 1, 1),
        ("int32_data", E::Int4 | E::Int2) => (i8::MIN.into(), u8::MAX.into(), 1),
        ("int32_data", _) if (1..=8).contains(&element.bits()) => (0, u8::MAX.into(), 1),
        ("int64_data", E::Int64) => (i64::MIN, i64::MAX, 8),
        ("uint64_data", E::Uint64) => (i64::MIN, i64::MAX, 8),
        ("uint64_data", E::Uint32) => (0, u32::MAX.into(), 4),
        _ => return Err(Fault::DataField { element, field }),
    };
    let mut bytes = Vec::with_capacity(ints.len() * width);
    for &value in ints {
        if !(least..=most).contains(&value) {
            return Err(Fault::Range { value, element });
        }
        bytes.extend_from_slice(&value.to_le_bytes()[..width]);
    }
    Ok(bytes)
}

fn external<'a>(raw: &Raw<'a>, needed: usize) -> Result<External<'a>, Fault> {
    let find = |key: &str| raw.external.iter().find(|(k, _)| *k == key).map(|&(_, value)| value);
    let number = |key| match find(key) {
        None => Ok(None),
        Some(text) => {
            text.trim().parse().map(Some).map_err(|_| Fault::Number(text.chars().take(40).collect()))
        }
    };
    let location = find("location").ok_or(Fault::Missing("the location of external data"))?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    Ok(External { location: Text::Borrowed(location), offset, length, needed })
}
