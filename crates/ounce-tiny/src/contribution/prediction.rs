//! The accuracy of a scheme as the sum of what its parts contribute.

use super::{ContributionError, Contributions, Point};
use crate::scheme::{Scheme, TrainedWeight};

/// What a scheme's accuracy will be: that with its biases alone, and the gains of its weights.
///
/// Measured on some thousand pictures, accuracies differ by a percent from chance alone. More biases and more channels can only help, so both are made to rise first
/// (isotonic regression). Of every gain of weights the standard error of an accuracy is taken off, and what is left below zero is none: a search among many small gains would else find
/// those that chance has raised.
#[derive(Clone, PartialEq, Debug)]
pub struct Prediction {
    convs: usize,
    /// By number of biases, from none up to the most that were measured.
    biases: Vec<f64>,
    choices: Vec<Choice>,
}

/// A convolution whose weights are worth training.
#[derive(Clone, PartialEq, Debug)]
pub struct Choice {
    /// Its number.
    pub conv: usize,
    /// Shares of its channels and what they add to the accuracy, both rising, all above zero.
    pub shares: Vec<(f64, f64)>,
}

impl Prediction {
    /// What measurements say. Numbers of biases between two measured ones are interpolated.
    ///
    /// # Errors
    /// If accuracies with no biases or with those of the base are missing.
    pub fn of(found: &Contributions) -> Result<Self, ContributionError> {
        for needed in [0, found.base] {
            if found.accuracy(Point::Biases(needed)).is_none() {
                return Err(ContributionError::Missing(needed));
            }
        }
        let known: Vec<(usize, f64)> = found
            .biases
            .iter()
            .filter_map(|of| Some((of.biases, found.accuracy(Point::Biases(of.biases))?)))
            .collect();
        let rising = isotonic(&known.iter().map(|(_, accuracy)| *accuracy).collect::<Vec<_>>());
        let mut biases = vec![rising[0]];
        for (pair, levels) in known.windows(2).zip(rising.windows(2)) {
            let count = pair[1].0 - pair[0].0;
            let part = |at: usize| levels[0] + (levels[1] - levels[0]) * at as f64 / count as f64;
            biases.extend((1..=count).map(part));
        }
        let error = standard_error(found);
        let choices = found.weights.chunk_by(|a, b| a.conv == b.conv).filter_map(|of| {
            let conv = of[0].conv;
            let known: Vec<(f64, f64)> = of
                .iter()
                .map(|of| of.share)
                .filter(|share| *share > 0.0)
                .filter_map(|share| Some((share, found.gain(TrainedWeight { conv, share })?)))
                .collect();
            let rising = isotonic(&known.iter().map(|(_, gain)| *gain).collect::<Vec<_>>());
            let mut best = 0.0;
            let mut shares = Vec::new();
            for ((share, _), gain) in known.into_iter().zip(rising) {
                if gain - error > best {
                    best = gain - error;
                    shares.push((share, best));
                }
            }
            (!shares.is_empty()).then_some(Choice { conv, shares })
        });
        Ok(Self { convs: found.convs, biases, choices: choices.collect() })
    }

    /// Convolutions of the network.
    pub fn convs(&self) -> usize {
        self.convs
    }

    /// The most biases whose accuracy is known.
    pub fn most_biases(&self) -> usize {
        self.biases.len() - 1
    }

    /// The convolutions whose weights are worth training, by rising number.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The accuracy of a scheme, of which parts that were not measured add nothing. It may exceed 1: gains do not really add up.
    pub fn accuracy(&self, scheme: &Scheme) -> f64 {
        let of_biases = self.biases[scheme.biases.min(self.most_biases())];
        let gain = |weight: &TrainedWeight| {
            let choice = self.choices.iter().find(|choice| choice.conv == weight.conv);
            let known = choice
                .and_then(|choice| choice.shares.iter().rev().find(|(share, _)| *share <= weight.share));
            known.map_or(0.0, |(_, gain)| *gain)
        };
        of_biases + scheme.weights.iter().map(gain).sum::<f64>()
    }
}

/// The standard error of the accuracy with the biases of the base, from the pictures that it was measured on and the number of trainings.
fn standard_error(found: &Contributions) -> f64 {
    let trainings = found.biases.iter().find(|of| of.biases == found.base).map_or(1, |of| of.accuracy.len());
    let accuracy = found.accuracy(Point::Biases(found.base)).unwrap_or(0.5);
    (accuracy * (1.0 - accuracy) / (found.setting.validation * trainings).max(1) as f64).sqrt()
}

/// The rising sequence that is nearest in squares (pool adjacent violators).
fn isotonic(values: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for value in values {
        let (mut sum, mut count) = (*value, 1);
        while let Some((before, length)) = pools.last().copied()
            && before / length as f64 >= sum / count as f64
        {
            pools.pop();
            (sum, count) = (sum + before, count + length);
        }
        pools.push((sum, count));
    }
    pools.into_iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count as f64, count)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::contribution::Setting;

    fn found() -> Contributions {
        let setting = Setting {
            network: "net".into(),
            data: "data".into(),
            size: 8,
            classes: Vec::new(),
            train: 10,
            validation: 1200,
            epochs: 1,
            batch: 1,
            rate: 0.1,
            bias_rate: 0.1,
            seed: 0,
        };
        let mut found = Contributions::new(setting, 6, 4);
        for (biases, accuracy) in [(0, 0.25), (1, 0.5), (2, 0.25), (4, 0.75)] {
            found.record(Point::Biases(biases), accuracy);
        }
        for (conv, share, accuracy) in [(3, 0.5, 0.875), (3, 1.0, 0.8125), (5, 0.5, 0.5), (4, 0.25, 0.8125)] {
            found.record(Point::Weights(TrainedWeight { conv, share }), accuracy);
        }
        found
    }

    #[test]
    fn sequences_are_made_to_rise() {
        assert_eq!(isotonic(&[1.0, 3.0, 2.0, 2.5, 4.0]), [1.0, 2.5, 2.5, 2.5, 4.0]);
        assert_eq!(isotonic(&[3.0, 2.0, 1.0]), [2.0; 3]);
        assert!(isotonic(&[]).is_empty());
    }

    #[test]
    fn contributions_add_up() {
        let prediction = Prediction::of(&found()).unwrap();
        assert_eq!(prediction.most_biases(), 4);
        let biases: Vec<f64> = (0..=5).map(|k| prediction.accuracy(&Scheme::bias_only(k))).collect();
        assert_eq!(biases, [0.25, 0.375, 0.375, 0.5625, 0.75, 0.75]);
        // Half of convolution 3 was better than all of it; convolution 5 does harm.
        assert_eq!(prediction.choices().len(), 2);
        // A standard error is taken off.
        let error = 0.0125;
        let Choice { conv, shares } = &prediction.choices()[0];
        assert!(*conv == 3 && shares.len() == 1 && shares[0].0 == 0.5, "{shares:?}");
        assert!((shares[0].1 - (0.09375 - error)).abs() < 1e-12, "{shares:?}");
        let weights = [(3, 1.0), (4, 0.25), (5, 1.0)].map(|(conv, share)| TrainedWeight { conv, share });
        let scheme = Scheme { biases: 4, weights: weights.to_vec() };
        let sum = 0.75 + (0.09375 - error) + (0.0625 - error);
        assert!((prediction.accuracy(&scheme) - sum).abs() < 1e-12);
        let mut uncertain = found();
        uncertain.setting.validation = 10;
        assert!(Prediction::of(&uncertain).unwrap().choices().is_empty());
        let mut unfinished = found();
        unfinished.biases.pop();
        assert!(matches!(Prediction::of(&unfinished), Err(ContributionError::Missing(4))));
    }

    #[test]
    fn a_file_survives_and_is_checked() {
        let found = found();
        let text = found.to_text();
        assert_eq!(Contributions::parse(&text).unwrap(), found);
        for (from, to) in [
            ("0.875", "1.875"),
            ("\"conv\":5", "\"conv\":6"),
            ("\"base\":4", "\"base\":7"),
            ("\"share\":1.0", "\"share\":-1"),
        ] {
            let broken = text.replace(from, to);
            assert_ne!(broken, text);
            assert!(matches!(Contributions::parse(&broken), Err(ContributionError::Range { .. })), "{to}");
        }
        assert!(Contributions::parse("{}").is_err());
    }

    #[test]
    fn a_measurement_goes_on_where_it_stopped() {
        use crate::contribution::Grid;
        let grid = Grid(vec![
            Point::Biases(4),
            Point::Biases(0),
            Point::Weights(TrainedWeight { conv: 5, share: 1.0 }),
        ]);
        let mut found = Contributions::new(found().setting, 6, 4);
        let mut done = 0;
        while let Some((point, seed)) = grid.missing(&found, 2).first().copied() {
            assert_eq!(seed, done / 3);
            found.record(point, 0.5);
            done += 1;
        }
        assert_eq!(done, 6);
        assert_eq!(found.gain(TrainedWeight { conv: 5, share: 1.0 }), Some(0.0));
        let standard = Grid::standard(42, Grid::base(42)).0;
        assert_eq!(standard.len(), 25 + 6 + 24 * 4);
        assert_eq!(standard[..3], [24, 0, 21].map(Point::Biases));
        let twice = standard.iter().enumerate().any(|(at, point)| standard[..at].contains(point));
        assert!(!twice);
        // Without a base: no biases, those of a block, all.
        for (convs, base, count) in [(2, 2, 3 + 8), (4, 0, 3), (1, 1, 2 + 4)] {
            assert_eq!(Grid::standard(convs, base).0.len(), count);
        }
    }
}
