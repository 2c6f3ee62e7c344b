//! What training each part of a network contributes to its accuracy (Lin et al. 2022, section 3.2, "contribution analysis").
//!
//! The network is trained again and again, each time from the same start and with the same pictures: with the biases of the last `k` convolutions alone, for
//! many `k`, and with the weights of one convolution, or a share of them, on top of a fixed number of biases. [`Contributions`] holds what came of that, and
//! [`Prediction`] adds it up to the accuracy of any scheme, which is what [`search`](crate::search) maximizes.

mod grid;
mod measure;
mod prediction;

use serde::{Deserialize, Serialize};

pub use self::grid::{Grid, Point};
pub use self::measure::Analysis;
pub use self::prediction::{Choice, Prediction};
use crate::origin::{Origin, OriginError};
use crate::scheme::{Scheme, TrainedWeight};

/// How contributions were measured. Measurements of different settings are not comparable.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The network, as its file is called.
    pub network: String,
    /// The data set, as its file or folder is called.
    pub data: String,
    /// Height and width of the pictures.
    pub size: usize,
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Pictures that are trained on.
    pub train: usize,
    /// Pictures of the training part that are set aside, which the accuracy is measured on.
    pub validation: usize,
    /// Passes over the pictures.
    pub epochs: usize,
    /// Pictures a step.
    pub batch: usize,
    /// Learning rate of weights at its highest; it falls along half a cosine.
    pub rate: f32,
    /// Learning rate of biases, likewise.
    pub bias_rate: f32,
    /// Seed of the first training; the next ones take those that follow.
    pub seed: u64,
}

/// Accuracies with biases alone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfBiases {
    /// Of how many convolutions, from the last.
    pub biases: usize,
    /// Shares of pictures that were classified correctly, in `0..=1`, one for each seed.
    pub accuracy: Vec<f64>,
}

/// Accuracies with the weights of one convolution on top of [`Contributions::base`] biases.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfWeights {
    /// The convolution, numbered from the input.
    pub conv: usize,
    /// The share of its channels.
    pub share: f64,
    /// Shares of pictures that were classified correctly, in `0..=1`, one for each seed.
    pub accuracy: Vec<f64>,
}

/// What was measured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contributions {
    /// How.
    pub setting: Setting,
    /// Of which network and pictures; `None` in files that do not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Convolutions of the network, without its classifier.
    pub convs: usize,
    /// Biases that are trained along with weights.
    pub base: usize,
    /// Accuracies with biases alone, by rising number.
    pub biases: Vec<OfBiases>,
    /// Accuracies with weights, by rising convolution and share.
    pub weights: Vec<OfWeights>,
}

/// What can be wrong with a file of contributions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContributionError {
    /// The text is no such file.
    #[error("no file of contributions: {0}")]
    Json(#[from] serde_json::Error),
    /// A number outside its range.
    #[error("no file of contributions: {what} is {value}; {range}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// Measurements that do not rise, or the same twice.
    #[error("no file of contributions: {0} must rise from one measurement to the next")]
    Order(&'static str),
    /// Measurements of another network.
    #[error("contributions of a network of {found} convolutions; this one has {convs}")]
    Network {
        /// What the file says.
        found: usize,
        /// What the network has.
        convs: usize,
    },
    /// Measurements of another network, or of other pictures.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// Not enough was measured.
    #[error("accuracies with the biases of {0} convolutions are missing: finish the measurement")]
    Missing(usize),
}

impl Contributions {
    /// Nothing measured yet, for a network of `convs` convolutions.
    pub fn new(setting: Setting, convs: usize, base: usize) -> Self {
        let base = base.min(convs);
        Self { setting, origin: None, convs, base, biases: Vec::new(), weights: Vec::new() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is no such file, or its numbers are out of range.
    pub fn parse(text: &str) -> Result<Self, ContributionError> {
        let found: Self = serde_json::from_str(text)?;
        found.check_values()?;
        Ok(found)
    }

    /// Checks that all numbers are within their ranges and in order.
    fn check_values(&self) -> Result<(), ContributionError> {
        let within = |what, value: f64, most: f64, range| {
            let inside = (0.0..=most).contains(&value);
            if inside { Ok(()) } else { Err(ContributionError::Range { what, value, range }) }
        };
        let convs = self.convs as f64;
        within("`convs`", convs, 65_536.0, "at most 65536 are read")?;
        let up_to_convs = "it must be at most `convs`";
        within("`base`", self.base as f64, convs, up_to_convs)?;
        for of in &self.biases {
            within("a number of biases", of.biases as f64, convs, up_to_convs)?;
        }
        for of in &self.weights {
            within("a convolution", of.conv as f64 + 1.0, convs, "it must be less than `convs`")?;
            within("a share", of.share, 1.0, "it must be in 0..=1")?;
        }
        let of_biases = self.biases.iter().flat_map(|of| &of.accuracy);
        for accuracy in of_biases.chain(self.weights.iter().flat_map(|of| &of.accuracy)) {
            within("an accuracy", *accuracy, 1.0, "it must be in 0..=1")?;
        }
        let rising = |a: &OfWeights, b: &OfWeights| (a.conv, a.share) < (b.conv, b.share);
        if !self.biases.is_sorted_by(|a, b| a.biases < b.biases) {
            return Err(ContributionError::Order("numbers of biases"));
        }
        if !self.weights.is_sorted_by(rising) {
            return Err(ContributionError::Order("convolutions, and of each the shares,"));
        }
        Ok(())
    }

    /// Checks that they are of a network of so many convolutions.
    ///
    /// # Errors
    /// [`ContributionError::Network`] if not.
    pub fn check(&self, convs: usize) -> Result<(), ContributionError> {
        let found = self.convs;
        if found == convs { Ok(()) } else { Err(ContributionError::Network { found, convs }) }
    }

    /// Checks that they are of a network with this [checksum](crate::origin::network). Those that do not say of which they are pass.
    ///
    /// # Errors
    /// [`ContributionError::Origin`] if not.
    pub fn check_network(&self, checksum: &str) -> Result<(), ContributionError> {
        self.origin.as_ref().map_or(Ok(()), |origin| Ok(origin.check_network(checksum)?))
    }

    /// The file: JSON, one measurement a line.
    pub fn to_text(&self) -> String {
        let origin = self.origin.as_ref();
        format!(
            "{{\"setting\":{},\n{}\"convs\":{},\n\"base\":{},\n\"biases\":[\n{}],\n\"weights\":[\n{}]}}\n",
            json(&self.setting),
            origin.map_or_else(String::new, |origin| format!("\"origin\":{},\n", json(origin))),
            self.convs,
            self.base,
            self.biases.iter().map(json).collect::<Vec<_>>().join(",\n"),
            self.weights.iter().map(json).collect::<Vec<_>>().join(",\n"),
        )
    }

    /// The scheme that a measurement trains.
    pub fn scheme(&self, point: Point) -> Scheme {
        match point {
            Point::Biases(biases) => Scheme::bias_only(biases),
            Point::Weights(weight) => Scheme { biases: self.base, weights: vec![weight] },
        }
    }

    /// The accuracies of a point, one for each seed so far.
    pub fn accuracies(&self, point: Point) -> &[f64] {
        let found = match point {
            Point::Biases(biases) => self.biases.iter().find(|of| of.biases == biases).map(|of| &of.accuracy),
            Point::Weights(TrainedWeight { conv, share }) => {
                let of = self.weights.iter().find(|of| of.conv == conv && of.share == share);
                of.map(|of| &of.accuracy)
            }
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Adds the accuracy of the next seed of a point.
    pub fn record(&mut self, point: Point, accuracy: f64) {
        match point {
            Point::Biases(biases) => {
                let at = self.biases.binary_search_by_key(&biases, |of| of.biases);
                let at = at.unwrap_or_else(|at| {
                    self.biases.insert(at, OfBiases { biases, accuracy: Vec::new() });
                    at
                });
                self.biases[at].accuracy.push(accuracy);
            }
            Point::Weights(TrainedWeight { conv, share }) => {
                let order = |of: &OfWeights| of.conv.cmp(&conv).then(of.share.total_cmp(&share));
                let at = self.weights.binary_search_by(order);
                let at = at.unwrap_or_else(|at| {
                    self.weights.insert(at, OfWeights { conv, share, accuracy: Vec::new() });
                    at
                });
                self.weights[at].accuracy.push(accuracy);
            }
        }
    }

    /// The mean accuracy of a point over its seeds.
    pub fn accuracy(&self, point: Point) -> Option<f64> {
        mean(self.accuracies(point))
    }

    /// What the weights of a convolution add to the accuracy of [`Self::base`] biases alone, over the seeds that both have.
    pub fn gain(&self, weight: TrainedWeight) -> Option<f64> {
        let with = self.accuracies(Point::Weights(weight));
        let without = self.accuracies(Point::Biases(self.base));
        let differences: Vec<f64> = with.iter().zip(without).map(|(with, without)| with - without).collect();
        mean(&differences)
    }
}

/// A value as JSON, which numbers and texts always are.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / values.len() as f64) }
}
