//! A network in training.

use std::collections::BTreeMap;

use ounce_graph::{Executor, Graph, PlanOptions, Slice, SliceMut, Tensor, passes, plan};
use ounce_kernels::ThreadPool;
use serde::{Deserialize, Serialize};

use super::{Examples, LearnError};
use crate::scheme::Scheme;
use crate::step::{BIAS_RATE, LABEL, Network, RATE, STEP, StepOptions, inference, training_step};

/// No class: an example of this label does not count.
const NO_LABEL: i32 = -1;

/// How good a network is on some examples.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross entropy.
    pub loss: f64,
    /// Share of examples whose largest logit is that of their class, the first of equal ones being taken.
    pub accuracy: f64,
}

/// A network in training: takes steps, evaluates, gives and takes its parameters.
#[derive(Debug)]
pub struct Learner {
    step: Executor,
    pool: ThreadPool,
    /// One for every thread.
    inference: Vec<Executor>,
    /// Parameters with updates, residuals among them.
    trained: Vec<String>,
    /// Names of values and the bytes of one example.
    inputs: Vec<(String, usize)>,
    batch: usize,
    counts: bool,
}

/// The executor of a graph after all passes. On this machine memory is not scarce, so the plan need not be the best.
fn executor(graph: &Graph) -> Result<Executor, LearnError> {
    let graph = passes::optimize(graph)?;
    let plan = plan::plan(&graph, &PlanOptions { iterations: 0, ..PlanOptions::default() })?;
    Ok(Executor::new(&graph, &plan)?)
}

impl Learner {
    /// Prepares the training of a network by a scheme.
    ///
    /// # Errors
    /// If the scheme does not fit the network.
    pub fn new(
        network: &Network,
        scheme: &Scheme,
        options: &StepOptions,
        threads: usize,
    ) -> Result<Self, LearnError> {
        let step = training_step(network, scheme, options)?;
        let trained = step.updates().iter().map(|(id, _)| step.value(*id).name.clone()).collect();
        let logits = inference(network, options.head)?;
        let (mut inputs, mut batch) = (Vec::new(), 1);
        for id in network.graph.inputs() {
            let ty = network.graph.ty(*id);
            batch = ty.shape.first().copied().unwrap_or(1).max(1);
            inputs.push((network.graph.value(*id).name.clone(), ty.elements() / batch));
        }
        Ok(Self {
            counts: step.named(STEP).is_some(),
            step: executor(&step)?,
            pool: ThreadPool::new(threads.max(1)),
            inference: (0..threads.max(1)).map(|_| executor(&logits)).collect::<Result<_, _>>()?,
            trained,
            inputs,
            batch,
        })
    }

    /// Images a step.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Takes a step on some examples, each given by its number and version, and gives their mean loss before it. Less than a batch of them are averaged among
    /// themselves. `number` is the step's.
    ///
    /// # Errors
    /// If the examples are not those of this network.
    pub fn step(
        &mut self,
        examples: &Examples,
        picks: &[(usize, usize)],
        [rate, bias_rate]: [f32; 2],
        number: u64,
    ) -> Result<f32, LearnError> {
        self.check(examples)?;
        give(&mut self.step, examples, picks, self.batch)?;
        if let SliceMut::I32(labels) = self.step.input_slice_mut(LABEL)? {
            labels.fill(NO_LABEL);
            labels.iter_mut().zip(picks).for_each(|(label, (index, _))| *label = examples.label(*index));
        }
        self.step.set_input(RATE, &Tensor::scalar(rate))?;
        self.step.set_input(BIAS_RATE, &Tensor::scalar(bias_rate))?;
        if self.counts {
            self.step.set_input(STEP, &Tensor::i32(&[], vec![number as i32])?)?;
        }
        self.step.run(&mut self.pool);
        match self.step.output_slice("loss")? {
            Slice::F32([loss, ..]) => Ok(*loss),
            _ => Err(LearnError::Examples("the step gives no loss".to_owned())),
        }
    }

    /// How good the network is now on all examples, as they are (not mirrored).
    ///
    /// # Errors
    /// If the examples are not those of this network.
    pub fn evaluate(&mut self, examples: &Examples) -> Result<Evaluation, LearnError> {
        self.check(examples)?;
        let parameters = self.parameters()?;
        let (batch, count) = (self.batch, examples.len());
        let share = count.div_ceil(self.inference.len()).next_multiple_of(batch);
        let parts = std::thread::scope(|scope| {
            let work = self.inference.iter_mut().enumerate().map(|(at, executor)| {
                let part = (at * share).min(count)..((at + 1) * share).min(count);
                let parameters = &parameters;
                scope.spawn(move || evaluate(executor, parameters, examples, part, batch))
            });
            let work: Vec<_> = work.collect();
            let panicked = |_| Err(LearnError::Examples("a thread gave up".to_owned()));
            work.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect::<Vec<_>>()
        });
        // Losses are added example by example, however they were shared out.
        let (mut loss, mut correct) = (0.0, 0);
        for part in parts {
            for (own, right) in part? {
                loss += own;
                correct += usize::from(right);
            }
        }
        let count = count.max(1) as f64;
        Ok(Evaluation { loss: loss / count, accuracy: correct as f64 / count })
    }

    /// Everything that training changes, by name: trained weights and biases, and what rounding took away.
    ///
    /// # Errors
    /// None: every name is one of the step's.
    pub fn parameters(&self) -> Result<BTreeMap<String, Tensor>, LearnError> {
        let one = |name: &String| Ok((name.clone(), self.step.parameter(name)?));
        self.trained.iter().map(one).collect()
    }

    /// Goes on from other parameters.
    ///
    /// # Errors
    /// If they are not those of this training.
    pub fn restore(&mut self, parameters: &BTreeMap<String, Tensor>) -> Result<(), LearnError> {
        if let Some(name) = self.trained.iter().find(|name| !parameters.contains_key(*name)) {
            return Err(LearnError::Checkpoint(format!("{name} is missing")));
        }
        for (name, value) in parameters {
            if !self.trained.contains(name) {
                return Err(LearnError::Checkpoint(format!("{name} is not trained here")));
            }
            let refused = |error| LearnError::Checkpoint(format!("{error}"));
            self.step.set_parameter(name, value).map_err(refused)?;
        }
        Ok(())
    }

    fn check(&self, examples: &Examples) -> Result<(), LearnError> {
        let own = self.inputs.iter().map(|(name, len)| (name.as_str(), *len));
        if own.eq(examples.inputs()) {
            return Ok(());
        }
        let list = |values: Vec<(&str, usize)>| {
            let text = values.iter().map(|(name, len)| format!("{name} of {len} bytes"));
            text.collect::<Vec<_>>().join(", ")
        };
        let own = list(self.inputs.iter().map(|(name, len)| (name.as_str(), *len)).collect());
        let given = list(examples.inputs().collect());
        Err(LearnError::Examples(format!("it takes {own}, the examples are {given}")))
    }
}

/// Gives a batch of examples to an executor; what is missing of a batch is zeros.
fn give(
    executor: &mut Executor,
    examples: &Examples,
    picks: &[(usize, usize)],
    batch: usize,
) -> Result<(), LearnError> {
    for (input, (name, len)) in examples.inputs().enumerate() {
        let SliceMut::I8(to) = executor.input_slice_mut(name)? else { continue };
        for (to, (index, version)) in to.chunks_exact_mut(len.max(1)).zip(picks) {
            to.copy_from_slice(examples.value(input, *index, *version));
        }
        to[picks.len().min(batch) * len..].fill(0);
    }
    Ok(())
}

/// Loss and rightness of some examples.
fn evaluate(
    executor: &mut Executor,
    parameters: &BTreeMap<String, Tensor>,
    examples: &Examples,
    part: std::ops::Range<usize>,
    batch: usize,
) -> Result<Vec<(f64, bool)>, LearnError> {
    let mut pool = ThreadPool::new(1);
    let known: Vec<String> = executor.parameter_names().into_iter().map(str::to_owned).collect();
    for name in known {
        if let Some(value) = parameters.get(&name) {
            executor.set_parameter(&name, value)?;
        }
    }
    let mut found = Vec::with_capacity(part.len());
    for first in part.clone().step_by(batch) {
        let picks: Vec<(usize, usize)> =
            (first..part.end.min(first + batch)).map(|index| (index, 0)).collect();
        give(executor, examples, &picks, batch)?;
        executor.run(&mut pool);
        let Slice::F32(logits) = executor.output_slice("logits")? else { continue };
        let classes = (logits.len() / batch).max(1);
        for (logits, (index, _)) in logits.chunks_exact(classes).zip(&picks) {
            found.push(judge(logits, examples.label(*index)));
        }
    }
    Ok(found)
}

/// The cross entropy of a label, and whether its logit is the first of the largest. A label that is no class has an infinite loss.
fn judge(logits: &[f32], label: i32) -> (f64, bool) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
    let first = logits.iter().position(|x| *x == most);
    let label = usize::try_from(label).unwrap_or(usize::MAX);
    let loss = logits.get(label).map_or(f64::INFINITY, |own| sum.ln() - f64::from(own - most));
    (loss, first == Some(label))
}
