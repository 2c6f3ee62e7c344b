//! A mixture of experts (Shazeer et al., 2017; Jiang et al., 2024).

use super::feed_forward::gated;
use super::scratch::{ExpertScratch, FeedForwardScratch};
use super::tap::{Site, Taps, show};
use super::weights::{GatedWeights, Linear};
use crate::config::Config;
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input, Norm};

/// `x += mixture(norm(x))`, or `branch = mixture(norm(x))` where a branch is given.
///
/// The tokens of each expert are brought together, so that its matrices are read once per step. Experts add to a token in the order
/// of their numbers, whatever the tokens beside it.
#[expect(clippy::too_many_arguments, reason = "the buffers of one step")]
pub(crate) fn mixture(
    team: &mut Team,
    config: &Config,
    router: &Linear,
    experts: &[GatedWeights],
    norm: &Norm,
    x: &mut [f32],
    branch: Option<&mut [f32]>,
    scratch: &mut FeedForwardScratch,
    mut tap: Taps<'_, '_>,
) {
    let hidden = config.hidden;
    let n = x.len() / hidden;
    let ExpertScratch { normed, scores, rows, input, output } = &mut scratch.experts;
    let normed = &mut normed[..n * hidden];
    let scores = &mut scores[..n * experts.len()];
    ops::norm(team, norm, x, normed, hidden);
    ops::project(team, Input { x: normed, norm: None }, &mut [router.write_to(scores)]);
    let used = config.experts.map_or(1, |experts| experts.used);
    scores.chunks_exact_mut(experts.len()).for_each(|scores| choose(scores, used));

    let target = match branch {
        Some(branch) => {
            branch.fill(0.0);
            branch
        }
        None => x,
    };
    for (number, expert) in experts.iter().enumerate() {
        rows.clear();
        rows.extend((0..n).filter(|row| scores[row * experts.len() + number] != 0.0));
        if rows.is_empty() {
            continue;
        }
        let input = &mut input[..rows.len() * hidden];
        let output = &mut output[..rows.len() * hidden];
        let inner = &mut scratch.inner[..rows.len() * config.feed_forward];
        for (into, &row) in input.chunks_exact_mut(hidden).zip(&*rows) {
            into.copy_from_slice(&normed[row * hidden..(row + 1) * hidden]);
        }
        let input = Input { x: input, norm: None };
        show(team, &mut tap, Site::Expert(number), input, hidden);
        gated(team, input, expert, config.activation, inner, &mut scratch.up);
        let inner = Input { x: inner, norm: None };
        show(team, &mut tap, Site::ExpertDown(number), inner, config.feed_forward);
        ops::project(team, inner, &mut [expert.down.write_to(output)]);
        for (from, &row) in output.chunks_exact(hidden).zip(&*rows) {
            let weight = scores[row * experts.len() + number];
            let into = &mut target[row * hidden..(row + 1) * hidden];
            into.iter_mut().zip(from).for_each(|(into, from)| *into += weight * from);
        }
    }
}

/// Replaces the scores of the `used` best experts by their softmax and the others by 0. Of equal scores the first is better.
fn choose(scores: &mut [f32], used: usize) {
    let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // An expert is chosen if fewer than `used` are better. Few experts: counting beats sorting, and needs no memory.
    let mut total = 0.0;
    let mut threshold = f32::NEG_INFINITY;
    let mut equal_allowed = used;
    for &score in scores.iter() {
        let better = scores.iter().filter(|&&other| other > score).count();
        let equal = scores.iter().filter(|&&other| other == score).count();
        if better < used && better + equal >= used {
            (threshold, equal_allowed) = (score, used - better);
        }
    }
    for score in scores.iter_mut() {
        let chosen = *score > threshold || (*score == threshold && equal_allowed > 0);
        if *score == threshold {
            equal_allowed = equal_allowed.saturating_sub(1);
        }
        *score = if chosen { (*score - best).exp() } else { 0.0 };
        total += *score;
    }
    if total > 0.0 {
        scores.iter_mut().for_each(|score| *score /= total);
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_best_share_the_softmax() {
        let mut scores = [1.0, 3.0, 2.0, -1.0];
        choose(&mut scores, 2);
        let e = 1.0f32.exp();
        assert_eq!([scores[0], scores[3]], [0.0, 0.0]);
        assert!((scores[1] - e / (1.0 + e)).abs() < 1e-6);
        assert!((scores[2] - 1.0 / (1.0 + e)).abs() < 1e-6);
    }

    #[test]
    fn of_equal_scores_the_first_is_taken() {
        let mut scores = [2.0, 5.0, 2.0, 2.0];
        choose(&mut scores, 3);
        assert!(scores[0] > 0.0 && scores[1] > 0.0 && scores[2] > 0.0 && scores[3] == 0.0);
        let mut all = [1.0, 1.0];
        choose(&mut all, 2);
        assert_eq!(all, [0.5, 0.5]);
    }

    #[test]
    fn scores_that_are_no_numbers_do_no_harm() {
        let mut scores = [f32::NAN, f32::NAN];
        choose(&mut scores, 1);
        assert_eq!(scores.len(), 2);
    }
}
