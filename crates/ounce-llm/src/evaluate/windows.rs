//! The windows of a text.

use super::{EvaluateError, Protocol};
use crate::session::Session;

/// A text cut into windows.
pub(super) struct Windows<'a> {
    tokens: &'a [u32],
    first_token: Option<u32>,
    pub(super) protocol: Protocol,
    pub(super) count: usize,
}

impl<'a> Windows<'a> {
    /// Checks that text, protocol and session fit together.
    pub(super) fn new(
        session: &Session,
        tokens: &'a [u32],
        protocol: Protocol,
        chunks: Option<usize>,
    ) -> Result<Self, EvaluateError> {
        let count = protocol.windows(tokens.len(), chunks)?;
        let (window, context) = (protocol.window(), session.context());
        if window > context {
            return Err(EvaluateError::WindowTooLarge { window, context });
        }
        let first_token = protocol.first_token(session.model().tokenizer());
        Ok(Self { tokens, first_token, protocol, count })
    }

    /// The tokens of window `index`.
    pub(super) fn get(&self, index: usize) -> Vec<u32> {
        let length = self.protocol.window();
        let mut window = self.tokens[index * length..(index + 1) * length].to_vec();
        if let Some(first) = self.first_token {
            window[0] = first;
        }
        window
    }
}
