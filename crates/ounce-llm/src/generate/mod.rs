//! Continuing a text, token by token.
//!
//! [`Generator`] keeps a [`Session`](crate::session::Session) together with the tokens that it has read: a prompt that begins like the text before
//! (the next turn of a conversation) is only read from where it differs.

mod answer;
mod generator;
mod prompt;
mod stop;

pub use answer::{Answer, Piece};
pub use generator::{Event, FinishReason, GenerateError, GenerateOptions, Generation, Generator, Timings};
pub use prompt::{PromptError, chat_prompt, chat_prompt_with, opening_tokens};
pub use stop::{Scanned, StopScanner};
