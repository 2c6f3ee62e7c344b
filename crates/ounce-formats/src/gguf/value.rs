//! Values of GGUF metadata.

use super::cursor::{Cursor, Fell};
use super::error::Fault;

/// How deep arrays may lie in arrays. The format sets no bound; files in the wild use 1.
pub(super) const MAX_DEPTH: usize = 4;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are the kinds of the format under their usual names")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// A metadata array: all items are of one kind.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are the kinds of the format under their usual names")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

/// Items for which room is made before they are read. More grows with what is there, since a count can lie as far as the file is long.
pub(super) const RESERVE: usize = 64;

/// Numbers of the kinds in files (`gguf_type` of ggml).
mod kind {
    pub(super) const U8: u32 = 0;
    pub(super) const I8: u32 = 1;
    pub(super) const U16: u32 = 2;
    pub(super) const I16: u32 = 3;
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const BOOL: u32 = 7;
    pub(super) const STRING: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
    pub(super) const U64: u32 = 10;
    pub(super) const I64: u32 = 11;
    pub(super) const F64: u32 = 12;
}

impl Value {
    /// Kind and size in words, such as `a string` or `an array of 3 f32`, for messages.
    pub fn describe(&self) -> String {
        let kind = match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "bool",
            Self::String(_) => "string",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F64(_) => "f64",
            Self::Array(array) => return format!("an array of {} {}", array.len(), array.kind_name()),
        };
        format!("a value of kind {kind}")
    }

    /// Any integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::U64(v) => Some(v),
            Self::I8(v) => v.try_into().ok(),
            Self::I16(v) => v.try_into().ok(),
            Self::I32(v) => v.try_into().ok(),
            Self::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }

    /// Any number; integers beyond 2^53 are rounded.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(v) => Some(v.into()),
            Self::F64(v) => Some(v),
            Self::I64(v) => Some(v as f64),
            Self::I32(v) => Some(v.into()),
            Self::I16(v) => Some(v.into()),
            Self::I8(v) => Some(v.into()),
            _ => self.as_u64().map(|v| v as f64),
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fell> {
        let offset = cursor.offset();
        Ok(match cursor.u32()? {
            kind::U8 => Self::U8(u8::from_le_bytes(cursor.array()?)),
            kind::I8 => Self::I8(i8::from_le_bytes(cursor.array()?)),
            kind::U16 => Self::U16(u16::from_le_bytes(cursor.array()?)),
            kind::I16 => Self::I16(i16::from_le_bytes(cursor.array()?)),
            kind::U32 => Self::U32(cursor.u32()?),
            kind::I32 => Self::I32(i32::from_le_bytes(cursor.array()?)),
            kind::F32 => Self::F32(f32::from_le_bytes(cursor.array()?)),
            kind::BOOL => Self::Bool(bool(cursor)?),
            kind::STRING => Self::String(cursor.string()?.to_owned()),
            kind::ARRAY => Self::Array(Array::read(cursor, 1)?),
            kind::U64 => Self::U64(cursor.u64()?),
            kind::I64 => Self::I64(i64::from_le_bytes(cursor.array()?)),
            kind::F64 => Self::F64(f64::from_le_bytes(cursor.array()?)),
            other => return cursor.fail(offset, Fault::ValueKind(other)),
        })
    }

    /// Appends kind and value as they stand in a file.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut number = |kind: u32, bytes: &[u8]| {
            out.extend(kind.to_le_bytes());
            out.extend(bytes);
        };
        match self {
            Self::U8(v) => number(kind::U8, &v.to_le_bytes()),
            Self::I8(v) => number(kind::I8, &v.to_le_bytes()),
            Self::U16(v) => number(kind::U16, &v.to_le_bytes()),
            Self::I16(v) => number(kind::I16, &v.to_le_bytes()),
            Self::U32(v) => number(kind::U32, &v.to_le_bytes()),
            Self::I32(v) => number(kind::I32, &v.to_le_bytes()),
            Self::F32(v) => number(kind::F32, &v.to_le_bytes()),
            Self::Bool(v) => number(kind::BOOL, &[u8::from(*v)]),
            Self::U64(v) => number(kind::U64, &v.to_le_bytes()),
            Self::I64(v) => number(kind::I64, &v.to_le_bytes()),
            Self::F64(v) => number(kind::F64, &v.to_le_bytes()),
            Self::String(v) => {
                number(kind::STRING, &[]);
                write_string(v, out);
            }
            Self::Array(array) => {
                number(kind::ARRAY, &[]);
                array.write(out);
            }
        }
    }
}

impl Array {
    /// Number of items.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
            Self::Array(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items as integers, if all are integers and not negative.
    pub fn as_u64s(&self) -> Option<Vec<u64>> {
        match self {
            Self::U8(v) => Some(v.iter().map(|&v| v.into()).collect()),
            Self::U16(v) => Some(v.iter().map(|&v| v.into()).collect()),
            Self::U32(v) => Some(v.iter().map(|&v| v.into()).collect()),
            Self::U64(v) => Some(v.clone()),
            Self::I8(v) => v.iter().map(|&v| v.try_into().ok()).collect(),
            Self::I16(v) => v.iter().map(|&v| v.try_into().ok()).collect(),
            Self::I32(v) => v.iter().map(|&v| v.try_into().ok()).collect(),
            Self::I64(v) => v.iter().map(|&v| v.try_into().ok()).collect(),
            Self::F32(_) | Self::F64(_) | Self::Bool(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    fn kind_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "bool",
            Self::String(_) => "strings",
            Self::Array(_) => "arrays",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F64(_) => "f64",
        }
    }

    fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<Self, Fell> {
        let offset = cursor.offset();
        if depth > MAX_DEPTH {
            return cursor.fail(offset, Fault::Depth(MAX_DEPTH));
        }
        Ok(match cursor.u32()? {
            kind::U8 => Self::U8(numbers(cursor, u8::from_le_bytes)?),
            kind::I8 => Self::I8(numbers(cursor, i8::from_le_bytes)?),
            kind::U16 => Self::U16(numbers(cursor, u16::from_le_bytes)?),
            kind::I16 => Self::I16(numbers(cursor, i16::from_le_bytes)?),
            kind::U32 => Self::U32(numbers(cursor, u32::from_le_bytes)?),
            kind::I32 => Self::I32(numbers(cursor, i32::from_le_bytes)?),
            kind::F32 => Self::F32(numbers(cursor, f32::from_le_bytes)?),
            kind::U64 => Self::U64(numbers(cursor, u64::from_le_bytes)?),
            kind::I64 => Self::I64(numbers(cursor, i64::from_le_bytes)?),
            kind::F64 => Self::F64(numbers(cursor, f64::from_le_bytes)?),
            kind::BOOL => Self::Bool(items(cursor, 1, bool)?),
            // A string is at least its length, an array its kind and its count.
            kind::STRING => Self::String(items(cursor, 8, |cursor| cursor.string().map(str::to_owned))?),
            kind::ARRAY => Self::Array(items(cursor, 12, |cursor| Self::read(cursor, depth + 1))?),
            other => return cursor.fail(offset, Fault::ValueKind(other)),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (kind, bytes): (u32, Vec<u8>) = match self {
            Self::U8(v) => (kind::U8, v.clone()),
            Self::I8(v) => (kind::I8, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::U16(v) => (kind::U16, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::I16(v) => (kind::I16, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::U32(v) => (kind::U32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::I32(v) => (kind::I32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::F32(v) => (kind::F32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::U64(v) => (kind::U64, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::I64(v) => (kind::I64, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::F64(v) => (kind::F64, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::Bool(v) => (kind::BOOL, v.iter().map(|&v| v.into()).collect()),
            Self::String(v) => {
                let mut bytes = Vec::new();
                v.iter().for_each(|v| write_string(v, &mut bytes));
                (kind::STRING, bytes)
            }
            Self::Array(v) => {
                let mut bytes = Vec::new();
                v.iter().for_each(|v| v.write(&mut bytes));
                (kind::ARRAY, bytes)
            }
        };
        out.extend(kind.to_le_bytes());
        out.extend((self.len() as u64).to_le_bytes());
        out.extend(bytes);
    }

    /// How deep arrays are nested, this one included.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Array(arrays) => 1 + arrays.iter().map(Self::depth).max().unwrap_or(0),
            _ => 1,
        }
    }
}

/// Appends a string as it stands in a file.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn bool(cursor: &mut Cursor<'_>) -> Result<bool, Fell> {
    let offset = cursor.offset();
    match cursor.array()? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => cursor.fail(offset, Fault::Bool(other)),
    }
}

fn numbers<const N: usize, T>(
    cursor: &mut Cursor<'_>,
    convert: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Fell> {
    let count = cursor.count(N)?;
    let bytes = cursor.take((count * N) as u64)?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|&bytes| convert(bytes)).collect())
}

fn items<'a, T>(
    cursor: &mut Cursor<'a>,
    item_bytes: usize,
    mut read: impl FnMut(&mut Cursor<'a>) -> Result<T, Fell>,
) -> Result<Vec<T>, Fell> {
    let count = cursor.count(item_bytes)?;
    let mut items = Vec::with_capacity(count.min(RESERVE));
    for _ in 0..count {
        items.push(read(cursor)?);
    }
    Ok(items)
}
