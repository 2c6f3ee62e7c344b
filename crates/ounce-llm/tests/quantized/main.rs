//! Quantized Hugging Face folders against the logits of their dequantized weights, on tiny random checkpoints
//! (`conformance/decoder/quantized.py`).
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod damaged;
mod golden;
mod head;
mod summary;

use ounce_kernels::ThreadPool;
use ounce_llm::cache::KvType;
use ounce_llm::{HeadPrecision, LoadError, LoadOptions, Model, Session, SessionOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CASES: [&str; 8] = [
    "awq-llama",
    "gptq-qwen2-8bit",
    "gptq-mistral-channel",
    "compressed-mixtral",
    "compressed-falcon",
    "compressed-llama-odd",
    "w8a8-llama",
    "w8a8-static-gemma3",
];

/// As computed from weights alone, in single precision.
const IN_F32: LoadOptions = LoadOptions { head: HeadPrecision::Float, in_f32: true };
/// Linear maps in integers, the head as stored.
const FLOAT_HEAD: LoadOptions = LoadOptions { head: HeadPrecision::Float, in_f32: false };

fn folder_of(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/quantized").join(case)
}

fn load(folder: &Path, options: LoadOptions) -> Result<Model, LoadError> {
    Model::load_with(folder, options, &mut ThreadPool::new(2), &mut |_| ())
}

fn model(case: &str, options: LoadOptions) -> Arc<Model> {
    Arc::new(load(&folder_of(case), options).unwrap_or_else(|error| panic!("{case}: {error}")))
}

fn session(model: &Arc<Model>, threads: usize) -> Session {
    let options = SessionOptions { kv: KvType::F32, ..Default::default() };
    Session::new(model.clone(), ThreadPool::new(threads), options).unwrap()
}

/// The words of a tensor of a case's `expected.safetensors`.
fn expected(case: &str, tensor: &str) -> Option<Vec<[u8; 4]>> {
    let bytes = std::fs::read(folder_of(case).join("expected.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(tensor).ok()?;
    Some(tensor.data().chunks_exact(4).map(|word| word.try_into().unwrap()).collect())
}

fn tokens(case: &str) -> Vec<u32> {
    expected(case, "tokens").unwrap().into_iter().map(u32::from_le_bytes).collect()
}

/// Expected logits `[tokens, vocab]`; with `float_inputs` those of inputs as they are.
fn logits(case: &str, float_inputs: bool) -> Vec<f32> {
    let floats = if float_inputs { expected(case, "logits_float") } else { None };
    let words = floats.or_else(|| expected(case, "logits")).unwrap();
    words.into_iter().map(f32::from_le_bytes).collect()
}

fn feed_all(session: &mut Session, tokens: &[u32]) -> Vec<f32> {
    let mut all = Vec::new();
    session.feed_all(tokens, &mut |_, logits| all.extend_from_slice(logits)).unwrap();
    all
}

fn feed_one_by_one(session: &mut Session, tokens: &[u32]) -> Vec<f32> {
    tokens.iter().flat_map(|&token| session.feed(&[token], &mut |_| true).unwrap().to_vec()).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // A NaN must not pass as a small difference.
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |max, d| if d <= max { max } else { d })
}
