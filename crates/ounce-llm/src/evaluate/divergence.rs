//! How far a model's predictions are from another's.

use super::statistics::{Mean, log_sum_exp, percentile};
use super::windows::Windows;
use super::{EvaluateError, Perplexity, Progress, Protocol};
use crate::session::Session;
use std::ops::ControlFlow;

/// Logits of the other model that are kept at once, in elements (64 MiB).
const KEPT: usize = 16 << 20;

/// The Kullback-Leibler divergence of a model from another one, over the scored tokens of a protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// The model's perplexity.
    pub model: Perplexity,
    /// The other's.
    pub against: Perplexity,
    /// Mean over the tokens of `KL(against || model)`, in nats.
    pub kl: f64,
    /// Standard error of `kl`.
    pub kl_standard_error: f64,
    /// Percentiles 50, 90, 95 and 99 of the single tokens' divergences.
    pub kl_percentiles: [f64; 4],
    /// The largest of them.
    pub kl_max: f64,
    /// Share of tokens for which both models find the same next token most likely.
    pub top1: f64,
    /// Standard error of `top1`.
    pub top1_standard_error: f64,
}

#[derive(Default)]
struct Sums {
    model: Mean,
    against: Mean,
    kl: Mean,
    same: Mean,
    all: Vec<f32>,
}

impl Sums {
    /// Takes in one position; `false` if a logit is no number.
    fn add(&mut self, model: &[f32], against: &[f32], target: usize) -> bool {
        let (log_model, log_against) = (log_sum_exp(model), log_sum_exp(against));
        let mut kl = 0.0;
        let mut best = [0, 0];
        for (id, (&m, &a)) in model.iter().zip(against).enumerate() {
            if m > model[best[0]] {
                best[0] = id;
            }
            if a > against[best[1]] {
                best[1] = id;
            }
            let log_p = f64::from(a) - log_against;
            let p = log_p.exp();
            // What the other model excludes adds nothing.
            if p > 0.0 {
                kl += p * (log_p - (f64::from(m) - log_model));
            }
        }
        self.model.add(log_model - f64::from(model[target]));
        self.against.add(log_against - f64::from(against[target]));
        // Rounding can take a divergence of zero a little below it.
        let kl = if kl < 0.0 { 0.0 } else { kl };
        self.kl.add(kl);
        self.all.push(kl as f32);
        self.same.add(f64::from(u8::from(best[0] == best[1])));
        !kl.is_nan()
    }
}

/// Measures how far `session`'s model is from `against`'s on `tokens`, and the perplexity of both.
///
/// Both read the same windows side by side, a slice at a time, so memory does not grow with the window.
/// `progress` is called after every window; on [`ControlFlow::Break`] the result covers the windows done.
///
/// # Errors
/// As [`perplexity`](super::perplexity()); models with vocabularies of different sizes.
pub fn divergence(
    session: &mut Session,
    against: &mut Session,
    tokens: &[u32],
    protocol: Protocol,
    chunks: Option<usize>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Divergence, EvaluateError> {
    let windows = Windows::new(session, tokens, protocol, chunks)?;
    Windows::new(against, tokens, protocol, chunks)?;
    let vocab_size = session.model().config().vocab_size;
    let other_size = against.model().config().vocab_size;
    if vocab_size != other_size {
        return Err(EvaluateError::VocabularyDiffers { model: vocab_size, against: other_size });
    }
    let scored = protocol.scored();
    let slice_length = (KEPT / vocab_size).clamp(1, 512);
    let mut kept: Vec<f32> = Vec::new();
    let mut sums = Sums::default();
    let mut done = 0;
    while done < windows.count {
        let window = windows.get(done);
        session.reset();
        against.reset();
        if scored.start > 0 {
            session.feed(&window[..scored.start], &mut |_| true)?;
            against.feed(&window[..scored.start], &mut |_| true)?;
        }
        let mut broken = None;
        for start in scored.clone().step_by(slice_length) {
            let slice = &window[start..scored.end.min(start + slice_length)];
            kept.clear();
            against.feed_all(slice, &mut |_, logits| kept.extend_from_slice(logits))?;
            session.feed_all(slice, &mut |first, logits| {
                let others = kept[first * vocab_size..].chunks_exact(vocab_size);
                for (row, (logits, other)) in logits.chunks_exact(vocab_size).zip(others).enumerate() {
                    let at = start + first + row;
                    if !sums.add(logits, other, window[at + 1] as usize) {
                        broken = broken.or(Some(at));
                    }
                }
            })?;
        }
        if let Some(token) = broken {
            return Err(EvaluateError::NotANumber { window: done, token });
        }
        done += 1;
        let so_far = Progress { done, total: windows.count, perplexity: sums.model.mean().exp() };
        if progress(so_far).is_break() {
            break;
        }
    }
    Ok(finish(protocol, done, sums))
}

fn finish(protocol: Protocol, chunks: usize, mut sums: Sums) -> Divergence {
    sums.all.sort_unstable_by(f32::total_cmp);
    Divergence {
        model: Perplexity::new(protocol, chunks, &sums.model),
        against: Perplexity::new(protocol, chunks, &sums.against),
        kl: sums.kl.mean(),
        kl_standard_error: sums.kl.standard_error(),
        kl_percentiles: [0.5, 0.9, 0.95, 0.99].map(|q| percentile(&sums.all, q)),
        kl_max: percentile(&sums.all, 1.0),
        top1: sums.same.mean(),
        top1_standard_error: sums.same.standard_error(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KL of (1/2, 1/4, 1/4) from the uniform distribution: log 3 - 1.5 log 2.
    #[test]
    fn equals_the_closed_form() {
        let mut sums = Sums::default();
        let against = [2.0_f32.ln(), 0.0, 0.0];
        assert!(sums.add(&[5.0; 3], &against, 0));
        let expected = 3.0_f64.ln() - 1.5 * 2.0_f64.ln();
        assert!((sums.kl.mean() - expected).abs() < 1e-7);
        assert!((sums.against.mean() - 2.0_f64.ln()).abs() < 1e-7);
        assert!((sums.model.mean() - 3.0_f64.ln()).abs() < 1e-7);
        assert_eq!(sums.same.mean(), 1.0);
    }

    #[test]
    fn a_model_does_not_diverge_from_itself() {
        let logits: Vec<f32> = (0..100).map(|i| ((i * 37) % 19) as f32 / 3.0).collect();
        let mut sums = Sums::default();
        assert!(sums.add(&logits, &logits, 3));
        assert!(sums.kl.mean() < 1e-12);
        assert!(!sums.add(&[f32::NAN, 0.0], &[0.0, 0.0], 0));
    }
}
