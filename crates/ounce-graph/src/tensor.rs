//! Values in memory: a type and its elements.

use crate::error::GraphError;
use crate::types::{DType, TensorType};

/// The elements of a tensor, row-major.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// Floats.
    F32(Vec<f32>),
    /// Bytes.
    I8(Vec<i8>),
    /// Integers.
    I32(Vec<i32>),
    /// Bits, eight to a byte, the first in the lowest bit.
    Bits(Vec<u8>),
}

/// A value with its elements.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    ty: TensorType,
    data: Data,
}

impl Tensor {
    /// A tensor of the given shape.
    ///
    /// # Errors
    /// If the data has another length.
    pub fn new(shape: &[usize], data: Data) -> Result<Self, GraphError> {
        let (dtype, found) = match &data {
            Data::F32(data) => (DType::F32, data.len()),
            Data::I8(data) => (DType::I8, data.len()),
            Data::I32(data) => (DType::I32, data.len()),
            Data::Bits(data) => (DType::Bits, data.len()),
        };
        let ty = TensorType::new(dtype, shape);
        let expected = if !ty.fits() {
            usize::MAX
        } else if dtype == DType::Bits {
            ty.bytes()
        } else {
            ty.elements()
        };
        if expected != found {
            return Err(GraphError::DataLength(ty, expected, found));
        }
        Ok(Self { ty, data })
    }

    /// Floats of the given shape.
    ///
    /// # Errors
    /// If the data has another length.
    pub fn f32(shape: &[usize], data: Vec<f32>) -> Result<Self, GraphError> {
        Self::new(shape, Data::F32(data))
    }

    /// Bytes of the given shape.
    ///
    /// # Errors
    /// If the data has another length.
    pub fn i8(shape: &[usize], data: Vec<i8>) -> Result<Self, GraphError> {
        Self::new(shape, Data::I8(data))
    }

    /// Integers of the given shape.
    ///
    /// # Errors
    /// If the data has another length.
    pub fn i32(shape: &[usize], data: Vec<i32>) -> Result<Self, GraphError> {
        Self::new(shape, Data::I32(data))
    }

    /// A single float without axes.
    pub fn scalar(value: f32) -> Self {
        Self { ty: TensorType::f32(&[]), data: Data::F32(vec![value]) }
    }

    /// Zeros of a type.
    pub fn zeros(ty: &TensorType) -> Self {
        let data = match ty.dtype {
            DType::F32 => Data::F32(vec![0.0; ty.elements()]),
            DType::I8 => Data::I8(vec![0; ty.elements()]),
            DType::I32 => Data::I32(vec![0; ty.elements()]),
            DType::Bits => Data::Bits(vec![0; ty.bytes()]),
        };
        Self { ty: ty.clone(), data }
    }

    /// Element type and shape.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// The extents.
    pub fn shape(&self) -> &[usize] {
        &self.ty.shape
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, if they are floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Data::F32(data) = &self.data { Some(data) } else { None }
    }

    /// The elements, if they are bytes.
    pub fn as_i8(&self) -> Option<&[i8]> {
        if let Data::I8(data) = &self.data { Some(data) } else { None }
    }

    /// The elements, if they are integers.
    pub fn as_i32(&self) -> Option<&[i32]> {
        if let Data::I32(data) = &self.data { Some(data) } else { None }
    }

    /// The elements for reading.
    pub fn slice(&self) -> Slice<'_> {
        match &self.data {
            Data::F32(data) => Slice::F32(data),
            Data::I8(data) => Slice::I8(data),
            Data::I32(data) => Slice::I32(data),
            Data::Bits(data) => Slice::Bits(data),
        }
    }

    /// The elements for writing.
    pub fn slice_mut(&mut self) -> SliceMut<'_> {
        match &mut self.data {
            Data::F32(data) => SliceMut::F32(data),
            Data::I8(data) => SliceMut::I8(data),
            Data::I32(data) => SliceMut::I32(data),
            Data::Bits(data) => SliceMut::Bits(data),
        }
    }

    /// The elements as bytes in this machine's order.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.data {
            Data::F32(data) => bytemuck::cast_slice(data),
            Data::I8(data) => bytemuck::cast_slice(data),
            Data::I32(data) => bytemuck::cast_slice(data),
            Data::Bits(data) => data,
        }
    }

    /// A tensor from bytes in this machine's order, as [`Tensor::as_bytes`] gives them.
    ///
    /// # Errors
    /// If there are more or fewer bytes than the type takes.
    pub fn from_bytes(ty: &TensorType, bytes: &[u8]) -> Result<Self, GraphError> {
        if !ty.fits() || ty.bytes() != bytes.len() {
            return Err(GraphError::DataLength(ty.clone(), ty.bytes(), bytes.len()));
        }
        let mut tensor = Self::zeros(ty);
        match &mut tensor.data {
            Data::F32(data) => bytemuck::cast_slice_mut(data).copy_from_slice(bytes),
            Data::I8(data) => bytemuck::cast_slice_mut(data).copy_from_slice(bytes),
            Data::I32(data) => bytemuck::cast_slice_mut(data).copy_from_slice(bytes),
            Data::Bits(data) => data.copy_from_slice(bytes),
        }
        Ok(tensor)
    }
}

/// The elements of a value, for reading.
#[derive(Clone, Copy, Debug)]
pub enum Slice<'a> {
    /// Floats.
    F32(&'a [f32]),
    /// Bytes.
    I8(&'a [i8]),
    /// Integers.
    I32(&'a [i32]),
    /// Bits.
    Bits(&'a [u8]),
    /// The value lies in the memory of output 0, which the operator overwrites.
    Overwritten,
}

/// The elements of a value, for writing.
#[derive(Debug)]
pub enum SliceMut<'a> {
    /// Floats.
    F32(&'a mut [f32]),
    /// Bytes.
    I8(&'a mut [i8]),
    /// Integers.
    I32(&'a mut [i32]),
    /// Bits.
    Bits(&'a mut [u8]),
    /// The operator has taken it.
    Taken,
}

/// Sets the bits of a mask of `count` elements: 1 for those of which `inside` says so.
pub fn set_bits(mask: &mut [u8], count: usize, mut inside: impl FnMut(usize) -> bool) {
    mask.fill(0);
    for i in 0..count {
        mask[i / 8] |= u8::from(inside(i)) << (i % 8);
    }
}

/// Bit `index` of packed bits.
pub fn bit(bits: &[u8], index: usize) -> bool {
    bits[index / 8] >> (index % 8) & 1 == 1
}

/// A number that is computed with as a float.
pub(crate) trait Element: Copy + Send + Sync {
    /// As a float; exact but for integers above 2^24.
    fn real(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn real(self) -> f32 {
        self
    }
}

impl Element for i8 {
    #[inline(always)]
    fn real(self) -> f32 {
        f32::from(self)
    }
}

/// Evaluates an expression with a slice of floats or bytes bound to a name, once for each element type.
macro_rules! with_elements {
    ($slice:expr, $name:ident => $body:expr) => {
        match $slice {
            $crate::tensor::Slice::F32($name) => $body,
            $crate::tensor::Slice::I8($name) => $body,
            other => panic!("an input of floats or bytes, which the shape rule promised, is {other:?}"),
        }
    };
}
pub(crate) use with_elements;
