"""Losses of single tokens along a text under StreamingLLM, by the semantics of the released implementation.

    python conformance/streaming/make_golden.py                  (needs ../decoder/requirements.txt)
    python conformance/streaming/make_golden.py SMOLLM2.gguf     also those of the real model

reads the tiny checkpoints that conformance/decoder/checkpoints.py wrote and writes crates/ounce-llm/tests/golden/streaming/CASE.safetensors:
`tokens` [n] and, for each pair of sizes, `START-RECENT` [n - 1] with the negative log-likelihood of every token but the first.

The semantics (mit-han-lab/streaming-llm, 2e50426, StartRecentKVCache and pos_shift): one token at a time; keys are cached before their
rotation; at every step the keys held are rotated by their index in the cache and the query by the number of those before it; then the
cache is cut to its first START and its last RECENT entries. ALiBi penalizes by distance within the cache.

Norms, projections and feed-forward parts are those of transformers; attention and the cache are written here.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "crates/ounce-llm/tests/golden/decoder"
OUT = ROOT / "crates/ounce-llm/tests/golden/streaming"
SIZES = [(4, 12), (0, 16), (1, 30), (7, 5)]
CASES = ["llama", "llama-scaled-biased", "qwen2", "falcon-7b", "falcon-40b", "gpt-neox", "gpt-neox-sequential", "mpt", "mpt-clipped"]
TOKENS = 150


def rotate(x, cos, sin):
    """x [heads, n, d]; the first coordinates turn, as many as there are angles [n, r]."""
    r = cos.shape[-1]
    turning, rest = x[..., :r], x[..., r:]
    low, high = turning.chunk(2, -1)
    return torch.cat([turning * cos + torch.cat([-high, low], -1) * sin, rest], -1)


def slopes(heads, largest):
    """Of ALiBi (Press et al., 2022): a geometric sequence; between two powers of two every other one of the finer sequence is taken."""
    power = 1 << (heads - 1).bit_length()
    all = [2 ** (-largest * (i + 1) / power) for i in range(power)]
    return torch.tensor((all[1::2] + all[::2])[:heads] if power != heads else all)


class Layer:
    """What differs between families: how q, k, v come out of the stream, and how the output goes back into it."""

    def __init__(self, family, module, config):
        self.family, self.module, self.config = family, module, config
        self.heads = config.num_attention_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads

    def split(self, x):
        """[1, width] to [heads, 1, head_dim]."""
        return x.view(-1, self.head_dim)[:, None]

    def qkv(self, x):
        m, f = self.module, self.family
        if f == "llama":
            h, a = m.input_layernorm(x), m.self_attn
            return [self.split(p(h)) for p in (a.q_proj, a.k_proj, a.v_proj)]
        if f == "mpt":
            fused = m.attn.Wqkv(m.norm_1(x))
            if m.attn.clip_qkv:
                fused = fused.clamp(-m.attn.clip_qkv, m.attn.clip_qkv)
            return [self.split(part) for part in fused.chunk(3, -1)]
        if f == "falcon":
            norm = m.ln_attn if self.config.new_decoder_architecture else m.input_layernorm
            fused = m.self_attention.query_key_value(norm(x))
            groups = self.config.num_kv_heads if self.config.new_decoder_architecture else 1
        else:
            fused = m.attention.query_key_value(m.input_layernorm(x))
            groups = self.heads
        fused = fused.view(groups, -1, self.head_dim)
        return [fused[:, :-2].reshape(-1, 1, self.head_dim), fused[:, -2][:, None], fused[:, -1][:, None]]

    def join(self, x, gathered):
        m, f, c = self.module, self.family, self.config
        if f == "llama":
            x = x + m.self_attn.o_proj(gathered)
            return x + m.mlp(m.post_attention_layernorm(x))
        if f == "mpt":
            x = x + m.attn.out_proj(gathered)
            return x + m.ffn.down_proj(torch.nn.functional.gelu(m.ffn.up_proj(m.norm_2(x))))
        if f == "falcon":
            norm = m.ln_mlp if c.new_decoder_architecture else m.input_layernorm
            return x + m.self_attention.dense(gathered) + m.mlp(norm(x))
        attention = m.attention.dense(gathered)
        if c.use_parallel_residual:
            return x + attention + m.mlp(m.post_attention_layernorm(x))
        x = x + attention
        return x + m.mlp(m.post_attention_layernorm(x))


class Streamer:
    def __init__(self, model, start, recent):
        config = model.config
        self.model, self.start, self.recent = model, start, recent
        kind = config.model_type
        self.family = {"falcon": "falcon", "gpt_neox": "neox", "mpt": "mpt"}.get(kind, "llama")
        body = {"falcon": "transformer", "neox": "gpt_neox", "mpt": "transformer", "llama": "model"}[self.family]
        self.body = getattr(model, body)
        modules = {"falcon": "h", "neox": "layers", "mpt": "blocks", "llama": "layers"}[self.family]
        self.layers = [Layer(self.family, module, config) for module in getattr(self.body, modules)]
        self.final = {"falcon": "ln_f", "neox": "final_layer_norm", "mpt": "norm_f", "llama": "norm"}[self.family]
        self.kept = [(None, None) for _ in self.layers]
        self.slopes = slopes(config.num_attention_heads, config.attn_config.alibi_bias_max) if self.family == "mpt" else None

    def attend(self, q, k, v, scale):
        held = k.shape[1]
        if self.slopes is None:
            place = torch.arange(held)[None]
            cos, sin = self.body.rotary_emb(k, place)
            q = rotate(q, cos[0, -1:], sin[0, -1:])
            k = rotate(k, cos[0], sin[0])
        shared = q.shape[0] // k.shape[0]
        k, v = k.repeat_interleave(shared, 0), v.repeat_interleave(shared, 0)
        scores = q @ k.transpose(1, 2) * scale
        if self.slopes is not None:
            scores = scores - self.slopes[:, None, None] * torch.arange(held - 1, -1, -1)
        return (scores.softmax(-1) @ v).transpose(0, 1).reshape(1, -1)

    def step(self, token):
        x = self.model.get_input_embeddings()(torch.tensor([token]))
        for index, layer in enumerate(self.layers):
            q, k, v = layer.qkv(x)
            old_k, old_v = self.kept[index]
            if old_k is not None:
                k, v = torch.cat([old_k, k], 1), torch.cat([old_v, v], 1)
            x = layer.join(x, self.attend(q, k, v, layer.head_dim**-0.5))
            self.kept[index] = (self.cut(k), self.cut(v))
        return self.model.get_output_embeddings()(getattr(self.body, self.final)(x))[0]

    def cut(self, kept):
        over = kept.shape[1] - self.start - self.recent
        return kept if over <= 0 else torch.cat([kept[:, : self.start], kept[:, self.start + over :]], 1)


@torch.no_grad()
def losses(model, tokens, start, recent):
    streamer = Streamer(model, start, recent)
    out = []
    for token, following in zip(tokens, tokens[1:]):
        out.append(-streamer.step(token).double().log_softmax(-1)[following])
    return torch.stack(out).float()


def write(name, model, tokens, sizes):
    OUT.mkdir(parents=True, exist_ok=True)
    arrays = {"tokens": torch.tensor(tokens, dtype=torch.int32)}
    for start, recent in sizes:
        arrays[f"{start}-{recent}"] = losses(model, tokens, start, recent)
        print(f"{name:24} {start}+{recent}: mean {arrays[f'{start}-{recent}'].mean():.4f}", flush=True)
    save_file(arrays, OUT / f"{name}.safetensors")


def check(model, tokens, tolerance=1e-4):
    """Before anything is cut, the losses are those of the model itself."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].float().log_softmax(-1)
    own = -logits[:-1].gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]
    difference = (own - losses(model, tokens, 0, len(tokens))).abs().max()
    assert difference < tolerance, difference


def main():
    for seed, name in enumerate(CASES):
        folder = MODELS / name
        if not folder.exists():
            print(f"{name}: no checkpoint")
            continue
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        tokens = np.random.default_rng(seed).integers(0, model.config.vocab_size, TOKENS).tolist()
        check(model, tokens[:40])
        write(name, model, tokens, SIZES)
    for path in map(Path, sys.argv[1:]):
        read = dict(pretrained_model_name_or_path=path.parent, gguf_file=path.name)
        # From dequantized weights: the packed ones are computed with in another way.
        exact = dict(dtype=torch.float32, attn_implementation="eager", quantization_config=GgufConfig(dequantize=True))
        model = AutoModelForCausalLM.from_pretrained(**read, **exact).eval()
        text = (ROOT / "LICENSE-APACHE").read_text()
        tokens = AutoTokenizer.from_pretrained(**read)(text)["input_ids"][:600]
        check(model, tokens[:100], 1e-3)
        write("smollm2", model, tokens, [(4, 252)])


if __name__ == "__main__":
    main()
