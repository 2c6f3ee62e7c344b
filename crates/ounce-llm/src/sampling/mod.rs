//! Choosing the next token from the logits.
//!
//! The chain, in this order (the order of llama.cpp's default chain; temperature comes last, so the filters see the
//! distribution as the model gave it):
//!
//! 1. **Penalties** on the logits: repetition, then frequency and presence (`penalties.rs`).
//! 2. **Top-k**: the `top_k` most likely tokens stay.
//! 3. **Top-p** (nucleus sampling, Holtzman et al. 2020): of those, renormalised, the smallest set of most likely tokens
//!    whose probabilities sum to at least `top_p` stays.
//! 4. **Min-p** (Nguyen et al. 2024): of those, the ones at least `min_p` times as likely as the most likely one stay.
//! 5. **Temperature**: what is left is drawn from `softmax(logits / temperature)`.
//!
//! A temperature of zero means greedy: the most likely token after the penalties, the lowest id among equals.
//! A filter always leaves at least one token. A NaN logit is never chosen; `+inf` counts as the largest finite number.
//!
//! The draw comes from [`Pcg32`], seeded from [`SamplerOptions::seed`] alone: equal logits and an equal seed give equal tokens on
//! every machine whose `exp` rounds alike, whatever the number of threads.

mod candidates;
mod options;
mod penalties;
mod sampler;
mod scores;

pub use options::{InvalidOption, SamplerOptions};
pub use ounce_random::Pcg32;
pub use penalties::Past;
pub use sampler::{NoCandidate, Sampler};
pub use scores::{Score, score};
