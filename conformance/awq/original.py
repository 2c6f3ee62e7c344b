"""AWQ as its authors released it, and as AutoAWQ varies it, on the calibration tokens that Ounce reads: perplexities to compare with.

    python conformance/awq/original.py MODEL --text CALIBRATION --test WIKITEXT --bits 4 3 --group 64 --samples 32 [--folder OUNCE...]

MODEL is a Hugging Face folder of a Llama or Qwen2, taken as the teacher in F32. Compare with `ounce quantize --calib CALIBRATION --bits B
--group G --samples N`, whose folders `--folder` measures here too: dequantized and run in F32, so that neither the int8 activations nor
the 8-bit head of Ounce's engine are in the number. Prints a line per variant.

What is computed, written anew after the descriptions and sources of the AWQ repository, mit-han-lab/llm-awq (awq/quantize), and AutoAWQ 0.2.9:

* rtn: groups with a zero point, rounded to nearest;
* awq: per layer, scales s = mean|x|^r, r = 0, 1/20 .. 19/20, for q k v (judged by the output of the attention), gate up (by that of the
  feed-forward part), down (by its own) and, only where v and o have the same shape, o; then for all maps but q and k ten ranges per row and
  group, judged by its share of the output on about 512 tokens; then rounded to nearest;
* duo: the same with AutoAWQ's scales, mean|x|^r / (mean of relative |w|)^(1-r).

Every layer sees what the unquantized layers before it give. It differs from the originals in running in F32 rather than F16, and in its
calibration text: the sequences are those of crates/ounce-llm/src/compress/calibration.rs, not the Pile.

--race saves time: sequences are judged one by one, and after two of them at least a ratio r is given up once it is worse than the best one
by more than four standard errors of the difference between them, taken over stretches of 64 tokens. Without it all ratios run over all
sequences, as in the originals. --half runs the search for scales in BF16, the rest stays in F32: many times as fast where the processor has
instructions for it. The originals search in F16. Beside other work, --threads 1 can be faster than more.

Needs: torch transformers safetensors numpy
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

GRID = 20
CLIPS = 10
CLIP_TOKENS = 512
STRETCH = 64


def rounded(w, bits, group):
    """Rounded to nearest within groups that have a zero point."""
    shape, top = w.shape, 2**bits - 1
    w = w.reshape(-1, group)
    low, high = w.amin(1, keepdim=True), w.amax(1, keepdim=True)
    step = (high - low).clamp(min=1e-5) / top
    zero = (-torch.round(low / step)).clamp(0, top)
    return ((torch.round(w / step) + zero).clamp(0, top).sub(zero) * step).reshape(shape)


# Text


def sequences(tokenizer, text, samples, length):
    """Whole sequences, spread evenly, as Ounce chooses them. Names of special tokens in the text are text."""
    tokenizer.backend_tokenizer.encode_special_tokens = True
    tokens = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    tokenizer.backend_tokenizer.encode_special_tokens = False
    whole = len(tokens) // length
    taken = max(1, min(samples, whole))
    starts = [n * whole // taken * length for n in range(taken)]
    return torch.tensor([tokens[start : start + length] for start in starts])


def test_windows(tokenizer, text, count, length=2048):
    """Windows over the rows of WikiText, joined by blank lines."""
    rows = ["" if not line.strip() else line + "\n" for line in text.split("\n")[:-1]]
    tokens = tokenizer("\n\n".join(rows), return_tensors="pt", verbose=False).input_ids
    return tokens[0, : count * length].reshape(-1, length)


def perplexity(model, windows):
    total = 0.0
    for window in windows:
        hidden = model.model(window[None], use_cache=False).last_hidden_state[0, :-1]
        # The head in parts: its logits are large.
        losses = [
            cross_entropy(model.lm_head(part), target, reduction="sum").item()
            for part, target in zip(hidden.split(512), window[1:].split(512), strict=True)
        ]
        total += sum(losses) / (len(window) - 1)
    return math.exp(total / len(windows))


# Scales


def candidates(x, maps, kind, group):
    """The scales of all ratios, per input channel."""
    mean = x.abs().mean((0, 1))
    if kind == "duo":
        w = torch.cat([m.weight for m in maps])
        grouped = w.reshape(-1, group).abs()
        share = (grouped / (grouped.amax(1, keepdim=True) + 1e-6)).reshape(w.shape).mean(0)
    for n in range(GRID):
        r = n / GRID
        s = mean**r
        if kind == "duo":
            s = s / (share ** (1 - r) + 1e-4)
        s = s.clamp(min=1e-4)
        s = s / (s.max() * s.min()).sqrt()
        s[~s.isfinite()] = 1
        yield s


def search(block, run, maps, x, kind, bits, group, how):
    """The best scales for the inputs of `maps`, by the squared error of what `run` makes of `x` [sequences, length, width] with `block`."""
    scales = list(candidates(x, maps, kind, group))
    trial = [[(rounded(m.weight.data * s, bits, group) / s).to(how.dtype) for m in maps] for s in scales]
    kept = [p.data for p in block.parameters()]
    for p in block.parameters():
        p.data = p.data.to(how.dtype)
    x, exact = x.to(how.dtype), [m.weight.data for m in maps]
    count, each = len(x), x.shape[1] // STRETCH
    losses = torch.full((GRID, count * each), float("nan"), dtype=torch.float64)
    alive = list(range(GRID))
    # In an order that spreads over the text, since neighbours are alike.
    for done, i in enumerate(torch.randperm(count, generator=torch.Generator().manual_seed(0)).tolist()):
        part = slice(done * each, (done + 1) * each)
        wanted = run(x[i : i + 1]).float()
        for c in alive:
            for m, w in zip(maps, trial[c], strict=True):
                m.weight.data = w
            losses[c, part] = (run(x[i : i + 1]).float() - wanted).square().reshape(each, -1).mean(1).double()
        for m, w in zip(maps, exact, strict=True):
            m.weight.data = w
        if how.race and done > 0 and len(alive) > 1:
            seen = losses[:, : part.stop]
            best = min(alive, key=lambda c: seen[c].sum())
            behind = seen - seen[best]
            alive = [c for c in alive if behind[c].mean() <= 4 * behind[c].std() / math.sqrt(part.stop)]
    for p, data in zip(block.parameters(), kept, strict=True):
        p.data = data
    best = min(alive, key=lambda c: losses[c].sum())
    search.runs += losses.isfinite().sum().item() / (count * each)
    return scales[best], best / GRID


search.runs = 0.0


def clipped(w, x, bits, group):
    """`w` with each group of each row limited to the magnitude that serves its share of the output best."""
    x = x.reshape(-1, x.shape[-1])
    x = x[:: max(1, len(x) // CLIP_TOKENS)]
    x = x.reshape(len(x), -1, group).transpose(0, 1)  # [groups, tokens, group]
    grouped = w.reshape(len(w), -1, group).transpose(0, 1)  # [groups, rows, group]
    largest = grouped.abs().amax(2, keepdim=True)
    limit, least = largest.clone(), torch.full_like(largest, float("inf"))
    for n in range(CLIPS):
        trial = largest * (1 - n / GRID)
        change = rounded(grouped.clamp(-trial, trial), bits, group) - grouped
        error = torch.bmm(x, change.transpose(1, 2)).square().mean(1)[..., None]
        better = error < least
        least[better], limit[better] = error[better], trial[better]
    return grouped.clamp(-limit, limit).transpose(0, 1).reshape(w.shape)


def awq(layer, inputs, attention, kind, bits, group, how):
    """Scales, clips and rounds the maps of a layer in place."""
    attn, mlp = layer.self_attn, layer.mlp
    qkv, gate_up = [attn.q_proj, attn.k_proj, attn.v_proj], [mlp.gate_proj, mlp.up_proj]
    plan = [("q", layer.input_layernorm, qkv, attn)]
    if attn.v_proj.weight.shape == attn.o_proj.weight.shape:
        plan.append(("o", attn.v_proj, [attn.o_proj], attn.o_proj))
    plan.append(("gate", layer.post_attention_layernorm, gate_up, mlp))
    plan.append(("down", mlp.up_proj, [mlp.down_proj], mlp.down_proj))
    # All are found on the layer as it was, and only then applied.
    found = [
        search(block, attention if block is attn else block, maps, inputs[name], kind, bits, group, how) for name, _, maps, block in plan
    ]
    inputs = dict(inputs)
    for (name, before, maps, _), (s, _) in zip(plan, found, strict=True):
        rows = before.weight.dim() == 2
        before.weight.data = before.weight / (s[:, None] if rows else s)
        if getattr(before, "bias", None) is not None:
            before.bias.data = before.bias / s
        for m in maps:
            m.weight.data = m.weight * s
        inputs[name] = inputs[name] / s
    for name, m in [("q", attn.v_proj), ("o", attn.o_proj), ("gate", mlp.gate_proj), ("gate", mlp.up_proj), ("down", mlp.down_proj)]:
        m.weight.data = clipped(m.weight.data, inputs[name], bits, group)
    for m in [*qkv, attn.o_proj, *gate_up, mlp.down_proj]:
        m.weight.data = rounded(m.weight.data, bits, group)
    return [ratio for _, ratio in found]


def variants(model, tokens, wanted, group, how):
    """The weights of all layers for each of `wanted` (kind, bits), with the seconds each took."""
    rotary = model.model.rotary_emb
    x = model.model.embed_tokens(tokens)
    positions = rotary(x, torch.arange(tokens.shape[1])[None])
    results = {key: ({}, 0.0) for key in wanted}
    for number, layer in enumerate(model.model.layers):

        def attention(x, layer=layer):
            return layer.self_attn(x, position_embeddings=tuple(p.to(x.dtype) for p in positions), attention_mask=None)[0]

        taps = {"q": layer.self_attn.q_proj, "o": layer.self_attn.o_proj, "gate": layer.mlp.gate_proj, "down": layer.mlp.down_proj}
        inputs = {name: [] for name in taps}
        hooks = [m.register_forward_pre_hook(lambda _, a, name=name: inputs[name].append(a[0])) for name, m in taps.items()]
        out = []
        for part in x.split(1):
            y = layer(part, position_embeddings=positions, attention_mask=None)
            out.append(y[0] if isinstance(y, tuple) else y)
        x = torch.cat(out)
        for hook in hooks:
            hook.remove()
        inputs = {name: torch.cat(parts) for name, parts in inputs.items()}
        exact = {name: p.data for name, p in layer.named_parameters()}
        for kind, bits in wanted:
            start, search.runs = time.time(), 0.0
            ratios = awq(layer, inputs, attention, kind, bits, group, how)
            weights, seconds = results[kind, bits]
            for name, p in layer.named_parameters():
                weights[f"model.layers.{number}.{name}"] = p.data
                p.data = exact[name]
            results[kind, bits] = weights, seconds + time.time() - start
            note = f"layer {number} {kind} {bits} bits: ratios {ratios}, {search.runs / len(ratios):.1f} runs, {time.time() - start:.1f} s"
            print(note, file=sys.stderr, flush=True)
    return results


# Ounce's folders


def integers(packed, bits):
    """Unsigned integers that lie in i32 words without gaps, the lowest bits first; along the last axis."""
    stream = np.unpackbits(packed.contiguous().numpy().view(np.uint8), axis=-1, bitorder="little")
    count = stream.shape[-1] // bits
    stream = stream[..., : count * bits].reshape(*stream.shape[:-1], count, bits)
    return torch.from_numpy((stream * (1 << np.arange(bits))).sum(-1).astype(np.float32))


def folder_weights(path):
    """All tensors of an AutoAWQ (gemm) or compressed-tensors (pack-quantized) folder, dequantized."""
    config = json.loads((path / "config.json").read_text())["quantization_config"]
    stored = {}
    for file in sorted(path.glob("*.safetensors")):
        stored.update(load_file(file))
    if config["quant_method"] == "awq":
        bits, ending = config["bits"], ".qweight"
    else:
        scheme = config["config_groups"]["group_0"]["weights"]
        bits, ending = scheme["num_bits"], ".weight_packed"
    weights = {}
    for name in [name for name in stored if name.endswith(ending)]:
        base = name.removesuffix(ending)
        part = {key.removeprefix(base + "."): stored.pop(key) for key in list(stored) if key.startswith(base + ".") and "bias" not in key}
        if "qweight" in part:
            # Nibble n of a word holds row ORDER[n] of its eight.
            place = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7]).argsort()
            q, z = (integers(part[key], 4).unflatten(-1, (-1, 8))[..., place].flatten(-2).T for key in ("qweight", "qzeros"))
            scale = part["scales"].float().T
        else:
            rows, columns = part["weight_shape"].tolist()
            q = integers(part["weight_packed"], bits)[:, :columns]
            scale = part["weight_scale"].float()
            if "weight_zero_point" in part:
                z = integers(part["weight_zero_point"].T, bits).T[:rows]
            else:
                z = torch.full_like(scale, 2 ** (bits - 1))
        groups = scale.shape[1]
        w = (q.unflatten(1, (groups, -1)) - z[..., None]) * scale[..., None]
        weights[base + ".weight"] = w.flatten(1)
    weights.update({name: w.float() for name, w in stored.items()})
    return weights


def report(model, weights, windows, name, seconds=None):
    """Measures the model with other weights, and puts its own back."""
    own = dict(model.named_parameters())
    unknown = set(weights) - set(own) - {"lm_head.weight"}
    if unknown:
        sys.exit(f"{name}: the model has no {sorted(unknown)[:3]}")
    kept = {key: p.data for key, p in own.items()}
    for key, w in weights.items():
        if key in own:
            assert own[key].shape == w.shape, key
            own[key].data = w
    start = time.time()
    value = perplexity(model, windows)
    for key, p in own.items():
        p.data = kept[key]
    made = "" if seconds is None else f"made in {seconds:.0f} s, "
    print(f"{name}: perplexity {value:.4f} ({made}measured in {time.time() - start:.0f} s)", flush=True)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of the teacher")
    parser.add_argument("--text", type=Path, required=True, help="calibration text")
    parser.add_argument("--test", type=Path, required=True, help="raw test split of WikiText-2")
    parser.add_argument("--bits", type=int, nargs="*", default=[4])
    parser.add_argument("--group", type=int, default=128)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--sequence", type=int, default=512)
    parser.add_argument("--windows", type=int, default=6, help="of 2048 tokens, from the start of the test text")
    parser.add_argument("--methods", nargs="*", default=["rtn", "awq", "duo"], choices=["teacher", "rtn", "awq", "duo"])
    parser.add_argument("--folder", type=Path, nargs="*", default=[], help="folders written by Ounce, measured dequantized")
    parser.add_argument("--race", action="store_true", help="give up ratios that are surely worse")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--half", action="store_true", help="search in BF16")
    args = parser.parse_args()
    how = argparse.Namespace(race=args.race, dtype=torch.bfloat16 if args.half else torch.float32)
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    if model.config.model_type not in ("llama", "qwen2"):
        sys.exit(f"{model.config.model_type} is not known here")
    windows = test_windows(tokenizer, args.test.read_text(encoding="utf8"), args.windows)
    if args.sequence % STRETCH:
        sys.exit(f"sequences are of a multiple of {STRETCH} tokens")
    tokens = sequences(tokenizer, args.text.read_text(encoding="utf8"), args.samples, args.sequence)
    print(f"{args.model.name}: groups of {args.group}, {tokens.numel()} calibration tokens, {len(windows)} windows", flush=True)
    if "teacher" in args.methods:
        report(model, {}, windows, "teacher")
    for folder in args.folder:
        report(model, folder_weights(folder), windows, folder.name)
    for bits in args.bits if "rtn" in args.methods else []:
        maps = {name + ".weight": m for name, m in model.model.layers.named_modules() if isinstance(m, torch.nn.Linear)}
        weights = {"model.layers." + name: rounded(m.weight.data, bits, args.group) for name, m in maps.items()}
        report(model, weights, windows, f"rtn {bits} bits")
    wanted = [(kind, bits) for bits in args.bits for kind in ("awq", "duo") if kind in args.methods]
    if wanted:
        for (kind, bits), (weights, seconds) in variants(model, tokens, wanted, args.group, how).items():
            report(model, weights, windows, f"{kind} {bits} bits", seconds)


if __name__ == "__main__":
    main()
