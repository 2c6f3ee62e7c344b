//! The scheme that is expected to be the most accurate within some memory (Lin et al. 2022, section 3.2, "evolutionary search").
//!
//! What is accurate is told by a [`Prediction`], what fits by the caller: a function of the scheme, be it the memory of the emitted training step or the original's
//! formula. How often it may be called bounds a search, so it is never asked twice about a scheme, nor about one that trains all of another that did not fit: more
//! is taken not to need less.

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

/// What a search found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The best scheme that fits.
    pub scheme: Scheme,
    /// Its predicted accuracy.
    pub accuracy: f64,
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
    best: Option<Genome>,
    progress: Vec<(usize, f64)>,
}

impl<'a, E, F: FnMut(&Scheme) -> Result<bool, E>> Search<'a, F> {
    fn new(prediction: &'a Prediction, options: &'a SearchOptions, fits: F) -> Self {
        let random = Pcg32::new(options.seed);
        let (known, refused, progress) = (HashMap::new(), Vec::new(), Vec::new());
        Self { prediction, options, fits, known, refused, random, best: None, progress }
    }

    fn exhausted(&self) -> bool {
        self.known.len() >= self.options.evaluations
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
        let fits = (self.fits)(&genome.scheme(self.prediction))?;
        self.known.insert(genome.clone(), fits);
        if !fits {
            self.refused.retain(|refused| !refused.covers(genome));
            self.refused.push(genome.clone());
            return Ok(false);
        }
        let accuracy = self.accuracy(genome);
        if self.progress.last().is_none_or(|(_, best)| accuracy > *best) {
            self.best = Some(genome.clone());
            self.progress.push((self.known.len(), accuracy));
        }
        Ok(true)
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
        let best = self.best?;
        let accuracy = self.progress.last()?.1;
        let evaluations = self.known.len();
        Some(Found { scheme: best.scheme(self.prediction), accuracy, evaluations, progress: self.progress })
    }
}
