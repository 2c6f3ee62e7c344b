//! Tokens back to text, one at a time or all at once, by one code path.

use super::pieces::{Kind, Pieces};
use std::sync::Arc;

/// How the bytes of tokens join into text; the two decoders of Hugging Face tokenizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Byte-level BPE: all bytes form one string; each maximal invalid part becomes one U+FFFD.
    ByteLevel,
    /// SentencePiece: tokens are whole strings; a run of byte tokens is valid UTF-8 as a whole or each of its bytes becomes U+FFFD.
    SentencePiece {
        /// The first space of the text is the one that the encoder put there, and is dropped.
        strip_first_space: bool,
    },
}

/// Turns tokens into text as they come.
///
/// The pieces that it gives, joined with [`finish`](Self::finish), are exactly what decoding all tokens at once would give: bytes of an
/// unfinished character are held back until they are complete or known to be invalid.
#[derive(Clone, Debug)]
pub struct StreamDecoder {
    pieces: Arc<Pieces>,
    joining: Joining,
    skip_special: bool,
    at_start: bool,
    held: Vec<u8>,
}

impl StreamDecoder {
    pub(super) fn new(pieces: Arc<Pieces>, joining: Joining, skip_special: bool) -> StreamDecoder {
        StreamDecoder { pieces, joining, skip_special, at_start: true, held: Vec::new() }
    }

    /// For tokens that continue a text: keeps the first space, which a SentencePiece decoder would drop at the start of a text.
    #[must_use]
    pub fn continuing(mut self) -> StreamDecoder {
        self.at_start = false;
        self
    }

    /// The text that this token completes; empty while a character is unfinished. Ids outside the vocabulary give nothing.
    pub fn push(&mut self, id: u32) -> String {
        let Some(kind) = self.pieces.kind(id) else { return String::new() };
        if self.skip_special && kind.is_special() {
            return String::new();
        }
        let bytes = self.pieces.bytes(id);
        match self.joining {
            Joining::ByteLevel => {
                self.held.extend_from_slice(bytes);
                self.take_decided()
            }
            Joining::SentencePiece { .. } if kind == Kind::Byte => {
                self.held.extend_from_slice(bytes);
                String::new()
            }
            Joining::SentencePiece { .. } => {
                let piece = String::from_utf8_lossy(bytes).into_owned();
                let text = self.take_run() + &piece;
                self.strip(text)
            }
        }
    }

    /// What is still held back, with U+FFFD for what never became a character. The decoder starts anew.
    pub fn finish(&mut self) -> String {
        let text = match self.joining {
            Joining::ByteLevel => {
                let held = std::mem::take(&mut self.held);
                String::from_utf8_lossy(&held).into_owned()
            }
            Joining::SentencePiece { .. } => {
                let run = self.take_run();
                self.strip(run)
            }
        };
        self.at_start = true;
        text
    }

    /// Byte-level: everything up to an unfinished character.
    fn take_decided(&mut self) -> String {
        let mut text = String::new();
        let mut rest = self.held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(invalid) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[invalid..];
                }
            }
        }
        let decided = self.held.len() - rest.len();
        self.held.drain(..decided);
        text
    }

    /// SentencePiece: the run of byte tokens that has just ended.
    fn take_run(&mut self) -> String {
        let run = std::mem::take(&mut self.held);
        let bytes = run.len();
        String::from_utf8(run).unwrap_or_else(|_| "\u{fffd}".repeat(bytes))
    }

    fn strip(&mut self, mut text: String) -> String {
        if self.at_start && !text.is_empty() {
            self.at_start = false;
            if self.joining == (Joining::SentencePiece { strip_first_space: true }) && text.starts_with(' ') {
                text.remove(0);
            }
        }
        text
    }
}
