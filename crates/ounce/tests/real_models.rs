//! Real weights and a real text, where `OUNCE_TEST_MODELS` and `OUNCE_TEST_DATA` say where they lie.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{Machine, SMOLLM2, need};
use sha2::{Digest as _, Sha256};

#[test]
fn the_default_model_knows_the_capital_of_france() {
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let machine = Machine::new();
    let question = "Name the capital of France.";
    let ask = |threads| {
        let arguments = ["chat", &model, "-p", question, "--greedy", "--max-tokens", "60", "-t", threads];
        machine.run(&arguments).ok().stdout
    };
    let answer = ask("1");
    assert!(answer.contains("Paris"), "{answer}");
    assert_eq!(answer, ask("2"));
}

/// What other engines measure on the same file and text: llama-perplexity (of llama-cpp-python 0.3.36) 28.707 over 20 chunks, transformers
/// on the dequantized weights 22.060 over 6 windows. Both hold for the original WikiText-2 raw test split (sha256 173c87a5...);
/// copies with other line ends give other numbers.
#[test]
fn the_default_models_perplexity_is_that_of_other_engines() {
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let text = need!("OUNCE_TEST_DATA", "text/wiki.test.raw");
    let bytes = std::fs::read(&text).unwrap();
    let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if !sum.starts_with("173c87a53759") {
        eprintln!("skipped: {text} is not the original file");
        return;
    }
    let machine = Machine::new();
    let measure = |protocol, chunks| {
        let arguments = ["perplexity", &model, "--text", &text, "--protocol", protocol, "--chunks", chunks];
        machine.run(&[&arguments[..], &["--json"]].concat()).ok().json()["perplexity"].as_f64().unwrap()
    };
    let llama = measure("llama.cpp", "20");
    assert!((llama - 28.707).abs() < 0.15, "{llama}");
    let hf = measure("hf", "6");
    assert!((hf - 22.060).abs() < 0.25, "{hf}");
}
