//! Tokenizers against Hugging Face's, id by id. The golden files are written by conformance/tokenizer/make.py.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};

use ounce_formats::gguf::{Array, Gguf, Metadata, Value};
use ounce_llm::tokenizer::{Special, Tokenizer, TokenizerError};
use serde_json::Value as Json;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer").join(name)
}

fn json(name: &str) -> Json {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn corpus() -> Vec<String> {
    serde_json::from_value(json("corpus.json")).unwrap()
}

fn ids(value: &Json) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn metadata(name: &str) -> Metadata {
    Gguf::open(&golden(name)).unwrap().metadata().clone()
}

/// The metadata with some entries replaced.
fn with(metadata: &Metadata, changes: &[(&str, Value)]) -> Metadata {
    let kept = metadata.iter().filter(|(key, _)| changes.iter().all(|(k, _)| k != key));
    let entries = kept
        .map(|(k, v)| (k.to_owned(), v.clone()))
        .chain(changes.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
    Metadata::new(entries.collect()).unwrap()
}

/// All texts of the corpus, with control tokens parsed and as text, and random tokens back to text.
fn check(tokenizer: &Tokenizer, golden: &Json, name: &str) {
    for (i, text) in corpus().iter().enumerate() {
        let parsed = ids(&golden["parse"][i]);
        assert_eq!(
            tokenizer.encode(text, Special::Parse).unwrap(),
            parsed,
            "{name}: text {i} {text:?}, parsed"
        );
        let plain = golden["as_text"].get(i.to_string()).map_or(parsed, ids);
        assert_eq!(
            tokenizer.encode(text, Special::AsText).unwrap(),
            plain,
            "{name}: text {i} {text:?}, as text"
        );
    }
    for case in golden["decode"].as_array().into_iter().flatten() {
        let ids = ids(&case["ids"]);
        assert_eq!(tokenizer.decode(&ids), case["text"], "{name}: {ids:?}");
        assert_eq!(tokenizer.decode_text(&ids), case["skipped"], "{name}: {ids:?}");
    }
}

#[test]
fn byte_level_bpe_of_gguf_with_each_pre_tokenizer() {
    let golden = json("bpe.json");
    let base = metadata("bpe.gguf");
    for (name, expected) in golden["pre"].as_object().unwrap() {
        let metadata = with(&base, &[("tokenizer.ggml.pre", Value::String(name.clone()))]);
        check(&Tokenizer::from_gguf(&metadata).unwrap(), expected, name);
    }
    check(
        &Tokenizer::from_gguf(&base).unwrap(),
        &serde_json::json!({"parse": golden["pre"]["gpt-2"]["parse"],
        "as_text": golden["pre"]["gpt-2"]["as_text"], "decode": golden["decode"]}),
        "gpt-2",
    );
}

#[test]
fn sentence_piece_of_gguf() {
    let golden = json("spm.json");
    for name in ["llama", "gemma", "plain"] {
        let tokenizer = Tokenizer::from_gguf(&metadata(&format!("spm-{name}.gguf"))).unwrap();
        check(&tokenizer, &golden[name], name);
    }
}

#[test]
fn tokenizer_json_of_both_kinds() {
    for (file, golden) in [
        ("bpe.tokenizer.json", &json("bpe.json")["pre"]["llama-bpe"]),
        ("spm-llama.tokenizer.json", &json("spm.json")["llama"]),
    ] {
        let folder = Folder::new(file);
        folder.copy(file, "tokenizer.json");
        check(&Tokenizer::from_folder(folder.path()).unwrap(), golden, file);
    }
}

#[test]
fn a_folder_names_its_first_and_last_tokens() {
    let folder = Folder::new("ends");
    folder.copy("bpe.tokenizer.json", "tokenizer.json");
    folder.write(
        "tokenizer_config.json",
        r#"{"bos_token": {"content": "<|endoftext|>"}, "eos_token": "<|im_end|>"}"#,
    );
    folder.write("generation_config.json", r#"{"eos_token_id": [2, 4, 100000]}"#);
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(0), Some(2)));
    let ends: Vec<u32> = (0..20).filter(|&id| tokenizer.is_end_of_generation(id)).collect();
    assert_eq!(ends, [0, 2, 4]);
    assert!(tokenizer.is_special(1) && !tokenizer.is_special(4) && !tokenizer.is_special(30));
}

#[test]
fn a_post_processor_says_what_stands_around_a_text() {
    let mut json = json("bpe.tokenizer.json");
    let special = |id: u32, name: &str| serde_json::json!({"id": name, "ids": [id], "tokens": [name]});
    json["post_processor"] = serde_json::json!({"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
        {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "<|im_end|>", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {"<|im_start|>": special(1, "<|im_start|>"), "<|im_end|>": special(2, "<|im_end|>")}}]});
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    let hello = tokenizer.encode("Hello", Special::AsText).unwrap();
    assert_eq!(
        tokenizer.encode_document("Hello", Special::AsText).unwrap(),
        [&[1], hello.as_slice(), &[2]].concat()
    );
}

#[test]
fn documents_get_the_tokens_around_them() {
    let base = metadata("bpe.gguf");
    let tokenizer = Tokenizer::from_gguf(&base).unwrap();
    let hello = tokenizer.encode("Hello", Special::AsText).unwrap();
    assert_eq!(
        tokenizer.encode_document("Hello", Special::AsText).unwrap(),
        [&[1], hello.as_slice()].concat()
    );
    assert!(tokenizer.adds_bos());
    let changes = [
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ("tokenizer.ggml.add_eos_token", Value::Bool(true)),
    ];
    let tokenizer = Tokenizer::from_gguf(&with(&base, &changes)).unwrap();
    assert_eq!(
        tokenizer.encode_document("Hello", Special::AsText).unwrap(),
        [hello.as_slice(), &[2]].concat()
    );
}

#[test]
fn a_stream_gives_the_text_of_the_whole() {
    for file in ["bpe.gguf", "spm-llama.gguf", "spm-gemma.gguf"] {
        let tokenizer = Tokenizer::from_gguf(&metadata(file)).unwrap();
        for text in corpus() {
            // What follows a user-defined token gets a space of its own, as Hugging Face has it.
            if file == "spm-llama.gguf" && text.contains("<tool>") {
                continue;
            }
            let ids = tokenizer.encode(&text, Special::AsText).unwrap();
            // SentencePiece writes a space as this character and cannot tell the two apart.
            let text = if file.starts_with("spm") { text.replace('▁', " ") } else { text };
            let mut stream = tokenizer.stream(false);
            let mut joined = String::new();
            for &id in &ids {
                let piece = stream.push(id);
                assert!(
                    !piece.contains('\u{fffd}') || text.contains('\u{fffd}'),
                    "{file}: {text:?} gave {piece:?}"
                );
                joined.push_str(&piece);
            }
            joined.push_str(&stream.finish());
            assert_eq!(joined, text, "{file}");
            let mut stream = tokenizer.stream(false).continuing();
            let continued: String =
                ids.iter().map(|&id| stream.push(id)).collect::<String>() + &stream.finish();
            assert_eq!(continued.trim_start_matches(' '), text.trim_start_matches(' '), "{file}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced_once_that_is_certain() {
    let tokenizer = Tokenizer::from_gguf(&metadata("bpe.gguf")).unwrap();
    let byte = |b: char| tokenizer.token_to_id(&b.to_string()).unwrap();
    let mut stream = tokenizer.stream(false);
    // E2 82 AC is the euro sign; E2 82 without its end is one U+FFFD.
    assert_eq!([byte('â'), byte('Ĥ'), byte('¬')].map(|id| stream.push(id)), ["", "", "€"]);
    assert_eq!([byte('â'), byte('Ĥ'), byte('A')].map(|id| stream.push(id)), ["", "", "\u{fffd}A"]);
    assert_eq!([byte('â'), byte('Ĥ')].map(|id| stream.push(id)), ["", ""]);
    assert_eq!(stream.finish(), "\u{fffd}");
    assert_eq!(stream.push(u32::MAX), "");
    assert_eq!(tokenizer.token_bytes(byte('Ĥ')), [0x82]);
    assert!(tokenizer.token_bytes(u32::MAX).is_empty());
}

#[test]
fn wrong_metadata_are_named() {
    let base = metadata("bpe.gguf");
    let error = |changes: &[(&str, Value)]| Tokenizer::from_gguf(&with(&base, changes)).err().unwrap();
    let text = |t: &str| Value::String(t.to_owned());
    let list = |items: &[&str]| Value::Array(Array::String(items.iter().map(|&i| i.to_owned()).collect()));
    assert!(matches!(
        error(&[("tokenizer.ggml.model", text("wordpiece"))]),
        TokenizerError::UnknownModel { .. }
    ));
    let unknown = error(&[("tokenizer.ggml.pre", text("nonesuch"))]).to_string();
    assert!(unknown.contains("nonesuch") && unknown.contains("qwen2"), "{unknown}");
    assert!(matches!(
        error(&[("tokenizer.ggml.token_type", Value::Array(Array::I32(vec![1])))]),
        TokenizerError::Length { .. }
    ));
    assert!(matches!(
        error(&[("tokenizer.ggml.merges", list(&["a b c"]))]),
        TokenizerError::Merge { index: 0, .. }
    ));
    assert!(matches!(
        error(&[("tokenizer.ggml.merges", list(&["a zzzzzz"]))]),
        TokenizerError::Vocabulary(_)
    ));
    assert!(matches!(error(&[("tokenizer.ggml.tokens", list(&[]))]), TokenizerError::Vocabulary(_)));
    assert!(matches!(error(&[("tokenizer.ggml.tokens", text("x"))]), TokenizerError::Gguf(_)));
    assert!(matches!(
        error(&[("tokenizer.ggml.model", text("llama"))]),
        TokenizerError::Missing { key: "tokenizer.ggml.scores" }
    ));
    let nothing = Metadata::new(Vec::new()).unwrap();
    assert!(matches!(Tokenizer::from_gguf(&nothing), Err(TokenizerError::Missing { .. })));
    assert!(matches!(Tokenizer::from_folder(Path::new("no such folder")), Err(TokenizerError::Io { .. })));
}

#[test]
fn vocabularies_of_real_models() {
    let Some(folder) = std::env::var_os("OUNCE_TEST_MODELS").map(PathBuf::from) else {
        eprintln!("skipped: OUNCE_TEST_MODELS names no folder with models");
        return;
    };
    for (name, golden) in json("models.json").as_object().unwrap() {
        let path = folder.join(name);
        if !path.exists() {
            eprintln!("skipped: {name} is not in OUNCE_TEST_MODELS");
            continue;
        }
        let file = Gguf::open(&path).unwrap();
        let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
        check(&tokenizer, golden, name);
        assert!(tokenizer.eos().is_some_and(|id| tokenizer.is_end_of_generation(id)));
    }
}

/// A folder of files for one test, removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ounce-tokenizer-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn copy(&self, from: &str, to: &str) {
        std::fs::copy(golden(from), self.0.join(to)).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
