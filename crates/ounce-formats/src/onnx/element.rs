//! Element types of ONNX tensors.

use crate::scalar::ScalarType;

/// Type of the elements of a tensor: `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of onnx.proto")]
#[non_exhaustive]
#[repr(i32)]
pub enum ElementType {
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
    Uint16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    String = 8,
    Bool = 9,
    Float16 = 10,
    Double = 11,
    Uint32 = 12,
    Uint64 = 13,
    Complex64 = 14,
    Complex128 = 15,
    Bfloat16 = 16,
    Float8e4m3fn = 17,
    Float8e4m3fnuz = 18,
    Float8e5m2 = 19,
    Float8e5m2fnuz = 20,
    Uint4 = 21,
    Int4 = 22,
    Float4e2m1 = 23,
    Float8e8m0 = 24,
    Uint2 = 25,
    Int2 = 26,
}

impl ElementType {
    /// All types.
    pub const ALL: [Self; 26] = [
        Self::Float,
        Self::Uint8,
        Self::Int8,
        Self::Uint16,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::String,
        Self::Bool,
        Self::Float16,
        Self::Double,
        Self::Uint32,
        Self::Uint64,
        Self::Complex64,
        Self::Complex128,
        Self::Bfloat16,
        Self::Float8e4m3fn,
        Self::Float8e4m3fnuz,
        Self::Float8e5m2,
        Self::Float8e5m2fnuz,
        Self::Uint4,
        Self::Int4,
        Self::Float4e2m1,
        Self::Float8e8m0,
        Self::Uint2,
        Self::Int2,
    ];

    /// The type of this number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|&ty| i64::from(ty.number()) == number)
    }

    /// Its number in files.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The same type under the name that all formats share; `None` for strings, complex numbers and types below 16 bits that are no
    /// plain integers.
    pub const fn scalar(self) -> Option<ScalarType> {
        Some(match self {
            Self::Float => ScalarType::F32,
            Self::Uint8 => ScalarType::U8,
            Self::Int8 => ScalarType::I8,
            Self::Uint16 => ScalarType::U16,
            Self::Int16 => ScalarType::I16,
            Self::Int32 => ScalarType::I32,
            Self::Int64 => ScalarType::I64,
            Self::Bool => ScalarType::Bool,
            Self::Float16 => ScalarType::F16,
            Self::Double => ScalarType::F64,
            Self::Uint32 => ScalarType::U32,
            Self::Uint64 => ScalarType::U64,
            Self::Bfloat16 => ScalarType::BF16,
            _ => return None,
        })
    }

    /// Bits of one element; 0 for strings.
    pub const fn bits(self) -> usize {
        match self {
            Self::String => 0,
            Self::Uint2 | Self::Int2 => 2,
            Self::Uint4 | Self::Int4 | Self::Float4e2m1 => 4,
            Self::Uint8 | Self::Int8 | Self::Bool => 8,
            Self::Float8e4m3fn | Self::Float8e4m3fnuz | Self::Float8e5m2 | Self::Float8e5m2fnuz => 8,
            Self::Float8e8m0 => 8,
            Self::Uint16 | Self::Int16 | Self::Float16 | Self::Bfloat16 => 16,
            Self::Float | Self::Int32 | Self::Uint32 => 32,
            Self::Int64 | Self::Double | Self::Uint64 | Self::Complex64 => 64,
            Self::Complex128 => 128,
        }
    }

    /// Bytes of a tensor of this shape, elements of 4 and 2 bits packed into bytes; `None` if that overflows or for strings.
    pub fn bytes_of_shape(self, shape: &[usize]) -> Option<usize> {
        let elements = shape.iter().try_fold(1usize, |count, &dimension| count.checked_mul(dimension))?;
        match self.bits() {
            0 => None,
            bits => elements.checked_mul(bits).map(|bits| bits.div_ceil(8)),
        }
    }
}
