//! Optimizers that can hold parameters still.

use serde::{Deserialize, Serialize};

/// The rule of an optimizer, with PyTorch's meaning of its numbers.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimizerKind {
    /// Gradient descent, with momentum if that is not 0.
    Sgd {
        /// The share of the last step that is taken again.
        #[serde(default)]
        momentum: f64,
    },
    /// Kingma and Ba, 2014.
    Adam {
        /// Decay of the mean of gradients.
        #[serde(default = "beta1")]
        beta1: f64,
        /// Decay of the mean of their squares.
        #[serde(default = "beta2")]
        beta2: f64,
        /// Added to the root of the latter.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

impl Default for OptimizerKind {
    /// Adam with PyTorch's defaults.
    fn default() -> Self {
        Self::Adam { beta1: beta1(), beta2: beta2(), epsilon: epsilon() }
    }
}

/// What an optimizer remembers: enough, with its rule, to go on after an interruption.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct OptimizerState {
    first: Vec<f64>,
    second: Vec<f64>,
    steps: Vec<u64>,
}

/// An optimizer at work.
#[derive(Clone, PartialEq, Debug)]
pub struct Optimizer {
    kind: OptimizerKind,
    weight_decay: f64,
    state: OptimizerState,
}

impl Optimizer {
    /// An optimizer of `count` parameters. `weight_decay` times a parameter is added to its gradient, as in PyTorch.
    pub fn new(kind: OptimizerKind, weight_decay: f64, count: usize) -> Self {
        let state =
            OptimizerState { first: vec![0.0; count], second: vec![0.0; count], steps: vec![0; count] };
        Self { kind, weight_decay, state }
    }

    /// The optimizer as it was when its state was taken; `None` if the state is not that of `count` parameters.
    pub fn resume(
        kind: OptimizerKind,
        weight_decay: f64,
        count: usize,
        state: OptimizerState,
    ) -> Option<Self> {
        let fits = [state.first.len(), state.second.len(), state.steps.len()] == [count; 3];
        fits.then_some(Self { kind, weight_decay, state })
    }

    /// What it remembers.
    pub fn state(&self) -> &OptimizerState {
        &self.state
    }

    /// Takes a step. A parameter that is not `active` (all are, if that is `None`) stays as it is in every respect: it does not move, its momentum
    /// does not decay, its count of steps stands still. The released code of QOC lets momentum move pruned parameters.
    ///
    /// # Panics
    /// If slices are not as long as the optimizer's count.
    pub fn step(&mut self, parameters: &mut [f64], gradients: &[f64], rate: f64, active: Option<&[bool]>) {
        let count = self.state.steps.len();
        assert!(parameters.len() == count && gradients.len() == count);
        for index in (0..count).filter(|&index| active.is_none_or(|active| active[index])) {
            let gradient = gradients[index] + self.weight_decay * parameters[index];
            let steps = &mut self.state.steps[index];
            *steps += 1;
            let first = &mut self.state.first[index];
            parameters[index] -= rate
                * match self.kind {
                    OptimizerKind::Sgd { momentum } => {
                        *first = if *steps == 1 { gradient } else { momentum * *first + gradient };
                        *first
                    }
                    OptimizerKind::Adam { beta1, beta2, epsilon } => {
                        let second = &mut self.state.second[index];
                        *first = beta1 * *first + (1.0 - beta1) * gradient;
                        *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                        let steps = i32::try_from(*steps).unwrap_or(i32::MAX);
                        let mean = *first / (1.0 - beta1.powi(steps));
                        let square = *second / (1.0 - beta2.powi(steps));
                        mean / (square.sqrt() + epsilon)
                    }
                };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.Adam([1.0, -2.0], lr=0.1, weight_decay=0.01)` with gradients 2x, three steps.
    #[test]
    fn adam_steps_as_pytorch_does() {
        let mut parameters = [1.0, -2.0];
        let mut optimizer = Optimizer::new(OptimizerKind::default(), 0.01, 2);
        for _ in 0..3 {
            let gradients = parameters.map(|x| 2.0 * x);
            optimizer.step(&mut parameters, &gradients, 0.1, None);
        }
        for (found, expected) in parameters.iter().zip([0.701_586_272_938_277, -1.700_623_392_042_656]) {
            assert!((found - expected).abs() < 1e-12, "{parameters:?}");
        }
    }

    #[test]
    fn what_is_not_active_stands_still() {
        let mut parameters = [1.0, 1.0];
        let mut optimizer = Optimizer::new(OptimizerKind::Sgd { momentum: 0.9 }, 0.0, 2);
        optimizer.step(&mut parameters, &[1.0, 1.0], 0.1, None);
        let before = optimizer.clone();
        optimizer.step(&mut parameters, &[1.0, 0.0], 0.1, Some(&[true, false]));
        assert_eq!(parameters, [0.9 - 0.1 * 1.9, 0.9]);
        assert_eq!(optimizer.state.first[1], before.state.first[1]);
        assert_eq!(optimizer.state.steps, [2, 1]);
    }

    #[test]
    fn a_state_of_another_model_is_refused() {
        let optimizer = Optimizer::new(OptimizerKind::default(), 0.0, 3);
        let state = optimizer.state().clone();
        assert!(Optimizer::resume(OptimizerKind::default(), 0.0, 2, state.clone()).is_none());
        assert_eq!(Optimizer::resume(OptimizerKind::default(), 0.0, 3, state), Some(optimizer));
    }
}
