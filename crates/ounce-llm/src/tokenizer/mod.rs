//! Text to tokens and back, as the model was trained.
//!
//! A tokenizer comes from the metadata of a GGUF file ([`Tokenizer::from_gguf`]) or from the `tokenizer.json` of a Hugging Face folder
//! ([`Tokenizer::from_folder`]); its tokens are those of Hugging Face, id by id. Byte-level BPE and every tokenizer.json run on the `tokenizers` library, SentencePiece
//! vocabularies of GGUF files on an own implementation that needs no list of merges. Decoding is own code for all
//! ([`StreamDecoder`]).

mod error;
mod folder;
mod gguf;
mod hugging_face;
mod pieces;
mod pre_tokenizer;
mod sentence_piece;
mod stream;
mod to_folder;
mod to_gguf;

use std::collections::BTreeSet;
use std::path::Path;

use ounce_formats::gguf::Metadata;

pub use error::TokenizerError;
pub use stream::StreamDecoder;
pub(crate) use to_folder::{FolderTokenizer, folder_tokenizer};
pub(crate) use to_gguf::gguf_tokenizer;

use hugging_face::HuggingFace;
use pieces::{Kind, Pieces};
use sentence_piece::SentencePiece;
use std::sync::Arc;
use stream::Joining;

/// What control tokens written in a text (`<|im_start|>`, `</s>`) mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// They are those tokens: for text that a chat template wrote.
    Parse,
    /// They are ordinary text: for text from a user or a file, which must not be able to end a turn.
    AsText,
}

/// A model's tokenizer.
pub struct Tokenizer {
    backend: Backend,
    pieces: Arc<Pieces>,
    joining: Joining,
    bos: Option<u32>,
    eos: Option<u32>,
    /// What stands before and after a whole text.
    around: Around,
    ends: Ends,
}

enum Backend {
    HuggingFace(Box<HuggingFace>),
    SentencePiece(SentencePiece),
}

/// The tokens that stand before and after a whole text.
#[derive(Default)]
struct Around {
    before: Vec<u32>,
    after: Vec<u32>,
}

/// The tokens after which a model has said what it had to say.
#[derive(Default)]
struct Ends(BTreeSet<u32>);

impl Ends {
    fn new(eos: Option<u32>) -> Ends {
        Ends(eos.into_iter().collect())
    }

    fn add(&mut self, id: Option<u32>) {
        self.0.extend(id);
    }
}

/// Tokens that end a turn under these names in every model that has them. Models for chat often name only one of theirs in their files.
const WELL_KNOWN_ENDS: [&str; 13] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<end_of_turn>",
    "<turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
    "<|return|>",
    "<|eot|>",
    "<EOT>",
];

impl Tokenizer {
    /// The tokenizer in the metadata of a GGUF file.
    ///
    /// # Errors
    /// If the file has no tokenizer, one of an unknown kind, or one whose parts do not fit together.
    pub fn from_gguf(metadata: &Metadata) -> Result<Tokenizer, TokenizerError> {
        gguf::load(metadata)
    }

    /// The tokenizer of a Hugging Face folder: `tokenizer.json`, and if they are there `tokenizer_config.json`, `generation_config.json` and `config.json`
    /// for the tokens that begin and end a text.
    ///
    /// # Errors
    /// If `tokenizer.json` is missing, is not JSON, or uses parts that no decoder-only language model uses.
    pub fn from_folder(folder: &Path) -> Result<Tokenizer, TokenizerError> {
        folder::load(folder)
    }

    /// The tokenizer in the bytes of a `tokenizer.json`, which does not say what begins and ends a text: [`bos`](Self::bos) and
    /// [`eos`](Self::eos) are none.
    ///
    /// # Errors
    /// As [`from_folder`](Self::from_folder).
    pub fn from_json(json: &[u8]) -> Result<Tokenizer, TokenizerError> {
        folder::parse(json).map_err(|problem| TokenizerError::Json { path: "tokenizer.json".into(), problem })
    }

    /// The tokens of `text`, and nothing else: for a part of a text, or one that already holds its first token, as chat templates write it.
    ///
    /// # Errors
    /// If the vocabulary cannot express the text, which byte-level and byte-fallback vocabularies always can.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>, TokenizerError> {
        match &self.backend {
            Backend::HuggingFace(library) => library.encode(text, special == Special::Parse),
            Backend::SentencePiece(model) => {
                let mut ids = Vec::with_capacity(text.len() / 3);
                model.encode(text, special == Special::Parse, &mut ids);
                Ok(ids)
            }
        }
    }

    /// The tokens of a whole text, with the tokens that the model expects before and after it (`add_special_tokens=True` of Hugging Face).
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_document(&self, text: &str, special: Special) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = self.around.before.clone();
        ids.extend(self.encode(text, special)?);
        ids.extend(&self.around.after);
        Ok(ids)
    }

    /// The text of whole tokens, control tokens included. Bytes that are not UTF-8 become U+FFFD as in Hugging Face's `decode`.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.decode_with(ids, false)
    }

    /// As [`decode`](Self::decode), without control tokens (`skip_special_tokens=True`).
    pub fn decode_text(&self, ids: &[u32]) -> String {
        self.decode_with(ids, true)
    }

    fn decode_with(&self, ids: &[u32], skip_special: bool) -> String {
        let mut stream = self.stream(skip_special);
        let mut text = String::new();
        for &id in ids {
            text.push_str(&stream.push(id));
        }
        text.push_str(&stream.finish());
        text
    }

    /// A decoder for tokens that come one at a time; with `skip_special` control tokens give no text.
    pub fn stream(&self, skip_special: bool) -> StreamDecoder {
        StreamDecoder::new(self.pieces.clone(), self.joining, skip_special)
    }

    /// The bytes of one token: a space for SentencePiece's `▁`, a single byte for a byte token. None for an id outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        self.pieces.bytes(id).to_vec()
    }

    /// The number of ids, one more than the largest. A model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    /// The id of a token as it is written in the vocabulary (`Ġthe`, `▁the`, `<|im_end|>`).
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        let id = match &self.backend {
            Backend::HuggingFace(library) => library.id(token),
            Backend::SentencePiece(model) => model.id(token),
        };
        id.filter(|&id| (id as usize) < self.pieces.len())
    }

    /// The token that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether [`encode_document`](Self::encode_document) puts [`bos`](Self::bos) before the text.
    pub fn adds_bos(&self) -> bool {
        self.bos.is_some_and(|bos| self.around.before.contains(&bos))
    }

    /// Whether the model has finished with this token: end of text, of turn, or of message.
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.ends.0.contains(&id)
    }

    /// Whether a token is structure and not text.
    pub fn is_special(&self, id: u32) -> bool {
        self.pieces.kind(id).is_some_and(Kind::is_special)
    }

    /// The tokens that are structure or end a generation, ascending: what no penalty should keep a model from.
    pub fn structure(&self) -> Vec<u32> {
        (0..self.vocab_size() as u32)
            .filter(|&id| self.is_special(id) || self.is_end_of_generation(id))
            .collect()
    }

    /// Whether no text gives this token, nor does it stand for any.
    pub(crate) fn is_unused(&self, id: u32) -> bool {
        self.pieces.kind(id) == Some(Kind::Unused)
    }

    /// Adds the well-known ends that this vocabulary has as tokens of their own.
    fn add_well_known_ends(&mut self) {
        for name in WELL_KNOWN_ENDS {
            let id = self.token_to_id(name);
            let own = |id: &u32| {
                matches!(self.pieces.kind(*id), Some(Kind::Control | Kind::UserDefined | Kind::Unknown))
            };
            self.ends.add(id.filter(own));
        }
    }
}
