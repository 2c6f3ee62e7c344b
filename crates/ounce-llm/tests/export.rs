//! Models of every architecture in the other container and in their own: the logits must stay those that transformers computes for the
//! original (`conformance/decoder/checkpoints.py`).
#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

use ounce_formats::ggml::GgmlType;
use ounce_kernels::ThreadPool;
use ounce_llm::export::{Container, ExportError, convert};
use ounce_llm::{KvType, Model, Session, SessionOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Weights are exact in f32, only the order of sums differs.
const TOLERANCE: f32 = 1e-4;
/// Products with quantized weights quantize activations to 8 bits; logits span about 6.
const QUANTIZED_TOLERANCE: f32 = 0.15;

/// Cases that GGUF has no words for.
const NOT_IN_GGUF: [&str; 3] = ["falcon-sequential", "gemma3-scaled-bf16", "qwen2-window"];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoder")
}

fn cases() -> Vec<String> {
    let entries = std::fs::read_dir(golden()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !NOT_WRITTEN.iter().any(|prefix| name.starts_with(prefix)));
    names.sort();
    names
}

/// Architectures that run, but that no target is written for.
const NOT_WRITTEN: [&str; 3] = ["gpt-neox", "mpt", "opt"];

fn path_of(case: &str) -> PathBuf {
    let folder = golden().join(case);
    let file = folder.join("model.gguf");
    if file.exists() { file } else { folder }
}

/// Tokens, and logits `[tokens, vocab]`.
fn expected(case: &str) -> (Vec<u32>, Vec<f32>) {
    let bytes = std::fs::read(golden().join(case).join("expected.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let words =
        |name: &str| -> Vec<[u8; 4]> { file.tensor(name).unwrap().data().as_chunks::<4>().0.to_vec() };
    let tokens = words("tokens").into_iter().map(u32::from_le_bytes).collect();
    (tokens, words("logits").into_iter().map(f32::from_le_bytes).collect())
}

fn logits(path: &Path, tokens: &[u32]) -> Vec<f32> {
    let mut pool = ThreadPool::new(1);
    let model = Arc::new(Model::load(path, &mut pool, &mut |_| ()).unwrap());
    let options = SessionOptions { kv: KvType::F32, ..Default::default() };
    let mut session = Session::new(model, pool, options).unwrap();
    let mut all = Vec::new();
    session.feed_all(tokens, &mut |_, logits| all.extend_from_slice(logits)).unwrap();
    all
}

fn to(source: &Path, target: &Path, container: Container) -> Result<u64, ExportError> {
    convert(source, target, container, &mut ThreadPool::new(1), &mut |_, _| ())
}

/// The largest difference between the logits of an exported model and those of the original.
fn difference(case: &str, path: &Path) -> f32 {
    let (tokens, expected) = expected(case);
    let found = logits(path, &tokens);
    assert_eq!(found.len(), expected.len(), "{case}");
    // A NaN must not pass as a small difference.
    found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, |max, d| if d <= max { max } else { d })
}

#[test]
fn every_architecture_keeps_its_logits_in_every_container() {
    let place = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for case in cases() {
        let tolerance = if case.contains("quantized") { QUANTIZED_TOLERANCE } else { TOLERANCE };
        let source = path_of(&case);
        let folder = place.path().join(format!("{case}-folder"));
        let file = place.path().join(format!("{case}.gguf"));
        let there_and_back = place.path().join(format!("{case}-back"));
        let mut check = |way: &str, from: &Path, path: &Path, container| {
            match to(from, path, container) {
                Ok(_) => {}
                Err(error) => {
                    let unsupported = matches!(error, ExportError::Unsupported { .. });
                    if !(unsupported && NOT_IN_GGUF.contains(&&*case) && way == "gguf") {
                        failures.push(format!("{case}, {way}: {error}"));
                    }
                    return;
                }
            }
            let difference = difference(&case, path);
            if difference > tolerance || difference.is_nan() {
                failures.push(format!("{case}, {way}: {difference}"));
            }
        };
        // Gemma rounds the scale of its embedding to the type that it is stored in.
        let ty = if case == "gemma3-scaled-bf16" { GgmlType::BF16 } else { GgmlType::F32 };
        check("folder", &source, &folder, Container::Folder(ty));
        check("gguf", &source, &file, Container::Gguf(GgmlType::F32));
        if !NOT_IN_GGUF.contains(&&*case) {
            check("gguf to folder", &file, &there_and_back, Container::Folder(GgmlType::F32));
            let again = place.path().join(format!("{case}-again.gguf"));
            check("folder to gguf", &folder, &again, Container::Gguf(GgmlType::F32));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn what_cannot_be_written_is_refused_at_once() {
    let place = tempfile::tempdir().unwrap();
    for case in NOT_WRITTEN {
        for container in [Container::Folder(GgmlType::F32), Container::Gguf(GgmlType::F32)] {
            let error = to(&path_of(case), &place.path().join("target"), container).unwrap_err();
            assert!(
                matches!(error, ExportError::Unsupported { .. }) && error.to_string().contains(case),
                "{error}"
            );
        }
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn an_existing_target_is_refused_and_nothing_is_left_behind() {
    let place = tempfile::tempdir().unwrap();
    let source = path_of("llama");
    let file = place.path().join("model.gguf");
    std::fs::write(&file, "precious").unwrap();
    let error = to(&source, &file, Container::Gguf(GgmlType::F16)).unwrap_err();
    assert!(matches!(error, ExportError::Exists { .. }), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let folder = place.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("note"), "precious").unwrap();
    let error = to(&source, &folder, Container::Folder(GgmlType::F16)).unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    let error =
        to(&path_of("falcon-sequential"), &place.path().join("x.gguf"), Container::Gguf(GgmlType::F16));
    assert!(error.unwrap_err().to_string().contains("Falcon"));
    let mut left: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["folder", "model.gguf"]);
}
