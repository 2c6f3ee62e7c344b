//! The training loop.

use std::ops::ControlFlow;

use ounce_graph::train::Schedule;
use ounce_random::Pcg32;
use serde::{Deserialize, Serialize};

use super::{Checkpoint, Evaluation, Examples, LearnError, Learner};

/// How a training goes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LearnOptions {
    /// Passes over all examples.
    pub epochs: usize,
    /// Learning rate of weights at its highest: it rises over the first epochs and falls along half a cosine to 0.
    pub rate: f32,
    /// Learning rate of biases at its highest, likewise.
    pub bias_rate: f32,
    /// Epochs over which the rates rise.
    pub warmup: usize,
    /// Of the order of examples. Stochastic rounding has a seed of its own.
    pub seed: u64,
}

/// What came of an epoch.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The learning rate of weights at its end.
    pub rate: f32,
    /// Mean loss of the examples, each before its step.
    pub loss: f64,
    /// How good the network was at its end on examples that it was not trained on, if there are any.
    pub test: Option<Evaluation>,
}

/// What a training tells about itself.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step was taken.
    Step {
        /// Steps taken in this epoch.
        done: u64,
        /// Steps of an epoch.
        of: u64,
        /// Loss of the step.
        loss: f32,
    },
    /// An epoch ended; this is where the training could go on.
    Epoch(&'a Checkpoint),
}

/// Trains on `train` from where `start` ended, until `options.epochs` epochs were done or `observe` breaks off. An epoch that was broken off leaves no trace: what is returned is the end of the last whole epoch.
///
/// # Errors
/// If examples or checkpoint are not those of the learner.
pub fn learn(
    learner: &mut Learner,
    train: &Examples,
    test: Option<&Examples>,
    options: &LearnOptions,
    start: Checkpoint,
    observe: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Checkpoint, LearnError> {
    let mut checkpoint = start;
    if !checkpoint.parameters.is_empty() {
        learner.restore(&checkpoint.parameters)?;
    }
    let batch = learner.batch();
    let steps = train.len().div_ceil(batch) as u64;
    let rising = options.warmup.min(options.epochs) as u64 * steps;
    let schedule = Schedule::Cosine { peak: 1.0, warmup: rising, total: options.epochs as u64 * steps };
    for epoch in checkpoint.epochs.len()..options.epochs {
        // An epoch's order does not depend on how the ones before it went.
        let mut random = Pcg32::with_stream(options.seed, epoch as u64);
        let mut order: Vec<usize> = (0..train.len()).collect();
        random.shuffle(&mut order);
        let versions = train.versions() as u32;
        let (mut loss, mut share) = (0.0, 0.0);
        for (done, picks) in order.chunks(batch).enumerate() {
            let picks: Vec<(usize, usize)> =
                picks.iter().map(|index| (*index, random.below(versions) as usize)).collect();
            let number = epoch as u64 * steps + done as u64;
            share = schedule.rate(number);
            let rates = [options.rate * share, options.bias_rate * share];
            let own = learner.step(train, &picks, rates, number)?;
            loss += f64::from(own) * picks.len() as f64;
            let event = Event::Step { done: done as u64 + 1, of: steps, loss: own };
            if observe(event).is_break() {
                return Ok(checkpoint);
            }
        }
        let test = test.map(|examples| learner.evaluate(examples)).transpose()?;
        let loss = loss / train.len().max(1) as f64;
        checkpoint.epochs.push(Epoch { epoch: epoch + 1, rate: options.rate * share, loss, test });
        checkpoint.parameters = learner.parameters()?;
        if observe(Event::Epoch(&checkpoint)).is_break() {
            break;
        }
    }
    Ok(checkpoint)
}
