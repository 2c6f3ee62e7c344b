//! Real weights and a real text, where `OUNCE_TEST_MODELS` and `OUNCE_TEST_DATA` say where they lie.
#![cfg(unix)]

mod common;

use common::Machine;
use std::env::var_os;
use std::path::PathBuf;

const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// `name` in the folder that `variable` names; says that the test is skipped if it is not there.
fn find(variable: &str, name: &str) -> Option<String> {
    let path = PathBuf::from(var_os(variable)?).join(name);
    path.exists().then(|| path.to_str().unwrap().to_owned())
}

macro_rules! need {
    ($variable:literal, $name:expr) => {
        match find($variable, $name) {
            Some(path) => path,
            None => {
                eprintln!("skipped: {} is not in ${}", $name, $variable);
                return;
            }
        }
    };
}

#[test]
fn the_default_model_knows_the_capital_of_france() {
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let machine = Machine::new();
    let question = "What is the capital of France?";
    let ask = |threads| {
        let arguments = ["chat", &model, "-p", question, "--greedy", "--max-tokens", "60", "-t", threads];
        machine.run(&arguments).ok().stdout
    };
    let answer = ask("1");
    assert!(answer.contains("Paris"), "{answer}");
    assert_eq!(answer, ask("2"));
}

/// The bars of the project: llama.cpp's protocol over 20 chunks, the AWQ repository's over 6 windows.
#[test]
fn the_default_models_perplexity_is_that_of_other_engines() {
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let text = need!("OUNCE_TEST_DATA", "text/wiki.test.raw");
    let machine = Machine::new();
    let measure = |protocol, chunks| {
        let arguments = ["perplexity", &model, "--text", &text, "--protocol", protocol, "--chunks", chunks];
        machine.run(&[&arguments[..], &["--json"]].concat()).ok().json()["perplexity"].as_f64().unwrap()
    };
    let llama = measure("llama.cpp", "20");
    assert!((27.5..28.4).contains(&llama), "{llama}");
    let hf = measure("hf", "6");
    assert!((hf - 22.06).abs() < 0.25, "{hf}");
}
