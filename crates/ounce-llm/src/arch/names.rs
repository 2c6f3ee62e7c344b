//! What the tensors of a decoder are called in each kind of checkpoint.

/// Names of one part, without `.weight` and `.bias`; the first one that the checkpoint holds is meant.
pub(crate) type Part = &'static [&'static str];

/// Tensor names. Those of a layer follow the prefix [`Names::layers`] and the layer's number; `{}` stands for an expert's number.
pub(crate) struct Names {
    /// What may stand before all names but that of the head.
    pub(crate) roots: &'static [&'static str],
    pub(crate) embedding: Part,
    /// Learned vectors of positions.
    pub(crate) positions: Part,
    pub(crate) final_norm: Part,
    pub(crate) head: Part,
    /// Prefix of layers, without the number.
    pub(crate) layers: &'static str,
    pub(crate) attention_norm: Part,
    pub(crate) post_attention_norm: Part,
    pub(crate) feed_forward_norm: Part,
    pub(crate) post_feed_forward_norm: Part,
    pub(crate) q: Part,
    pub(crate) k: Part,
    pub(crate) v: Part,
    pub(crate) o: Part,
    /// Query, key and value in one matrix.
    pub(crate) qkv: Part,
    pub(crate) qkv_order: QkvOrder,
    pub(crate) q_norm: Part,
    pub(crate) k_norm: Part,
    pub(crate) gate: Part,
    pub(crate) up: Part,
    pub(crate) down: Part,
    pub(crate) router: Part,
    pub(crate) expert_gate: Part,
    pub(crate) expert_up: Part,
    pub(crate) expert_down: Part,
}

/// How the rows of a fused query, key and value matrix are ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkvOrder {
    /// All queries, all keys, all values.
    Blocks,
    /// For each key/value head: its query heads, its key head, its value head.
    Groups,
}

/// GGUF uses one scheme for all architectures.
pub(crate) static GGUF: Names = Names {
    roots: &[""],
    embedding: &["token_embd"],
    positions: &["position_embd"],
    final_norm: &["output_norm"],
    head: &["output"],
    layers: "blk.",
    // Falcon 40B: `attn_norm_2` precedes attention and `attn_norm` the feed-forward layer.
    attention_norm: &["attn_norm_2", "attn_norm"],
    post_attention_norm: &["post_attention_norm"],
    feed_forward_norm: &["ffn_norm", "attn_norm"],
    post_feed_forward_norm: &["post_ffw_norm"],
    q: &["attn_q"],
    k: &["attn_k"],
    v: &["attn_v"],
    o: &["attn_output"],
    qkv: &["attn_qkv"],
    qkv_order: QkvOrder::Blocks,
    q_norm: &["attn_q_norm"],
    k_norm: &["attn_k_norm"],
    gate: &["ffn_gate"],
    up: &["ffn_up"],
    down: &["ffn_down"],
    router: &["ffn_gate_inp"],
    expert_gate: &["ffn_gate_exps", "ffn_gate.{}"],
    expert_up: &["ffn_up_exps", "ffn_up.{}"],
    expert_down: &["ffn_down_exps", "ffn_down.{}"],
};

/// Llama and its descendants in Hugging Face folders.
pub(crate) static LLAMA: Names = Names {
    roots: &["model."],
    embedding: &["embed_tokens"],
    positions: &[],
    final_norm: &["norm"],
    head: &["lm_head"],
    layers: "layers.",
    attention_norm: &["input_layernorm"],
    post_attention_norm: &[],
    feed_forward_norm: &["post_attention_layernorm"],
    post_feed_forward_norm: &[],
    q: &["self_attn.q_proj"],
    k: &["self_attn.k_proj"],
    v: &["self_attn.v_proj"],
    o: &["self_attn.o_proj"],
    qkv: &[],
    qkv_order: QkvOrder::Blocks,
    q_norm: &["self_attn.q_norm"],
    k_norm: &["self_attn.k_norm"],
    gate: &["mlp.gate_proj"],
    up: &["mlp.up_proj"],
    down: &["mlp.down_proj"],
    router: &["block_sparse_moe.gate"],
    expert_gate: &["block_sparse_moe.experts.{}.w1"],
    expert_up: &["block_sparse_moe.experts.{}.w3"],
    expert_down: &["block_sparse_moe.experts.{}.w2"],
};

/// Gemma 3 in Hugging Face folders, alone or inside a model that also sees.
pub(crate) static GEMMA3: Names = Names {
    roots: &["model.", "language_model.model.", "model.language_model."],
    head: &["lm_head", "language_model.lm_head"],
    post_attention_norm: &["post_attention_layernorm"],
    feed_forward_norm: &["pre_feedforward_layernorm"],
    post_feed_forward_norm: &["post_feedforward_layernorm"],
    ..LLAMA
};

/// Falcon in Hugging Face folders.
pub(crate) static FALCON: Names = Names {
    roots: &["transformer."],
    embedding: &["word_embeddings"],
    final_norm: &["ln_f"],
    layers: "h.",
    attention_norm: &["ln_attn", "input_layernorm"],
    feed_forward_norm: &["ln_mlp", "post_attention_layernorm"],
    q: &[],
    k: &[],
    v: &[],
    o: &["self_attention.dense"],
    qkv: &["self_attention.query_key_value"],
    qkv_order: QkvOrder::Groups,
    gate: &[],
    up: &["mlp.dense_h_to_4h"],
    down: &["mlp.dense_4h_to_h"],
    ..LLAMA
};

/// GPT-NeoX and Pythia in Hugging Face folders.
pub(crate) static GPT_NEOX: Names = Names {
    roots: &["gpt_neox."],
    embedding: &["embed_in"],
    final_norm: &["final_layer_norm"],
    head: &["embed_out", "lm_head"],
    layers: "layers.",
    attention_norm: &["input_layernorm"],
    feed_forward_norm: &["post_attention_layernorm"],
    o: &["attention.dense"],
    qkv: &["attention.query_key_value"],
    ..FALCON
};

/// MPT in Hugging Face folders.
pub(crate) static MPT: Names = Names {
    roots: &["transformer."],
    embedding: &["wte"],
    final_norm: &["norm_f"],
    layers: "blocks.",
    attention_norm: &["norm_1"],
    feed_forward_norm: &["norm_2"],
    o: &["attn.out_proj"],
    qkv: &["attn.Wqkv"],
    qkv_order: QkvOrder::Blocks,
    up: &["ffn.up_proj"],
    down: &["ffn.down_proj"],
    ..FALCON
};

/// OPT in Hugging Face folders.
pub(crate) static OPT: Names = Names {
    roots: &["model.decoder.", "decoder."],
    positions: &["embed_positions"],
    final_norm: &["final_layer_norm"],
    attention_norm: &["self_attn_layer_norm"],
    feed_forward_norm: &["final_layer_norm"],
    o: &["self_attn.out_proj"],
    gate: &[],
    up: &["fc1"],
    down: &["fc2"],
    ..LLAMA
};
