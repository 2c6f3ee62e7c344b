//! Types of the numbers in arrays, and arrays in memory order, as readers of several formats give them.

use std::borrow::Cow;

/// Type of the elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it: signed and unsigned integers and floats of so many bits")]
#[non_exhaustive]
pub enum ScalarType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    F32,
    F64,
}

/// Turns little-endian elements of `N` bytes into something else. Bytes after the last whole element are ignored.
fn map<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&element| convert(element)).collect()
}

impl ScalarType {
    /// All types.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::F64,
    ];

    /// The type of this name, as numpy and torch have it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.name() == name)
    }

    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Bytes of an array of this shape; `None` if that overflows.
    pub fn bytes_of_shape(self, shape: &[usize]) -> Option<usize> {
        shape.iter().try_fold(self.bytes(), |bytes, &dimension| bytes.checked_mul(dimension))
    }

    /// Name as numpy and torch have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Little-endian elements of a float type as f32, rounded to nearest; `None` for other types.
    pub fn to_f32s(self, bytes: &[u8]) -> Option<Vec<f32>> {
        Some(match self {
            Self::F16 => map(bytes, |b| half::f16::from_le_bytes(b).to_f32()),
            Self::BF16 => map(bytes, |b| half::bf16::from_le_bytes(b).to_f32()),
            Self::F32 => map(bytes, f32::from_le_bytes),
            Self::F64 => map(bytes, |b| f64::from_le_bytes(b) as f32),
            _ => return None,
        })
    }

    /// Little-endian elements of an integer type or of bool; `None` for floats and for numbers above `i64::MAX`.
    pub fn to_i64s(self, bytes: &[u8]) -> Option<Vec<i64>> {
        Some(match self {
            Self::Bool => map(bytes, |[b]| i64::from(b != 0)),
            Self::I8 => map(bytes, |b| i8::from_le_bytes(b).into()),
            Self::I16 => map(bytes, |b| i16::from_le_bytes(b).into()),
            Self::I32 => map(bytes, |b| i32::from_le_bytes(b).into()),
            Self::I64 => map(bytes, i64::from_le_bytes),
            Self::U8 => map(bytes, |[b]| b.into()),
            Self::U16 => map(bytes, |b| u16::from_le_bytes(b).into()),
            Self::U32 => map(bytes, |b| u32::from_le_bytes(b).into()),
            Self::U64 => {
                let (elements, _) = bytes.as_chunks();
                return elements.iter().map(|&b| i64::try_from(u64::from_le_bytes(b)).ok()).collect();
            }
            _ => return None,
        })
    }
}

impl std::fmt::Display for ScalarType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// An array whose bytes fit its type and shape: little-endian, row-major, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    /// Type of the elements.
    pub scalar: ScalarType,
    /// Outermost dimension first; empty for a single number.
    pub shape: Vec<usize>,
    /// The elements. Not aligned in general.
    pub data: Cow<'a, [u8]>,
}

impl Array<'_> {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.data.len() / self.scalar.bytes()
    }

    /// See [`ScalarType::to_f32s`].
    pub fn to_f32s(&self) -> Option<Vec<f32>> {
        self.scalar.to_f32s(&self.data)
    }

    /// See [`ScalarType::to_i64s`].
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        self.scalar.to_i64s(&self.data)
    }

    /// The elements of an int8 array; `None` for other types.
    pub fn to_i8s(&self) -> Option<Vec<i8>> {
        (self.scalar == ScalarType::I8).then(|| map(&self.data, i8::from_le_bytes))
    }

    /// The elements of an int32 array; `None` for other types.
    pub fn to_i32s(&self) -> Option<Vec<i32>> {
        (self.scalar == ScalarType::I32).then(|| map(&self.data, i32::from_le_bytes))
    }
}
