//! A tokenizer from the metadata of a GGUF file (`tokenizer.ggml.*`).

use ounce_formats::gguf::Metadata;

use super::hugging_face::HuggingFace;
use super::pieces::{Kind, Pieces, byte_level};
use super::sentence_piece::{self, SentencePiece, Settings};
use super::stream::Joining;
use super::{Around, Backend, Ends, Tokenizer, TokenizerError, pre_tokenizer};
use std::sync::Arc;

pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const SCORES: &str = "tokenizer.ggml.scores";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";

pub(super) fn load(metadata: &Metadata) -> Result<Tokenizer, TokenizerError> {
    let model = metadata
        .string("tokenizer.ggml.model")?
        .ok_or(TokenizerError::Missing { key: "tokenizer.ggml.model" })?;
    let tokens = metadata.strings(TOKENS)?.ok_or(TokenizerError::Missing { key: TOKENS })?;
    if tokens.is_empty() || u32::try_from(tokens.len()).is_err() {
        return Err(TokenizerError::Vocabulary(format!("it has {} tokens", tokens.len())));
    }
    let mut kinds = kinds(metadata, tokens)?;
    let id = |key: &str| -> Result<Option<u32>, TokenizerError> {
        let id = metadata.u64(key)?;
        Ok(id.filter(|&id| id < tokens.len() as u64).and_then(|id| u32::try_from(id).ok()))
    };
    let mut bos = id("tokenizer.ggml.bos_token_id")?;
    let mut eos = id("tokenizer.ggml.eos_token_id")?;
    let (backend, joining, add_bos);
    match model {
        "gpt2" => {
            // Old converters left the types of these two at "normal".
            for id in [bos, eos].into_iter().flatten() {
                let kind = &mut kinds[id as usize];
                if *kind == Kind::Normal && tokens[id as usize].starts_with('<') {
                    *kind = Kind::Control;
                }
            }
            let merges = metadata.strings(MERGES)?.ok_or(TokenizerError::Missing { key: MERGES })?;
            let pre = pre_tokenizer::find(metadata.string("tokenizer.ggml.pre")?)?;
            backend = Backend::HuggingFace(Box::new(HuggingFace::byte_level(tokens, &kinds, merges, pre)?));
            joining = Joining::ByteLevel;
            add_bos = pre.add_bos;
        }
        "llama" => {
            let scores = metadata.f32s(SCORES)?.ok_or(TokenizerError::Missing { key: SCORES })?;
            check_length(SCORES, tokens, scores.len())?;
            // SentencePiece's own numbers, where the file does not say.
            let low = |id: u32| Some(id).filter(|&id| (id as usize) < tokens.len());
            bos = bos.or(low(1));
            eos = eos.or(low(2));
            let add_space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
            let unknown = id("tokenizer.ggml.unknown_token_id")?.or(low(0));
            let settings = Settings { unknown, add_space_prefix };
            backend =
                Backend::SentencePiece(SentencePiece::new(tokens, scores.to_vec(), kinds.clone(), settings));
            joining = Joining::SentencePiece { strip_first_space: add_space_prefix };
            add_bos = true;
        }
        other => return Err(TokenizerError::UnknownModel { found: other.to_owned() }),
    }
    let pieces = pieces(tokens, &kinds, joining);
    let mut ends = Ends::new(eos);
    for key in ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
        ends.add(id(key)?);
    }
    let add_bos = metadata.bool("tokenizer.ggml.add_bos_token")?.unwrap_or(add_bos);
    let add_eos = metadata.bool("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
    let around = Around {
        before: bos.filter(|_| add_bos).into_iter().collect(),
        after: eos.filter(|_| add_eos).into_iter().collect(),
    };
    let mut tokenizer = Tokenizer { backend, pieces: Arc::new(pieces), joining, bos, eos, around, ends };
    tokenizer.add_well_known_ends();
    Ok(tokenizer)
}

pub(super) fn kinds(metadata: &Metadata, tokens: &[String]) -> Result<Vec<Kind>, TokenizerError> {
    match metadata.i32s(TYPES)? {
        Some(types) => {
            check_length(TYPES, tokens, types.len())?;
            Ok(types.iter().map(|&number| Kind::from_ggml(number)).collect())
        }
        None => Ok(vec![Kind::Normal; tokens.len()]),
    }
}

fn check_length(key: &'static str, tokens: &[String], found: usize) -> Result<(), TokenizerError> {
    if found == tokens.len() {
        Ok(())
    } else {
        Err(TokenizerError::Length { key, expected: tokens.len(), found })
    }
}

fn pieces(tokens: &[String], kinds: &[Kind], joining: Joining) -> Pieces {
    let mut pieces = Pieces::with_capacity(tokens.len());
    let mut bytes = Vec::new();
    for (token, &kind) in tokens.iter().zip(kinds) {
        bytes.clear();
        match joining {
            Joining::ByteLevel => byte_level::decode_into(token, &mut bytes),
            Joining::SentencePiece { .. } => sentence_piece::decode_into(token, kind, &mut bytes),
        }
        pieces.push(&bytes, kind);
    }
    pieces
}
