//! What a network that learns on a device takes of the memory, for any scheme.

use ounce_formats::mcunet::Network as Mcunet;
use ounce_graph::{Graph, PlanOptions};
use ounce_import::mcunet::{McunetError, Options, import};

use crate::emit::{Budget, EmitError, EmitOptions, Entry, Measured, Memory, measure};
use crate::scheme::{Layer, Scheme, extra_memory, layers};
use crate::search::Verdict;
use crate::step::{Network, StepError, StepOptions, inference, training_step};

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The network cannot be imported.
    #[error(transparent)]
    Import(#[from] McunetError),
    /// The step of training cannot be built.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The program cannot be emitted.
    #[error(transparent)]
    Emit(#[from] EmitError),
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
    /// A planner for a network, its images having `size` rows and columns, or as many as the network was made for.
    ///
    /// # Errors
    /// If the network cannot be imported.
    pub fn new(network: &Mcunet, size: Option<usize>, options: StepOptions) -> Result<Self, PlanError> {
        let options_of = |save_masks| Options { size, save_masks, ..Options::default() };
        let imported = import(network, &options_of(true))?;
        let layers = layers(&imported.graph, &imported.convs);
        let inference = inference(&import(network, &options_of(false))?.into(), options.head)?;
        let entries = [Entry { name: "invoke", graph: &inference }];
        let floor = measure(&entries, &quick())?.memory.lower_bound;
        Ok(Self { inference, network: imported.into(), layers, options, floor })
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
        let mut memory = self.planned(scheme, &quick())?.memory;
        let least = Memory { arena: memory.lower_bound, ..memory };
        if !fits(&memory) && fits(&least) {
            memory = self.training(scheme)?.memory;
        }
        Ok(if fits(&memory) { Verdict::Fits(memory.sram(budget.stack)) } else { Verdict::TooLarge })
    }

    fn planned(&self, scheme: &Scheme, options: &EmitOptions) -> Result<Measured, PlanError> {
        let step = training_step(&self.network, scheme, &self.options)?;
        let entries =
            [Entry { name: "invoke", graph: &self.inference }, Entry { name: "train_step", graph: &step }];
        Ok(measure(&entries, options)?)
    }
}

/// The best of some orders, none searched for.
fn quick() -> EmitOptions {
    EmitOptions { plan: PlanOptions { iterations: 0, ..PlanOptions::default() }, ..EmitOptions::default() }
}
