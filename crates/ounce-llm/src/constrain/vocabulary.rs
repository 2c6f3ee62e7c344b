//! A tokenizer as the library wants it: a trie of the bytes of all tokens.

use std::sync::Arc;

use llguidance::toktrie::{INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use super::VocabularyError;
use crate::tokenizer::Tokenizer;
use crate::tools::MARKERS;

/// Longer tokens are never offered: the trie holds no more than 1024 bytes a token.
const MAX_TOKEN_BYTES: usize = 512;

/// Nodes that the trie's 22 bits can count, the root and the node of special tokens included.
const MAX_NODES: usize = (1 << 22) - 4;

/// Text to tokens, for texts that the grammar forces.
pub(super) type Encode = Box<dyn Fn(&str) -> Option<Vec<u32>> + Send + Sync>;

struct Environment {
    trie: TokTrie,
    encode: Option<Encode>,
}

/// The vocabulary of `tokenizer`.
///
/// Text has its own bytes. Structure (control tokens, the unknown token, whatever ends a generation) gets the library's mark before its name, a byte that
/// is in no UTF-8, so that no grammar of text allows it. [`MARKERS`] are text even where a file calls them control tokens.
pub(super) fn environment(tokenizer: &Tokenizer, encode: Option<Encode>) -> Result<TokEnv, VocabularyError> {
    let size = tokenizer.vocab_size();
    let mut words: Vec<Vec<u8>> = Vec::with_capacity(size);
    let mut ends = Vec::new();
    for id in 0..size as u32 {
        let bytes = tokenizer.token_bytes(id);
        let end = tokenizer.is_end_of_generation(id);
        if end {
            ends.push(id);
        }
        let marker = MARKERS.iter().any(|marker| marker.as_bytes() == bytes);
        words.push(if bytes.is_empty() || bytes.len() > MAX_TOKEN_BYTES || tokenizer.is_unused(id) {
            Vec::new()
        } else if end || (tokenizer.is_special(id) && !marker) {
            [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes.as_slice()].concat()
        } else {
            bytes
        });
    }
    let nodes = nodes(&words);
    if nodes > MAX_NODES || size >= 1 << 24 {
        return Err(VocabularyError::TooLarge { tokens: size, nodes, limit: MAX_NODES });
    }
    let end = tokenizer.eos().filter(|eos| ends.contains(eos)).or(ends.first().copied());
    let mut trie = TokTrie::from(&TokRxInfo::new(size as u32, end.unwrap_or(INVALID_TOKEN)), &words);
    if !ends.is_empty() {
        trie = trie.with_eos_tokens(&ends);
    }
    Ok(Arc::new(Environment { trie, encode }))
}

/// How many nodes a trie of these words has, at most.
fn nodes(words: &[Vec<u8>]) -> usize {
    let mut sorted: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    let mut nodes = sorted.first().map_or(0, |first| first.len());
    for pair in sorted.windows(2) {
        let common = pair[0].iter().zip(pair[1]).take_while(|(a, b)| a == b).count();
        // A word that equals the one before gets a node of its own.
        nodes += (pair[1].len() - common).max(usize::from(!pair[1].is_empty()));
    }
    nodes
}

impl Environment {
    /// The tokens of `text` as a continuation of some other text.
    fn continuation(&self, text: &str) -> Option<Vec<TokenId>> {
        let encode = self.encode.as_ref()?;
        let tokens = encode(text)?;
        if self.says(&tokens, text) {
            return Some(tokens);
        }
        // SentencePiece puts a space before a text, so the text is put behind a line break, and both are taken away.
        const LEAD: &str = "\n";
        let tokens = encode(&format!("{LEAD}{text}"))?;
        (1..tokens.len().min(4))
            .map(|lead| &tokens[lead..])
            .find(|rest| self.says(rest, text))
            .map(<[_]>::to_vec)
    }

    /// Whether the bytes of `tokens` are `text`.
    fn says(&self, tokens: &[TokenId], text: &str) -> bool {
        let mut rest = text.as_bytes();
        for &token in tokens {
            match rest.strip_prefix(self.trie.token(token)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let greedy = |text: &str| self.trie.greedy_tokenize(text.as_bytes());
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            self.continuation(text).unwrap_or_else(|| greedy(text))
        })
    }

    /// Without an encoder nothing is forced: greedy tokens are not those that the model has learned.
    fn tokenize_is_canonical(&self) -> bool {
        self.encode.is_some()
    }
}
