//! A tokenizer from a Hugging Face folder.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::hugging_face::HuggingFace;
use super::pieces::{Kind, Pieces, byte_level};
use super::sentence_piece;
use super::stream::Joining;
use super::{Around, Backend, Ends, Tokenizer, TokenizerError};
use std::sync::Arc;

/// The parts of tokenizer.json that say how its tokens become text.
#[derive(Deserialize)]
struct Layout<'f> {
    #[serde(default)]
    added_tokens: Vec<Added>,
    decoder: Option<Value>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
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
    /// Absent in old files, which are BPE if they have merges.
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    vocab: HashMap<std::borrow::Cow<'f, str>, u32>,
    #[serde(default)]
    merges: Vec<Rule>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
}

/// A merge rule in either of its two spellings; only its length is of interest here.
struct Rule {
    bytes: usize,
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Rule, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Rule;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a merge rule: \"left right\" or [\"left\", \"right\"]")
            }
            fn visit_str<E: serde::de::Error>(self, rule: &str) -> Result<Rule, E> {
                Ok(Rule { bytes: rule.len().saturating_sub(1) })
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut pair: A) -> Result<Rule, A::Error> {
                let mut bytes = 0;
                while let Some(side) = pair.next_element::<std::borrow::Cow<'de, str>>()? {
                    bytes += side.len();
                }
                Ok(Rule { bytes })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

pub(super) fn load(folder: &Path) -> Result<Tokenizer, TokenizerError> {
    let path = folder.join("tokenizer.json");
    let bytes = std::fs::read(&path).map_err(|source| TokenizerError::Io { path: path.clone(), source })?;
    let mut tokenizer =
        parse(&bytes).map_err(|problem| TokenizerError::Json { path: path.clone(), problem })?;
    let config = read_json(&folder.join("tokenizer_config.json"))?;
    let token = |key: &str| {
        config.as_ref().and_then(|c| token_text(c.get(key)?)).and_then(|t| tokenizer.token_to_id(&t))
    };
    let (mut bos, mut eos) = (token("bos_token"), token("eos_token"));
    let known = |id: &u32| (*id as usize) < tokenizer.vocab_size();
    let mut ends = Vec::new();
    for name in ["generation_config.json", "config.json"] {
        let Some(config) = read_json(&folder.join(name))? else { continue };
        bos = bos.or(ids(&config["bos_token_id"]).find(known));
        eos = eos.or(ids(&config["eos_token_id"]).find(known));
        ends.extend(ids(&config["eos_token_id"]).filter(known));
    }
    tokenizer.ends.0.extend(ends);
    tokenizer.ends.add(eos);
    (tokenizer.bos, tokenizer.eos) = (bos, eos);
    Ok(tokenizer)
}

/// Reads a tokenizer.json.
pub(super) fn parse(json: &[u8]) -> Result<Tokenizer, String> {
    let layout: Layout<'_> = serde_json::from_slice(json).map_err(|e| format!("not a tokenizer: {e}"))?;
    check(&layout)?;
    let joining = joining(layout.decoder.as_ref())?;
    let pieces = pieces(&layout, joining)?;
    let mut around = Around::default();
    if let Some(post_processor) = &layout.post_processor {
        find_around(post_processor, pieces.len(), &mut around)?;
    }
    let mut library = tokenizers::Tokenizer::from_bytes(json).map_err(|e| format!("not a tokenizer: {e}"))?;
    // A model's context is the caller's to mind, and what stands around a text is known from here on.
    library.with_padding(None).with_truncation(None).map_err(|e| e.to_string())?;
    library.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
    let backend = Backend::HuggingFace(Box::new(HuggingFace::new(library)));
    let ends = Ends::default();
    let mut tokenizer =
        Tokenizer { backend, pieces: Arc::new(pieces), joining, bos: None, eos: None, around, ends };
    tokenizer.add_well_known_ends();
    Ok(tokenizer)
}

/// Refuses what the library would panic on, and what no decoder-only model uses.
fn check(layout: &Layout<'_>) -> Result<(), String> {
    let model = &layout.model;
    match model.kind.as_deref() {
        Some("BPE") => {}
        None if !model.merges.is_empty() => {}
        Some(other) => return Err(format!("model type `{other}` is not supported; supported is BPE")),
        None => return Err("the model names no type and has no merges; expected BPE".to_owned()),
    }
    for (key, text) in [
        ("continuing_subword_prefix", &model.continuing_subword_prefix),
        ("end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if text.as_ref().is_some_and(|t| !t.is_empty()) {
            return Err(format!("model.{key} is not supported"));
        }
    }
    if let Some(unknown) = &model.unk_token
        && !model.vocab.contains_key(unknown.as_str())
    {
        return Err(format!("model.unk_token `{unknown}` is not in the vocabulary"));
    }
    let longest = model.vocab.keys().map(|token| token.len()).max().unwrap_or(0);
    if let Some(at) = model.merges.iter().position(|rule| rule.bytes > longest) {
        return Err(format!("merge rule {at} makes a token that the vocabulary lacks"));
    }
    for (key, part) in [
        ("normalizer", &layout.normalizer),
        ("pre_tokenizer", &layout.pre_tokenizer),
        ("post_processor", &layout.post_processor),
    ] {
        if let Some(part) = part {
            check_part(key, part)?;
        }
    }
    Ok(())
}

/// The parts that tokenizers of language models are made of.
const PARTS: [&str; 20] = [
    "Sequence",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Prepend",
    "Replace",
    "Strip",
    "Lowercase",
    "StripAccents",
    "ByteLevel",
    "Split",
    "Digits",
    "Punctuation",
    "Metaspace",
    "Whitespace",
    "WhitespaceSplit",
    "TemplateProcessing",
    "UnicodeScripts",
    "ByteFallback",
];

fn check_part(key: &str, part: &Value) -> Result<(), String> {
    if part.is_null() {
        return Ok(());
    }
    let kind = part["type"].as_str().ok_or_else(|| format!("{key} has no type"))?;
    if !PARTS.contains(&kind) {
        return Err(format!("{key} of type `{kind}` is not supported; supported are {}", PARTS.join(", ")));
    }
    if kind == "Replace" && (part["pattern"]["String"] == "" || part["pattern"]["Regex"] == "") {
        return Err(format!("{key} replaces the empty string"));
    }
    for inner in ["normalizers", "pretokenizers", "processors"] {
        for part in part[inner].as_array().into_iter().flatten() {
            check_part(key, part)?;
        }
    }
    Ok(())
}

/// The tokens that a post-processor puts before and after a text.
fn find_around(processor: &Value, tokens: usize, around: &mut Around) -> Result<(), String> {
    for inner in processor["processors"].as_array().into_iter().flatten() {
        find_around(inner, tokens, around)?;
    }
    let mut side = &mut around.before;
    for piece in processor["single"].as_array().into_iter().flatten() {
        if piece["Sequence"].is_object() {
            side = &mut around.after;
            continue;
        }
        let name = piece["SpecialToken"]["id"]
            .as_str()
            .ok_or("post_processor.single: expected SpecialToken or Sequence")?;
        for id in ids(&processor["special_tokens"][name]["ids"]) {
            if id as usize >= tokens {
                return Err(format!("post_processor: id {id} of `{name}` is not in the vocabulary"));
            }
            side.push(id);
        }
    }
    Ok(())
}

/// Which of the two ways of joining tokens a decoder section describes.
fn joining(decoder: Option<&Value>) -> Result<Joining, String> {
    let Some(decoder) = decoder.filter(|d| !d.is_null()) else {
        return Err(
            "there is no decoder; expected ByteLevel, Metaspace, or a Sequence with ByteFallback".to_owned()
        );
    };
    let steps: Vec<&Value> = match decoder["decoders"].as_array() {
        Some(steps) if decoder["type"] == "Sequence" => steps.iter().collect(),
        _ => vec![decoder],
    };
    let kinds: Vec<&str> = steps.iter().map(|s| s["type"].as_str().unwrap_or("")).collect();
    let replaces_space = |s: &Value| s["pattern"]["String"] == "\u{2581}" && s["content"] == " ";
    match kinds.as_slice() {
        ["ByteLevel"] => Ok(Joining::ByteLevel),
        ["Metaspace"] => {
            let never = decoder["prepend_scheme"] == "never" || decoder["add_prefix_space"] == false;
            Ok(Joining::SentencePiece { strip_first_space: !never })
        }
        ["Replace", "ByteFallback", "Fuse"] if replaces_space(steps[0]) => {
            Ok(Joining::SentencePiece { strip_first_space: false })
        }
        ["Replace", "ByteFallback", "Fuse", "Strip"]
            if replaces_space(steps[0])
                && steps[3]["content"] == " "
                && steps[3]["start"] == 1
                && steps[3]["stop"] == 0 =>
        {
            Ok(Joining::SentencePiece { strip_first_space: true })
        }
        _ => Err(format!(
            "decoder {kinds:?} is not supported; supported are ByteLevel, Metaspace and Replace+ByteFallback+Fuse(+Strip)"
        )),
    }
}

fn pieces(layout: &Layout<'_>, joining: Joining) -> Result<Pieces, String> {
    let tokens = layout.model.vocab.len() + layout.added_tokens.len();
    let largest = layout.model.vocab.values().copied().chain(layout.added_tokens.iter().map(|a| a.id)).max();
    let Some(largest) = largest else { return Err("the vocabulary is empty".to_owned()) };
    // Real vocabularies have few holes; a table of ids must not outgrow the file.
    if largest as usize > tokens.saturating_mul(4) + 1024 {
        return Err(format!("token id {largest} is far beyond the {tokens} tokens of the vocabulary"));
    }
    let mut table: Vec<(&str, Kind)> = vec![("", Kind::Unused); largest as usize + 1];
    for (token, &id) in &layout.model.vocab {
        let is_byte = joining != Joining::ByteLevel && sentence_piece::byte_of(token).is_some();
        table[id as usize] = (token, if is_byte { Kind::Byte } else { Kind::Normal });
    }
    for added in &layout.added_tokens {
        table[added.id as usize] =
            (&added.content, if added.special { Kind::Control } else { Kind::UserDefined });
    }
    let mut pieces = Pieces::with_capacity(table.len());
    let mut bytes = Vec::new();
    for (token, kind) in table {
        bytes.clear();
        match joining {
            Joining::ByteLevel => byte_level::decode_into(token, &mut bytes),
            Joining::SentencePiece { .. } => sentence_piece::decode_into(token, kind, &mut bytes),
        }
        pieces.push(&bytes, kind);
    }
    Ok(pieces)
}

/// A JSON file of the folder; `None` if it is not there.
pub(crate) fn read_json(path: &Path) -> Result<Option<Value>, TokenizerError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TokenizerError::Io { path: path.to_owned(), source }),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| TokenizerError::Json { path: path.to_owned(), problem: format!("not JSON: {e}") })
}

/// A token in tokenizer_config.json: text, or an object that holds it.
pub(crate) fn token_text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned)
}

/// One id or a list of them.
fn ids(value: &Value) -> impl Iterator<Item = u32> {
    let list = match value {
        Value::Array(list) => list.iter().filter_map(Value::as_u64).collect(),
        other => other.as_u64().into_iter().collect::<Vec<_>>(),
    };
    list.into_iter().filter_map(|id| u32::try_from(id).ok())
}
