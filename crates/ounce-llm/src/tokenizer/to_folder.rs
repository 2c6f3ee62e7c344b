//! A tokenizer of a GGUF file as `tokenizer.json` and `tokenizer_config.json`.

use ounce_formats::gguf::Metadata;
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{AddedToken, Tokenizer as Library};

use super::gguf::{SCORES, TOKENS, kinds};
use super::pieces::Kind;
use super::sentence_piece::SPACE;
use super::{Backend, Tokenizer, TokenizerError};

/// What a Hugging Face folder says of a tokenizer.
pub(crate) struct FolderTokenizer {
    /// `tokenizer.json`.
    pub(crate) json: Vec<u8>,
    /// `tokenizer_config.json`, without a chat template.
    pub(crate) config: Value,
    pub(crate) bos: Option<u32>,
    /// The token that ends a text first, then the others after which the model has finished.
    pub(crate) ends: Vec<u32>,
    pub(crate) padding: Option<u32>,
}

/// Makes the files of a folder from the metadata of a GGUF file. Ids stay the same.
///
/// # Errors
/// As [`Tokenizer::from_gguf`].
pub(crate) fn folder_tokenizer(metadata: &Metadata) -> Result<FolderTokenizer, TokenizerError> {
    let tokenizer = Tokenizer::from_gguf(metadata)?;
    let tokens = metadata.strings(TOKENS)?.ok_or(TokenizerError::Missing { key: TOKENS })?;
    let text = |id: Option<u32>| id.and_then(|id| tokens.get(id as usize));
    let unknown = optional_id(metadata, "tokenizer.ggml.unknown_token_id", tokens.len())?;
    let padding = optional_id(metadata, "tokenizer.ggml.padding_token_id", tokens.len())?;
    let library = match &tokenizer.backend {
        Backend::HuggingFace(model) => {
            let mut library = model.library().clone();
            set(
                &mut library,
                Part::Decoder,
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}),
            )?;
            library
        }
        Backend::SentencePiece(model) => sentence_piece(metadata, tokens, model.adds_space_prefix())?,
    };
    let json = with_template(library, &tokenizer, tokens)?;
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": false,
        "add_bos_token": tokenizer.adds_bos(),
        "add_eos_token": !tokenizer.around.after.is_empty(),
        "add_prefix_space": false,
    });
    let named = [
        ("bos_token", tokenizer.bos),
        ("eos_token", tokenizer.eos),
        ("unk_token", unknown),
        ("pad_token", padding),
    ];
    for (key, id) in named {
        if let Some(token) = text(id) {
            config[key] = json!(token);
        }
    }
    let others = tokenizer.ends.0.iter().copied().filter(|id| Some(*id) != tokenizer.eos);
    let ends = tokenizer.eos.into_iter().chain(others).collect();
    Ok(FolderTokenizer { json, config, bos: tokenizer.bos, ends, padding })
}

fn optional_id(metadata: &Metadata, key: &str, tokens: usize) -> Result<Option<u32>, TokenizerError> {
    let id = metadata.u64(key)?.filter(|&id| id < tokens as u64);
    Ok(id.and_then(|id| u32::try_from(id).ok()))
}

/// A SentencePiece vocabulary as BPE with byte fallback, as transformers' `SpmConverter` writes those of Llama 1 and 2 and of Gemma.
fn sentence_piece(
    metadata: &Metadata,
    tokens: &[String],
    space_prefix: bool,
) -> Result<Library, TokenizerError> {
    let scores = metadata.f32s(SCORES)?.ok_or(TokenizerError::Missing { key: SCORES })?;
    let kinds = kinds(metadata, tokens)?;
    let vocabulary = vocabulary(tokens);
    let merges = merges(tokens, scores, &kinds, &vocabulary);
    let unknown = tokens.iter().zip(&kinds).find(|(_, kind)| **kind == Kind::Unknown).map(|(token, _)| token);
    let mut builder = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .fuse_unk(true)
        .byte_fallback(kinds.contains(&Kind::Byte));
    if let Some(unknown) = unknown {
        builder = builder.unk_token(unknown.clone());
    }
    let model = builder.build().map_err(|e| TokenizerError::Vocabulary(e.to_string()))?;
    let mut library = Library::new(model);
    let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    let normalizer = if space_prefix {
        json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, spaces]})
    } else {
        spaces
    };
    set(&mut library, Part::Normalizer, normalizer)?;
    let mut steps = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if space_prefix {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    set(&mut library, Part::Decoder, json!({"type": "Sequence", "decoders": steps}))?;
    let added = tokens.iter().zip(&kinds).filter_map(|(token, kind)| match kind {
        _ if token.is_empty() => None,
        Kind::Control | Kind::Unknown => Some(AddedToken::from(token.as_str(), true)),
        Kind::UserDefined => Some(AddedToken::from(token.as_str(), false).normalized(false)),
        Kind::Normal | Kind::Unused | Kind::Byte => None,
    });
    library
        .add_tokens(added.collect::<Vec<_>>())
        .map_err(|e| TokenizerError::Vocabulary(format!("added tokens: {e}")))?;
    Ok(library)
}

fn vocabulary(tokens: &[String]) -> Vocab {
    let mut vocabulary = Vocab::with_capacity(tokens.len());
    for (id, token) in (0u32..).zip(tokens) {
        if !token.is_empty() {
            vocabulary.entry(token.clone()).or_insert(id);
        }
    }
    vocabulary
}

/// The merge rules that a list of scored pieces amounts to: every division of a piece into two pieces, better pieces first.
fn merges(tokens: &[String], scores: &[f32], kinds: &[Kind], vocabulary: &Vocab) -> Vec<(String, String)> {
    struct Rule<'t> {
        left: &'t str,
        right: &'t str,
        score: f32,
        /// Characters of the left side.
        chars: usize,
        ids: (u32, u32),
    }
    let part = |text: &str| {
        let id = *vocabulary.get(text)?;
        matches!(kinds[id as usize], Kind::Normal | Kind::UserDefined | Kind::Unused).then_some(id)
    };
    let mut rules = Vec::new();
    for ((token, &score), kind) in tokens.iter().zip(scores).zip(kinds) {
        if !matches!(kind, Kind::Normal | Kind::UserDefined | Kind::Unused) {
            continue;
        }
        let first = rules.len();
        for (chars, (at, _)) in token.char_indices().enumerate().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(l), Some(r)) = (part(left), part(right)) {
                rules.push(Rule { left, right, score, chars, ids: (l, r) });
            }
        }
        rules[first..].sort_by_key(|rule| rule.ids);
    }
    // Of rules of one score, which make pieces of one length, that with the longer left side comes first.
    rules.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.chars.cmp(&a.chars)));
    rules.into_iter().map(|rule| (rule.left.to_owned(), rule.right.to_owned())).collect()
}

/// The serialized tokenizer, with the tokens that stand before and after a text.
fn with_template(
    mut library: Library,
    tokenizer: &Tokenizer,
    tokens: &[String],
) -> Result<Vec<u8>, TokenizerError> {
    let around = &tokenizer.around;
    if !around.before.is_empty() || !around.after.is_empty() {
        let text = |id: &u32| tokens.get(*id as usize).cloned().unwrap_or_default();
        let special = |id: &u32| json!({"SpecialToken": {"id": text(id), "type_id": 0}});
        let before: Vec<Value> = around.before.iter().map(special).collect();
        let after: Vec<Value> = around.after.iter().map(special).collect();
        let sequence = |name: &str| {
            let text = json!({"Sequence": {"id": name, "type_id": 0}});
            before.iter().cloned().chain([text]).chain(after.iter().cloned()).collect::<Vec<_>>()
        };
        let ids = around.before.iter().chain(&around.after);
        let described = ids.map(|id| (text(id), json!({"id": text(id), "ids": [id], "tokens": [text(id)]})));
        let pair = [sequence("A"), sequence("B")].concat();
        let template = json!({
            "type": "TemplateProcessing",
            "single": sequence("A"),
            "pair": pair,
            "special_tokens": described.collect::<serde_json::Map<_, _>>(),
        });
        set(&mut library, Part::PostProcessor, template)?;
    }
    let json = library.to_string(false).map_err(|e| TokenizerError::Vocabulary(e.to_string()))?;
    Ok(json.into_bytes())
}

enum Part {
    Normalizer,
    Decoder,
    PostProcessor,
}

/// Sets a part of a tokenizer from its JSON, the one form that is the same in all versions of the library.
fn set(library: &mut Library, part: Part, json: Value) -> Result<(), TokenizerError> {
    let wrong = |e: &dyn std::fmt::Display| TokenizerError::Vocabulary(e.to_string());
    match part {
        Part::Normalizer => {
            let part: tokenizers::NormalizerWrapper = serde_json::from_value(json).map_err(|e| wrong(&e))?;
            library.with_normalizer(Some(part)).map_err(|e| wrong(&e))?;
        }
        Part::Decoder => {
            let part: tokenizers::DecoderWrapper = serde_json::from_value(json).map_err(|e| wrong(&e))?;
            library.with_decoder(Some(part));
        }
        Part::PostProcessor => {
            let part: tokenizers::PostProcessorWrapper =
                serde_json::from_value(json).map_err(|e| wrong(&e))?;
            library.with_post_processor(Some(part));
        }
    }
    Ok(())
}
