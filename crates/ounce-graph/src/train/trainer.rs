//! The training loop.

use std::ops::ControlFlow;

use ounce_kernels::ThreadPool;

use super::{Checkpoint, LEARNING_RATE, STEP, Schedule};
use crate::error::GraphError;
use crate::execute::Executor;
use crate::graph::Graph;
use crate::plan::{MemoryPlan, PlanOptions, plan};
use crate::tensor::{Slice, SliceMut, Tensor};

/// What a callback is told after every step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Progress {
    /// Steps taken so far, this one included.
    pub steps: u64,
    /// The loss before this step's update.
    pub loss: f32,
    /// The learning rate of this step.
    pub rate: f32,
}

/// Runs a [training graph](super::training_graph) step by step.
#[derive(Debug)]
pub struct Trainer {
    executor: Executor,
    plan: MemoryPlan,
    schedule: Schedule,
    steps: u64,
    counts: bool,
    rated: bool,
}

impl Trainer {
    /// Plans memory and prepares the first step. The graph has an output `loss` of one float; the inputs [`LEARNING_RATE`] and [`STEP`] are set by the trainer
    /// where the graph has them.
    ///
    /// # Errors
    /// As [`plan`] and [`Executor::new`], or if there is no output `loss`.
    pub fn new(graph: &Graph, schedule: Schedule, options: &PlanOptions) -> Result<Self, GraphError> {
        let plan = plan(graph, options)?;
        let executor = Executor::new(graph, &plan)?;
        executor.output("loss")?;
        let has = |name: &str| graph.inputs().iter().any(|id| graph.value(*id).name == name);
        Ok(Self { executor, plan, schedule, steps: 0, counts: has(STEP), rated: has(LEARNING_RATE) })
    }

    /// The plan of the memory that a step takes.
    pub fn plan(&self) -> &MemoryPlan {
        &self.plan
    }

    /// The executor, for instance to read parameters or further outputs.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Takes one step on a batch, given as inputs by name.
    ///
    /// # Errors
    /// If an input is not one of the graph's or has another type.
    pub fn step(&mut self, pool: &mut ThreadPool, batch: &[(&str, &Tensor)]) -> Result<Progress, GraphError> {
        let rate = self.schedule.rate(self.steps);
        if self.rated {
            self.set_scalar(LEARNING_RATE, rate)?;
        }
        if self.counts {
            self.set_scalar(STEP, (self.steps + 1) as f32)?;
        }
        for (name, data) in batch {
            self.executor.set_input(name, data)?;
        }
        self.executor.run(pool);
        self.steps += 1;
        let loss = match self.executor.output_slice("loss")? {
            Slice::F32([loss, ..]) => *loss,
            _ => f32::NAN,
        };
        Ok(Progress { steps: self.steps, loss, rate })
    }

    fn set_scalar(&mut self, name: &str, value: f32) -> Result<(), GraphError> {
        if let SliceMut::F32(scalar) = self.executor.input_slice_mut(name)? {
            scalar.fill(value);
        }
        Ok(())
    }

    /// Takes steps while `batch` gives data (inputs by name) and `progress` wants more.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn fit<'a>(
        &mut self,
        pool: &mut ThreadPool,
        mut batch: impl FnMut(u64) -> Option<Vec<(&'a str, Tensor)>>,
        mut progress: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), GraphError> {
        while let Some(data) = batch(self.steps) {
            let data: Vec<(&str, &Tensor)> = data.iter().map(|(name, data)| (*name, data)).collect();
            if progress(&self.step(pool, &data)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// All parameters and the number of steps.
    ///
    /// # Errors
    /// None: every name is one of the executor's.
    pub fn checkpoint(&self) -> Result<Checkpoint, GraphError> {
        let names = self.executor.parameter_names();
        let parameters = names
            .into_iter()
            .map(|name| Ok((name.to_owned(), self.executor.parameter(name)?)))
            .collect::<Result<_, GraphError>>()?;
        Ok(Checkpoint { parameters, steps: self.steps })
    }

    /// Goes on from a checkpoint. Parameters that it does not name stay.
    ///
    /// # Errors
    /// If it names a parameter that the graph does not have, or with another type.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), GraphError> {
        for (name, data) in &checkpoint.parameters {
            self.executor.set_parameter(name, data)?;
        }
        self.steps = checkpoint.steps;
        Ok(())
    }
}
