//! What an operator reads and writes when it runs.

use crate::tensor::{Slice, SliceMut};
use crate::types::TensorType;

/// The inputs and outputs of one execution of an operator.
///
/// The accessors panic if an element type is not the one that the operator's shape rule demands, which no input can bring about.
#[derive(Debug)]
pub struct Io<'a, 'b> {
    inputs: &'b [Slice<'a>],
    input_types: &'b [TensorType],
    outputs: &'b mut [SliceMut<'a>],
    output_types: &'b [TensorType],
}

macro_rules! accessors {
    ($($read:ident, $take:ident, $variant:ident, $element:ty;)*) => {$(
        /// The elements of input `i`.
        #[allow(clippy::panic)]
        pub fn $read(&self, i: usize) -> &'a [$element] {
            match self.inputs[i] {
                Slice::$variant(data) => data,
                other => panic!("input {i} is {other:?}"),
            }
        }

        /// The elements of output `o`, to be written. They can be taken once.
        #[allow(clippy::panic)]
        pub fn $take(&mut self, o: usize) -> &'a mut [$element] {
            match std::mem::replace(&mut self.outputs[o], SliceMut::Taken) {
                SliceMut::$variant(data) => data,
                other => panic!("output {o} is {other:?}"),
            }
        }
    )*};
}

impl<'a, 'b> Io<'a, 'b> {
    /// Inputs and outputs with their types.
    pub fn new(
        inputs: &'b [Slice<'a>],
        input_types: &'b [TensorType],
        outputs: &'b mut [SliceMut<'a>],
        output_types: &'b [TensorType],
    ) -> Self {
        Self { inputs, input_types, outputs, output_types }
    }

    accessors! {
        f32, take_f32, F32, f32;
        i8, take_i8, I8, i8;
        i32, take_i32, I32, i32;
        bits, take_bits, Bits, u8;
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Input `i`, whatever its elements.
    pub fn input(&self, i: usize) -> Slice<'a> {
        self.inputs[i]
    }

    /// Output `o`, whatever its elements. It can be taken once.
    pub fn take(&mut self, o: usize) -> SliceMut<'a> {
        std::mem::replace(&mut self.outputs[o], SliceMut::Taken)
    }

    /// The type of input `i`.
    pub fn input_type(&self, i: usize) -> &'b TensorType {
        &self.input_types[i]
    }

    /// The types of all inputs.
    pub fn input_types(&self) -> &'b [TensorType] {
        self.input_types
    }

    /// The type of output `o`.
    pub fn output_type(&self, o: usize) -> &'b TensorType {
        &self.output_types[o]
    }

    /// The shape of input `i`.
    pub fn shape(&self, i: usize) -> &'b [usize] {
        &self.input_types[i].shape
    }

    /// The shape of output `o`.
    pub fn output_shape(&self, o: usize) -> &'b [usize] {
        &self.output_types[o].shape
    }

    /// The input whose memory is that of output 0. Its elements are where the operator writes.
    pub fn overwritten(&self) -> Option<usize> {
        self.inputs.iter().position(|input| matches!(input, Slice::Overwritten))
    }

    /// Input `i` as floats, or `None` where it is overwritten.
    pub fn f32_unless_overwritten(&self, i: usize) -> Option<&'a [f32]> {
        if let Slice::Overwritten = self.inputs[i] { None } else { Some(self.f32(i)) }
    }
}
