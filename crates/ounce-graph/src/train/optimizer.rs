//! Optimizers as nodes: state is parameters, the learning rate is an input.

use crate::autodiff::differentiate;
use crate::error::GraphError;
use crate::graph::{Graph, ValueId};
use crate::ops::{Adam, Momentum, MovingAverage, Sgd};
use crate::passes;
use crate::tensor::Tensor;
use crate::types::TensorType;

/// The input that holds the learning rate, a single float.
pub const LEARNING_RATE: &str = "learning_rate";
/// The input that holds the number of the step from 1, a single float. Only some optimizers have it.
pub const STEP: &str = "step";

/// How parameters in floats follow their gradients. The arithmetic is PyTorch's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// What is kept of the last steps; 0 for none.
        momentum: f32,
        /// Weight decay, added to the gradient.
        decay: f32,
    },
    /// Adam with decoupled weight decay (AdamW; Adam where `decay` is 0).
    Adam {
        /// Decay of the average of gradients, usually 0.9.
        beta1: f32,
        /// Decay of the average of squares, usually 0.999.
        beta2: f32,
        /// Added to the root, usually 1e-8.
        eps: f32,
        /// Weight decay.
        decay: f32,
    },
}

impl Optimizer {
    /// Plain SGD.
    pub const SGD: Self = Self::Sgd { momentum: 0.0, decay: 0.0 };
    /// Adam with the usual constants and no decay.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.0 };

    /// Adds the update of a parameter by its gradient, and the state it takes: parameters called `NAME.momentum`, or `NAME.mean` and `NAME.square`.
    ///
    /// # Errors
    /// If names are taken by something else, or `parameter` is none.
    pub fn update(&self, graph: &mut Graph, parameter: ValueId, gradient: ValueId) -> Result<(), GraphError> {
        let name = graph.value(parameter).name.clone();
        let ty = graph.ty(parameter).clone();
        let rate = scalar_input(graph, LEARNING_RATE)?;
        let new = match *self {
            Self::Sgd { momentum: 0.0, decay } => graph.apply(Sgd { decay }, &[parameter, gradient, rate])?,
            Self::Sgd { momentum, decay } => {
                let buffer = graph.parameter(&format!("{name}.momentum"), Tensor::zeros(&ty))?;
                let op = Momentum { momentum, dampening: 0.0, decay };
                let next = graph.apply(op, &[buffer, gradient, parameter])?;
                graph.update(buffer, next)?;
                graph.apply(Sgd::default(), &[parameter, next, rate])?
            }
            Self::Adam { beta1, beta2, eps, decay } => {
                let step = scalar_input(graph, STEP)?;
                let mut average = |suffix: &str, rate: f32, squared: bool| {
                    let old = graph.parameter(&format!("{name}.{suffix}"), Tensor::zeros(&ty))?;
                    let next = graph.apply(MovingAverage { rate, squared }, &[old, gradient])?;
                    graph.update(old, next).map(|()| next)
                };
                let (mean, square) = (average("mean", beta1, false)?, average("square", beta2, true)?);
                let op = Adam { beta1, beta2, eps, decay };
                graph.apply(op, &[parameter, mean, square, rate, step])?
            }
        };
        graph.update(parameter, new)
    }
}

/// The input of a name that holds a single float, declared if there is none.
pub(crate) fn scalar_input(graph: &mut Graph, name: &str) -> Result<ValueId, GraphError> {
    match graph.named(name) {
        Some(id) if *graph.ty(id) == TensorType::f32(&[]) => Ok(id),
        Some(_) => Err(GraphError::DuplicateName(name.to_owned())),
        None => graph.input(name, TensorType::f32(&[])),
    }
}

/// The graph of one step of training: forward, the gradients of `loss` by `parameters`, their updates, and all passes. Its outputs are those of `graph` and `loss`.
///
/// # Errors
/// As [`differentiate`] and [`Optimizer::update`].
pub fn training_graph(
    graph: &Graph,
    loss: ValueId,
    parameters: &[ValueId],
    optimizer: Optimizer,
) -> Result<Graph, GraphError> {
    let mut result = differentiate(graph, loss, parameters)?;
    for (parameter, gradient) in parameters.iter().zip(&result.gradients) {
        optimizer.update(&mut result.graph, *parameter, *gradient)?;
    }
    if !result.graph.outputs().iter().any(|(name, _)| name == "loss") {
        result.graph.output("loss", loss)?;
    }
    passes::optimize(&result.graph)
}
