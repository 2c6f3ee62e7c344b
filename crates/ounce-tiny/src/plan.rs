//! What a network that learns on a device takes of the memory, for any scheme.

use ounce_graph::Graph;

use crate::emit::{Budget, EmitError, EmitOptions, Entry, Measured, Memory, measure};
use crate::kernels::{NoKernel, entries};
use crate::scheme::{Layer, Scheme, extra_memory, layers};
use crate::search::Verdict;
use crate::step::{Network, StepError, StepOptions, inference, training_step};

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The step of training cannot be built.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The program cannot be emitted.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// A gradient that the scheme needs has no kernel.
    #[error(transparent)]
    NoKernel(#[from] NoKernel),
}

/// Plans programs that infer and train one network, each for a scheme of its own.
#[derive(Clone, Debug)]
pub struct Planner {
    inference: Graph,
    network: Network,
    layers: Vec<Layer>,
    options: StepOptions,
    /// The most bytes that inference needs together.
    floor: u64,
}

impl Planner {
    /// A planner for a network that takes one image.
    ///
    /// # Errors
    /// If its inference cannot be compiled to C.
    pub fn new(network: Network, options: StepOptions) -> Result<Self, PlanError> {
        let layers = layers(&network.graph, &network.convs);
        let inference = inference(&network, options.head)?;
        let entries = [Entry { name: "invoke", graph: &inference }];
        let floor = measure(&entries, &EmitOptions::quick())?.memory.lower_bound;
        Ok(Self { inference, network, layers, options, floor })
    }

    /// The convolutions, without the classifier.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The graph of inference.
    pub fn graph(&self) -> &Graph {
        &self.inference
    }

    /// What inference alone takes.
    ///
    /// # Errors
    /// If the network cannot be compiled to C.
    pub fn inference(&self) -> Result<Measured, PlanError> {
        Ok(measure(&[Entry { name: "invoke", graph: &self.inference }], &EmitOptions::default())?)
    }

    /// What a program takes that infers, `invoke`, and trains by a scheme, `train_step`: what [`emit`](crate::emit::emit) makes of both.
    ///
    /// # Errors
    /// If the scheme does not fit the network, or the step cannot be compiled to C.
    pub fn training(&self, scheme: &Scheme) -> Result<Measured, PlanError> {
        self.planned(scheme, &EmitOptions::default())
    }

    /// Whether such a program fits, and what SRAM it takes then. Whether is what [`Self::training`] says, but no packing is searched for where the first one fits or none can; so its
    /// memory may be a little less.
    ///
    /// # Errors
    /// Those of [`Self::training`].
    pub fn fits(&self, scheme: &Scheme, budget: &Budget) -> Result<Verdict, PlanError> {
        let extra = extra_memory(&self.layers, scheme);
        let least =
            Memory { arena: self.floor, state: (extra.weights + extra.biases) / 8, ..Memory::default() };
        if least.sram(budget.stack) > budget.sram {
            return Ok(Verdict::TooLarge);
        }
        let fits = |memory: &Memory| budget.check(memory).is_ok();
        let mut memory = self.planned(scheme, &EmitOptions::quick())?.memory;
        let least = Memory { arena: memory.lower_bound, ..memory };
        if !fits(&memory) && fits(&least) {
            memory = self.training(scheme)?.memory;
        }
        Ok(if fits(&memory) { Verdict::Fits(memory.sram(budget.stack)) } else { Verdict::TooLarge })
    }

    /// Whether a program by a scheme can be compiled at all.
    ///
    /// # Errors
    /// Those of [`Self::training`].
    pub fn check(&self, scheme: &Scheme) -> Result<(), PlanError> {
        self.planned(scheme, &EmitOptions::quick()).map(|_| ())
    }

    fn planned(&self, scheme: &Scheme, options: &EmitOptions) -> Result<Measured, PlanError> {
        let step = training_step(&self.network, scheme, &self.options)?;
        let entries = entries(&self.inference, &step);
        let measured = measure(&entries, options);
        measured
            .map_err(|error| NoKernel::explain(error, &self.network, scheme, &self.options, PlanError::Emit))
    }
}
