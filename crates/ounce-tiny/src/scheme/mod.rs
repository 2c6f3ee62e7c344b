//! Update schemes: which parameters of a network are trained (Lin et al. 2022, section 3.2, "sparse update").
//!
//! Convolutions are numbered from the input, 0 being the first. The classifier is always trained and not counted.

mod memory;
mod published;

use serde::{Deserialize, Serialize};

pub use self::memory::{ExtraMemory, Layer, extra_memory, layers};
pub use self::published::{Published, published};

/// Which parameters are trained.
///
/// As a file:
///
/// ```toml
/// # Biases of the last 20 convolutions, and weights of three.
/// biases = 20
///
/// [[weights]]
/// conv = 24
/// share = 0.25
/// ```
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// Of how many convolutions, from the last, the biases are trained. Gradients reach no further back.
    pub biases: usize,
    /// Convolutions whose weights are trained too, by rising number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<TrainedWeight>,
}

/// A convolution whose weights are trained.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedWeight {
    /// Its number.
    pub conv: usize,
    /// Of which share of its input channels, in `0..=1`; of a depthwise convolution, of which share of its channels.
    pub share: f64,
}

/// How many of `channels` channels a share is: rounded down, as the original does, but one at least.
pub fn trained_channels(channels: usize, share: f64) -> usize {
    ((channels as f64 * share) as usize).clamp(channels.min(1), channels)
}

/// What can be wrong with a scheme.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The text is no scheme.
    #[error("no update scheme: {0}")]
    Toml(#[from] toml::de::Error),
    /// A convolution that the network does not have.
    #[error("convolution {conv} is to be trained, but the network has {convs}, numbered from 0")]
    Conv {
        /// The number in the scheme.
        conv: usize,
        /// How many there are.
        convs: usize,
    },
    /// More biases than convolutions.
    #[error("biases of the last {biases} convolutions are to be trained, but the network has {convs}")]
    Biases {
        /// The number in the scheme.
        biases: usize,
        /// How many convolutions there are.
        convs: usize,
    },
    /// Weights before the first trained bias.
    #[error(
        "weights of convolution {conv} are to be trained, but gradients end at convolution {first}: let `biases` be at least {needed}"
    )]
    Unreached {
        /// The number in the scheme.
        conv: usize,
        /// The first convolution with gradients.
        first: usize,
        /// What would reach it.
        needed: usize,
    },
    /// A share outside its range.
    #[error("convolution {conv}: a share of {share}; it must be above 0 and at most 1")]
    Share {
        /// The convolution.
        conv: usize,
        /// The share in the scheme.
        share: f64,
    },
    /// A convolution is named twice.
    #[error("convolution {0} is named twice")]
    Twice(usize),
}

impl Scheme {
    /// Reads a scheme.
    ///
    /// # Errors
    /// Those of TOML, with line and column.
    pub fn parse(text: &str) -> Result<Self, SchemeError> {
        let mut scheme: Self = toml::from_str(text)?;
        scheme.weights.sort_by_key(|weight| weight.conv);
        Ok(scheme)
    }

    /// The scheme as a file.
    pub fn to_text(&self) -> String {
        // Numbers and lists of them are always TOML.
        toml::to_string(self).unwrap_or_default()
    }

    /// All parameters of a network of so many convolutions.
    pub fn full(convs: usize) -> Self {
        Self::last(convs, convs)
    }

    /// Weights and biases of the last `count` of `convs` convolutions.
    pub fn last(convs: usize, count: usize) -> Self {
        let weights = (convs.saturating_sub(count)..convs).map(|conv| TrainedWeight { conv, share: 1.0 });
        Self { biases: count.min(convs), weights: weights.collect() }
    }

    /// Only biases, of the last `count` convolutions.
    pub fn bias_only(count: usize) -> Self {
        Self { biases: count, weights: Vec::new() }
    }

    /// Checks a scheme against a network of `convs` convolutions.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, convs: usize) -> Result<(), SchemeError> {
        if self.biases > convs {
            return Err(SchemeError::Biases { biases: self.biases, convs });
        }
        let first = convs - self.biases;
        for (at, TrainedWeight { conv, share }) in self.weights.iter().copied().enumerate() {
            if conv >= convs {
                return Err(SchemeError::Conv { conv, convs });
            }
            if !(share > 0.0 && share <= 1.0) {
                return Err(SchemeError::Share { conv, share });
            }
            if conv < first {
                return Err(SchemeError::Unreached { conv, first, needed: convs - conv });
            }
            if self.weights[..at].iter().any(|earlier| earlier.conv == conv) {
                return Err(SchemeError::Twice(conv));
            }
        }
        Ok(())
    }

    /// Of which share of the channels the weights of a convolution are trained, if they are.
    pub fn share(&self, conv: usize) -> Option<f64> {
        self.weights.iter().find(|weight| weight.conv == conv).map(|weight| weight.share)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Scheme, SchemeError, TrainedWeight};

    #[test]
    fn a_scheme_survives_its_file() {
        let scheme = Scheme { biases: 3, weights: vec![TrainedWeight { conv: 5, share: 0.25 }] };
        assert_eq!(Scheme::parse(&scheme.to_text()).unwrap(), scheme);
        assert_eq!(Scheme::parse(&Scheme::bias_only(4).to_text()).unwrap(), Scheme::bias_only(4));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let with = |biases, weights: &[(usize, f64)]| {
            let weights = weights.iter().map(|&(conv, share)| TrainedWeight { conv, share }).collect();
            Scheme { biases, weights }.check(6)
        };
        assert!(with(6, &[(0, 1.0), (5, 0.5)]).is_ok());
        assert!(matches!(with(7, &[]), Err(SchemeError::Biases { .. })));
        assert!(matches!(with(2, &[(6, 1.0)]), Err(SchemeError::Conv { .. })));
        assert!(matches!(with(2, &[(3, 1.0)]), Err(SchemeError::Unreached { needed: 3, .. })));
        assert!(matches!(with(2, &[(4, 0.0)]), Err(SchemeError::Share { .. })));
        assert!(matches!(with(2, &[(4, f64::NAN)]), Err(SchemeError::Share { .. })));
        assert!(matches!(with(2, &[(4, 0.5), (4, 1.0)]), Err(SchemeError::Twice(4))));
        assert!(Scheme::parse("biases = 3\nlayers = 4").is_err());
        assert!(Scheme::parse("biases = -1").is_err());
    }
}
