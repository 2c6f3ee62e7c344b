//! Which parameters are shifted in a step.
//!
//! Steps come in stages: `accumulation` steps in which all gradients are measured and their magnitudes summed, then `pruning` steps in which only a
//! part of the parameters is; then the sums begin anew. The share of gradients saved is `ratio * pruning / (accumulation + pruning)`.
//!
//! The released code resets the sums before it draws, so that its draw is uniform, and adds the gradient of the step before, with zeros of what
//! was pruned. This is the published algorithm (section 3.2, algorithm 1).

use ounce_random::Pcg32;
use serde::{Deserialize, Serialize};

/// How parameters are chosen in pruning steps.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pruning {
    /// All, always.
    #[default]
    None,
    /// Drawn without replacement, with probabilities in proportion to the summed magnitudes.
    Probabilistic {
        /// Steps of a stage in which magnitudes are summed.
        accumulation: usize,
        /// Steps of a stage in which parameters are pruned.
        pruning: usize,
        /// The share of parameters that is pruned.
        ratio: f64,
    },
    /// Those with the largest summed magnitudes.
    Deterministic {
        /// As above.
        accumulation: usize,
        /// As above.
        pruning: usize,
        /// As above.
        ratio: f64,
    },
    /// Drawn without replacement, each as likely.
    Random {
        /// As above.
        accumulation: usize,
        /// As above.
        pruning: usize,
        /// As above.
        ratio: f64,
    },
}

impl Pruning {
    /// Accumulation steps, pruning steps, share pruned.
    fn stage(self) -> Option<(usize, usize, f64)> {
        match self {
            Self::None => None,
            Self::Probabilistic { accumulation, pruning, ratio }
            | Self::Deterministic { accumulation, pruning, ratio }
            | Self::Random { accumulation, pruning, ratio } => {
                Some((accumulation.max(1), pruning, ratio.clamp(0.0, 1.0)))
            }
        }
    }

    /// The share of gradients that is not measured.
    pub fn saved(self) -> f64 {
        self.stage().map_or(0.0, |(accumulation, pruning, ratio)| {
            ratio * pruning as f64 / (accumulation + pruning) as f64
        })
    }
}

/// What a pruner remembers from step to step, its random numbers apart.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PrunerState {
    step: usize,
    sums: Vec<f64>,
}

/// Chooses the parameters of each step.
#[derive(Clone, Debug)]
pub struct Pruner {
    pruning: Pruning,
    seed: u64,
    state: PrunerState,
}

impl Pruner {
    /// A pruner of `count` parameters.
    pub fn new(pruning: Pruning, count: usize, seed: u64) -> Self {
        Self { pruning, seed, state: PrunerState { step: 0, sums: vec![0.0; count] } }
    }

    /// The pruner as it was when its state was taken; `None` if the state is not that of `count` parameters.
    pub fn resume(pruning: Pruning, count: usize, seed: u64, state: PrunerState) -> Option<Self> {
        (state.sums.len() == count).then_some(Self { pruning, seed, state })
    }

    /// What it remembers.
    pub fn state(&self) -> &PrunerState {
        &self.state
    }

    /// Which parameters are shifted in this step; `None` for all.
    pub fn active(&self) -> Option<Vec<bool>> {
        let (accumulation, pruning, ratio) = self.pruning.stage()?;
        let at = self.state.step % (accumulation + pruning);
        if at < accumulation {
            return None;
        }
        let count = self.state.sums.len();
        // Rounded down, but not for the error of a product such as 0.2 * 5.
        let kept = ((1.0 - ratio) * count as f64 + 1e-9).floor() as usize;
        // One stream of random numbers a step, so that a resumed training draws what an uninterrupted one does.
        let mut random = Pcg32::with_stream(self.seed, self.state.step as u64);
        let mut active = vec![false; count];
        for index in self.chosen(kept, &mut random) {
            active[index] = true;
        }
        Some(active)
    }

    fn chosen(&self, kept: usize, random: &mut Pcg32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.state.sums.len()).collect();
        match self.pruning {
            Pruning::Deterministic { .. } => {
                order.sort_by(|&a, &b| self.state.sums[b].total_cmp(&self.state.sums[a]));
                order.truncate(kept);
            }
            Pruning::Probabilistic { .. } => {
                let mut weights = self.state.sums.clone();
                order.clear();
                // Parameters without any gradient come last, each as likely.
                while order.len() < kept {
                    let index = random.weighted(&weights).unwrap_or_else(|| {
                        let rest: Vec<usize> =
                            (0..weights.len()).filter(|index| !order.contains(index)).collect();
                        rest[random.below(rest.len() as u32) as usize]
                    });
                    weights[index] = 0.0;
                    order.push(index);
                }
            }
            Pruning::None | Pruning::Random { .. } => {
                random.shuffle(&mut order);
                order.truncate(kept);
            }
        }
        order
    }

    /// Ends a step whose gradients were `gradients`.
    ///
    /// # Panics
    /// If there is not one gradient for each parameter.
    pub fn advance(&mut self, gradients: &[f64]) {
        assert_eq!(gradients.len(), self.state.sums.len());
        if let Some((accumulation, pruning, _)) = self.pruning.stage() {
            let at = self.state.step % (accumulation + pruning);
            if at == 0 {
                self.state.sums.fill(0.0);
            }
            if at < accumulation {
                self.state.sums.iter_mut().zip(gradients).for_each(|(sum, gradient)| *sum += gradient.abs());
            }
        }
        self.state.step += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRADIENTS: [f64; 5] = [0.1, -4.0, 0.0, 2.0, 0.5];

    #[test]
    fn stages_measure_all_and_then_a_part() {
        let pruning = Pruning::Deterministic { accumulation: 1, pruning: 2, ratio: 0.5 };
        let mut pruner = Pruner::new(pruning, 5, 1);
        for stage in 0..2 {
            assert_eq!(pruner.active(), None, "stage {stage}");
            pruner.advance(&GRADIENTS);
            for _ in 0..2 {
                assert_eq!(pruner.active(), Some(vec![false, true, false, true, false]));
                pruner.advance(&[0.0; 5]);
            }
        }
        assert!((pruning.saved() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn draws_follow_the_magnitudes() {
        let pruning = Pruning::Probabilistic { accumulation: 1, pruning: 1, ratio: 0.8 };
        let mut counts = [0.0; 5];
        for seed in 0..4000 {
            let mut pruner = Pruner::new(pruning, 5, seed);
            pruner.advance(&GRADIENTS);
            let active = pruner.active().unwrap_or_default();
            assert_eq!(active.iter().filter(|active| **active).count(), 1);
            counts.iter_mut().zip(&active).for_each(|(count, active)| *count += f64::from(u8::from(*active)));
        }
        for (count, gradient) in counts.iter().zip(GRADIENTS) {
            let expected = 4000.0 * gradient.abs() / 6.6;
            assert!((count - expected).abs() < 5.0 * expected.sqrt() + 1.0, "{counts:?}");
        }
    }

    #[test]
    fn without_gradients_each_is_as_likely() {
        let pruning = Pruning::Probabilistic { accumulation: 1, pruning: 1, ratio: 0.5 };
        let mut pruner = Pruner::new(pruning, 4, 7);
        pruner.advance(&[0.0; 4]);
        assert_eq!(pruner.active().unwrap_or_default().iter().filter(|active| **active).count(), 2);
    }

    #[test]
    fn a_resumed_pruner_draws_the_same() {
        let pruning = Pruning::Random { accumulation: 1, pruning: 3, ratio: 0.5 };
        let mut pruner = Pruner::new(pruning, 5, 3);
        pruner.advance(&GRADIENTS);
        let resumed = Pruner::resume(pruning, 5, 3, pruner.state().clone());
        assert_eq!(resumed.and_then(|pruner| pruner.active()), pruner.active());
        assert!(Pruner::resume(pruning, 4, 3, pruner.state().clone()).is_none());
    }
}
