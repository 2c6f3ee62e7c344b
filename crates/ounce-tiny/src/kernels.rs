//! Which gradients the run-time has kernels for.

use ounce_graph::Graph;

use crate::emit::{EmitError, EmitOptions, Entry, measure};
use crate::scheme::Scheme;
use crate::step::{Network, Reach, StepOptions, training_step};

/// The name of the function that infers.
pub(crate) const INVOKE: &str = "invoke";
/// The name of the function that takes a step of training.
pub(crate) const TRAIN_STEP: &str = "train_step";

/// The functions of a program that learns.
pub(crate) fn entries<'a>(inference: &'a Graph, step: &'a Graph) -> [Entry<'a>; 2] {
    [Entry { name: INVOKE, graph: inference }, Entry { name: TRAIN_STEP, graph: step }]
}

/// A step of training that the run-time has no kernel for.
#[derive(Debug, thiserror::Error)]
#[error("{source}; {reach}")]
pub struct NoKernel {
    /// What has none.
    pub source: EmitError,
    /// What a device can train of the network.
    pub reach: Reach,
}

impl NoKernel {
    /// An error of compilation, with what a device can train instead of a scheme where a gradient is what has no kernel. `other` takes all other errors.
    pub(crate) fn explain<E: From<Self>>(
        source: EmitError,
        network: &Network,
        scheme: &Scheme,
        options: &StepOptions,
        other: impl FnOnce(EmitError) -> E,
    ) -> E {
        match &source {
            EmitError::Unsupported { function, .. } if function == TRAIN_STEP => {
                let works = |scheme: &Scheme| {
                    let step = training_step(network, scheme, options);
                    step.is_ok_and(|step| {
                        let entry = Entry { name: TRAIN_STEP, graph: &step };
                        measure(&[entry], &EmitOptions::quick()).is_ok()
                    })
                };
                let reach = Reach::within(network, scheme.biases, works);
                Self { source, reach }.into()
            }
            _ => other(source),
        }
    }
}
