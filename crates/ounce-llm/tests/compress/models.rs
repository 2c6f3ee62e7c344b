//! Tiny models of every architecture whose widths suit groups of 32: the golden checkpoints of the decoder tests, made wider, with random weights.
//! Some channels of every normalisation are large, as in real models, so that scales matter and a scale that is lost shows.

use super::noise;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const HIDDEN: usize = 64;
const FEED_FORWARD: usize = 96;
const HEADS: usize = 4;
const VOCABULARY: usize = 61;

/// Golden checkpoints in folders: one for each wiring of a layer.
pub(crate) const ARCHITECTURES: [&str; 8] =
    ["llama", "mixtral", "qwen2", "gemma3", "falcon-7b", "falcon-40b", "falcon-11b", "falcon-sequential"];

/// A golden checkpoint as it is, with odd widths.
pub(crate) fn golden(case: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoder").join(case);
    let file = folder.join("model.gguf");
    if file.exists() { file } else { folder }
}

/// Writes a model like the golden `case` to `folder`. `change` sees every tensor.
pub(crate) fn write(case: &str, folder: &Path, change: &dyn Fn(&str, &mut [f32])) {
    let source = golden(case);
    std::fs::create_dir(folder).unwrap();
    std::fs::copy(source.join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(source.join("config.json")).unwrap()).unwrap();
    let falcon = config["model_type"] == "falcon";
    // Gemma's heads are wider together than the residual stream.
    let head = if config["model_type"] == "gemma3_text" { 32 } else { HIDDEN / HEADS };
    let kv_heads = match case {
        "falcon-7b" => 1,
        "falcon-sequential" => HEADS,
        _ => 2,
    };
    let sizes = [
        ("hidden_size", HIDDEN),
        ("intermediate_size", FEED_FORWARD),
        ("ffn_hidden_size", FEED_FORWARD),
        ("num_attention_heads", HEADS),
        ("num_key_value_heads", kv_heads),
        ("head_dim", head),
        // The only one that GGUF has words for.
        ("query_pre_attn_scalar", head),
    ];
    for (key, value) in sizes {
        if config.get(key).is_some() {
            config[key] = json!(value);
        }
    }
    if falcon {
        config["num_kv_heads"] = json!(if case == "falcon-7b" { HEADS } else { kv_heads });
    }
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();

    let bytes = std::fs::read(source.join("model.safetensors")).unwrap();
    let old = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| -> Vec<usize> {
        let base = name.trim_end_matches(".weight").trim_end_matches(".bias");
        let (rows, cols) = match base.rsplit('.').next().unwrap() {
            "q_proj" => (HEADS * head, HIDDEN),
            "k_proj" | "v_proj" => (kv_heads * head, HIDDEN),
            "query_key_value" => ((HEADS + 2 * kv_heads) * head, HIDDEN),
            "o_proj" | "dense" => (HIDDEN, HEADS * head),
            "gate_proj" | "up_proj" | "w1" | "w3" | "dense_h_to_4h" => (FEED_FORWARD, HIDDEN),
            "down_proj" | "w2" | "dense_4h_to_h" => (HIDDEN, FEED_FORWARD),
            "gate" => (old.tensor(name).unwrap().shape()[0], HIDDEN),
            "embed_tokens" | "word_embeddings" | "lm_head" => (VOCABULARY, HIDDEN),
            "q_norm" | "k_norm" => (head, 1),
            _ => (HIDDEN, 1),
        };
        let vector = old.tensor(name).unwrap().shape().len() == 1;
        if vector { vec![rows] } else { vec![rows, cols] }
    };
    let mut names = old.names();
    names.sort_unstable();
    let mut tensors = BTreeMap::new();
    for (number, name) in names.into_iter().enumerate() {
        let shape = shape(name);
        let values = (0..shape.iter().product()).map(|i| value(case, name, &shape, number * 100_003 + i, i));
        let mut values: Vec<f32> = values.collect();
        change(name, &mut values);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.insert(name.to_owned(), (shape, bytes));
    }
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let file = safetensors::serialize(views.collect::<BTreeMap<_, _>>(), None).unwrap();
    std::fs::write(folder.join("model.safetensors"), file).unwrap();
}

/// Weights keep the size of what flows through them.
fn value(case: &str, name: &str, shape: &[usize], seed: usize, index: usize) -> f32 {
    let noise = noise(seed);
    let norm = name.contains("norm") || name.contains("ln_");
    if norm && name.ends_with("weight") {
        let inside = name.contains("layers") || name.contains(".h.");
        let large = if inside && index % 13 == 5 { 4.0 } else { 1.0 };
        // Gemma's normalisations add one.
        return large * (1.0 + 0.3 * noise) - if case == "gemma3" { 1.0 } else { 0.0 };
    }
    match shape {
        [_] => 0.5 * noise,
        [VOCABULARY, _] => noise,
        // A router that is hardly ever in doubt: rounding must not send tokens to other experts.
        [_, cols] if name.ends_with("moe.gate.weight") => 4.0 * noise * (3.0 / *cols as f32).sqrt(),
        [_, cols] => noise * (3.0 / *cols as f32).sqrt(),
        _ => unreachable!(),
    }
}
