//! Checkpoints that cannot be used say why.

use super::{golden, load, path_of};
use ounce_llm::arch::ConfigError;
use ounce_llm::checkpoint::LoadError;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A copy of a case with changes to its `config.json`.
fn changed(case: &str, test: &str, changes: Value) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("decoder-{test}"));
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(golden().join(case)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    folder
}

fn error(case: &str, test: &str, changes: Value) -> LoadError {
    load(&changed(case, test, changes)).err().unwrap_or_else(|| panic!("{test} loads"))
}

#[test]
fn an_unknown_architecture_lists_the_known_ones() {
    let error = error("llama", "unknown", json!({"model_type": "perceiver"}));
    assert!(
        matches!(&error, LoadError::Config(ConfigError::UnknownArchitecture { found, .. }) if found == "perceiver")
    );
    let message = error.to_string();
    for name in ["llama", "mistral", "mixtral", "qwen2", "gemma3", "falcon"] {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let error = error("llama", "misshapen", json!({"intermediate_size": 85}));
    assert!(matches!(
        &error,
        LoadError::TensorShape { name, expected, found }
            if name == "model.layers.0.mlp.gate_proj.weight" && expected[..] == [85, 36] && found[..] == [86, 36]
    ));
}

#[test]
fn a_missing_tensor_is_named() {
    let error = error("llama", "missing", json!({"num_hidden_layers": 3}));
    assert!(matches!(
        &error,
        LoadError::MissingTensor { name, .. } if name.starts_with("model.layers.2.")
    ));
    let message = error.to_string();
    assert!(message.contains("missing") && message.contains("[36, 36]"), "{message}");
}

#[test]
fn options_that_are_not_computed_are_refused() {
    let scaling = json!({"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4});
    let cases = [
        ("falcon-7b", "alibi", json!({"alibi": true}), "alibi"),
        ("llama", "yarn", json!({"rope_parameters": scaling}), "rope_type"),
        ("llama", "activation", json!({"hidden_act": "mish"}), "hidden_act"),
        (
            "gemma3",
            "bidirectional",
            json!({"use_bidirectional_attention": true}),
            "use_bidirectional_attention",
        ),
    ];
    for (case, test, changes, option) in cases {
        let error = error(case, test, changes);
        assert!(
            matches!(&error, LoadError::Config(ConfigError::Unsupported { key, .. }) if key == option),
            "{test}: {error}"
        );
    }
}

#[test]
fn impossible_numbers_are_refused() {
    let cases = [
        ("zero heads", json!({"num_attention_heads": 0})),
        ("no layers", json!({"num_hidden_layers": 0})),
        ("endless layers", json!({"num_hidden_layers": 1u64 << 60})),
        ("huge hidden", json!({"hidden_size": u64::MAX})),
        ("negative", json!({"hidden_size": -5})),
        ("words", json!({"hidden_size": "many"})),
        ("odd groups", json!({"num_key_value_heads": 2})),
        ("no vocabulary", json!({"vocab_size": 0})),
        ("no base", json!({"rope_parameters": {"rope_theta": 0.0, "rope_type": "default"}})),
        ("no window", json!({"model_type": "mistral", "sliding_window": 0})),
    ];
    for (test, changes) in cases {
        let error = error("llama", &test.replace(' ', "-"), changes);
        assert!(matches!(error, LoadError::Config(ConfigError::Invalid { .. })), "{test}: {error}");
    }
    let error = error("llama", "absent", json!({"hidden_size": null}));
    assert!(matches!(&error, LoadError::Config(ConfigError::Missing { key }) if key == "hidden_size"));
}

#[test]
fn cut_files_are_refused() {
    let bytes = std::fs::read(path_of("mixtral-gguf")).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decoder-cut.gguf");
    for length in [0, 3, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(matches!(load(&path), Err(LoadError::Gguf(_))), "{length}");
    }
    assert!(matches!(load(Path::new("no-such-model")), Err(LoadError::Gguf(_))));
}

#[test]
fn progress_reaches_the_whole_file() {
    let mut last = (0, 0);
    let mut calls = 0;
    let mut pool = ounce_kernels::ThreadPool::new(1);
    let watch = &mut |progress| {
        let ounce_llm::model::LoadProgress::Tensor { done, total } = progress;
        assert!(done >= last.0 && done <= total);
        last = (done, total);
        calls += 1;
    };
    let model = ounce_llm::model::Model::load(&path_of("mixtral-gguf"), &mut pool, watch).unwrap();
    assert!(calls > 20);
    assert_eq!(last.1, model.tensors().iter().map(|tensor| tensor.bytes).sum::<u64>());
    assert_eq!(last.0, last.1);
}
