//! Penalties against repeating oneself.

use super::SamplerOptions;

/// The tokens before the one that is to be chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Past<'a> {
    /// What the model was given.
    pub prompt: &'a [u32],
    /// What was sampled since.
    pub generated: &'a [u32],
    /// Tokens that are never penalised, in ascending order. What ends a turn must be among them: it stands in the prompt after every turn,
    /// and a model that is kept from it cannot stop.
    pub spared: &'a [u32],
}

/// Counts how often each token occurred, without allocating after the first step.
#[derive(Debug, Default)]
pub(super) struct Penalties {
    /// One counter per token of the vocabulary, all zero between steps.
    counts: Vec<u32>,
}

impl Penalties {
    /// Whether `options` change any logit.
    pub(super) fn enabled(options: &SamplerOptions) -> bool {
        options.repetition_penalty != 1.0
            || options.presence_penalty != 0.0
            || options.frequency_penalty != 0.0
    }

    /// Changes the logits of tokens that occurred before, the spared ones excepted.
    ///
    /// * Repetition (Keskar et al. 2019, as in Hugging Face and llama.cpp): a positive logit of a token among the last
    ///   `penalty_window` tokens of prompt and answer is divided by the penalty, a negative one multiplied by it, once
    ///   however often the token occurs.
    /// * Frequency and presence (as in OpenAI's API): over the sampled tokens alone, without a window,
    ///   `logit -= count * frequency_penalty + (count > 0) * presence_penalty`.
    pub(super) fn apply(&mut self, options: &SamplerOptions, past: Past<'_>, logits: &mut [f32]) {
        self.counts.resize(logits.len(), 0);
        if options.repetition_penalty != 1.0 {
            self.repetition(options, past, logits);
        }
        if options.presence_penalty != 0.0 || options.frequency_penalty != 0.0 {
            self.frequency(options, past, logits);
        }
    }

    fn repetition(&mut self, options: &SamplerOptions, past: Past<'_>, logits: &mut [f32]) {
        let window = if options.penalty_window == 0 { usize::MAX } else { options.penalty_window };
        let generated = last(past.generated, window);
        let prompt = last(past.prompt, window - generated.len());
        for &token in prompt.iter().chain(generated) {
            let Some(count) = self.counts.get_mut(token as usize) else { continue };
            if std::mem::replace(count, 1) == 0 && past.spared.binary_search(&token).is_err() {
                let logit = &mut logits[token as usize];
                *logit = if *logit > 0.0 {
                    *logit / options.repetition_penalty
                } else {
                    *logit * options.repetition_penalty
                };
            }
        }
        self.clear(prompt);
        self.clear(generated);
    }

    fn frequency(&mut self, options: &SamplerOptions, past: Past<'_>, logits: &mut [f32]) {
        for &token in past.generated {
            if let Some(count) = self.counts.get_mut(token as usize) {
                *count += 1;
            }
        }
        for &token in past.generated {
            let Some(count) = self.counts.get_mut(token as usize) else { continue };
            let times = std::mem::take(count);
            if times > 0 && past.spared.binary_search(&token).is_err() {
                logits[token as usize] -= times as f32 * options.frequency_penalty + options.presence_penalty;
            }
        }
    }

    fn clear(&mut self, tokens: &[u32]) {
        for &token in tokens {
            if let Some(count) = self.counts.get_mut(token as usize) {
                *count = 0;
            }
        }
    }
}

/// The last `n` tokens, or all if there are fewer.
fn last(tokens: &[u32], n: usize) -> &[u32] {
    &tokens[tokens.len().saturating_sub(n)..]
}
