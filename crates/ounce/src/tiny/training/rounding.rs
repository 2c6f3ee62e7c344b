//! Ways of updating, as the command line names them.

use clap::ValueEnum;
use ounce_graph::ops::Rounding as Method;
use ounce_tiny::step::StepOptions;

/// How updated weights become integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rounding {
    /// Cut off as TinyEngine does, with logits in bytes
    Original,
    /// To the nearest; small steps are lost
    Nearest,
    /// Up or down at random, right on average
    Stochastic,
    /// To the nearest, the rest being kept for the next step
    ErrorFeedback,
}

impl Rounding {
    /// What goes with it: with the original's, logits in bytes and the first channels; else floats and the channels of largest weights.
    pub(crate) fn options(self, seed: u64) -> StepOptions {
        match self {
            Self::Original => StepOptions::ORIGINAL,
            Self::Nearest => StepOptions::rounded(Method::Nearest),
            Self::Stochastic => StepOptions::rounded(Method::Stochastic { seed }),
            Self::ErrorFeedback => StepOptions::rounded(Method::ErrorFeedback),
        }
    }
}
