"""Tiny random checkpoints of every architecture, with the logits that transformers computes for them.

    python conformance/decoder/checkpoints.py            (needs requirements.txt beside this file)

writes crates/ounce-llm/tests/golden/decoder: for each case a Hugging Face folder (config.json, model.safetensors, tokenizer.json) and for
some a GGUF file of the same weights, each with expected.safetensors: `tokens` [n] and `logits` [n, vocab] in f32. Weights come from fixed
seeds. Sizes are odd on purpose.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.models.falcon import FalconConfig
from transformers.models.gemma3 import Gemma3TextConfig
from transformers.models.gpt_neox import GPTNeoXConfig
from transformers.models.llama import LlamaConfig
from transformers.models.mistral import MistralConfig
from transformers.models.mixtral import MixtralConfig
from transformers.models.mpt import MptConfig
from transformers.models.mpt.configuration_mpt import MptAttentionConfig
from transformers.models.opt import OPTConfig
from transformers.models.qwen2 import Qwen2Config

from to_gguf import MERGE, vocabulary, write_gguf

OUT = Path(__file__).resolve().parents[2] / "crates/ounce-llm/tests/golden/decoder"
VOCAB, TOKENS = 61, 23
ODD = dict(vocab_size=VOCAB, hidden_size=36, intermediate_size=86, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=64)
GROUPED = dict(ODD, hidden_size=32, intermediate_size=43, num_attention_heads=4, num_key_value_heads=2, head_dim=24)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
FALCON = dict(vocab_size=VOCAB, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, ffn_hidden_size=70, alibi=False)
NEOX = dict(vocab_size=VOCAB, hidden_size=64, intermediate_size=70, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64)
MPT = dict(vocab_size=VOCAB, d_model=48, n_layers=2, max_seq_len=64)
OPT = dict(vocab_size=VOCAB, hidden_size=36, word_embed_proj_dim=36, ffn_dim=70, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=64)
GEMMA = dict(GROUPED, sliding_window=5, tie_word_embeddings=True)

CASES = {
    "llama": (LlamaConfig(**ODD, num_key_value_heads=3, tie_word_embeddings=False), torch.float32),
    "llama-scaled-biased": (
        LlamaConfig(**GROUPED, rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
        torch.float32,
    ),
    "llama-linear-f16": (
        LlamaConfig(**GROUPED, rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=4.0), tie_word_embeddings=True),
        torch.float16,
    ),
    "mistral-window": (MistralConfig(**GROUPED, sliding_window=5), torch.float32),
    "mixtral": (
        MixtralConfig(**dict(GROUPED, intermediate_size=22, head_dim=10), num_local_experts=4, num_experts_per_tok=2, sliding_window=None),
        torch.float32,
    ),
    "qwen2": (Qwen2Config(**ODD, num_key_value_heads=1, tie_word_embeddings=True), torch.float32),
    "qwen2-window": (
        Qwen2Config(
            **dict(ODD, num_hidden_layers=3),
            num_key_value_heads=3,
            use_sliding_window=True,
            sliding_window=6,
            max_window_layers=1,
            tie_word_embeddings=False,
        ),
        torch.bfloat16,
    ),
    "gemma3": (
        Gemma3TextConfig(**GEMMA, query_pre_attn_scalar=24, layer_types=["sliding_attention", "full_attention"]),
        torch.float32,
    ),
    "gemma3-scaled-bf16": (
        Gemma3TextConfig(
            **dict(GEMMA, num_hidden_layers=3),
            final_logit_softcapping=2.0,
            query_pre_attn_scalar=20,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters={
                "full_attention": dict(rope_type="linear", rope_theta=5000.0, factor=8.0),
                "sliding_attention": dict(rope_type="default", rope_theta=100.0),
            },
        ),
        torch.bfloat16,
    ),
    "falcon-7b": (FalconConfig(**FALCON, multi_query=True, parallel_attn=True, bias=False, new_decoder_architecture=False), torch.float32),
    "falcon-40b": (FalconConfig(**FALCON, new_decoder_architecture=True, num_kv_heads=2, bias=False), torch.float32),
    "falcon-11b": (
        FalconConfig(**FALCON, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1, bias=False, tie_word_embeddings=False),
        torch.bfloat16,
    ),
    "falcon-sequential": (
        FalconConfig(**FALCON, new_decoder_architecture=False, multi_query=False, parallel_attn=False, bias=True),
        torch.float32,
    ),
    "gpt-neox": (GPTNeoXConfig(**NEOX), torch.float32),
    "gpt-neox-sequential": (
        GPTNeoXConfig(
            **NEOX,
            use_parallel_residual=False,
            hidden_act="gelu_new",
            attention_bias=False,
            tie_word_embeddings=True,
            rope_parameters=dict(rope_type="default", rope_theta=500.0, partial_rotary_factor=1.0),
        ),
        torch.bfloat16,
    ),
    "mpt": (MptConfig(**MPT, n_heads=3), torch.float32),
    "mpt-clipped": (MptConfig(**MPT, n_heads=4, attn_config=MptAttentionConfig(clip_qkv=0.7)), torch.float32),
    "opt": (OPTConfig(**OPT), torch.float16),
}
GGUFS = {
    "llama-scaled-biased": {},
    "mixtral": {},
    "mixtral-old": {"of": "mixtral", "merge_experts": False},
    "qwen2": {},
    "gemma3": {"pattern": 2},
    "falcon-7b": {},
    "falcon-40b": {},
    "gpt-neox": {},
    "mpt": {},
    "mpt-clipped": {},
}


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() >= 2:
                parameter.copy_(noise / parameter.shape[-1] ** 0.5)
            elif name.endswith("bias") or type(model).__name__.startswith("Gemma"):
                parameter.copy_(0.2 * noise)
            else:
                parameter.copy_(1 + 0.2 * noise)


def reference(folder, tokens, dtype):
    """Logits in f32 arithmetic of the weights as stored."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    model.set_experts_implementation("eager") if hasattr(model.config, "num_local_experts") else None
    embedding = model.get_input_embeddings()
    if hasattr(embedding, "embed_scale"):
        # In its own type the model rounds this factor; the arithmetic here is f32 only to be exact elsewhere.
        embedding.embed_scale = embedding.embed_scale.to(dtype).float()
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].float()


def tokenizer():
    """Byte-level BPE with one merge; as far as this decoder is concerned a vocabulary of the right size."""
    vocab = {token: i for i, token in enumerate(vocabulary(VOCAB))}
    model = {"type": "BPE", "vocab": vocab, "merges": [MERGE], "byte_fallback": False, "fuse_unk": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    empty = ["truncation", "padding", "normalizer", "post_processor"]
    return {"version": "1.0", "added_tokens": [], "model": model, "pre_tokenizer": level, "decoder": level} | {key: None for key in empty}


def expected(folder, tokens, logits):
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"tokens": torch.tensor(tokens, dtype=torch.int32), "logits": logits.contiguous()}, folder / "expected.safetensors")


def nest(source, target):
    """The same decoder as a part of a model that also sees, as the larger Gemma 3 checkpoints have it."""
    target.mkdir(parents=True)
    text = json.loads((source / "config.json").read_text())
    config = {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config": text}
    (target / "config.json").write_text(json.dumps(config, indent=1))
    tensors = {f"language_model.{name}": tensor for name, tensor in load_file(source / "model.safetensors").items()}
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    for name in ["tokenizer.json", "expected.safetensors"]:
        shutil.copy(source / name, target / name)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for seed, (name, (config, dtype)) in enumerate(CASES.items()):
        folder = OUT / name
        config.bos_token_id, config.eos_token_id, config.pad_token_id = 0, 1, None
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        randomize(model, seed)
        model.to(dtype).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer(), separators=(",", ":")))
        tokens = np.random.default_rng(seed).integers(0, VOCAB, TOKENS).tolist()
        logits = reference(folder, tokens, dtype)
        expected(folder, tokens, logits)
        print(f"{name:24} logits {logits.min():.2f} to {logits.max():.2f}")
    nest(OUT / "gemma3", OUT / "gemma3-nested")
    for name, options in GGUFS.items():
        source = OUT / options.pop("of", name)
        target = OUT / f"{name}-gguf"
        target.mkdir()
        write_gguf(source, target / "model.gguf", **options)
        shutil.copy(source / "expected.safetensors", target)
    quantized()


def quantized():
    """A GGUF file with a different quantized type for each matrix; the reference runs on the dequantized weights."""
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomize(model, 99)
    folder, target = OUT / "scratch", OUT / "llama-quantized-gguf"
    model.save_pretrained(folder)
    target.mkdir()
    types = dict(
        attn_q="Q8_0", attn_k="Q4_0", attn_v="Q4_1", attn_output="Q5_0", ffn_gate="Q5_1", ffn_up="Q4_0", ffn_down="Q8_0", token_embd="Q8_0"
    )
    rounded = write_gguf(folder, target / "model.gguf", types=types)
    state = load_numpy(folder / "model.safetensors") | rounded
    save_file({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    tokens = np.random.default_rng(99).integers(0, VOCAB, TOKENS).tolist()
    expected(target, tokens, reference(folder, tokens, torch.float32))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
