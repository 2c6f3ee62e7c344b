//! The sampling chain itself.

use super::candidates::{Candidate, maximum, most_likely, sane};
use super::penalties::Penalties;
use super::{InvalidOption, Past, Pcg32, SamplerOptions};
use thiserror::Error;

/// How many of the most likely tokens top-p looks at first; four times as many whenever they do not reach the mass.
const FIRST_NUCLEUS: usize = 256;

/// Chooses tokens; the chain is described in the [module](super).
///
/// Its scratch memory grows to the vocabulary's size on the first step and is kept: later steps allocate nothing.
#[derive(Debug)]
pub struct Sampler {
    options: SamplerOptions,
    random: Pcg32,
    penalties: Penalties,
    penalised: Vec<f32>,
    candidates: Vec<Candidate>,
    weights: Vec<f32>,
}

/// No token can be chosen: every logit is NaN or `-inf`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("none of the {0} logits is a number; the model file is damaged, or its format is read wrongly")]
pub struct NoCandidate(
    /// How many logits there were.
    pub usize,
);

impl Sampler {
    /// A sampler whose generator starts at the seed of `options`.
    ///
    /// # Errors
    /// If an option lies outside its range.
    pub fn new(options: SamplerOptions) -> Result<Self, InvalidOption> {
        options.validate()?;
        Ok(Self {
            random: Pcg32::new(options.seed),
            options,
            penalties: Penalties::default(),
            penalised: Vec::new(),
            candidates: Vec::new(),
            weights: Vec::new(),
        })
    }

    /// The settings.
    pub fn options(&self) -> &SamplerOptions {
        &self.options
    }

    /// Chooses the next token from `logits` (one per token of the vocabulary).
    ///
    /// # Errors
    /// If no logit is above `-inf`.
    pub fn sample(&mut self, logits: &[f32], past: Past<'_>) -> Result<u32, NoCandidate> {
        if !Penalties::enabled(&self.options) {
            return self.choose(logits);
        }
        let mut penalised = std::mem::take(&mut self.penalised);
        penalised.clear();
        penalised.extend(logits.iter().map(|&logit| sane(logit)));
        self.penalties.apply(&self.options, past, &mut penalised);
        let chosen = self.choose(&penalised);
        self.penalised = penalised;
        chosen
    }

    fn choose(&mut self, logits: &[f32]) -> Result<u32, NoCandidate> {
        let max = maximum(logits);
        if max == f32::NEG_INFINITY {
            return Err(NoCandidate(logits.len()));
        }
        if self.options.temperature == 0.0 || self.options.top_k == 1 {
            let first = logits.iter().position(|&logit| sane(logit) == max);
            return first.map(|id| id as u32).ok_or(NoCandidate(logits.len()));
        }
        self.filter(logits, max);
        Ok(self.draw(max))
    }

    /// Fills `candidates` with the tokens that top-k, top-p and min-p leave: at least one.
    fn filter(&mut self, logits: &[f32], max: f32) {
        let top_k = match self.options.top_k {
            0 => logits.len(),
            k => k.min(logits.len()),
        };
        if top_k < logits.len() {
            most_likely(logits, top_k, &mut self.candidates);
            let total: f64 = self.candidates.iter().map(|c| weight(c.logit, max)).sum();
            if self.options.top_p < 1.0 {
                let kept = nucleus(&self.candidates, max, f64::from(self.options.top_p) * total);
                self.candidates.truncate(kept.unwrap_or(usize::MAX));
            }
        } else if self.options.top_p < 1.0 {
            let total: f64 = logits.iter().map(|&logit| weight(sane(logit), max)).sum();
            let mass = f64::from(self.options.top_p) * total;
            let mut n = FIRST_NUCLEUS;
            loop {
                most_likely(logits, n, &mut self.candidates);
                if let Some(kept) = nucleus(&self.candidates, max, mass) {
                    self.candidates.truncate(kept);
                    break;
                }
                if n >= logits.len() {
                    break;
                }
                n = n.saturating_mul(4);
            }
        } else {
            self.candidates.clear();
            self.candidates.extend(
                logits.iter().enumerate().map(|(id, &logit)| Candidate { logit: sane(logit), id: id as u32 }),
            );
        }
        if self.options.min_p > 0.0 {
            // exp(logit - max) >= min_p, without the exponential.
            let least = f64::from(self.options.min_p).ln();
            self.candidates.retain(|c| f64::from(c.logit) - f64::from(max) >= least);
        }
    }

    /// Draws one of `candidates` from the softmax of their logits at the temperature.
    fn draw(&mut self, max: f32) -> u32 {
        let inverse = 1.0 / f64::from(self.options.temperature);
        self.weights.clear();
        let mut total = 0.0_f64;
        for candidate in &self.candidates {
            let scaled = (f64::from(candidate.logit) - f64::from(max)) * inverse;
            let weight = (scaled as f32).exp();
            self.weights.push(weight);
            total += f64::from(weight);
        }
        let mut left = self.random.next_f64() * total;
        let mut chosen = 0;
        for (index, &weight) in self.weights.iter().enumerate() {
            if weight > 0.0 {
                chosen = index;
                left -= f64::from(weight);
                if left < 0.0 {
                    break;
                }
            }
        }
        self.candidates[chosen].id
    }
}

/// Probability of a logit relative to the most likely token's.
fn weight(logit: f32, max: f32) -> f64 {
    f64::from((logit - max).exp())
}

/// How many of `candidates` (most likely first) are needed to reach `mass`; `None` if all do not.
fn nucleus(candidates: &[Candidate], max: f32, mass: f64) -> Option<usize> {
    let mut sum = 0.0;
    for (index, candidate) in candidates.iter().enumerate() {
        sum += weight(candidate.logit, max);
        if sum >= mass {
            return Some(index + 1);
        }
    }
    None
}
