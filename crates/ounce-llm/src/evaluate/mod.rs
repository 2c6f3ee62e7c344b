//! How well a model predicts a text: perplexity, and divergence from another model.
//!
//! A perplexity means nothing without its protocol; [`Protocol`] has the two in common use. [`stream`] gives the losses along one long text.

mod divergence;
mod error;
mod perplexity;
mod protocol;
mod statistics;
mod stream;
mod stream_eval;
mod windows;

pub use divergence::{Divergence, divergence};
pub use error::EvaluateError;
pub use perplexity::{Perplexity, Progress, perplexity};
pub use protocol::Protocol;
pub use stream::{Stretch, recompute, stream};
pub use stream_eval::{Answer, StreamEvalOptions, stream_eval, tokens_back};
