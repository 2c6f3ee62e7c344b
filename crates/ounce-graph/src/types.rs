//! Element types and the types of values: dtype and static shape.

use std::fmt;

/// The type of one element of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// Signed byte, a quantized number.
    I8,
    /// Signed 32-bit integer: a quantized bias, a class, an index.
    I32,
    /// One bit, eight to a byte, the first in the lowest bit.
    Bits,
}

impl DType {
    /// The bytes that `elements` elements take.
    pub fn bytes(self, elements: usize) -> usize {
        match self {
            DType::F32 | DType::I32 => elements * 4,
            DType::I8 => elements,
            DType::Bits => elements.div_ceil(8),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::I8 => "i8",
            DType::I32 => "i32",
            DType::Bits => "bits",
        })
    }
}

/// What is known of a value before anything runs. Images are `[batch, channels, height, width]`.
///
/// Scales and zero points are no part of it: they are attributes of the operators that quantize, multiply and add, so that an operator is
/// a function of its inputs and attributes alone, and folding, fusing, sharing memory and updating weights in place need not know them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TensorType {
    /// The type of the elements.
    pub dtype: DType,
    /// The extents, outermost first. Empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorType {
    /// A type of the given elements and shape.
    pub fn new(dtype: DType, shape: &[usize]) -> Self {
        Self { dtype, shape: shape.to_vec() }
    }

    /// Single-precision elements.
    pub fn f32(shape: &[usize]) -> Self {
        Self::new(DType::F32, shape)
    }

    /// The number of elements. Graphs hold only types for which it does not overflow.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bytes that a value takes.
    pub fn bytes(&self) -> usize {
        self.dtype.bytes(self.elements())
    }

    /// Whether there are at most [`MAX_RANK`](crate::shape::MAX_RANK) axes, and four bytes for every element can be addressed.
    pub(crate) fn fits(&self) -> bool {
        if self.shape.len() > crate::shape::MAX_RANK {
            return false;
        }
        // Strides of an empty value must not overflow either.
        let elements = self.shape.iter().try_fold(1usize, |n, d| n.checked_mul((*d).max(1)));
        elements.and_then(|n| n.checked_mul(4)).is_some_and(|n| n <= isize::MAX as usize)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}
