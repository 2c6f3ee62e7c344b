"""Writes the tiny Hugging Face folders as GGUF files, the way the converters of llama.cpp lay out each architecture."""

import json

import gguf
import numpy as np
import torch
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file

ARCHITECTURES = {"llama": "llama", "mixtral": "llama", "qwen2": "qwen2", "gemma3_text": "gemma3", "falcon": "falcon", "gpt_neox": "gptneox", "mpt": "mpt"}


def permute(weights, heads):
    """Rows of q and k of Llama: halves of a head interleaved."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def unpermute(weights, heads):
    return weights.reshape(heads, weights.shape[0] // heads // 2, 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def ungroup(weights, heads, kv_heads, head_dim):
    """Fused rows of Falcon: from groups of (queries, key, value) to all queries, all keys, all values."""
    groups = weights.reshape(kv_heads, heads // kv_heads + 2, head_dim, -1)
    parts = [groups[:, :-2], groups[:, -2:-1], groups[:, -1:]]
    return np.concatenate([part.reshape(-1, *weights.shape[1:]) for part in parts])


def rope_divisors(rope, head_dim):
    """Llama 3.1's change of frequencies as a divisor per pair."""
    frequencies = rope["rope_theta"] ** -(np.arange(0, head_dim, 2) / head_dim)
    wavelengths = 2 * np.pi / frequencies
    original = rope["original_max_position_embeddings"]
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    smooth = np.clip((original / wavelengths - low) / (high - low), 0, 1)
    return (1 / (smooth + (1 - smooth) / factor)).astype(np.float32)


def write_gguf(source, target, pattern=None, merge_experts=True, types=None):
    """`types` maps parts of names to quantized types; returns the rounded weights under their names in the folder."""
    config = json.loads((source / "config.json").read_text())
    if config["model_type"] == "mpt":
        renamed = dict(n_heads="num_attention_heads", d_model="hidden_size", n_layers="num_hidden_layers", max_seq_len="max_position_embeddings")
        config |= {new: config[old] for old, new in renamed.items()}
    state = {name: tensor.float().numpy() for name, tensor in load_file(source / "model.safetensors").items()}
    kind = config["model_type"]
    arch = ARCHITECTURES[kind]
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    head_dim = config.get("head_dim") or hidden // heads
    rope = config.get("rope_parameters", {})
    writer = gguf.GGUFWriter(target, arch)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(hidden)
    writer.add_head_count(heads)
    if rope:
        writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1)))
    if kind == "gpt_neox":
        kv_heads = heads
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_layer_norm_eps(config["layer_norm_eps"])
        writer.add_parallel_residual(config["use_parallel_residual"])
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPTNEOX, config["num_hidden_layers"])
    elif kind == "mpt":
        kv_heads, attention = heads, config["attn_config"]
        writer.add_feed_forward_length(int(config["expansion_ratio"] * hidden))
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
        writer.add_max_alibi_bias(attention["alibi_bias_max"])
        if attention["clip_qkv"]:
            writer.add_clamp_kqv(attention["clip_qkv"])
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MPT, config["num_hidden_layers"])
    elif kind == "falcon":
        kv_heads = config["num_kv_heads"] if config["new_decoder_architecture"] else 1
        writer.add_feed_forward_length(config["ffn_hidden_size"])
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.FALCON, config["num_hidden_layers"])
    else:
        kv_heads = config["num_key_value_heads"]
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
        model_arch = {"qwen2": gguf.MODEL_ARCH.QWEN2, "gemma3": gguf.MODEL_ARCH.GEMMA3}.get(arch, gguf.MODEL_ARCH.LLAMA)
        names = gguf.get_tensor_name_map(model_arch, config["num_hidden_layers"])
    writer.add_head_count_kv(kv_heads)
    if kind == "mixtral":
        writer.add_expert_count(config["num_local_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
    if kind == "gemma3_text":
        writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
        writer.add_sliding_window(config["sliding_window"])
        writer.add_uint32("gemma3.attention.sliding_window_pattern", pattern)
        state = {name: tensor + 1 if name.endswith("norm.weight") else tensor for name, tensor in state.items()}
    elif rope:
        writer.add_rope_freq_base(rope["rope_theta"])
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_divisors(rope, head_dim))
    write_tokenizer(writer, config["vocab_size"])

    rounded, experts = {}, {}
    for name, tensor in state.items():
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        restore = lambda weights: weights
        if arch == "llama" and (".q_proj." in name or ".k_proj." in name):
            rows = heads if ".q_proj." in name else kv_heads
            tensor, restore = permute(tensor, rows), lambda weights, rows=rows: unpermute(weights, rows)
        if "query_key_value" in name:
            tensor = ungroup(tensor, heads, kv_heads, head_dim)
        if ".experts." in name:
            prefix, _, _, expert, part, suffix = name.rsplit(".", 5)
            layer = name.split(".")[2]
            part = {"w1": "ffn_gate", "w2": "ffn_down", "w3": "ffn_up"}[part]
            if merge_experts:
                experts.setdefault(f"blk.{layer}.{part}_exps.weight", {})[int(expert)] = tensor
                continue
            renamed = f"blk.{layer}.{part}.{expert}.weight"
        else:
            renamed = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert renamed, name
        quantized = next((ty for part, ty in (types or {}).items() if f"{part}.weight" in renamed), None)
        tensor = np.ascontiguousarray(tensor)
        if quantized:
            ty = gguf.GGMLQuantizationType[quantized]
            raw = quantize(tensor, ty)
            rounded[name] = restore(dequantize(raw, ty))
            writer.add_tensor(renamed, raw, raw_dtype=ty)
        else:
            writer.add_tensor(renamed, tensor)
    for name, parts in experts.items():
        writer.add_tensor(name, np.stack([parts[i] for i in sorted(parts)]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return rounded


MERGE = "! a"


def vocabulary(size):
    return [chr(0x21 + i) for i in range(size - 2)] + ["a", "!a"]


def write_tokenizer(writer, vocab_size):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary(vocab_size))
    writer.add_token_types([gguf.TokenType.NORMAL] * vocab_size)
    writer.add_token_merges([MERGE])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
