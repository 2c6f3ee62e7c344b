//! Damaged tokenizers and templates: each is refused or works; none panics, hangs, or takes memory without end.
//!
//! OUNCE_FUZZ_ITERATIONS sets how many are made of each kind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::time::{Duration, Instant};

use ounce_formats::gguf::{Array, Gguf, Metadata, Value};
use ounce_llm::template::{ChatTemplate, Message};
use ounce_llm::tokenizer::{Special, Tokenizer};
use serde_json::Value as Json;

const TEXTS: [&str; 5] =
    ["", "Hello  wörld\n\n <|im_end|>", "▁a\u{0}😀 12345 <s></s><unk>", "aaaa bbb ab ab", " \t\r\n e\u{301}"];

/// xorshift64*.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

fn iterations() -> usize {
    std::env::var("OUNCE_FUZZ_ITERATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer").join(name)
}

/// Runs one case per iteration and tells which was slowest and how many were accepted.
fn run(name: &str, mut case: impl FnMut(&mut Chance) -> bool) {
    let (mut slowest, mut accepted) = (Duration::ZERO, 0);
    let iterations = iterations();
    for i in 0..iterations {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(i as u64 + 1) | 1);
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&mut chance)));
        slowest = slowest.max(start.elapsed());
        match outcome {
            Ok(works) => accepted += usize::from(works),
            Err(_) => panic!("{name}: iteration {i} panicked"),
        }
    }
    eprintln!("{name}: {iterations} cases, {accepted} accepted, slowest {slowest:?}");
    assert!(slowest < Duration::from_secs(30), "{name}: {slowest:?}");
}

/// Uses a tokenizer that was accepted.
fn exercise(tokenizer: &Tokenizer, chance: &mut Chance) {
    for text in TEXTS {
        for special in [Special::Parse, Special::AsText] {
            if let Ok(ids) = tokenizer.encode_document(text, special) {
                let _ = tokenizer.decode(&ids);
            }
        }
    }
    let size = tokenizer.vocab_size() + 2;
    let ids: Vec<u32> = (0..20).map(|_| chance.below(size) as u32).collect();
    let mut stream = tokenizer.stream(true);
    let streamed: String = ids.iter().map(|&id| stream.push(id)).collect::<String>() + &stream.finish();
    assert_eq!(streamed, tokenizer.decode_text(&ids));
    for id in ids {
        let _ = (tokenizer.token_bytes(id), tokenizer.is_special(id), tokenizer.is_end_of_generation(id));
    }
}

/// Damages text: bytes changed, ranges dropped, doubled or moved, snippets put in.
fn damage(seed: &[u8], snippets: &[&str], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        let length = chance.below(12).min(bytes.len() - at);
        match chance.below(6) {
            0 if !bytes.is_empty() => bytes[at] = chance.below(256) as u8,
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let range = bytes[at..at + length].to_vec();
                bytes.splice(at..at, range);
            }
            3 => bytes.truncate(at.max(bytes.len() / 2)),
            _ => drop(bytes.splice(at..at + length, chance.pick(snippets).bytes())),
        }
    }
    bytes
}

/// Changes the value at a random place of a JSON document.
fn damage_node(node: &mut Json, chance: &mut Chance) {
    let inner: Vec<&mut Json> = match node {
        Json::Array(list) => list.iter_mut().collect(),
        Json::Object(map) => map.values_mut().collect(),
        _ => Vec::new(),
    };
    let deeper = chance.below(inner.len());
    if chance.below(5) > 0
        && let Some(inner) = inner.into_iter().nth(deeper)
    {
        return damage_node(inner, chance);
    }
    let parts = [
        "Sequence",
        "Metaspace",
        "ByteLevel",
        "Split",
        "Digits",
        "Punctuation",
        "Strip",
        "Replace",
        "Prepend",
        "Lowercase",
        "NFKC",
        "TemplateProcessing",
        "Whitespace",
        "BertNormalizer",
        "Precompiled",
        "",
        " ",
        "a",
        "ab",
        "b",
        "▁",
        "<s>",
        "(a*)*b",
        "[",
        "Removed",
        "MergedWithPrevious",
        "always",
        "B",
        "\u{0}",
    ];
    match node {
        Json::Array(list) if chance.below(3) == 0 => {
            if let Some(item) = list.get(chance.below(list.len())).cloned() {
                list.insert(0, item);
            }
        }
        Json::Array(list) if !list.is_empty() => drop(list.remove(chance.below(list.len()))),
        Json::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(chance.below(map.len())).cloned().unwrap();
            let value = map.remove(&key).unwrap();
            if chance.below(2) == 0 {
                map.insert((*chance.pick(&parts)).to_owned(), value);
            }
        }
        Json::Bool(b) if chance.below(4) > 0 => *b = !*b,
        other => {
            let numbers = [0u64, 1, 2, 7, 9, 10, 11, 500, 40_000, u64::from(u32::MAX), u64::MAX];
            *other = match chance.below(5) {
                0 => Json::Null,
                1 => Json::from(*chance.pick(&numbers)),
                2 => Json::from(0.5),
                _ => Json::from(*chance.pick(&parts)),
            }
        }
    }
}

const TINY: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,
"rstrip":false,"normalized":false,"special":true},{"id":10,"content":"ab ab","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":false}],
"normalizer":NORMALIZER,"pre_tokenizer":PRE,"post_processor":POST,"decoder":DECODER,
"model":{"type":"BPE","dropout":null,"unk_token":"a","continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,
"ignore_merges":false,"vocab":{"<s>":0,"a":1,"b":2,"ab":3,"Ġ":4,"aa":5,"aab":6,"▁":7,"<0x0A>":8,"▁a":9},
"merges":[["a","b"],["a","a"],["a","ab"],["▁","a"]]}}"#;

#[test]
fn damaged_tokenizer_json() {
    let fill = |normalizer: &str, pre: &str, post: &str, decoder: &str| {
        TINY.replace("NORMALIZER", normalizer)
            .replace("PRE", pre)
            .replace("POST", post)
            .replace("DECODER", decoder)
    };
    let seeds = [
        fill(
            r#"{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}"#,
            "null",
            r#"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}}"#,
            r#"{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}"#,
        ),
        fill(
            r#"{"type":"NFC"}"#,
            r#"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}]}"#,
            r#"{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true}"#,
            r#"{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"#,
        ),
        fill(
            "null",
            r#"{"type":"Split","pattern":{"Regex":"a+|[^b]?b{1,3}| (?!\\S)"},"behavior":"Isolated","invert":false}"#,
            "null",
            r#"{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}"#,
        ),
    ];
    let snippets = [
        "null",
        "0",
        "-1",
        "4294967295",
        "99999999999999999999",
        "1e308",
        "\"\"",
        "[]",
        "{}",
        "true",
        "false",
        "\"a\"",
        "\"▁\"",
        "[\"a\",\"b\"],",
        ":",
        ",",
        "\"ab\":3,",
        "\"type\":",
        "\"BPE\"",
        "\"WordPiece\"",
        "\"Unigram\"",
        "\"Sequence\"",
        "\"Metaspace\"",
        "\"Punctuation\"",
        "\"Strip\"",
        "\"NFKD\"",
        "\"Precompiled\"",
        "\"dropout\":0.5,",
        "\"dropout\":7,",
        "(a*)*b",
        "(?=",
        "\\\\p{L}",
        "*",
        "\u{0}",
        "\\u0000",
        "\\ud800",
        "[[[[[[[[",
        "\"truncation\":{\"max_length\":0,\"stride\":5},",
        "\"MergedWithNext\"",
        "\"Removed\"",
        "\"Contiguous\"",
        "\"single\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],",
        "\"ids\":[7,8,9],",
        "\"prefix\":\"##\",",
    ];
    for seed in &seeds {
        Tokenizer::from_json(seed.as_bytes()).unwrap();
    }
    run("tokenizer.json", |chance| {
        let seed = chance.pick(&seeds).clone();
        let json = if chance.below(2) == 0 {
            damage(seed.as_bytes(), &snippets, chance)
        } else {
            let mut document: Json = serde_json::from_str(&seed).unwrap();
            for _ in 0..=chance.below(3) {
                damage_node(&mut document, chance);
            }
            serde_json::to_vec(&document).unwrap()
        };
        match Tokenizer::from_json(&json) {
            Ok(tokenizer) => {
                exercise(&tokenizer, chance);
                true
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                false
            }
        }
    });
}

/// Changes one entry of a list of metadata.
fn damage_entry(value: &mut Value, chance: &mut Chance) {
    const WORDS: [&str; 14] =
        ["", " ", "a", "a b", "Ġ Ġ", "<0x41>", "<s>", "▁", "▁▁", "\n", "<0xZZ>", "😀", "gpt2", "llama"];
    const NUMBERS: [f32; 8] = [0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -0.0, 3.0];
    match &mut *value {
        Value::Array(Array::String(list)) if !list.is_empty() => {
            for _ in 0..=chance.below(6) {
                let (from, to) = (chance.below(list.len()), chance.below(list.len()));
                match chance.below(5) {
                    0 => list[to] = (*chance.pick(&WORDS)).to_owned(),
                    1 => list[to] = list[from].clone(),
                    2 => list.swap(from, to),
                    3 => list[to] = format!("{}{}{}", list[from], chance.pick(&WORDS), list[to]),
                    _ if chance.below(4) == 0 => list.truncate(to),
                    _ => list[to] = "a".repeat(chance.below(5000)),
                }
                if list.is_empty() {
                    break;
                }
            }
        }
        Value::Array(Array::F32(list)) if !list.is_empty() => {
            for _ in 0..=chance.below(40) {
                let at = chance.below(list.len());
                list[at] = *chance.pick(&NUMBERS);
            }
        }
        Value::Array(Array::I32(list)) if !list.is_empty() => {
            for _ in 0..=chance.below(40) {
                let at = chance.below(list.len());
                list[at] = chance.below(9) as i32 - 1;
            }
        }
        Value::String(text) => {
            *text = (*chance
                .pick(&["gpt2", "llama", "default", "falcon", "qwen2", "bloom", "tekken", "", "x"]))
            .to_owned()
        }
        Value::Bool(b) => *b = !*b,
        other => *other = Value::U32(*chance.pick(&[0, 1, 2, 3, 400, 899, 900, u32::MAX])),
    }
    if chance.below(20) == 0 {
        let kinds = [
            Value::U32(7),
            Value::Bool(true),
            Value::String("x".into()),
            Value::Array(Array::String(vec![])),
            Value::Array(Array::F32(vec![0.0])),
        ];
        *value = chance.pick(&kinds).clone();
    }
}

#[test]
fn damaged_metadata() {
    let seeds: Vec<Vec<(String, Value)>> = ["bpe.gguf", "spm-llama.gguf", "spm-gemma.gguf", "spm-plain.gguf"]
        .iter()
        .map(|name| {
            let file = Gguf::open(&golden(name)).unwrap();
            let mut entries: Vec<(String, Value)> =
                file.metadata().iter().map(|(k, v)| (k.to_owned(), v.clone())).collect();
            // Fewer tokens make each change count for more.
            for (_, value) in &mut entries {
                match value {
                    Value::Array(Array::String(list)) => list.truncate(400),
                    Value::Array(Array::F32(list)) => list.truncate(400),
                    Value::Array(Array::I32(list)) => list.truncate(400),
                    _ => {}
                }
            }
            entries
        })
        .collect();
    run("metadata", |chance| {
        let mut entries = chance.pick(&seeds).clone();
        for _ in 0..=chance.below(3) {
            let at = chance.below(entries.len());
            match chance.below(12) {
                0 => drop(entries.remove(at)),
                _ => damage_entry(&mut entries[at].1, chance),
            }
        }
        let Ok(metadata) = Metadata::new(entries) else { return false };
        let _ = ChatTemplate::from_gguf(&metadata);
        match Tokenizer::from_gguf(&metadata) {
            Ok(tokenizer) => {
                exercise(&tokenizer, chance);
                true
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                false
            }
        }
    });
}

#[test]
fn damaged_templates() {
    let golden: Json = serde_json::from_slice(&std::fs::read(golden("templates.json")).unwrap()).unwrap();
    let seeds: Vec<String> =
        golden["templates"].as_object().unwrap().values().map(|t| t.as_str().unwrap().to_owned()).collect();
    let snippets = [
        "{%",
        "%}",
        "{{",
        "}}",
        "{#",
        "#}",
        "-%}",
        "{%-",
        "{% for x in messages %}",
        "{% endfor %}",
        "{% if true %}",
        "{% endif %}",
        "{% set x = messages %}",
        "{% macro f(a) %}{{ f(a) }}{% endmacro %}{{ f(1) }}",
        "| tojson",
        "| list",
        "| join(',')",
        "| length",
        "| sort",
        "| reverse",
        "| format(1)",
        "| indent(9999)",
        "* 100000",
        "* 99999999",
        "** 99",
        "~ messages",
        "+ 1",
        "[::-1]",
        "[1:]",
        "[-1]",
        "[99:]",
        ".strip()",
        ".split('')",
        ".split('a')",
        ".replace('', 'xxxx')",
        ".format(1)",
        ".get('a')",
        "{:>9999}",
        "{:99999}",
        "range(1000000)",
        "namespace(a=1)",
        "loop(messages)",
        "raise_exception(1)",
        "strftime_now('%Y %')",
        "{% generation %}",
        "{% endgeneration %}",
        "{% break %}",
        "{% include 'chat template' %}",
        "{% extends 'chat template' %}",
        "{% import 'chat template' as x %}",
        "{% block a %}{% endblock %}",
        "recursive",
        "((((((((((((((((",
        "[[[[[[[[[[[[",
        "not not not",
        "é",
        "\u{0}",
    ];
    let messages = [
        Message::new("system", "Be brief.\n"),
        Message::new("user", "Hi 😀"),
        Message::new("assistant", ""),
        Message::new("user", "x".repeat(500)),
    ];
    run("templates", |chance| {
        let seed = chance.pick(&seeds).clone();
        let source = String::from_utf8_lossy(&damage(seed.as_bytes(), &snippets, chance)).into_owned();
        let Ok(template) = ChatTemplate::parse(&source, Some("<s>"), None) else { return false };
        let from = chance.below(messages.len());
        match template.render(&messages[from..], chance.below(2) == 0) {
            Ok(_) => true,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                false
            }
        }
    });
}
