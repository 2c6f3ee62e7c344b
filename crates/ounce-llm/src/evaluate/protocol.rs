//! The two protocols of perplexity in common use.

use super::EvaluateError;
use crate::tokenizer::{Special, Tokenizer};
use std::borrow::Cow;
use std::ops::Range;

/// How a text is prepared, cut and scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// As in the AWQ repository (`awq/entry.py`) and most papers on quantization: the rows of the WikiText data set joined by two line
    /// feeds, tokenized as a whole with the tokenizer's defaults, cut into windows that do not overlap; in each every token but the first is
    /// predicted, and the windows' means are averaged. A last, shorter window is dropped.
    Hf {
        /// Tokens of a window.
        window: usize,
    },
    /// As `llama-perplexity` does: the file's text as it is (less one line feed at its end), cut into windows; the first token of each is
    /// replaced by the token that begins a text, where the model has the habit; only the second half is scored.
    LlamaCpp {
        /// Tokens of a window.
        window: usize,
    },
}

impl Protocol {
    /// `hf` with the window of the AWQ repository.
    pub const HF: Self = Self::Hf { window: 2048 };
    /// `llama.cpp` with its default window.
    pub const LLAMA_CPP: Self = Self::LlamaCpp { window: 512 };

    /// The name that stands beside every number: `hf` or `llama.cpp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hf { .. } => "hf",
            Self::LlamaCpp { .. } => "llama.cpp",
        }
    }

    /// Tokens of a window.
    pub fn window(self) -> usize {
        match self {
            Self::Hf { window } | Self::LlamaCpp { window } => window,
        }
    }

    /// The same protocol with another window.
    #[must_use]
    pub fn with_window(self, window: usize) -> Self {
        match self {
            Self::Hf { .. } => Self::Hf { window },
            Self::LlamaCpp { .. } => Self::LlamaCpp { window },
        }
    }

    /// The text that is tokenized, of a file's text.
    pub fn prepare(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Hf { .. } => Cow::Owned(join_rows(text)),
            Self::LlamaCpp { .. } => Cow::Borrowed(text.strip_suffix('\n').unwrap_or(text)),
        }
    }

    /// The tokens of a file's text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_document`].
    pub fn encode(self, tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, EvaluateError> {
        let special = match self {
            Self::Hf { .. } => Special::Parse,
            Self::LlamaCpp { .. } => Special::AsText,
        };
        Ok(tokenizer.encode_document(&self.prepare(text), special)?)
    }

    /// Indices in a window of the tokens whose following token is scored.
    pub(super) fn scored(self) -> Range<usize> {
        match self {
            Self::Hf { window } => 0..window.saturating_sub(1),
            Self::LlamaCpp { window } => window / 2..window.saturating_sub(1),
        }
    }

    /// The number of windows in `tokens` tokens, at most `chunks`.
    pub(super) fn windows(self, tokens: usize, chunks: Option<usize>) -> Result<usize, EvaluateError> {
        let window = self.window();
        if self.scored().is_empty() {
            let least = match self {
                Self::Hf { .. } => 2,
                Self::LlamaCpp { .. } => 3,
            };
            return Err(EvaluateError::WindowTooSmall { protocol: self.name(), window, least });
        }
        match tokens / window {
            0 => Err(EvaluateError::TextTooShort { tokens, window }),
            whole => Ok(whole.min(chunks.unwrap_or(whole).max(1))),
        }
    }

    /// The token that replaces the first of every window, if there is one.
    pub(super) fn first_token(self, tokenizer: &Tokenizer) -> Option<u32> {
        match self {
            Self::Hf { .. } => None,
            Self::LlamaCpp { .. } => tokenizer.adds_bos().then(|| tokenizer.bos()).flatten(),
        }
    }
}

/// The rows of the data set that a raw WikiText file holds, joined by two line feeds: a row is a line with its line feed, and
/// a blank line is an empty row. A last line without a line feed is a row too, unless it is blank.
fn join_rows(text: &str) -> String {
    let mut joined = String::with_capacity(text.len() * 2);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let blank = line.trim().is_empty();
        if blank && !line.ends_with('\n') {
            break;
        }
        if index > 0 {
            joined.push_str("\n\n");
        }
        if !blank {
            joined.push_str(line);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `"\n\n".join(rows)` gives for the rows `["", " = A = \n", "", " b c \n"]`.
    #[test]
    fn rows_are_joined_as_the_data_set_has_them() {
        assert_eq!(join_rows(" \n = A = \n \n b c \n"), "\n\n = A = \n\n\n\n\n b c \n");
        assert_eq!(join_rows("no line feed"), "no line feed");
        assert_eq!(join_rows("one\nlast"), "one\n\n\nlast");
        assert_eq!(join_rows("one\n "), "one\n");
    }

    #[test]
    fn windows_are_whole_and_limited() {
        let protocol = Protocol::Hf { window: 4 };
        assert_eq!(protocol.windows(11, None).unwrap(), 2);
        assert_eq!(protocol.windows(11, Some(1)).unwrap(), 1);
        assert!(matches!(
            protocol.windows(3, None),
            Err(EvaluateError::TextTooShort { tokens: 3, window: 4 })
        ));
        for (protocol, least) in [(Protocol::HF, 2), (Protocol::LLAMA_CPP, 3)] {
            assert!(matches!(
                protocol.with_window(least - 1).windows(100, None),
                Err(EvaluateError::WindowTooSmall { .. })
            ));
            assert!(protocol.with_window(least).windows(100, None).is_ok());
        }
        assert_eq!(Protocol::LLAMA_CPP.scored(), 256..511);
        assert_eq!(Protocol::HF.scored().len(), 2047);
    }
}
