"""Tiny random checkpoints in the quantized layouts of Hugging Face folders, with the logits of their dequantized weights.

    python conformance/decoder/quantized.py            (needs requirements.txt beside this file)

writes crates/ounce-llm/tests/golden/quantized: for each case a folder with expected.safetensors: `tokens` [n]; `logits` [n, vocab],
computed by transformers in f32 from the dequantized weights, inputs rounded to 8 bits where the scheme says so; `logits_float`, where
that makes a difference, with inputs as they are. Integers are packed here as the original implementations define it (AutoAWQ's
WQLinear_GEMM, AutoGPTQ's QuantLinear) or by the compressed-tensors package itself, which must also read the result.
"""

import json
import shutil

import numpy as np
import torch
from compressed_tensors.compressors.pack_quantized import pack_to_int32
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.models.falcon import FalconConfig
from transformers.models.gemma3 import Gemma3TextConfig
from transformers.models.llama import LlamaConfig
from transformers.models.mistral import MistralConfig
from transformers.models.mixtral import MixtralConfig
from transformers.models.qwen2 import Qwen2Config

from checkpoints import OUT as DECODER
from checkpoints import randomize, reference, tokenizer

OUT = DECODER.parent / "quantized"
VOCAB, TOKENS = 61, 17
BASE = dict(vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)
ONE = dict(BASE, num_hidden_layers=1)
NOT_QUANTIZED = ("embed_tokens", "word_embeddings", "lm_head", "block_sparse_moe.gate.")
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def quantize(weight, bits, group, symmetric):
    """Unsigned quants [rows, cols], scales and zeros [rows, groups]; scales are exact in half precision."""
    rows, cols = weight.shape
    grouped = weight.float().reshape(rows, -1, group or cols)
    top = 2**bits - 1
    if symmetric:
        scales = grouped.abs().amax(-1) / (2 ** (bits - 1) - 0.5)
        zeros = torch.full_like(scales, 2 ** (bits - 1))
    else:
        low, high = grouped.amin(-1).clamp(max=0), grouped.amax(-1).clamp(min=0)
        scales = (high - low) / top
        zeros = torch.round(-low / scales).clamp(0, top)
    scales = scales.half().float()
    quants = (torch.round(grouped / scales[..., None]) + zeros[..., None]).clamp(0, top)
    return quants.reshape(rows, cols).int(), scales, zeros.int()


def dequantize(quants, scales, zeros):
    rows, cols = quants.shape
    grouped = quants.reshape(rows, scales.shape[1], -1) - zeros[..., None]
    return (grouped * scales[..., None]).reshape(rows, cols)


def pack_words(values, bits, order=None):
    """Neighbours along the last axis into words of 32 bits, the first in the lowest bits."""
    per_word = 32 // bits
    order = order or list(range(per_word))
    values = values.numpy().astype(np.uint32).reshape(*values.shape[:-1], -1, per_word)
    words = sum(values[..., place] << np.uint32(bits * i) for i, place in enumerate(order))
    return torch.from_numpy(np.ascontiguousarray(words.astype(np.uint32)).view(np.int32))


def awq(quants, scales, zeros, case):
    return {
        "qweight": pack_words(quants.T, 4, AWQ_ORDER),
        "qzeros": pack_words(zeros.T, 4, AWQ_ORDER),
        "scales": scales.T.half().contiguous(),
    }


def gptq(quants, scales, zeros, case):
    bits, cols = case["bits"], quants.shape[1]
    return {
        "qweight": pack_words(quants, bits).T.contiguous(),
        # Stored less one, an artefact of the first implementation that readers undo.
        "qzeros": pack_words((zeros.T - 1) & (2**bits - 1), bits),
        "scales": scales.T.half().contiguous(),
        "g_idx": torch.arange(cols, dtype=torch.int32) // (case["group"] or cols),
    }


def pack_quantized(quants, scales, zeros, case):
    bits = case["bits"]
    signed = lambda values: (values - 2 ** (bits - 1)).to(torch.int8)
    tensors = {
        "weight_packed": pack_to_int32(signed(quants), bits),
        "weight_scale": scales.to(torch.bfloat16 if case.get("bf16_scales") else torch.float16),
        "weight_shape": torch.tensor(quants.shape),
    }
    if not case["symmetric"]:
        tensors["weight_zero_point"] = pack_to_int32(signed(zeros), bits, packed_dim=0).contiguous()
    return tensors


def int_quantized(quants, scales, zeros, case):
    return {"weight": (quants - 128).to(torch.int8), "weight_scale": scales.half()}


def awq_config(case):
    return dict(quant_method="awq", bits=4, group_size=case["group"], zero_point=True, version="gemm", modules_to_not_convert=None)


def gptq_config(case):
    return dict(
        quant_method="gptq", bits=case["bits"], group_size=case["group"] or -1, sym=case["symmetric"], desc_act=False, checkpoint_format="gptq"
    )


def compressed_config(case):
    weights = dict(
        num_bits=case["bits"],
        type="int",
        symmetric=case["symmetric"],
        strategy="group" if case["group"] else "channel",
        group_size=case["group"],
        dynamic=False,
        actorder=None,
        block_structure=None,
        observer="minmax",
        observer_kwargs={},
    )
    inputs = None
    if case["pack"] is int_quantized:
        static = case["inputs"] == "tensor"
        inputs = dict(weights, strategy=case["inputs"], dynamic=not static)
    group = dict(targets=["Linear"], weights=weights, input_activations=inputs, output_activations=None)
    return dict(
        quant_method="compressed-tensors",
        format="int-quantized" if case["pack"] is int_quantized else "pack-quantized",
        quantization_status="compressed",
        config_groups={"group_0": group},
        ignore=["lm_head", "re:.*block_sparse_moe.gate$"],
        kv_cache_scheme=None,
        global_compression_ratio=None,
    )


CASES = {
    "awq-llama": dict(model=LlamaConfig(**BASE, tie_word_embeddings=False), pack=awq, config=awq_config, bits=4, group=32, symmetric=False),
    "gptq-qwen2-8bit": dict(
        model=Qwen2Config(**dict(ONE, num_key_value_heads=1), tie_word_embeddings=True), pack=gptq, config=gptq_config, bits=8, group=32, symmetric=False
    ),
    "gptq-mistral-channel": dict(
        model=MistralConfig(**ONE, sliding_window=5), pack=gptq, config=gptq_config, bits=4, group=None, symmetric=True
    ),
    "compressed-mixtral": dict(
        model=MixtralConfig(**dict(ONE, intermediate_size=32, head_dim=16), num_local_experts=3, num_experts_per_tok=2, sliding_window=None),
        pack=pack_quantized, config=compressed_config, bits=4, group=32, symmetric=False, bf16_scales=True,
    ),
    "compressed-falcon": dict(
        model=FalconConfig(
            vocab_size=VOCAB, hidden_size=96, num_hidden_layers=1, num_attention_heads=4, max_position_embeddings=64, ffn_hidden_size=96,
            alibi=False, new_decoder_architecture=True, num_kv_heads=2, bias=False, tie_word_embeddings=True,
        ),
        pack=pack_quantized, config=compressed_config, bits=4, group=48, symmetric=True,
    ),
    "compressed-llama-odd": dict(
        model=LlamaConfig(**dict(ONE, hidden_size=36, intermediate_size=43, num_attention_heads=3, num_key_value_heads=1), tie_word_embeddings=True),
        pack=pack_quantized, config=compressed_config, bits=8, group=None, symmetric=True,
    ),
    "w8a8-llama": dict(
        model=LlamaConfig(**dict(BASE, intermediate_size=70), tie_word_embeddings=False),
        pack=int_quantized, config=compressed_config, bits=8, group=None, symmetric=True, inputs="token",
    ),
    "w8a8-static-gemma3": dict(
        model=Gemma3TextConfig(**dict(ONE, head_dim=24), sliding_window=5, query_pre_attn_scalar=24, layer_types=["sliding_attention"], tie_word_embeddings=True),
        pack=int_quantized, config=compressed_config, bits=8, group=None, symmetric=True, inputs="tensor",
    ),
}


def with_linears(folder, tokens, hook):
    """Logits with `hook(name, input)` in place of the input of every linear map of the layers."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            module.register_forward_pre_hook(lambda module, inputs, name=name: (hook(name, inputs[0]),))
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].float()


def round_inputs(x, scale):
    return torch.round(x / scale).clamp(-127, 127) * scale


def input_scales(folder, tokens):
    largest = {}
    def watch(name, x):
        largest[name] = x.abs().max()
        return x
    with_linears(folder, tokens, watch)
    return {name: value / 127 for name, value in largest.items()}


def read_by_compressed_tensors(folder, tokens):
    """Logits of the folder as the package's integration in transformers decompresses it, activations in floats."""
    from transformers import CompressedTensorsConfig

    config = CompressedTensorsConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=config, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].float()


def make(seed, name, case):
    folder, scratch = OUT / name, OUT / f"{name}-dequantized"
    case["model"].bos_token_id, case["model"].eos_token_id, case["model"].pad_token_id = 0, 1, None
    model = AutoModelForCausalLM.from_config(case["model"], dtype=torch.float32)
    randomize(model, seed)
    model.half().save_pretrained(scratch)
    state = load_file(scratch / "model.safetensors")
    packed, floats = {}, {}
    for key, tensor in state.items():
        if tensor.dim() != 2 or any(part in key for part in NOT_QUANTIZED):
            packed[key] = tensor
            floats[key] = tensor.float()
            continue
        quants, scales, zeros = quantize(tensor, case["bits"], case["group"], case["symmetric"])
        if case.get("bf16_scales"):
            scales = scales.bfloat16().float()
        floats[key] = dequantize(quants, scales, zeros)
        module = key.removesuffix(".weight")
        packed |= {f"{module}.{part}": value for part, value in case["pack"](quants, scales, zeros, case).items()}
    save_file(floats, scratch / "model.safetensors", metadata={"format": "pt"})
    tokens = np.random.default_rng(seed).integers(0, VOCAB, TOKENS).tolist()
    expected = {"tokens": torch.tensor(tokens, dtype=torch.int32), "logits": reference(scratch, tokens, torch.float16).contiguous()}
    if case.get("inputs"):
        fixed = input_scales(scratch, tokens)
        if case["inputs"] == "tensor":
            packed |= {f"{module}.input_scale": scale.reshape(1) for module, scale in fixed.items()}
            hook = lambda module, x: round_inputs(x, fixed[module])
        else:
            hook = lambda module, x: round_inputs(x, x.abs().amax(-1, keepdim=True) / 127)
        expected["logits_float"] = expected["logits"]
        expected["logits"] = with_linears(scratch, tokens, hook).contiguous()
    folder.mkdir()
    save_file(packed, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((scratch / "config.json").read_text())
    config["quantization_config"] = case["config"](case)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(), separators=(",", ":")))
    save_file(expected, folder / "expected.safetensors")
    # Merging zero points of experts into one tensor is more than transformers' integration can do.
    if case["pack"] is pack_quantized and "mixtral" not in name:
        difference = (read_by_compressed_tensors(folder, tokens) - expected["logits"]).abs().max()
        print(f"{name:24} compressed-tensors reads it: largest difference {difference:.1e}")
    shutil.rmtree(scratch)
    logits = expected["logits"]
    print(f"{name:24} logits {logits.min():.2f} to {logits.max():.2f}")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for seed, (name, case) in enumerate(CASES.items(), 200):
        make(seed, name, case)


if __name__ == "__main__":
    main()
