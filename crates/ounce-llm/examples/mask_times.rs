//! Times compiling grammars and masking logits by them, along random texts that obey.
//!
//! `cargo run --release -p ounce-llm --example mask_times -- MODEL.gguf`

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use ounce_formats::gguf::Gguf;
use ounce_llm::constrain::{ConstraintFactory, Grammar};
use ounce_llm::sampling::Pcg32;
use ounce_llm::tokenizer::Tokenizer;
use ounce_llm::tools::{Tool, ToolChoice, ToolGrammar};
use serde_json::json;

fn grammars() -> Vec<(&'static str, Grammar)> {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["name", "age", "colours"], "properties": {
        "name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 1, "maximum": 99},
        "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 3}}});
    let tools = Tool::from_openai(&json!([{"type": "function", "function": {"name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}, "required": ["city"]}}}]))
    .unwrap();
    let tool = |choice| Grammar::Tools(ToolGrammar::new(&tools, &choice, true).unwrap().unwrap());
    vec![
        ("JSON object", Grammar::JsonObject),
        ("JSON schema", Grammar::json_schema(schema)),
        ("regex", Grammar::Regex("[A-Z][a-z]{2,20}( [A-Z][a-z]{2,20}){0,5}".to_owned())),
        ("tool required", tool(ToolChoice::Required)),
        ("tool auto", tool(ToolChoice::Auto)),
    ]
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: mask_times MODEL.gguf");
    let tokenizer = Tokenizer::from_gguf(Gguf::open(path.as_ref()).unwrap().metadata()).unwrap();
    let start = Instant::now();
    let factory = ConstraintFactory::new(&tokenizer).unwrap();
    println!("{} tokens, factory in {:?}", tokenizer.vocab_size(), start.elapsed());
    for (name, grammar) in grammars() {
        let start = Instant::now();
        let fresh = factory.compile(&grammar).unwrap();
        let compile = start.elapsed();
        let mut random = Pcg32::new(5);
        let mut times = Vec::new();
        for _ in 0..10 {
            let mut constraint = fresh.clone();
            let mut logits = vec![0.0_f32; tokenizer.vocab_size()];
            for _ in 0..60 {
                if constraint.is_complete() {
                    break;
                }
                logits.fill(0.0);
                let start = Instant::now();
                constraint.mask(&mut logits).unwrap();
                times.push(start.elapsed());
                let next: Vec<u32> =
                    (0..).zip(&logits).filter(|(_, logit)| **logit == 0.0).map(|(id, _)| id).collect();
                constraint.accept(next[(random.next_f64() * next.len() as f64) as usize]).unwrap();
            }
        }
        times.sort();
        let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
        println!(
            "  {name}: compiled in {compile:?}; mask median {:?}, p90 {:?}, p99 {:?}, max {:?} of {}",
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0),
            times.len()
        );
    }
}
