//! Measuring contributions by training.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::Setting;
use crate::learn::{
    Checkpoint, Dataset, Event, Examples, LearnError, LearnOptions, Learner, Prepared, learn,
};
use crate::scheme::Scheme;
use crate::step::{Network, StepOptions};

/// Networks are cut before convolutions of such numbers: two blocks of a mobile network.
const CUTS: usize = 6;

/// Trains a network by one scheme after another, each time from the same start. What frozen convolutions give for the pictures is computed once for each place where the
/// network is cut.
#[derive(Debug)]
pub struct Analysis<'a> {
    network: &'a Network,
    data: &'a Dataset,
    setting: &'a Setting,
    threads: usize,
    /// Of training and of validation, by the convolution before which the network is cut.
    examples: HashMap<usize, [Examples; 2]>,
}

impl<'a> Analysis<'a> {
    /// Prepares to train `network`, which takes one image, on the training part of `data` and to measure on the validation part.
    pub fn new(network: &'a Network, data: &'a Dataset, setting: &'a Setting, threads: usize) -> Self {
        Self { network, data, setting, threads, examples: HashMap::new() }
    }

    /// The share of pictures that are classified correctly after a training by a scheme, the seed being the given one behind that of the setting. `go_on` is asked after every step and picture.
    ///
    /// # Errors
    /// If the scheme does not fit the network, or a picture cannot be read; [`LearnError::Stopped`].
    pub fn accuracy(
        &mut self,
        scheme: &Scheme,
        seed: usize,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<f64, LearnError> {
        let Setting { epochs, batch, rate, bias_rate, .. } = *self.setting;
        let seed = self.setting.seed + seed as u64;
        let network = self.network.with_classes(self.data.classes.len(), seed)?;
        let first = network.first_trained(scheme);
        let cut = first - first % CUTS;
        let prepared = Prepared::new(&network, cut, batch)?;
        let [train, validation] = match self.examples.entry(cut) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let flow = |_| if go_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
                let of = |part| Examples::of(&prepared, part, false, self.threads, &flow);
                place.insert([of(&self.data.train)?, of(&self.data.validation)?])
            }
        };
        let step = StepOptions::rounded(ounce_graph::ops::Rounding::Stochastic { seed });
        let mut learner = Learner::new(&prepared.network, scheme, &step, self.threads)?;
        let options = LearnOptions { epochs, rate, bias_rate, warmup: 0, seed };
        let mut stopped = false;
        let mut observe = |event: Event<'_>| {
            stopped |= matches!(event, Event::Step { .. }) && !go_on();
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        learn(&mut learner, train, None, &options, Checkpoint::default(), &mut observe)?;
        if stopped {
            return Err(LearnError::Stopped);
        }
        Ok(learner.evaluate(validation)?.accuracy)
    }
}
