//! Perplexity of a text.

use super::statistics::{Mean, log_sum_exp};
use super::windows::Windows;
use super::{EvaluateError, Protocol};
use crate::session::Session;
use std::ops::ControlFlow;

/// The perplexity of a text under a protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Perplexity {
    /// How it was measured.
    pub protocol: Protocol,
    /// `exp(mean_nll)`.
    pub perplexity: f64,
    /// Standard error of `perplexity`, from the spread of the single tokens' log-likelihoods.
    pub standard_error: f64,
    /// Mean negative log-likelihood per scored token, in nats.
    pub mean_nll: f64,
    /// Windows that were evaluated.
    pub chunks: usize,
    /// Tokens that were scored.
    pub tokens: u64,
}

impl Perplexity {
    pub(super) fn new(protocol: Protocol, chunks: usize, nll: &Mean) -> Self {
        // All windows are equally long, so the mean of the windows' means is the mean over all tokens.
        let perplexity = nll.mean().exp();
        Self {
            protocol,
            perplexity,
            standard_error: perplexity * nll.standard_error(),
            mean_nll: nll.mean(),
            chunks,
            tokens: nll.count(),
        }
    }
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Windows done.
    pub done: usize,
    /// Windows in all.
    pub total: usize,
    /// Perplexity of the windows done.
    pub perplexity: f64,
}

/// Measures the perplexity of `tokens` ([`Protocol::encode`] of a text), of the first `chunks` windows if given.
///
/// `progress` is called after every window; on [`ControlFlow::Break`] the result covers the windows done.
///
/// # Errors
/// A text shorter than one window, a window that is too small or too large, logits that are no numbers.
pub fn perplexity(
    session: &mut Session,
    tokens: &[u32],
    protocol: Protocol,
    chunks: Option<usize>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Perplexity, EvaluateError> {
    let windows = Windows::new(session, tokens, protocol, chunks)?;
    let vocab_size = session.model().config().vocab_size;
    let scored = protocol.scored();
    let mut nll = Mean::default();
    for index in 0..windows.count {
        let window = windows.get(index);
        session.reset();
        if scored.start > 0 {
            session.feed(&window[..scored.start], &mut |_| true)?;
        }
        let mut broken = None;
        session.feed_all(&window[scored.clone()], &mut |first, logits| {
            for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
                let at = scored.start + first + row;
                let value = log_sum_exp(logits) - f64::from(logits[window[at + 1] as usize]);
                if value.is_nan() {
                    broken = broken.or(Some(at));
                }
                nll.add(value);
            }
        })?;
        if let Some(token) = broken {
            return Err(EvaluateError::NotANumber { window: index, token });
        }
        let so_far = Progress { done: index + 1, total: windows.count, perplexity: nll.mean().exp() };
        if progress(so_far).is_break() {
            return Ok(Perplexity::new(protocol, index + 1, &nll));
        }
    }
    Ok(Perplexity::new(protocol, windows.count, &nll))
}
