//! A scheme as a row of numbers that can be varied.

use crate::contribution::Prediction;
use crate::scheme::{Scheme, TrainedWeight};
use ounce_random::Pcg32;

/// How far the number of biases goes in a small mutation.
const NEAR: usize = 3;

/// A scheme: how many biases, and for each choice of a [`Prediction`] which of its shares, 0 for none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Genome {
    biases: usize,
    shares: Vec<usize>,
}

impl Genome {
    /// The scheme that trains nothing but the classifier.
    pub(super) fn least(prediction: &Prediction) -> Self {
        Self { biases: 0, shares: vec![0; prediction.choices().len()] }
    }

    /// Any scheme. How much of it is trained is drawn first, so that small ones are not rare.
    pub(super) fn random(prediction: &Prediction, random: &mut Pcg32) -> Self {
        let biases = below(random, prediction.most_biases() + 1);
        let density = random.next_f64();
        let mut draw =
            |options: usize| if random.next_f64() < density { 1 + below(random, options) } else { 0 };
        let shares = prediction.choices().iter().map(|choice| draw(choice.shares.len())).collect();
        Self { biases, shares }.reached(prediction)
    }

    /// A scheme that differs: each part with the given probability, and at least one.
    pub(super) fn mutated(&self, prediction: &Prediction, probability: f64, random: &mut Pcg32) -> Self {
        let mut child = self.clone();
        let parts = child.shares.len() + 1;
        let certain = below(random, parts);
        for part in 0..parts {
            if part != certain && random.next_f64() >= probability {
                continue;
            }
            match part.checked_sub(1) {
                None if random.next_f64() < 0.5 => child.biases = below(random, prediction.most_biases() + 1),
                None => {
                    let step = below(random, 2 * NEAR + 1);
                    child.biases = (child.biases + step).saturating_sub(NEAR).min(prediction.most_biases());
                }
                Some(at) => child.shares[at] = below(random, prediction.choices()[at].shares.len() + 1),
            }
        }
        child.reached(prediction)
    }

    /// A scheme in which one convolution's share is lowered and another's raised: what keeps within the memory where all of it is in use.
    pub(super) fn exchanged(&self, prediction: &Prediction, random: &mut Pcg32) -> Self {
        let mut child = self.clone();
        let trained: Vec<usize> = (0..child.shares.len()).filter(|at| child.shares[*at] > 0).collect();
        if let Some(at) = trained.get(below(random, trained.len())) {
            child.shares[*at] = below(random, child.shares[*at]);
        }
        let at = below(random, child.shares.len());
        if let (Some(share), Some(choice)) = (child.shares.get_mut(at), prediction.choices().get(at)) {
            *share += below(random, choice.shares.len() - *share + 1);
        }
        child.reached(prediction)
    }

    /// A scheme of parts of two, each as likely from either.
    pub(super) fn crossed(&self, other: &Self, prediction: &Prediction, random: &mut Pcg32) -> Self {
        let biases = if random.next_f64() < 0.5 { self.biases } else { other.biases };
        let pairs = self.shares.iter().zip(&other.shares);
        let shares = pairs.map(|(a, b)| if random.next_f64() < 0.5 { *a } else { *b }).collect();
        Self { biases, shares }.reached(prediction)
    }

    /// The scheme with something taken away: the next smaller share of a convolution, or a bias. `None` if there is nothing left.
    pub(super) fn shrunk(mut self, prediction: &Prediction, random: &mut Pcg32) -> Option<Self> {
        let trained: Vec<usize> = (0..self.shares.len()).filter(|at| self.shares[*at] > 0).collect();
        match trained.get(below(random, trained.len() + usize::from(self.biases > 0))) {
            Some(at) => self.shares[*at] -= 1,
            None => self.biases = self.biases.checked_sub(1)?,
        }
        Some(self.reached(prediction))
    }

    /// Whether it trains all that another does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.biases >= other.biases && self.shares.iter().zip(&other.shares).all(|(own, other)| own >= other)
    }

    /// Without the weights that its gradients do not reach.
    fn reached(mut self, prediction: &Prediction) -> Self {
        let first = prediction.convs() - self.biases;
        let unreached =
            prediction.choices().iter().zip(&mut self.shares).filter(|(choice, _)| choice.conv < first);
        unreached.for_each(|(_, share)| *share = 0);
        self
    }

    /// The scheme.
    pub(super) fn scheme(&self, prediction: &Prediction) -> Scheme {
        let weight = |(choice, share): (&crate::contribution::Choice, &usize)| {
            let (share, _) = *choice.shares.get(share.checked_sub(1)?)?;
            Some(TrainedWeight { conv: choice.conv, share })
        };
        Scheme {
            biases: self.biases,
            weights: prediction.choices().iter().zip(&self.shares).filter_map(weight).collect(),
        }
    }
}

/// A number below `bound`; 0 if that is 0.
pub(super) fn below(random: &mut Pcg32, bound: usize) -> usize {
    random.below(u32::try_from(bound).unwrap_or(u32::MAX)) as usize
}
