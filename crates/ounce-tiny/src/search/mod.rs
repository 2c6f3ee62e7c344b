//! The scheme that is expected to be the most accurate within some memory (Lin et al. 2022, section 3.2, "evolutionary search").
//!
//! What is accurate is told by a [`Prediction`], what fits by the caller: a function of the scheme that gives a [`Verdict`], be it by the memory of the emitted training step or by the original's
//! formula. How often it may be called bounds a search, so it is never asked twice about a scheme, nor about one that trains all of another that did not fit: more
//! is taken not to need less. The first to be asked about is the least scheme, the classifier alone: if it does not fit, nothing does.
//!
//! Of schemes of equal accuracy the one that takes less memory is the better.

mod evolution;
mod genome;

pub use self::evolution::{evolve, random};
use self::genome::Genome;
use crate::contribution::Prediction;
use crate::scheme::Scheme;
use ounce_random::Pcg32;
use std::collections::HashMap;

/// How a search goes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SearchOptions {
    /// Schemes of which it is asked whether they fit.
    pub evaluations: usize,
    /// Schemes that are kept from one generation to the next.
    pub population: usize,
    /// Probability that a part of a scheme is changed in a mutation.
    pub mutation: f64,
    /// Of all that is random.
    pub seed: u64,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { evaluations: 10_000, population: 64, mutation: 0.1, seed: 0 }
    }
}

/// What is known about a scheme's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It fits and takes so much, in whatever unit.
    Fits(u64),
    /// It does not fit.
    TooLarge,
    /// Nobody wants to know any more: the search ends with the best so far.
    Stop,
}

/// Accuracies that differ by no more are equal: the same gains, added up in another order.
const TIE: f64 = 1e-13;

/// What a search found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The best scheme that fits.
    pub scheme: Scheme,
    /// Its predicted accuracy.
    pub accuracy: f64,
    /// The memory that it takes, as its [`Verdict`] said.
    pub memory: u64,
    /// Schemes of which it was asked whether they fit.
    pub evaluations: usize,
    /// Whenever a better one was found: after how many evaluations, and its predicted accuracy.
    pub progress: Vec<(usize, f64)>,
}

/// What the ways to search share: the memory of what fits, and the best.
struct Search<'a, F> {
    prediction: &'a Prediction,
    options: &'a SearchOptions,
    fits: F,
    known: HashMap<Genome, bool>,
    /// What did not fit.
    refused: Vec<Genome>,
    random: Pcg32,
    best: Option<Best>,
    progress: Vec<(usize, f64)>,
    stopped: bool,
}

/// The best so far.
struct Best {
    genome: Genome,
    accuracy: f64,
    memory: u64,
}

impl<'a, E, F: FnMut(&Scheme) -> Result<Verdict, E>> Search<'a, F> {
    /// A search that knows about the least scheme; `None` if not even that fits.
    fn new(prediction: &'a Prediction, options: &'a SearchOptions, fits: F) -> Result<Option<Self>, E> {
        let random = Pcg32::new(options.seed);
        let (known, refused, progress) = (HashMap::new(), Vec::new(), Vec::new());
        let mut search =
            Self { prediction, options, fits, known, refused, random, best: None, progress, stopped: false };
        let least = search.fits(&Genome::least(prediction))?;
        Ok(least.then_some(search))
    }

    fn exhausted(&self) -> bool {
        self.stopped || self.known.len() >= self.options.evaluations.max(1)
    }

    fn accuracy(&self, genome: &Genome) -> f64 {
        self.prediction.accuracy(&genome.scheme(self.prediction))
    }

    /// Whether a scheme fits; `false` once nothing more may be asked.
    fn fits(&mut self, genome: &Genome) -> Result<bool, E> {
        if let Some(fits) = self.known.get(genome) {
            return Ok(*fits);
        }
        if self.exhausted() || self.refused.iter().any(|refused| genome.covers(refused)) {
            return Ok(false);
        }
        match (self.fits)(&genome.scheme(self.prediction))? {
            Verdict::Fits(memory) => {
                self.known.insert(genome.clone(), true);
                self.judge(genome, memory);
                Ok(true)
            }
            Verdict::TooLarge => {
                self.known.insert(genome.clone(), false);
                self.refused.retain(|refused| !refused.covers(genome));
                self.refused.push(genome.clone());
                Ok(false)
            }
            Verdict::Stop => {
                self.stopped = true;
                Ok(false)
            }
        }
    }

    /// Takes a scheme for the best if it is.
    fn judge(&mut self, genome: &Genome, memory: u64) {
        let accuracy = self.accuracy(genome);
        let most = self.progress.last().map_or(f64::NEG_INFINITY, |(_, most)| *most);
        let ties = accuracy >= most - TIE && self.best.as_ref().is_some_and(|best| memory < best.memory);
        if accuracy > most + TIE || ties || self.best.is_none() {
            self.best = Some(Best { genome: genome.clone(), accuracy, memory });
        }
        if accuracy > most {
            self.progress.push((self.known.len(), accuracy));
        }
    }

    /// Takes parts of a scheme away until it fits. `None` if it is then no better than `least`, or nothing more may be asked.
    fn repair(&mut self, mut genome: Genome, least: f64) -> Result<Option<(f64, Genome)>, E> {
        loop {
            let accuracy = self.accuracy(&genome);
            if accuracy <= least {
                return Ok(None);
            }
            if self.fits(&genome)? {
                return Ok(Some((accuracy, genome)));
            }
            match genome.shrunk(self.prediction, &mut self.random) {
                Some(smaller) if !self.exhausted() => genome = smaller,
                _ => return Ok(None),
            }
        }
    }

    fn found(self) -> Option<Found> {
        let Best { genome, accuracy, memory } = self.best?;
        let (scheme, evaluations) = (genome.scheme(self.prediction), self.known.len());
        Some(Found { scheme, accuracy, memory, evaluations, progress: self.progress })
    }
}
