"""Golden values of the mathematics of quantization, from the formulas of the original repositories, run in torch.

Writes `crates/ounce-quant/tests/golden/golden.safetensors`:

* `weights [12, 192]`, and for each scheme `SCHEME/{quants,scales,zeros}`: `pseudo_quantize_tensor` of llm-awq (asymmetric) and AutoAWQ
  (symmetric). One thing differs from them, as it does in the files that they write: the scale is rounded to half precision before it is
  used. Symmetric quants are stored with the offset `2^(bits - 1)`.
* `x [50, 96]`, `linear.N [rows, 96]`, and the scales of AWQ for these inputs and maps: `awq.plain.RATIO` (llm-awq, `auto_scale.py`) and
  `awq.duo.RATIO` (AutoAWQ 0.2.9, `quantizer.py`, `duo_scaling=True`, groups of 32).
* `smooth.ALPHA`: the migration scales of SmoothQuant (`smooth.py`) for the same.
* `x.per_token`, `x.per_tensor`: `x` rounded to 8 bits (`fake_quant.py`).

Usage: pip install torch safetensors; python make_golden.py
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

TARGET = Path(__file__).parents[2] / "crates/ounce-quant/tests/golden/golden.safetensors"
SCHEMES = [(False, bits, group) for bits in [4, 3, 2, 5, 8] for group in [32, 64, 192]]
SCHEMES += [(True, bits, group) for bits in [4, 8, 3] for group in [32, 192]]
GROUP = 32


def quantize(w: torch.Tensor, symmetric: bool, bits: int, group: int) -> dict[str, torch.Tensor]:
    rows = w.shape[0]
    w = w.reshape(-1, group)
    if symmetric:
        scales = w.abs().amax(dim=1, keepdim=True).clamp(min=1e-5) / (2 ** (bits - 1) - 1)
        low, high, offset = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 2 ** (bits - 1)
        scales = scales.half().float()
        zeros = torch.zeros_like(scales)
    else:
        largest, smallest = w.amax(dim=1, keepdim=True), w.amin(dim=1, keepdim=True)
        low, high, offset = 0, 2**bits - 1, 0
        scales = ((largest - smallest).clamp(min=1e-5) / high).half().float()
        zeros = (-torch.round(smallest / scales)).clamp(low, high)
    quants = torch.clamp(torch.round(w / scales) + zeros, low, high)
    return {
        "quants": (quants + offset).to(torch.uint8).reshape(rows, -1),
        "scales": scales.reshape(rows, -1),
        "zeros": (zeros + offset).to(torch.uint8).reshape(rows, -1),
    }


def normalised(scales: torch.Tensor) -> torch.Tensor:
    return scales / (scales.max() * scales.min()).sqrt()


def main() -> None:
    generator = torch.Generator().manual_seed(20263)
    normal = lambda *shape: torch.randn(*shape, generator=generator)
    weights = normal(12, 192) * torch.exp(normal(12, 1))
    weights[1] = 0
    weights[2] = weights[2].abs() + 0.5  # zero outside of the range, on either side
    weights[3] = -weights[3].abs() - 0.5
    weights[4] = torch.arange(192) % 31 / 2 - 7.5  # halves
    weights[5, 7] = 60.0  # an outlier
    weights[6] *= 1e-6
    weights[7] = 0.25
    tensors = {"weights": weights}
    for symmetric, bits, group in SCHEMES:
        name = f"{'sym' if symmetric else 'asym'}-{bits}-{group}"
        tensors |= {f"{name}/{key}": value for key, value in quantize(weights, symmetric, bits, group).items()}

    x = normal(50, 96) * torch.exp(1.5 * normal(96))
    linears = [normal(24, 96) * torch.exp(normal(96) / 2), normal(10, 96) / 3]
    tensors |= {"x": x} | {f"linear.{n}": w for n, w in enumerate(linears)}
    mean_abs = x.abs().mean(dim=0)
    together = torch.cat(linears)
    grouped = together.reshape(-1, GROUP)
    relative = (grouped.abs() / (grouped.abs().amax(dim=1, keepdim=True) + 1e-6)).reshape(together.shape)
    mean_weight = relative.mean(dim=0)
    for ratio in [0.0, 0.2, 0.35, 0.5, 0.6, 0.8, 1.0]:
        if ratio > 0:  # 0 is the identity
            tensors[f"awq.plain.{ratio}"] = normalised(mean_abs.pow(ratio).clamp(min=1e-4))
        if ratio < 1:  # 1 is the same as plain
            duo = (mean_abs.pow(ratio) / (mean_weight.pow(1 - ratio) + 1e-4)).clamp(min=1e-4)
            tensors[f"awq.duo.{ratio}"] = normalised(duo)
    max_abs = x.abs().amax(dim=0)
    max_weight = together.abs().amax(dim=0).clamp(min=1e-5)
    for alpha in [0.0, 0.5, 0.85, 1.0]:
        tensors[f"smooth.{alpha}"] = (max_abs.pow(alpha) / max_weight.pow(1 - alpha)).clamp(min=1e-5)
    for name, largest in [("x.per_token", x.abs().amax(dim=1, keepdim=True)), ("x.per_tensor", x.abs().max())]:
        scale = largest.clamp(min=1e-5) / 127
        tensors[name] = torch.round(x / scale) * scale
    TARGET.parent.mkdir(exist_ok=True)
    save_file({key: value.contiguous() for key, value in tensors.items()}, TARGET)


if __name__ == "__main__":
    main()
