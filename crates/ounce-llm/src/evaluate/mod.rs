//! How well a model predicts a text: perplexity, and divergence from another model.
//!
//! A perplexity means nothing without its protocol; [`Protocol`] has the two in common use.

mod divergence;
mod error;
mod perplexity;
mod protocol;
mod statistics;
mod windows;

pub use divergence::{Divergence, divergence};
pub use error::EvaluateError;
pub use perplexity::{Perplexity, Progress, perplexity};
pub use protocol::Protocol;
