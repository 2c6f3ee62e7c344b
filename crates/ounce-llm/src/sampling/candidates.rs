//! The most likely tokens, found without sorting the vocabulary.

use std::cmp::Ordering;

/// A token that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Its logit; never NaN.
    pub(super) logit: f32,
    /// Its id.
    pub(super) id: u32,
}

impl Candidate {
    /// The more likely first; of equally likely ones the lower id.
    fn rank(&self, other: &Self) -> Ordering {
        other.logit.total_cmp(&self.logit).then(self.id.cmp(&other.id))
    }
}

/// Makes a logit comparable: NaN becomes `-inf`, `+inf` the largest finite number.
pub(super) fn sane(logit: f32) -> f32 {
    if logit.is_nan() { f32::NEG_INFINITY } else { logit.min(f32::MAX) }
}

/// The largest sane logit; `-inf` if there is none.
pub(super) fn maximum(logits: &[f32]) -> f32 {
    // Independent maxima let the compiler use vector registers; `f32::max` drops NaN.
    const LANES: usize = 16;
    let (blocks, rest) = logits.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for block in blocks {
        for (lane, &logit) in lanes.iter_mut().zip(block) {
            *lane = lane.max(logit);
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b)).min(f32::MAX)
}

/// Puts the `n` most likely tokens into `best`, most likely first; fewer if fewer have a logit above `-inf`.
///
/// Linear in the vocabulary: candidates above a rising threshold are gathered in a buffer of at most `2 n` (at least 256),
/// which is cut to its best `n` whenever it is full.
pub(super) fn most_likely(logits: &[f32], n: usize, best: &mut Vec<Candidate>) {
    best.clear();
    let capacity = n.saturating_mul(2).max(256);
    let mut threshold = f32::NEG_INFINITY;
    for (id, &logit) in logits.iter().enumerate() {
        // False for NaN. Ids rise, so a later token that only equals the threshold ranks below all that are kept.
        if logit > threshold {
            if best.len() == capacity {
                keep_best(best, n);
                threshold = best.last().map_or(threshold, |worst| worst.logit);
                if logit <= threshold {
                    continue;
                }
            }
            best.push(Candidate { logit: sane(logit), id: id as u32 });
        }
    }
    keep_best(best, n);
    best.sort_unstable_by(Candidate::rank);
}

/// Cuts `best` to its first `n` by rank, the worst of them last.
fn keep_best(best: &mut Vec<Candidate>, n: usize) {
    if n == 0 {
        best.clear();
    } else if best.len() > n {
        best.select_nth_unstable_by(n - 1, Candidate::rank);
        best.truncate(n);
    }
}
