//! Tokenizers run by the `tokenizers` library: every tokenizer.json, and the byte-level BPE of GGUF files.

use tokenizers::models::bpe::BPE;
use tokenizers::tokenizer::{AddedVocabulary, Model, OffsetType, PreTokenizer as _};
use tokenizers::{AddedToken, Tokenizer as Library};

use super::TokenizerError;
use super::pieces::Kind;
use super::pre_tokenizer::PreTokenizer;

/// A tokenizer of the library, and a second way to split its special tokens from text.
pub(crate) struct HuggingFace {
    library: Library,
    /// The added tokens, with the special ones treated as ordinary text.
    without_special: AddedVocabulary,
}

impl HuggingFace {
    pub(crate) fn new(library: Library) -> HuggingFace {
        let mut without_special = library.get_added_vocabulary().clone();
        without_special.set_encode_special_tokens(true);
        HuggingFace { library, without_special }
    }

    /// Byte-level BPE from the tokens and merges of a GGUF file. `kinds` is as long as `tokens`.
    pub(crate) fn byte_level(
        tokens: &[String],
        kinds: &[Kind],
        merges: &[String],
        pre: &PreTokenizer,
    ) -> Result<HuggingFace, TokenizerError> {
        let mut vocabulary = tokenizers::models::bpe::Vocab::with_capacity(tokens.len());
        for (id, token) in (0u32..).zip(tokens) {
            if !token.is_empty() {
                vocabulary.entry(token.clone()).or_insert(id);
            }
        }
        let longest = tokens.iter().map(String::len).max().unwrap_or(0);
        let merges = split_merges(merges, longest)?;
        let model = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(pre.ignore_merges)
            .build()
            .map_err(|e| TokenizerError::Vocabulary(e.to_string()))?;
        let mut library = Library::new(model);
        library
            .with_normalizer(pre.normalizer())
            .map_err(|e| TokenizerError::Vocabulary(e.to_string()))?
            .with_pre_tokenizer(Some(pre.build()?));
        let added = tokens.iter().zip(kinds).filter_map(|(token, kind)| match kind {
            _ if token.is_empty() => None,
            Kind::Control | Kind::Unknown => Some(AddedToken::from(token.as_str(), true)),
            Kind::UserDefined => Some(AddedToken::from(token.as_str(), false).normalized(false)),
            _ => None,
        });
        library
            .add_tokens(added.collect::<Vec<_>>())
            .map_err(|e| TokenizerError::Vocabulary(format!("added tokens: {e}")))?;
        Ok(HuggingFace::new(library))
    }

    /// The tokenizer as the library has it. From a GGUF file it has no decoder and puts nothing around a text.
    pub(crate) fn library(&self) -> &Library {
        &self.library
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.library.token_to_id(token)
    }

    /// The tokens of `text`.
    pub(crate) fn encode(&self, text: &str, parse: bool) -> Result<Vec<u32>, TokenizerError> {
        let encode = || {
            let added = if parse { self.library.get_added_vocabulary() } else { &self.without_special };
            let mut words = added.extract_and_normalize(self.library.get_normalizer(), text);
            if let Some(pre_tokenizer) = self.library.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut words)?;
            }
            words.tokenize(|word| self.library.get_model().tokenize(word.get()))?;
            let encoding = words.into_encoding(None, 0, OffsetType::None)?;
            Ok(encoding.get_ids().to_vec())
        };
        encode().map_err(|e: tokenizers::Error| TokenizerError::Encode(e.to_string()))
    }
}

/// Splits merge rules. That their tokens are in the vocabulary the library checks; that a rule makes no token longer than any there is, it relies on.
fn split_merges(merges: &[String], longest: usize) -> Result<Vec<(String, String)>, TokenizerError> {
    let split = |(index, rule): (usize, &String)| {
        let wrong = |problem| TokenizerError::Merge { index, rule: rule.chars().take(80).collect(), problem };
        // A byte-level token holds no space, so the one space separates.
        let (left, right) =
            rule.split_once(' ').ok_or_else(|| wrong("is not two tokens separated by a space"))?;
        if left.is_empty() || right.is_empty() || right.contains(' ') {
            return Err(wrong("is not two tokens separated by one space"));
        }
        if left.len() + right.len() > longest {
            return Err(wrong("makes a token that the vocabulary lacks"));
        }
        Ok((left.to_owned(), right.to_owned()))
    };
    merges.iter().enumerate().map(split).collect()
}
