//! Compression of tiny models of every architecture: what was written must load and say nearly what the original says.
#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

mod errors;
mod models;
mod report;
mod rotation;
mod round_trip;

use ounce_kernels::ThreadPool;
use ounce_llm::compress::{
    Activations, Alpha, CompressError, CompressOptions, CompressReport, Inspect, Method, Target, compress,
};
use ounce_llm::{KvType, Model, Session, SessionOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Positions that the tiny models take.
const LENGTH: usize = 32;
/// Sequences of calibration text.
const SAMPLES: usize = 16;

const AWQ: Method = Method::Awq { clip: true, feedback: true, inspect: Inspect::Linear };
const AWQ_BLOCK: Method = Method::Awq { clip: false, feedback: false, inspect: Inspect::Block };

/// Options for the tiny models.
fn options(method: Method, target: Target, bits: u8) -> CompressOptions {
    CompressOptions {
        method,
        bits,
        group: Some(32),
        target,
        samples: SAMPLES,
        sequence: Some(LENGTH),
        gram_tokens: 1024,
        ..CompressOptions::default()
    }
}

/// SmoothQuant.
fn smooth(alpha: Alpha, activations: Activations) -> CompressOptions {
    let method = Method::SmoothQuant { alpha, rotate: false };
    CompressOptions { group: None, activations, ..options(method, Target::CompressedTensors, 8) }
}

/// SmoothQuant with inputs rotated where that is worth it.
fn rotated(alpha: Alpha) -> CompressOptions {
    let method = Method::SmoothQuant { alpha, rotate: true };
    CompressOptions { method, ..smooth(alpha, Activations::PerToken) }
}

/// A text of what the tiny tokenizer knows, a token each.
fn text(seed: usize, length: usize) -> String {
    let letter = |i: usize| char::from(b'!' + (mix(seed * 1_000_003 + i) % 58) as u8);
    (0..length).map(letter).collect()
}

fn mix(seed: usize) -> u64 {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 32)
}

/// A number between -1 and 1.
fn noise(seed: usize) -> f32 {
    (mix(seed) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn run(
    source: &Path,
    target: &Path,
    options: &CompressOptions,
    text: Option<&str>,
) -> Result<CompressReport, CompressError> {
    let mut pool = ThreadPool::new(1);
    compress(source, target, options, text, &mut pool, &mut |_| ControlFlow::Continue(()))
}

fn logits(path: &Path, tokens: &[u32]) -> Vec<f32> {
    let mut pool = ThreadPool::new(1);
    let model = Arc::new(Model::load(path, &mut pool, &mut |_| ()).unwrap());
    let mut session =
        Session::new(model, pool, SessionOptions { kv: KvType::F32, ..Default::default() }).unwrap();
    let mut all = Vec::new();
    session.feed_all(tokens, &mut |_, logits| all.extend_from_slice(logits)).unwrap();
    all
}

/// Tokens that were not in the calibration text in this order.
fn unseen() -> Vec<u32> {
    (0..LENGTH).map(|i| (mix(i + 55_555) % 58) as u32).collect()
}

/// Root of the mean squared difference of the logits, relative to their spread; infinite if one is no number.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let mean = expected.iter().map(|x| f64::from(*x)).sum::<f64>() / expected.len() as f64;
    let spread: f64 = expected.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum();
    let change: f64 = found.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    if change.is_finite() { (change / spread).sqrt() } else { f64::INFINITY }
}

/// What lies in a folder.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
