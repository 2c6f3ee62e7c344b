//! Constrained decoding: masks against a slow twin, random texts against a validator of JSON schema, limits, calls of tools.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod grammars;
mod hostile;
mod masks;
mod models;
mod schemas;
mod tools;

use std::path::Path;

use ounce_formats::gguf::Gguf;
use ounce_llm::constrain::Constraint;
use ounce_llm::sampling::Pcg32;
use ounce_llm::tokenizer::Tokenizer;

/// A byte-level vocabulary, and SentencePiece vocabularies with byte fallback.
const VOCABULARIES: [&str; 4] = ["bpe.gguf", "spm-llama.gguf", "spm-gemma.gguf", "spm-llama.tokenizer.json"];

fn tokenizer(name: &str) -> Tokenizer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer").join(name);
    if name.ends_with(".json") {
        Tokenizer::from_json(&std::fs::read(path).unwrap()).unwrap()
    } else {
        Tokenizer::from_gguf(Gguf::open(&path).unwrap().metadata()).unwrap()
    }
}

/// The tokens that may come next.
fn allowed(constraint: &mut Constraint, tokenizer: &Tokenizer) -> Vec<u32> {
    let mut logits = vec![0.0; tokenizer.vocab_size()];
    constraint.mask(&mut logits).unwrap();
    (0..).zip(logits).filter(|(_, logit)| *logit == 0.0).map(|(id, _)| id).collect()
}

/// A random text of at most `limit` tokens: none if it was not complete by then. After a third of them, tokens that may close something are preferred.
fn random_text(
    mut constraint: Constraint,
    tokenizer: &Tokenizer,
    random: &mut Pcg32,
    limit: usize,
) -> Option<String> {
    let mut bytes = Vec::new();
    let has_end = (0..tokenizer.vocab_size() as u32).any(|id| tokenizer.is_end_of_generation(id));
    for i in 0..limit {
        if constraint.is_complete() || (!has_end && constraint.may_end()) {
            return Some(String::from_utf8(bytes).unwrap());
        }
        let mut next = allowed(&mut constraint, tokenizer);
        if i > limit / 3 {
            let closing = |&id: &u32| {
                tokenizer.is_end_of_generation(id)
                    || tokenizer.token_bytes(id).iter().any(|b| b"\"}],>".contains(b))
            };
            let closers: Vec<u32> = next.iter().copied().filter(closing).collect();
            next = if closers.is_empty() { next } else { closers };
        }
        let token = next[(random.next_f64() * next.len() as f64) as usize];
        constraint.accept(token).unwrap();
        if tokenizer.is_end_of_generation(token) {
            return Some(String::from_utf8(bytes).unwrap());
        }
        bytes.extend(tokenizer.token_bytes(token));
    }
    None
}
