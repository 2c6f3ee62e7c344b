//! What an operator is.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use ounce_kernels::Team;

use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::ops::Op;
use crate::types::{DType, TensorType};

/// A pure function of values. All that is known of an operator stands in the file that implements this.
///
/// Attributes are public fields of the implementing type, so that what emits code or splits work across devices can read them: it matches on
/// [`Op`].
pub trait Operator: Any + fmt::Debug + Send + Sync {
    /// The operator's name, in lower case.
    fn name(&self) -> &'static str;

    /// The types of the outputs for inputs of the given types. Every operator has at least one output.
    ///
    /// # Errors
    /// If number, element types or shapes of the inputs do not fit.
    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError>;

    /// Computes the outputs, in loops that are meant to be read.
    fn reference(&self, io: &mut Io<'_, '_>);

    /// Computes the outputs with all threads of a team. The result does not depend on their number.
    fn execute(&self, _team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        self.reference(io);
    }

    /// How many floats of scratch memory [`Operator::execute`] wants.
    fn scratch(&self, _inputs: &[TensorType], _outputs: &[TensorType]) -> usize {
        0
    }

    /// Appends the nodes that compute the gradients of the inputs from those of the outputs.
    ///
    /// # Errors
    /// If the operator has no gradient.
    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        Err(gradient.refuse("the operator has none"))
    }

    /// What one execution costs.
    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(0, inputs, outputs)
    }

    /// The inputs whose memory output 0 may take, in order of preference.
    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        Vec::new()
    }

    /// The same operator without its last outputs, if it can do without those that are not `used`. The others keep their places.
    fn without_unused(&self, _used: &[bool]) -> Option<Op> {
        None
    }

    /// The operator that computes the same where all inputs and outputs, images in i8, are `[N, H, W, C]` instead of `[N, C, H, W]`. `inputs` are the types that this one has.
    fn channels_last(&self, _inputs: &[TensorType]) -> Option<Op> {
        None
    }

    /// Whether output 0 is the bytes of input 0 under another type, so that nothing need be done.
    fn is_view(&self) -> bool {
        false
    }
}

/// What one execution of an operator costs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cost {
    /// Multiplications with an addition. Products with padding count, as is customary.
    pub macs: u64,
    /// Bytes read and written, each value once.
    pub bytes: u64,
}

impl Cost {
    /// The cost of reading all inputs and writing all outputs with `macs` multiplications between.
    pub fn of(macs: usize, inputs: &[TensorType], outputs: &[TensorType]) -> Self {
        let bytes = inputs.iter().chain(outputs).map(|ty| ty.bytes() as u64).sum();
        Self { macs: macs as u64, bytes }
    }
}

impl std::ops::Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost { macs: self.macs + other.macs, bytes: self.bytes + other.bytes }
    }
}

/// An operator that another crate defines.
#[derive(Clone, Debug)]
pub struct Custom(Arc<dyn Operator>);

impl Custom {
    /// Wraps an operator.
    pub fn new(operator: impl Operator) -> Self {
        Self(Arc::new(operator))
    }

    /// The operator itself, if it is of this type: how the crate that defined it reads its attributes.
    pub fn downcast_ref<T: Operator>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref()
    }
}

impl Operator for Custom {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        self.0.infer(inputs)
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        self.0.reference(io);
    }

    fn execute(&self, team: &mut Team<'_>, scratch: &mut [f32], io: &mut Io<'_, '_>) {
        self.0.execute(team, scratch, io);
    }

    fn scratch(&self, inputs: &[TensorType], outputs: &[TensorType]) -> usize {
        self.0.scratch(inputs, outputs)
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        self.0.gradient(gradient)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        self.0.cost(inputs, outputs)
    }

    fn overwrites(&self, inputs: &[TensorType]) -> Vec<usize> {
        self.0.overwrites(inputs)
    }

    fn without_unused(&self, used: &[bool]) -> Option<Op> {
        self.0.without_unused(used)
    }

    fn channels_last(&self, inputs: &[TensorType]) -> Option<Op> {
        self.0.channels_last(inputs)
    }

    fn is_view(&self) -> bool {
        self.0.is_view()
    }
}

impl PartialEq for Custom {
    /// Whether both are the same object.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// There are exactly `count` inputs.
pub(crate) fn expect_inputs(inputs: &[TensorType], count: usize) -> Result<(), OpError> {
    expect_inputs_between(inputs, count, count)
}

/// There are at least `least` and at most `most` inputs.
pub(crate) fn expect_inputs_between(inputs: &[TensorType], least: usize, most: usize) -> Result<(), OpError> {
    if (least..=most).contains(&inputs.len()) {
        return Ok(());
    }
    let expected = match (least, most) {
        (least, most) if least == most => format!("{least}"),
        (least, usize::MAX) => format!("at least {least}"),
        _ => format!("{least} to {most}"),
    };
    Err(OpError::InputCount { expected, found: inputs.len() })
}

/// Input `i` has elements of this type.
pub(crate) fn expect_dtype(inputs: &[TensorType], i: usize, dtype: DType) -> Result<(), OpError> {
    expect_dtypes(inputs, i, &[dtype])
}

/// Input `i` has elements of one of these types.
pub(crate) fn expect_dtypes(inputs: &[TensorType], i: usize, dtypes: &[DType]) -> Result<(), OpError> {
    let found = inputs[i].dtype;
    if dtypes.contains(&found) {
        return Ok(());
    }
    let expected = dtypes.iter().map(DType::to_string).collect::<Vec<_>>().join(" or ");
    Err(OpError::DType { input: i, expected, found })
}

/// Exactly `count` inputs, all of floats.
pub(crate) fn expect_floats(inputs: &[TensorType], count: usize) -> Result<(), OpError> {
    expect_inputs(inputs, count)?;
    (0..count).try_for_each(|i| expect_dtype(inputs, i, DType::F32))
}

/// Input `i` has `rank` axes.
pub(crate) fn expect_rank(inputs: &[TensorType], i: usize, rank: usize) -> Result<(), OpError> {
    if inputs[i].shape.len() == rank {
        return Ok(());
    }
    Err(OpError::shape(i, format!("of {rank} axes"), &inputs[i]))
}

/// Input `i` has exactly this shape.
pub(crate) fn expect_shape(inputs: &[TensorType], i: usize, shape: &[usize]) -> Result<(), OpError> {
    if inputs[i].shape == shape {
        return Ok(());
    }
    Err(OpError::shape(i, format!("{shape:?}"), &inputs[i]))
}
