//! The parts of a model, borrowed from the file.

use std::borrow::Cow;

use super::flatbuffer::Vector;
use super::operation::{Operation, OperatorCode};
use crate::scalar::{Array, ScalarType};

/// A model.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    /// What made the model, or what it is.
    pub description: &'a str,
    /// The operators that it uses.
    pub operator_codes: Vec<OperatorCode<'a>>,
    /// Networks; the first is the main one.
    pub subgraphs: Vec<Subgraph<'a>>,
    /// Data of constants, by number; 0 is empty.
    pub buffers: Vec<&'a [u8]>,
    /// Further data: names and numbers of buffers.
    pub metadata: Vec<(&'a str, usize)>,
}

impl<'a> Model<'a> {
    /// The elements of a constant, little-endian; empty for other tensors.
    pub fn data(&self, tensor: &Tensor<'a>) -> &'a [u8] {
        self.buffers.get(tensor.buffer).copied().unwrap_or_default()
    }

    /// A constant as an array; `None` for other tensors and for elements that are no plain numbers.
    pub fn array(&self, tensor: &Tensor<'a>) -> Option<Array<'a>> {
        let data = self.data(tensor);
        let scalar = tensor.ty.scalar().filter(|_| !data.is_empty())?;
        Some(Array { scalar, shape: tensor.dimensions(), data: Cow::Borrowed(data) })
    }
}

/// A network.
#[derive(Clone, Debug)]
pub struct Subgraph<'a> {
    /// Its name, often empty.
    pub name: &'a str,
    /// All values.
    pub tensors: Vec<Tensor<'a>>,
    /// Numbers of the tensors that come in.
    pub inputs: TensorList<'a>,
    /// Numbers of the tensors that go out.
    pub outputs: TensorList<'a>,
    /// Operators in the order in which they run.
    pub operators: Vec<Operator<'a>>,
}

/// An operator at work.
#[derive(Clone, Debug)]
pub struct Operator<'a> {
    /// Number of its code in the model's list.
    pub code: usize,
    /// What it does.
    pub operation: Operation<'a>,
    /// Numbers of the tensors that it takes; `None` where an optional one is left out.
    pub inputs: TensorList<'a>,
    /// Numbers of the tensors that it makes.
    pub outputs: TensorList<'a>,
}

/// Numbers of tensors of a subgraph. They were checked: each tensor exists.
#[derive(Clone, Copy, Debug, Default)]
pub struct TensorList<'a>(pub(super) Vector<'a, i32>);

impl<'a> TensorList<'a> {
    /// How many there are, those left out counted.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The number at this place; `None` if it is left out or there is no such place.
    pub fn get(self, index: usize) -> Option<usize> {
        self.0.get(index).and_then(|number| usize::try_from(number).ok())
    }

    /// All in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Option<usize>> + 'a {
        self.0.iter().map(|number| usize::try_from(number).ok())
    }
}

/// A value of a subgraph.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Type of its elements.
    pub ty: TensorType,
    /// Dimensions, outermost first, none below 0; empty for single numbers and where the shape is not known.
    pub shape: Vector<'a, i32>,
    /// The same with -1 for dimensions that may change, where the file says so.
    pub shape_signature: Option<Vector<'a, i32>>,
    /// Number of the buffer with its data; 0 or an empty one if it is no constant.
    pub buffer: usize,
    /// How its integers stand for real numbers; `None` if they do not.
    pub quantization: Option<Quantization<'a>>,
    /// Whether it keeps its value from run to run.
    pub is_variable: bool,
}

impl Tensor<'_> {
    /// The dimensions, outermost first.
    pub fn dimensions(&self) -> Vec<usize> {
        // Dimensions below 0 were refused.
        self.shape.iter().map(|dimension| dimension.max(0) as usize).collect()
    }
}

/// Quantization: `real = scale * (integer - zero_point)`.
#[derive(Clone, Copy, Debug)]
pub struct Quantization<'a> {
    /// One scale, or one for each index of [`dimension`](Self::dimension).
    pub scales: Vector<'a, f32>,
    /// As many zero points as scales, or none, which means 0.
    pub zero_points: Vector<'a, i64>,
    /// The dimension that several scales belong to.
    pub dimension: usize,
}

impl Quantization<'_> {
    /// Scale and zero point of an index along [`dimension`](Self::dimension).
    pub fn at(&self, index: usize) -> (f32, i64) {
        let index = if self.scales.len() == 1 { 0 } else { index };
        (self.scales.get(index).unwrap_or(0.0), self.zero_points.get(index).unwrap_or(0))
    }
}

/// Type of the elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the schema")]
#[non_exhaustive]
pub enum TensorType {
    Float32,
    Float16,
    Int32,
    Uint8,
    Int64,
    String,
    Bool,
    Int16,
    Complex64,
    Int8,
    Float64,
    Complex128,
    Uint64,
    Resource,
    Variant,
    Uint32,
    Uint16,
    Int4,
    Bfloat16,
}

impl TensorType {
    /// All types, by number.
    pub const ALL: [Self; 19] = [
        Self::Float32,
        Self::Float16,
        Self::Int32,
        Self::Uint8,
        Self::Int64,
        Self::String,
        Self::Bool,
        Self::Int16,
        Self::Complex64,
        Self::Int8,
        Self::Float64,
        Self::Complex128,
        Self::Uint64,
        Self::Resource,
        Self::Variant,
        Self::Uint32,
        Self::Uint16,
        Self::Int4,
        Self::Bfloat16,
    ];

    /// The same type under the name that all formats share; `None` for what is no plain number of whole bytes.
    pub const fn scalar(self) -> Option<ScalarType> {
        Some(match self {
            Self::Float32 => ScalarType::F32,
            Self::Float16 => ScalarType::F16,
            Self::Int32 => ScalarType::I32,
            Self::Uint8 => ScalarType::U8,
            Self::Int64 => ScalarType::I64,
            Self::Bool => ScalarType::Bool,
            Self::Int16 => ScalarType::I16,
            Self::Int8 => ScalarType::I8,
            Self::Float64 => ScalarType::F64,
            Self::Uint64 => ScalarType::U64,
            Self::Uint32 => ScalarType::U32,
            Self::Uint16 => ScalarType::U16,
            Self::Bfloat16 => ScalarType::BF16,
            _ => return None,
        })
    }
}
