//! What each token id stands for: its bytes and its kind.

/// The role of a token, after `tokenizer.ggml.token_type` and the `added_tokens` of a tokenizer.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Normal,
    /// Stands for what the vocabulary cannot express. Hidden like a control token.
    Unknown,
    /// Structure (beginning, end, turn of a speaker), not text. Hidden on request when decoding.
    Control,
    /// Text that is matched before anything else.
    UserDefined,
    /// An id that no text gives.
    Unused,
    /// One byte of a character that the vocabulary lacks.
    Byte,
}

impl Kind {
    /// From the numbers of `tokenizer.ggml.token_type` (SentencePiece's own, plus one).
    pub(crate) fn from_ggml(number: i32) -> Kind {
        match number {
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => Kind::Normal,
        }
    }

    /// The number in `tokenizer.ggml.token_type`.
    pub(crate) fn to_ggml(self) -> i32 {
        match self {
            Kind::Normal => 1,
            Kind::Unknown => 2,
            Kind::Control => 3,
            Kind::UserDefined => 4,
            Kind::Unused => 5,
            Kind::Byte => 6,
        }
    }

    /// Whether "skip special tokens" hides it.
    pub(crate) fn is_special(self) -> bool {
        matches!(self, Kind::Control | Kind::Unknown)
    }
}

/// Bytes and kind of every token, in one buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    kinds: Vec<Kind>,
}

impl Pieces {
    pub(crate) fn with_capacity(tokens: usize) -> Pieces {
        Pieces {
            bytes: Vec::with_capacity(tokens * 8),
            ends: Vec::with_capacity(tokens),
            kinds: Vec::with_capacity(tokens),
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8], kind: Kind) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.kinds.push(kind);
    }

    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// The bytes of a token; none for an id outside the vocabulary.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start..end]
    }

    pub(crate) fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }
}

/// The 256 characters by which byte-level BPE (GPT-2) writes bytes: printable Latin-1 stands for itself, the rest is shifted to U+0100
/// and up in order.
pub(crate) mod byte_level {
    /// The byte that a character stands for.
    pub(crate) fn byte_of(c: char) -> Option<u8> {
        match c {
            '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => Some(c as u32 as u8),
            '\u{100}'..='\u{120}' => Some((c as u32 - 0x100) as u8),
            '\u{121}'..='\u{142}' => Some((c as u32 - 0x121) as u8 + 0x7f),
            '\u{143}' => Some(0xad),
            _ => None,
        }
    }

    /// Writes the bytes of a token into `out`: a token with any other character stands for its own UTF-8.
    pub(crate) fn decode_into(token: &str, out: &mut Vec<u8>) {
        let start = out.len();
        for c in token.chars() {
            let Some(byte) = byte_of(c) else {
                out.truncate(start);
                out.extend_from_slice(token.as_bytes());
                return;
            };
            out.push(byte);
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn every_byte_has_one_character() {
            let mut seen = [false; 256];
            for c in (0..0x144).filter_map(char::from_u32) {
                if let Some(byte) = super::byte_of(c) {
                    assert!(!std::mem::replace(&mut seen[byte as usize], true), "{byte} twice");
                }
            }
            assert!(seen.iter().all(|&s| s));
            assert_eq!(super::byte_of('Ġ'), Some(b' '));
            assert_eq!(super::byte_of('Ċ'), Some(b'\n'));
        }
    }
}
