//! A `tokenizer.json` as metadata of a GGUF file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use ounce_formats::gguf::{Array, Value as Entry};
use serde::Deserialize;
use serde_json::Value;

use super::folder::{read_json, token_text};
use super::pieces::Kind;
use super::sentence_piece;
use super::stream::Joining;
use super::{Tokenizer, TokenizerError, pre_tokenizer};

#[derive(Deserialize)]
struct Layout<'f> {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    #[serde(borrow)]
    model: Model<'f>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    special: bool,
}

#[derive(Deserialize)]
struct Model<'f> {
    #[serde(borrow)]
    vocab: HashMap<Cow<'f, str>, u32>,
    #[serde(default, borrow)]
    merges: Vec<Rule<'f>>,
    unk_token: Option<String>,
    #[serde(default)]
    ignore_merges: bool,
}

/// A merge rule in either of its two spellings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rule<'f> {
    Pair(#[serde(borrow)] [Cow<'f, str>; 2]),
    Text(#[serde(borrow)] Cow<'f, str>),
}

impl Rule<'_> {
    fn sides(&self) -> (&str, &str) {
        match self {
            Rule::Pair([left, right]) => (left, right),
            Rule::Text(text) => text.split_once(' ').unwrap_or((text, "")),
        }
    }
}

/// The entries `tokenizer.ggml.*` for the tokenizer of a Hugging Face folder, for a model with `vocab_size` embeddings: ids beyond the
/// tokenizer's are filled with unused tokens.
///
/// # Errors
/// A folder without a usable tokenizer.json, or one whose way of cutting text into words has no name in GGUF.
pub(crate) fn gguf_tokenizer(
    folder: &Path,
    vocab_size: usize,
) -> Result<Vec<(String, Entry)>, TokenizerError> {
    let tokenizer = Tokenizer::from_folder(folder)?;
    let path = folder.join("tokenizer.json");
    let json = std::fs::read(&path).map_err(|source| TokenizerError::Io { path: path.clone(), source })?;
    let problem = |problem: String| TokenizerError::Json { path: path.clone(), problem };
    let layout: Layout<'_> = serde_json::from_slice(&json).map_err(|e| problem(e.to_string()))?;
    let vocabulary = vocabulary(&layout, tokenizer.joining, vocab_size);
    let mut entries: Vec<(String, Entry)> = Vec::new();
    let mut add = |key: &str, value: Entry| entries.push((format!("tokenizer.ggml.{key}"), value));
    match tokenizer.joining {
        Joining::ByteLevel => {
            let pre = pre_tokenizer::recognise(
                layout.normalizer.as_ref(),
                layout.pre_tokenizer.as_ref(),
                layout.model.ignore_merges,
            )
            .map_err(problem)?;
            add("model", Entry::String("gpt2".into()));
            add("pre", Entry::String(pre.into()));
            let merges = layout.model.merges.iter().map(Rule::sides);
            let merges = merges.map(|(left, right)| format!("{left} {right}")).collect();
            add("merges", Entry::Array(Array::String(merges)));
        }
        Joining::SentencePiece { .. } => {
            let prefix = space_prefix(&layout).map_err(problem)?;
            add("model", Entry::String("llama".into()));
            add("pre", Entry::String("default".into()));
            add("scores", Entry::Array(Array::F32(scores(&layout.model, &vocabulary))));
            add("add_space_prefix", Entry::Bool(prefix));
        }
    }
    let (tokens, kinds): (Vec<String>, Vec<Kind>) = vocabulary.into_iter().unzip();
    let id_of = |text: &str| tokens.iter().position(|token| token == text).map(|id| id as u32);
    let config = read_json(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
    let named = |key: &str| token_text(&config[key]).and_then(|text| id_of(&text));
    let unknown = named("unk_token").or(layout.model.unk_token.as_deref().and_then(id_of));
    let ids = [
        ("bos_token_id", tokenizer.bos),
        ("eos_token_id", tokenizer.eos),
        ("unknown_token_id", unknown),
        ("padding_token_id", named("pad_token")),
    ];
    for (key, id) in ids {
        if let Some(id) = id.filter(|&id| (id as usize) < vocab_size) {
            add(key, Entry::U32(id));
        }
    }
    for (key, found, token) in [
        ("add_bos_token", &tokenizer.around.before, tokenizer.bos),
        ("add_eos_token", &tokenizer.around.after, tokenizer.eos),
    ] {
        let adds = match found[..] {
            [] => false,
            [id] if Some(id) == token => true,
            _ => {
                return Err(problem(format!(
                    "ids {found:?} stand around a text; GGUF can express only the tokens that begin and end one"
                )));
            }
        };
        add(key, Entry::Bool(adds));
    }
    add("token_type", Entry::Array(Array::I32(kinds.iter().map(|kind| kind.to_ggml()).collect())));
    add("tokens", Entry::Array(Array::String(tokens)));
    Ok(entries)
}

/// Every id's token and kind.
fn vocabulary(layout: &Layout<'_>, joining: Joining, vocab_size: usize) -> Vec<(String, Kind)> {
    let mut table: Vec<(String, Kind)> = vec![(String::new(), Kind::Unused); vocab_size];
    let mut put = |id: u32, token: &str, kind: Kind| {
        if let Some(place) = table.get_mut(id as usize) {
            *place = (token.to_owned(), kind);
        }
    };
    for (token, &id) in &layout.model.vocab {
        let is_byte = joining != Joining::ByteLevel && sentence_piece::byte_of(token).is_some();
        put(id, token, if is_byte { Kind::Byte } else { Kind::Normal });
    }
    for added in &layout.added_tokens {
        let kind = match layout.model.unk_token.as_deref() {
            Some(unknown) if unknown == added.content => Kind::Unknown,
            _ if added.special => Kind::Control,
            _ => Kind::UserDefined,
        };
        put(added.id, &added.content, kind);
    }
    for (id, (token, _)) in table.iter_mut().enumerate().filter(|(_, (token, _))| token.is_empty()) {
        *token = format!("[PAD{id}]");
    }
    table
}

/// Scores by which SentencePiece merges in the order of the merge rules: a piece scores by the first rule that makes it.
fn scores(model: &Model<'_>, vocabulary: &[(String, Kind)]) -> Vec<f32> {
    let mut scores = vec![-(model.merges.len() as f32); vocabulary.len()];
    let mut made = String::new();
    // Backwards, so that the first rule has the last word.
    for (rank, rule) in model.merges.iter().enumerate().rev() {
        let (left, right) = rule.sides();
        made.clear();
        made.push_str(left);
        made.push_str(right);
        let id = model.vocab.get(made.as_str());
        if let Some(score) = id.and_then(|&id| scores.get_mut(id as usize)) {
            *score = -(rank as f32);
        }
    }
    for (score, (_, kind)) in scores.iter_mut().zip(vocabulary) {
        if !matches!(kind, Kind::Normal | Kind::UserDefined) {
            *score = 0.0;
        }
    }
    scores
}

/// Whether a space is put before a text, if nothing is done to it that SentencePiece does not do.
fn space_prefix(layout: &Layout<'_>) -> Result<bool, String> {
    let mut prefix = false;
    let present = |part: &Option<Value>| part.clone().filter(|part| !part.is_null());
    for part in present(&layout.normalizer).iter().flat_map(|part| steps(part, "normalizers")) {
        match part["type"].as_str() {
            Some("Prepend") if part["prepend"] == "\u{2581}" => prefix = true,
            Some("Replace") if part["pattern"]["String"] == " " && part["content"] == "\u{2581}" => {}
            _ => return Err(format!("normalizer {part} has no equivalent in SentencePiece files of GGUF")),
        }
    }
    for part in present(&layout.pre_tokenizer).iter().flat_map(|part| steps(part, "pretokenizers")) {
        match part["type"].as_str() {
            Some("Metaspace") if part["replacement"] == "\u{2581}" => {
                prefix = part["prepend_scheme"] != "never" && part["add_prefix_space"] != false;
            }
            // Splits at spaces, of which the normalizer has left none.
            Some("Split") if part["pattern"]["String"] == " " => {}
            _ => {
                return Err(format!("pre-tokenizer {part} has no equivalent in SentencePiece files of GGUF"));
            }
        }
    }
    Ok(prefix)
}

/// The steps of a part, which may be a sequence.
pub(super) fn steps<'p>(part: &'p Value, inner: &str) -> Vec<&'p Value> {
    match part["type"].as_str() {
        Some("Sequence") => {
            part[inner].as_array().into_iter().flatten().flat_map(|p| steps(p, inner)).collect()
        }
        _ => vec![part],
    }
}
