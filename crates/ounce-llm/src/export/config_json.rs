//! `config.json` from a configuration that did not come from one.

use super::ExportError;
use super::plan::Present;
use super::rope::Llama3;
use crate::arch::names::{self, Names};
use crate::config::{Activation, Block, Config, Rope, RopeScaling};
use serde_json::{Map, Value, json};

/// What a folder calls its kind of model.
pub(super) struct FolderKind {
    model_type: &'static str,
    class: &'static str,
    pub(super) names: &'static Names,
    /// Norms are stored with this subtracted.
    pub(super) norm_offset: f32,
}

/// The kind of folder for a model that comes from a GGUF file, whose `llama` stands for three of them.
pub(super) fn kind(config: &Config) -> Result<FolderKind, ExportError> {
    let kind = |model_type, class, names, norm_offset| FolderKind { model_type, class, names, norm_offset };
    let windows = config.layers.iter().any(|layer| layer.window.is_some());
    Ok(match config.architecture {
        "llama" if config.experts.is_some() => kind("mixtral", "MixtralForCausalLM", &names::LLAMA, 0.0),
        "llama" if windows => kind("mistral", "MistralForCausalLM", &names::LLAMA, 0.0),
        "llama" => kind("llama", "LlamaForCausalLM", &names::LLAMA, 0.0),
        "qwen2" => kind("qwen2", "Qwen2ForCausalLM", &names::LLAMA, 0.0),
        "gemma3" => kind("gemma3_text", "Gemma3ForCausalLM", &names::GEMMA3, 1.0),
        "falcon" => kind("falcon", "FalconForCausalLM", &names::FALCON, 0.0),
        other => return Err(unsupported(format!("the architecture {other}"))),
    })
}

fn unsupported(what: String) -> ExportError {
    ExportError::Unsupported { what, target: "a Hugging Face folder", advice: "write GGUF instead" }
}

impl FolderKind {
    /// The biases that models of this kind have if the source has some; where they have more, they are zero.
    pub(super) fn biases(&self, found: Present) -> Result<Present, ExportError> {
        let all = found.qkv || found.output || found.feed_forward;
        match self.model_type {
            "llama" => {
                let attention = found.qkv || found.output;
                Ok(Present { qkv: attention, output: attention, ..found })
            }
            "qwen2" if !found.output && !found.feed_forward => Ok(Present { qkv: true, ..found }),
            "falcon" => Ok(Present { qkv: all, output: all, feed_forward: all }),
            _ if !all => Ok(found),
            _ => Err(unsupported(format!("a bias of the kind that this {} model has", self.model_type))),
        }
    }

    /// The configuration. `tied` says whether the head is the embedding, `dtype` in what type the floats are meant to be run.
    pub(super) fn config(
        &self,
        config: &Config,
        biases: Present,
        tied: bool,
        dtype: &str,
    ) -> Result<Map<String, Value>, ExportError> {
        let mut entries = Map::new();
        let mut put = |key: &str, value: Value| entries.insert(key.to_owned(), value);
        let rope = config.ropes.first().ok_or_else(|| unsupported("a model without rotation".into()))?;
        let window = config.layers.iter().find_map(|layer| layer.window);
        put("architectures", json!([self.class]));
        put("model_type", json!(self.model_type));
        put("torch_dtype", json!(dtype));
        put("vocab_size", json!(config.vocab_size));
        put("hidden_size", json!(config.hidden));
        put("num_hidden_layers", json!(config.layers.len()));
        put("num_attention_heads", json!(config.heads));
        put("max_position_embeddings", json!(config.context));
        put("tie_word_embeddings", json!(tied));
        put("initializer_range", json!(0.02));
        put("use_cache", json!(true));
        put("rope_theta", json!(rope.base));
        put("rope_scaling", scaling(rope)?);
        if rope.rotary_dim != config.head_dim {
            put("partial_rotary_factor", json!(rope.rotary_dim as f64 / config.head_dim as f64));
        }
        if self.model_type == "falcon" {
            falcon(config, biases, &mut put);
            return Ok(entries);
        }
        put("intermediate_size", json!(config.feed_forward));
        put("num_key_value_heads", json!(config.kv_heads));
        put("head_dim", json!(config.head_dim));
        put("rms_norm_eps", json!(decimal(config.norm_eps)));
        put("attention_dropout", json!(0.0));
        match self.model_type {
            "gemma3_text" => gemma3(config, window, &mut put),
            "llama" => {
                put("attention_bias", json!(biases.qkv));
                put("mlp_bias", json!(biases.feed_forward));
            }
            "qwen2" => {
                put("use_sliding_window", json!(window.is_some()));
                put("sliding_window", json!(window));
                put("max_window_layers", json!(if window.is_some() { 0 } else { config.layers.len() }));
            }
            _ => {
                put("sliding_window", json!(window));
            }
        }
        if let Some(experts) = config.experts {
            put("num_local_experts", json!(experts.count));
            put("num_experts_per_tok", json!(experts.used));
        }
        if self.model_type != "gemma3_text" {
            put("hidden_act", json!(activation(config.activation)));
        }
        Ok(entries)
    }
}

fn gemma3(config: &Config, window: Option<usize>, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let kind = |slides| if slides { "sliding_attention" } else { "full_attention" };
    let kinds: Vec<&str> = config.layers.iter().map(|layer| kind(layer.rope != 0)).collect();
    put("layer_types", json!(kinds));
    put("sliding_window", json!(window.unwrap_or(config.context)));
    put("rope_local_base_freq", json!(config.ropes.get(1).map_or(10_000.0, |rope| rope.base)));
    put("hidden_activation", json!(activation(config.activation)));
    let scalar = (1.0 / f64::from(config.attention_scale).powi(2)).round();
    put("query_pre_attn_scalar", json!(scalar as u64));
    put("attention_bias", json!(false));
    put("attn_logit_softcapping", Value::Null);
    put("final_logit_softcapping", json!(config.logit_softcap));
}

fn falcon(config: &Config, biases: Present, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let two_norms = config.block == Block::Parallel { shared_norm: false };
    // With one key/value head and one norm the 7B's form says the same.
    let grouped = two_norms || config.kv_heads != 1;
    put("new_decoder_architecture", json!(grouped));
    put("num_ln_in_parallel_attn", json!(1 + usize::from(two_norms)));
    put("multi_query", json!(config.kv_heads == 1));
    put("num_kv_heads", json!(config.kv_heads));
    put("parallel_attn", json!(true));
    put("bias", json!(biases.qkv));
    put("alibi", json!(false));
    put("ffn_hidden_size", json!(config.feed_forward));
    put("layer_norm_epsilon", json!(decimal(config.norm_eps)));
    put("activation", json!(activation(config.activation)));
    put("attention_dropout", json!(0.0));
    put("hidden_dropout", json!(0.0));
}

fn scaling(rope: &Rope) -> Result<Value, ExportError> {
    let llama3 = |llama3: Llama3| {
        json!({
            "rope_type": "llama3",
            "factor": llama3.factor,
            "low_freq_factor": llama3.low_freq_factor,
            "high_freq_factor": llama3.high_freq_factor,
            "original_max_position_embeddings": llama3.original_context as u64,
        })
    };
    match &rope.scaling {
        RopeScaling::None => Ok(Value::Null),
        RopeScaling::Linear(factor) => Ok(json!({"rope_type": "linear", "factor": factor})),
        RopeScaling::Divisors(divisors) if divisors.iter().all(|divisor| *divisor == 1.0) => Ok(Value::Null),
        RopeScaling::Divisors(divisors) => Llama3::from_divisors(divisors, rope.base, rope.rotary_dim)
            .map(llama3)
            .ok_or_else(|| unsupported("a rotation (rope_freqs.weight) other than that of Llama 3".into())),
        &RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            Ok(llama3(Llama3 { factor, low_freq_factor, high_freq_factor, original_context }))
        }
    }
}

fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
        Activation::Relu => "relu",
    }
}

/// The shortest decimal number that is this float: `1e-5` and not the nearest double's many digits.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}
