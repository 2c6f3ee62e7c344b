//! The decoder held against transformers, on tiny random checkpoints of every architecture (`conformance/decoder/checkpoints.py`).
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod errors;
mod golden;
mod session;

use ounce_kernels::ThreadPool;
use ounce_llm::cache::KvType;
use ounce_llm::checkpoint::LoadError;
use ounce_llm::model::Model;
use ounce_llm::session::{Session, SessionOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What transformers computed: `logits` is `[tokens, vocab]`.
struct Expected {
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoder")
}

/// The names of all cases.
fn cases() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A case's folder, or the GGUF file in it.
fn path_of(case: &str) -> PathBuf {
    let folder = golden().join(case);
    let file = folder.join("model.gguf");
    if file.exists() { file } else { folder }
}

fn load(path: &Path) -> Result<Model, LoadError> {
    Model::load(path, &mut ThreadPool::new(2), &mut |_| ())
}

fn model(case: &str) -> Arc<Model> {
    Arc::new(load(&path_of(case)).unwrap_or_else(|error| panic!("{case}: {error}")))
}

fn session(model: &Arc<Model>, threads: usize) -> Session {
    let options = SessionOptions { kv: KvType::F32, ..Default::default() };
    Session::new(model.clone(), ThreadPool::new(threads), options).unwrap()
}

fn expected(case: &str) -> Expected {
    let bytes = std::fs::read(golden().join(case).join("expected.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let words = |name: &str| -> Vec<[u8; 4]> {
        file.tensor(name).unwrap().data().chunks_exact(4).map(|word| word.try_into().unwrap()).collect()
    };
    Expected {
        tokens: words("tokens").into_iter().map(u32::from_le_bytes).collect(),
        logits: words("logits").into_iter().map(f32::from_le_bytes).collect(),
    }
}

fn feed(session: &mut Session, tokens: &[u32]) -> Vec<f32> {
    session.feed(tokens, &mut |_| true).unwrap().to_vec()
}

fn feed_all(session: &mut Session, tokens: &[u32]) -> Vec<f32> {
    let mut all = Vec::new();
    session.feed_all(tokens, &mut |_, logits| all.extend_from_slice(logits)).unwrap();
    all
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // A NaN must not pass as a small difference.
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |max, d| if d <= max { max } else { d })
}
