//! Row-major float matrices, borrowed from where they lie.

use super::{FloatType, MatrixError};
use crate::SharedBytes;
use crate::simd::Element;

/// A row-major matrix of floats, aligned for its element.
#[derive(Debug)]
pub(crate) struct FloatMatrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) element: Element,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Borrowed(SharedBytes),
    /// A copy, aligned for any element, and the number of bytes in use.
    Copied(Vec<u32>, usize),
    Owned(Vec<f32>),
}

impl FloatMatrix {
    pub(crate) fn new(
        ty: FloatType,
        rows: usize,
        cols: usize,
        bytes: SharedBytes,
    ) -> Result<Self, MatrixError> {
        let element = match ty {
            FloatType::F32 => Element::F32,
            FloatType::F16 => Element::F16,
            FloatType::BF16 => Element::Bf16,
        };
        let expected = rows.checked_mul(cols).and_then(|n| n.checked_mul(element.size()));
        if expected != Some(bytes.len()) {
            return Err(MatrixError::Size { shape: [rows, cols], expected, found: bytes.len() });
        }
        let data = if bytes.as_ptr().addr().is_multiple_of(element.size()) {
            Data::Borrowed(bytes)
        } else {
            let mut copy = vec![0u32; bytes.len().div_ceil(4)];
            bytemuck::cast_slice_mut::<u32, u8>(&mut copy)[..bytes.len()].copy_from_slice(&bytes);
            Data::Copied(copy, bytes.len())
        };
        Ok(Self { rows, cols, element, data })
    }

    pub(crate) fn from_f32(rows: usize, cols: usize, values: Vec<f32>) -> Result<Self, MatrixError> {
        if rows.checked_mul(cols) != Some(values.len()) {
            let expected = rows.checked_mul(cols).and_then(|n| n.checked_mul(size_of::<f32>()));
            return Err(MatrixError::Size { shape: [rows, cols], expected, found: size_of_val(&values[..]) });
        }
        Ok(Self { rows, cols, element: Element::F32, data: Data::Owned(values) })
    }

    /// All elements, if they are single-precision floats.
    pub(crate) fn as_f32(&self) -> Option<&[f32]> {
        (self.element == Element::F32).then(|| bytemuck::cast_slice(self.data()))
    }

    /// All rows, `rows * cols` elements.
    pub(crate) fn data(&self) -> &[u8] {
        match &self.data {
            Data::Borrowed(bytes) => bytes,
            Data::Copied(words, len) => &bytemuck::cast_slice(words)[..*len],
            Data::Owned(values) => bytemuck::cast_slice(values),
        }
    }

    /// Rows `first..first + count`.
    pub(crate) fn rows_from(&self, first: usize, count: usize) -> &[u8] {
        let row = self.cols * self.element.size();
        &self.data()[first * row..(first + count) * row]
    }

    pub(crate) fn element_name(&self) -> &'static str {
        match self.element {
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::Bf16 => "bf16",
            Element::I8 => "i8",
        }
    }
}
