//! Tokenizers from one kind of file to the other and back give the same ids.

use super::golden;
use crate::tokenizer::{Special, Tokenizer, folder_tokenizer, gguf_tokenizer};
use ounce_formats::gguf::{Gguf, Metadata, Value};
use std::path::Path;

fn corpus() -> Vec<String> {
    serde_json::from_slice(&std::fs::read(golden("tokenizer/corpus.json")).unwrap()).unwrap()
}

fn check(name: &str, before: &Tokenizer, after: &Tokenizer) {
    for text in corpus() {
        for special in [Special::Parse, Special::AsText] {
            assert_eq!(
                after.encode_document(&text, special).unwrap(),
                before.encode_document(&text, special).unwrap(),
                "{name}: {text:?} {special:?}"
            );
        }
    }
    assert_eq!(after.vocab_size(), before.vocab_size(), "{name}");
    assert_eq!((after.bos(), after.eos(), after.adds_bos()), (before.bos(), before.eos(), before.adds_bos()));
    for id in 0..before.vocab_size() as u32 {
        assert_eq!(after.token_bytes(id), before.token_bytes(id), "{name}: token {id}");
        assert_eq!(after.is_special(id), before.is_special(id), "{name}: token {id}");
        assert_eq!(after.is_end_of_generation(id), before.is_end_of_generation(id), "{name}: token {id}");
    }
}

/// Writes the files of a folder and reads them again.
fn through_folder(metadata: &Metadata, place: &Path) -> Tokenizer {
    let made = folder_tokenizer(metadata).unwrap();
    std::fs::write(place.join("tokenizer.json"), made.json).unwrap();
    std::fs::write(place.join("tokenizer_config.json"), made.config.to_string()).unwrap();
    let ends = serde_json::json!({"eos_token_id": made.ends});
    std::fs::write(place.join("generation_config.json"), ends.to_string()).unwrap();
    Tokenizer::from_folder(place).unwrap()
}

fn through_gguf(folder: &Path, vocab_size: usize) -> Tokenizer {
    Tokenizer::from_gguf(&Metadata::new(gguf_tokenizer(folder, vocab_size).unwrap()).unwrap()).unwrap()
}

#[test]
fn byte_level_tokenizers_keep_their_ids() {
    let file = Gguf::open(&golden("tokenizer/bpe.gguf")).unwrap();
    for pre in ["gpt-2", "mpt", "llama-bpe", "qwen2", "smollm", "falcon", "deepseek-v3", "tekken", "gpt-4o"] {
        let kept = file.metadata().iter().filter(|(key, _)| *key != "tokenizer.ggml.pre");
        let mut entries: Vec<_> = kept.map(|(key, value)| (key.to_owned(), value.clone())).collect();
        entries.push(("tokenizer.ggml.pre".into(), Value::String(pre.into())));
        let metadata = Metadata::new(entries).unwrap();
        let place = tempfile::tempdir().unwrap();
        let before = Tokenizer::from_gguf(&metadata).unwrap();
        let after = through_folder(&metadata, place.path());
        check(pre, &before, &after);
        check(pre, &before, &through_gguf(place.path(), before.vocab_size()));
    }
}

#[test]
fn sentence_piece_tokenizers_keep_their_ids() {
    for name in ["llama", "gemma", "plain"] {
        let file = Gguf::open(&golden(&format!("tokenizer/spm-{name}.gguf"))).unwrap();
        let place = tempfile::tempdir().unwrap();
        let before = Tokenizer::from_gguf(file.metadata()).unwrap();
        let after = through_folder(file.metadata(), place.path());
        check(name, &before, &after);
        check(name, &before, &through_gguf(place.path(), before.vocab_size()));
    }
}

#[test]
fn a_vocabulary_is_filled_up_to_the_embedding() {
    let place = tempfile::tempdir().unwrap();
    std::fs::copy(golden("tokenizer/bpe.tokenizer.json"), place.path().join("tokenizer.json")).unwrap();
    let before = Tokenizer::from_folder(place.path()).unwrap();
    let after = through_gguf(place.path(), before.vocab_size() + 3);
    assert_eq!(after.vocab_size(), before.vocab_size() + 3);
    for text in corpus() {
        let ids = |tokenizer: &Tokenizer| tokenizer.encode(&text, Special::Parse).unwrap();
        assert_eq!(ids(&after), ids(&before), "{text:?}");
    }
}

#[test]
fn a_way_of_cutting_words_without_a_name_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let json = std::fs::read(golden("tokenizer/bpe.tokenizer.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    json["pre_tokenizer"] = serde_json::json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "x+"}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]});
    std::fs::write(place.path().join("tokenizer.json"), json.to_string()).unwrap();
    let error = gguf_tokenizer(place.path(), 1000).unwrap_err().to_string();
    assert!(error.contains("x+") && error.contains("no name"), "{error}");
}
