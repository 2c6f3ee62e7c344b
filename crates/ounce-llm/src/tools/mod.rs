//! Tools: what a model is told of functions that it may call, how its calls are kept in form, and how they are read.
//!
//! One form of call is spoken, that of Hermes and Qwen, whatever the model:
//!
//! ```text
//! <tool_call>
//! {"name": "weather", "arguments": {"city": "Oslo"}}
//! </tool_call>
//! ```
//!
//! * [`Tool`] and [`ToolChoice`] come from a request in the form of OpenAI's API.
//! * [`ToolPrompt`] is what the chat template gets. Templates that write this form get the tools themselves; for all others (SmolLM2
//!   and Gemma know no tools, Llama and Mistral another form) the tools are described in the system message and calls and results become text.
//! * [`ToolGrammar`] goes into a [`Grammar::Tools`](crate::constrain::Grammar::Tools): each call names one of the tools, and its arguments obey that tool's schema.
//! * [`ToolCallParser`] finds the calls in the text that the model gives, as it comes; [`ParsedOutput::parse`] in the finished text.

mod definition;
mod grammar;
mod header;
mod parser;
mod prompt;

pub use definition::{Tool, ToolChoice, ToolError};
pub use grammar::{MAX_CALLS, ToolGrammar};
pub use parser::{ParsedOutput, ToolCallParser, ToolEvent};
pub use prompt::ToolPrompt;

use crate::tokenizer::{Special, Tokenizer};

/// What begins a call.
pub(crate) const OPEN: &str = "<tool_call>";
/// What ends a call.
pub(crate) const CLOSE: &str = "</tool_call>";

/// The marks around a call. Models that know the form have a token for each.
pub const MARKERS: [&str; 2] = [OPEN, CLOSE];

/// Whether the file calls the marks control tokens, so that a decoder that skips special tokens would swallow them: the output must then be
/// decoded by [`Tokenizer::stream`] with `skip_special` false, and end before the end-of-generation token.
pub fn markers_are_special(tokenizer: &Tokenizer) -> bool {
    MARKERS.iter().any(|marker| tokenizer.token_to_id(marker).is_some_and(|id| tokenizer.is_special(id)))
}

/// The tokens of a forced text, as [`ConstraintFactory::with_encoder`](crate::constrain::ConstraintFactory::with_encoder) wants them:
/// control tokens are text but for [`MARKERS`], which are the tokens that the model knows.
pub fn encode_forced(tokenizer: &Tokenizer, text: &str) -> Option<Vec<u32>> {
    let marked = MARKERS.iter().any(|marker| text.contains(marker));
    tokenizer.encode(text, if marked { Special::Parse } else { Special::AsText }).ok()
}
