//! The losses of a text's tokens one after the other, as it is read as a stream.

use super::EvaluateError;
use super::statistics::log_sum_exp;
use crate::session::Session;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

/// A stretch of a text that has been read.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    /// Index in the text of the first token that was predicted.
    pub first: usize,
    /// Negative log-likelihoods in nats of the tokens from `first` on, given what the session held of those before.
    pub losses: &'a [f32],
    /// How long that took.
    pub elapsed: Duration,
    /// Tokens that the session holds.
    pub held: usize,
}

/// Reads `tokens` into an emptied session, `slice` at a time, and hands out the losses of all but the first. A session that does not
/// stream reads until it is full.
///
/// # Errors
/// A text of fewer than two tokens, unknown tokens, logits that are no numbers.
///
/// # Panics
/// If `slice` is 0.
pub fn stream(
    session: &mut Session,
    tokens: &[u32],
    slice: usize,
    each: &mut dyn FnMut(Stretch<'_>) -> ControlFlow<()>,
) -> Result<(), EvaluateError> {
    let last = tokens.len().checked_sub(1).filter(|&last| last > 0);
    let last = last.ok_or(EvaluateError::TextTooShort { tokens: tokens.len(), window: 2 })?;
    session.reset();
    let end = if session.stream().is_some() { last } else { last.min(session.context()) };
    let mut losses = Vec::new();
    for start in (0..end).step_by(slice) {
        let read = start..(start + slice).min(end);
        let begin = Instant::now();
        losses.clear();
        score(session, tokens, read, &mut losses)?;
        let stretch =
            Stretch { first: start + 1, losses: &losses, elapsed: begin.elapsed(), held: session.held() };
        if each(stretch).is_break() {
            break;
        }
    }
    Ok(())
}

/// Sliding windows computed anew: the loss of every `every`-th token, given the last `window` tokens before it, which an emptied session
/// reads for this one token alone. What a stream of so many tokens is compared with, in quality and in cost.
///
/// # Errors
/// As [`stream`], and a window that the session cannot hold.
///
/// # Panics
/// If `every` is 0.
pub fn recompute(
    session: &mut Session,
    tokens: &[u32],
    window: usize,
    every: usize,
    each: &mut dyn FnMut(Stretch<'_>) -> ControlFlow<()>,
) -> Result<(), EvaluateError> {
    if window > session.context() {
        return Err(EvaluateError::WindowTooLarge { window, context: session.context() });
    }
    for next in (every..tokens.len()).step_by(every) {
        let begin = Instant::now();
        session.reset();
        let logits = session.feed(&tokens[next.saturating_sub(window)..next], &mut |_| true)?;
        let loss = loss(logits, tokens, next)?;
        let elapsed = begin.elapsed();
        if each(Stretch { first: next, losses: &[loss], elapsed, held: session.held() }).is_break() {
            break;
        }
    }
    Ok(())
}

/// Reads `tokens[read]` and appends the loss of the token after each.
fn score(
    session: &mut Session,
    tokens: &[u32],
    read: Range<usize>,
    losses: &mut Vec<f32>,
) -> Result<(), EvaluateError> {
    if read.len() == 1 {
        let logits = session.feed(&tokens[read.clone()], &mut |_| true)?;
        losses.push(loss(logits, tokens, read.end)?);
        return Ok(());
    }
    let vocab_size = session.model().config().vocab_size;
    let mut error = None;
    session.feed_all(&tokens[read.clone()], &mut |first, logits| {
        for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
            match loss(logits, tokens, read.start + first + row + 1) {
                Ok(loss) => losses.push(loss),
                Err(found) => error = error.take().or(Some(found)),
            }
        }
    })?;
    error.map_or(Ok(()), Err)
}

/// The loss of token `next` by the logits that precede it.
fn loss(logits: &[f32], tokens: &[u32], next: usize) -> Result<f32, EvaluateError> {
    let vocab_size = logits.len();
    let token = tokens[next];
    let Some(&logit) = logits.get(token as usize) else {
        return Err(crate::session::SessionError::UnknownToken { token, index: next, vocab_size }.into());
    };
    let loss = log_sum_exp(logits) - f64::from(logit);
    if loss.is_nan() {
        return Err(EvaluateError::NotANumber { window: 0, token: next - 1 });
    }
    Ok(loss as f32)
}
