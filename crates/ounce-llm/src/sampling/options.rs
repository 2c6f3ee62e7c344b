//! The settings of a [`Sampler`](super::Sampler).

use thiserror::Error;

/// The settings of the sampling chain; [`Default`] switches every stage off but the temperature, which is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplerOptions {
    /// Divides the logits before the draw. 0 is greedy; 1 leaves the model's distribution as it is.
    pub temperature: f32,
    /// How many of the most likely tokens stay; 0 means all.
    pub top_k: usize,
    /// Probability mass that the most likely tokens must reach together, in (0, 1]; 1 means off.
    pub top_p: f32,
    /// Least probability of a token as a share of the most likely one's, in [0, 1]; 0 means off.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens seen in the window; 1 means off.
    pub repetition_penalty: f32,
    /// How many of the last tokens (prompt included) the repetition penalty looks at; 0 means all.
    pub penalty_window: usize,
    /// Subtracted from the logit of every token generated before; 0 means off.
    pub presence_penalty: f32,
    /// Subtracted from the logit once per time that the token was generated before; 0 means off.
    pub frequency_penalty: f32,
    /// Where all randomness comes from.
    pub seed: u64,
}

impl Default for SamplerOptions {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            penalty_window: 64,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: 0,
        }
    }
}

impl SamplerOptions {
    /// The most likely token at every step.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Whether every value lies in its range.
    ///
    /// # Errors
    /// The first option that does not, with its range.
    pub fn validate(&self) -> Result<(), InvalidOption> {
        let checks = [
            ("temperature", self.temperature, "0 or more", self.temperature >= 0.0),
            ("top-p", self.top_p, "above 0 and at most 1", self.top_p > 0.0 && self.top_p <= 1.0),
            ("min-p", self.min_p, "between 0 and 1", (0.0..=1.0).contains(&self.min_p)),
            ("repetition penalty", self.repetition_penalty, "above 0", self.repetition_penalty > 0.0),
            ("presence penalty", self.presence_penalty, "a finite number", true),
            ("frequency penalty", self.frequency_penalty, "a finite number", true),
        ];
        for (option, value, range, holds) in checks {
            if !(holds && value.is_finite()) {
                return Err(InvalidOption { option, value, range });
            }
        }
        Ok(())
    }
}

/// An option outside its range.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{option} is {value}; it must be {range}")]
pub struct InvalidOption {
    /// Name of the option.
    pub option: &'static str,
    /// What was given.
    pub value: f32,
    /// What is allowed.
    pub range: &'static str,
}
