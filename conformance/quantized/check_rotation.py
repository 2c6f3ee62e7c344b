"""A folder with rotated inputs, as compressed-tensors itself runs its transform_config.

    python check_rotation.py FOLDER TEXT [WINDOWS]

FOLDER is one that `ounce quantize --method smoothquant` wrote. transformers makes the model from its dequantized weights, compressed-tensors applies
the transforms of the inputs, and inputs are rounded to int8 per token. Prints the perplexity of the first WINDOWS windows of 2048 tokens, to be held
against `ounce perplexity FOLDER --text TEXT --chunks WINDOWS` (whose head has 8 bits), and what it is when the transforms are left out.

Needs: torch transformers compressed-tensors==0.20.0
"""

import json
import math
import sys
from pathlib import Path

import torch
from compressed_tensors.transform import TransformConfig, TransformFactory
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

LENGTH = 2048


def load(folder: Path) -> torch.nn.Module:
    config = AutoConfig.from_pretrained(folder)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    weights = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():
                weights[name] = tensors.get_tensor(name).float()
    state = {
        name: weight * weights[f"{name}_scale"] if f"{name}_scale" in weights else weight
        for name, weight in weights.items()
        if not name.endswith("_scale")
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("lm_head.weight") for name in missing), (missing, unexpected)
    model.tie_weights()
    return model


def round_inputs(_, inputs):
    x = inputs[0]
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
    return ((x / scale).round().clamp(-127, 127) * scale,)


def perplexity(model: torch.nn.Module, ids: torch.Tensor, windows: int) -> float:
    losses = []
    with torch.no_grad():
        for window in range(windows):
            tokens = ids[window * LENGTH : (window + 1) * LENGTH]
            logits = model(tokens[None]).logits[0]
            losses.append(torch.nn.functional.cross_entropy(logits[:-1].float(), tokens[1:]))
    return math.exp(torch.stack(losses).mean().item())


def main() -> None:
    folder, text = Path(sys.argv[1]), Path(sys.argv[2])
    windows = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    settings = json.loads((folder / "config.json").read_text())["quantization_config"]
    transforms = TransformConfig.model_validate(settings["transform_config"])
    lines = text.read_text().removesuffix("\n").split("\n")
    rows = [line + "\n" if line.strip() else "" for line in lines]
    ids = AutoTokenizer.from_pretrained(folder)("\n\n".join(rows), return_tensors="pt").input_ids[0]
    for rotate in (True, False):
        model = load(folder)
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
                module.register_forward_pre_hook(round_inputs)
        if rotate:
            for name, scheme in transforms.config_groups.items():
                # What is in the weights already is not done again.
                scheme.apply = [args for args in scheme.apply if args.is_online()]
                TransformFactory.from_scheme(scheme, name=name).apply_to_model(model, use_tqdm=False)
        print(f"{'with' if rotate else 'without'} the transforms: {perplexity(model, ids, windows):.4f}", flush=True)


if __name__ == "__main__":
    main()
