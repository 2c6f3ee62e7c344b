//! A tiny model with random weights, written through the GGUF writer.

use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::{Array, Value, Writer};
use std::path::Path;

const WIDTH: usize = 64;
const FEED_FORWARD: usize = 96;
const KV_WIDTH: usize = 32;
const LAYERS: usize = 2;
/// Positions that the model takes.
pub(crate) const CONTEXT: u32 = 256;
/// `<unk> <s> </s>`, one token per byte, the space mark and some letters.
pub(crate) const VOCABULARY: usize = 3 + 256 + 30;

/// Writes a two-layer Llama to `path`; other seeds give other weights. With `template`, turns are marked by `<s>`.
pub(crate) fn write(path: &Path, seed: u64, template: bool) {
    let mut writer = Writer::new();
    let mut set = |key: &str, value: Value| {
        writer.metadata(key, value).unwrap();
    };
    set("general.architecture", Value::String("llama".into()));
    for (key, value) in [
        ("context_length", CONTEXT),
        ("embedding_length", WIDTH as u32),
        ("block_count", LAYERS as u32),
        ("feed_forward_length", FEED_FORWARD as u32),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("rope.dimension_count", 16),
        ("vocab_size", VOCABULARY as u32),
    ] {
        set(&format!("llama.{key}"), Value::U32(value));
    }
    set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    tokens.push("\u{2581}".into());
    tokens.extend(('a'..='z').map(String::from));
    tokens.extend(["th", "he", "in"].map(String::from));
    assert_eq!(tokens.len(), VOCABULARY);
    let kinds = (0..VOCABULARY).map(|id| match id {
        0 => 2,
        1 | 2 => 3,
        3..=258 => 6,
        _ => 1,
    });
    set("tokenizer.ggml.model", Value::String("llama".into()));
    set("tokenizer.ggml.scores", Value::Array(Array::F32((0..VOCABULARY).map(|id| -(id as f32)).collect())));
    set("tokenizer.ggml.token_type", Value::Array(Array::I32(kinds.collect())));
    set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    set("tokenizer.ggml.unknown_token_id", Value::U32(0));
    set("tokenizer.ggml.bos_token_id", Value::U32(1));
    set("tokenizer.ggml.eos_token_id", Value::U32(2));
    set("tokenizer.ggml.add_bos_token", Value::Bool(true));
    if template {
        let text = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}\
                    {% if add_generation_prompt %}assistant: {% endif %}";
        set("tokenizer.chat_template", Value::String(text.into()));
    }

    let mut shapes: Vec<(String, Vec<usize>)> = vec![("token_embd.weight".into(), vec![VOCABULARY, WIDTH])];
    for layer in 0..LAYERS {
        for (name, shape) in [
            ("attn_norm", vec![WIDTH]),
            ("attn_q", vec![WIDTH, WIDTH]),
            ("attn_k", vec![KV_WIDTH, WIDTH]),
            ("attn_v", vec![KV_WIDTH, WIDTH]),
            ("attn_output", vec![WIDTH, WIDTH]),
            ("ffn_norm", vec![WIDTH]),
            ("ffn_gate", vec![FEED_FORWARD, WIDTH]),
            ("ffn_up", vec![FEED_FORWARD, WIDTH]),
            ("ffn_down", vec![WIDTH, FEED_FORWARD]),
        ] {
            shapes.push((format!("blk.{layer}.{name}.weight"), shape));
        }
    }
    shapes.push(("output_norm.weight".into(), vec![WIDTH]));
    for (name, shape) in &shapes {
        writer.tensor(name, shape, GgmlType::F32).unwrap();
    }
    let mut stream = writer.create(path).unwrap();
    let mut state = seed;
    for (_, shape) in &shapes {
        let norm = shape.len() == 1;
        let weights: Vec<f32> =
            (0..shape.iter().product()).map(|_| if norm { 1.0 } else { 0.3 * next(&mut state) }).collect();
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        stream.write(&bytes).unwrap();
    }
    stream.finish().unwrap();
}

/// A number between -1 and 1 (SplitMix64).
fn next(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
}
