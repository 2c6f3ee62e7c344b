//! How likely tokens were.

use super::candidates::{maximum, most_likely, sane};

/// The log-probability of a token, beside the most likely ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability, from the logits as the model gave them.
    pub logprob: f32,
    /// The most likely tokens with theirs, most likely first.
    pub top: Vec<(u32, f32)>,
}

/// Scores a token of `logits [vocab]`, with the `top` most likely ones beside it. A NaN logit counts as impossible.
pub fn score(logits: &[f32], token: u32, top: usize) -> Score {
    let max = maximum(logits);
    let total: f64 = logits.iter().map(|&logit| f64::from((sane(logit) - max).exp())).sum();
    let log_total = total.ln();
    let logprob = |logit: f32| (f64::from(sane(logit)) - f64::from(max) - log_total) as f32;
    let mut best = Vec::new();
    if top > 0 {
        most_likely(logits, top, &mut best);
    }
    Score {
        token,
        logprob: logits.get(token as usize).map_or(f32::NEG_INFINITY, |&logit| logprob(logit)),
        top: best.into_iter().map(|candidate| (candidate.id, logprob(candidate.logit))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_logarithms_of_the_softmax() {
        let logits = [0.5, -1.0, f32::NAN, 3.0, 3.0, -80.0];
        let total: f64 = [0.5f64, -1.0, 3.0, 3.0, -80.0].iter().map(|x| x.exp()).sum();
        for (token, x) in [(0, 0.5f64), (1, -1.0), (3, 3.0), (5, -80.0)] {
            let expected = x - total.ln();
            assert!((f64::from(score(&logits, token, 0).logprob) - expected).abs() < 1e-5);
        }
        assert_eq!(score(&logits, 2, 0).logprob, f32::NEG_INFINITY);
        assert_eq!(score(&logits, 9, 0).logprob, f32::NEG_INFINITY);
        let top = score(&logits, 0, 3).top;
        assert_eq!(top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 4, 0]);
        assert_eq!(top[2].1, score(&logits, 0, 0).logprob);
    }
}
