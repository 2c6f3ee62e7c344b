//! Arrays of numpy in pickles, as `numpy.ndarray.__reduce__` writes them.

use std::borrow::Cow;

use super::error::ArrayError;
use super::value::{Items, Object, Value};
use crate::scalar::{Array, ScalarType};

/// Names of the modules that versions of numpy keep the functions in.
const MULTIARRAY: [&str; 2] = ["numpy.core.multiarray", "numpy._core.multiarray"];
const NUMERIC: [&str; 2] = ["numpy.core.numeric", "numpy._core.numeric"];

/// The numpy array, or numpy scalar, that a value stands for. Data that the pickle holds as it is in memory is borrowed.
///
/// # Errors
/// [`ArrayError`] if the value is no array, has elements that are no plain numbers, or has not as many bytes as its shape needs.
pub fn numpy_array(value: Value<'_>) -> Result<Array<'_>, ArrayError> {
    const EXPECTED: &str = "a numpy array";
    let Value::Object(object) = value else { return Err(wrong(EXPECTED, value)) };
    let args = object.args().ok_or_else(|| wrong(EXPECTED, value))?;
    if MULTIARRAY.iter().any(|module| object.is(module, "_reconstruct")) {
        let state = object.state().and_then(Value::as_items).ok_or_else(|| wrong(EXPECTED, value))?;
        // Version, shape, type, whether the first index runs fastest, data.
        let [shape, ty, first_fastest, data] = members(state, 1, "the state of a numpy array", value)?;
        let first_fastest = matches!(first_fastest, Value::Bool(true) | Value::Int(1));
        return build(shape, ty, first_fastest, data);
    }
    if NUMERIC.iter().any(|module| object.is(module, "_frombuffer")) {
        let [data, ty, shape, order] = members(args, 0, "the arguments of a numpy array", value)?;
        return build(shape, ty, order.as_str() == Some("F"), data);
    }
    if MULTIARRAY.iter().any(|module| object.is(module, "scalar")) {
        let [ty, data] = members(args, 0, "the arguments of a numpy scalar", value)?;
        return assemble(Vec::new(), dtype(ty)?, false, bytes(data)?);
    }
    Err(wrong(EXPECTED, value))
}

pub(super) fn wrong(expected: &'static str, found: Value<'_>) -> ArrayError {
    ArrayError::Kind { expected, found: found.describe() }
}

/// `N` members of a tuple, from `first` on.
fn members<'p, const N: usize>(
    tuple: Items<'p>,
    first: usize,
    expected: &'static str,
    found: Value<'p>,
) -> Result<[Value<'p>; N], ArrayError> {
    let mut members = [Value::None; N];
    for (i, member) in members.iter_mut().enumerate() {
        *member = tuple.get(first + i).ok_or_else(|| wrong(expected, found))?;
    }
    Ok(members)
}

fn build<'p>(
    shape: Value<'p>,
    ty: Value<'p>,
    first_fastest: bool,
    data: Value<'p>,
) -> Result<Array<'p>, ArrayError> {
    let dimensions = self::shape(shape)?;
    let data = match data {
        // The buffer of protocol 5 is a bytearray, or bytes that PickleBuffer wraps.
        Value::Object(object)
            if object.is("_pickle", "PickleBuffer") || object.is("pickle", "PickleBuffer") =>
        {
            bytes(object.args().and_then(|args| args.get(0)).unwrap_or(Value::None))?
        }
        data => bytes(data)?,
    };
    assemble(dimensions, dtype(ty)?, first_fastest, data)
}

/// A tuple of lengths.
pub(super) fn shape(value: Value<'_>) -> Result<Vec<usize>, ArrayError> {
    let dimensions = value.as_items().and_then(|items| items.iter().map(Value::as_usize).collect());
    dimensions.ok_or_else(|| wrong("a shape", value))
}

struct Dtype {
    scalar: ScalarType,
    big_endian: bool,
}

/// A `numpy.dtype` object: its name without byte order in the arguments, the byte order in the state.
fn dtype(value: Value<'_>) -> Result<Dtype, ArrayError> {
    const EXPECTED: &str = "a numpy.dtype";
    let object: Object<'_> = match value {
        Value::Object(object) if object.is("numpy", "dtype") => object,
        _ => return Err(wrong(EXPECTED, value)),
    };
    let name = object.args().and_then(|args| args.get(0)).and_then(Value::as_str);
    let name = name.ok_or_else(|| wrong(EXPECTED, value))?;
    let order = object.state().and_then(Value::as_items).and_then(|state| state.get(1)?.as_str());
    let scalar = match name.trim_start_matches(['<', '=', '|']) {
        "b1" => ScalarType::Bool,
        "i1" => ScalarType::I8,
        "i2" => ScalarType::I16,
        "i4" => ScalarType::I32,
        "i8" => ScalarType::I64,
        "u1" => ScalarType::U8,
        "u2" => ScalarType::U16,
        "u4" => ScalarType::U32,
        "u8" => ScalarType::U64,
        "f2" => ScalarType::F16,
        "f4" => ScalarType::F32,
        "f8" => ScalarType::F64,
        _ => return Err(ArrayError::Type { found: name.chars().take(40).collect() }),
    };
    Ok(Dtype { scalar, big_endian: order == Some(">") })
}

/// Bytes, in any of the ways in which protocols write them.
fn bytes(value: Value<'_>) -> Result<Cow<'_, [u8]>, ArrayError> {
    let not_bytes = || wrong("bytes", value);
    match value {
        Value::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        // Before protocol 3 bytes are a call: of bytes with nothing, or of the codec with a text whose characters are the bytes.
        Value::Object(object) if object.is("__builtin__", "bytes") || object.is("builtins", "bytes") => {
            if object.args().is_some_and(Items::is_empty) {
                Ok(Cow::Borrowed(&[]))
            } else {
                Err(not_bytes())
            }
        }
        Value::Object(object) if object.is("_codecs", "encode") => {
            let args = object.args().ok_or_else(not_bytes)?;
            let (Some(Value::Str(text)), Some("latin1")) = (args.get(0), args.get(1).and_then(Value::as_str))
            else {
                return Err(not_bytes());
            };
            let bytes: Result<Vec<u8>, _> = text.chars().map(|char| u8::try_from(u32::from(char))).collect();
            bytes.map(Cow::Owned).map_err(|_| not_bytes())
        }
        _ => Err(not_bytes()),
    }
}

fn assemble(
    shape: Vec<usize>,
    dtype: Dtype,
    first_fastest: bool,
    mut data: Cow<'_, [u8]>,
) -> Result<Array<'_>, ArrayError> {
    let Dtype { scalar, big_endian } = dtype;
    let needed = scalar.bytes_of_shape(&shape);
    if needed != Some(data.len()) {
        return Err(ArrayError::Size { scalar, shape, needed, given: data.len() });
    }
    if big_endian && scalar.bytes() > 1 {
        data.to_mut().chunks_exact_mut(scalar.bytes()).for_each(<[u8]>::reverse);
    }
    if first_fastest && shape.len() > 1 {
        let mut strides = Vec::with_capacity(shape.len());
        let mut stride = 1;
        for &dimension in &shape {
            strides.push(stride);
            stride *= dimension;
        }
        data = Cow::Owned(gather(&data, scalar.bytes(), &shape, &strides));
    }
    Ok(Array { scalar, shape, data })
}

/// The elements of `shape` in row-major order, from where `strides` (in elements) say they lie; the caller has checked that all do.
pub(super) fn gather(data: &[u8], element: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    let count: usize = shape.iter().product();
    let mut gathered = Vec::with_capacity(count * element);
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    for _ in 0..count {
        gathered.extend_from_slice(&data[at * element..][..element]);
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            at += strides[d];
            if index[d] < shape[d] {
                break;
            }
            at -= strides[d] * shape[d];
            index[d] = 0;
        }
    }
    gathered
}
