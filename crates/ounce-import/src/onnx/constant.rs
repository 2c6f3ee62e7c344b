//! Tensors that are known while a model is imported.

use ounce_formats::onnx::ElementType;
use ounce_graph::{GraphError, Tensor};

use super::error::Fault;

/// Elements of a constant.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Numbers {
    /// Of integer types and bool.
    Ints(Vec<i64>),
    /// Of float types.
    Floats(Vec<f32>),
}

/// A tensor whose elements are known. Its data has as many elements as its shape says.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Constant {
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Numbers,
}

/// Whether elements are computed with as floats.
pub(super) fn is_float(element: ElementType) -> bool {
    use ElementType as E;
    matches!(element, E::Float | E::Double | E::Float16 | E::Bfloat16)
}

impl Constant {
    /// Integers in 64 bits.
    pub(super) fn ints(shape: Vec<usize>, ints: Vec<i64>) -> Self {
        Self { element: ElementType::Int64, shape, numbers: Numbers::Ints(ints) }
    }

    /// Floats.
    pub(super) fn floats(shape: Vec<usize>, floats: Vec<f32>) -> Self {
        Self { element: ElementType::Float, shape, numbers: Numbers::Floats(floats) }
    }

    /// From the bytes of a tensor in a file.
    pub(super) fn from_bytes(element: ElementType, shape: &[usize], bytes: &[u8]) -> Option<Self> {
        let scalar = element.scalar()?;
        let numbers = match scalar.to_f32s(bytes) {
            Some(floats) => Numbers::Floats(floats),
            None => Numbers::Ints(scalar.to_i64s(bytes)?),
        };
        Some(Self { element, shape: shape.to_vec(), numbers })
    }

    pub(super) fn len(&self) -> usize {
        match &self.numbers {
            Numbers::Ints(ints) => ints.len(),
            Numbers::Floats(floats) => floats.len(),
        }
    }

    /// The same elements under another shape, which has as many.
    pub(super) fn reshaped(&self, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), ..self.clone() }
    }

    /// The elements at these places, under a shape.
    pub(super) fn picked(&self, shape: Vec<usize>, places: impl Iterator<Item = usize>) -> Self {
        let numbers = match &self.numbers {
            Numbers::Ints(ints) => Numbers::Ints(places.map(|at| ints[at]).collect()),
            Numbers::Floats(floats) => Numbers::Floats(places.map(|at| floats[at]).collect()),
        };
        Self { element: self.element, shape, numbers }
    }

    /// As the tensor that stands for it in a graph: floats as they are, int8 in bytes, uint8 in bytes less 128, bool as 0.0 and 1.0, other integers in 32 bits.
    pub(super) fn tensor(&self) -> Result<Tensor, Fault> {
        let out_of_range = |at: &i64| Fault::Range(*at);
        let tensor = match (&self.numbers, self.element) {
            (Numbers::Floats(floats), _) => Tensor::f32(&self.shape, floats.clone()),
            (Numbers::Ints(ints), ElementType::Bool) => {
                Tensor::f32(&self.shape, ints.iter().map(|i| f32::from(u8::from(*i != 0))).collect())
            }
            (Numbers::Ints(ints), ElementType::Int8 | ElementType::Uint8) => {
                let shift = if self.element == ElementType::Uint8 { 128 } else { 0 };
                let bytes = ints.iter().map(|i| i8::try_from(i - shift).map_err(|_| out_of_range(i)));
                Tensor::i8(&self.shape, bytes.collect::<Result<_, _>>()?)
            }
            (Numbers::Ints(ints), _) => {
                let ints = ints.iter().map(|i| i32::try_from(*i).map_err(|_| out_of_range(i)));
                Tensor::i32(&self.shape, ints.collect::<Result<_, _>>()?)
            }
        };
        tensor.map_err(|error: GraphError| error.into())
    }
}
