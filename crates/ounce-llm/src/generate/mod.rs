//! Continuing a text, token by token.
//!
//! [`Generator`] keeps a [`Session`](crate::session::Session) together with the tokens that it has read: a prompt that begins like the text before
//! (the next turn of a conversation) is only read from where it differs.

mod generator;
mod stop;

pub use generator::{Event, FinishReason, GenerateError, GenerateOptions, Generation, Generator, Timings};
pub use stop::{Scanned, StopScanner};
