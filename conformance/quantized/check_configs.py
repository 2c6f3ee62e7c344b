"""Has compressed-tensors itself read the configurations that Ounce writes (`configs.json`, which a test holds equal to what it writes).

Usage: pip install compressed-tensors==0.20.0; python check_configs.py
"""

import json
from pathlib import Path

import torch
from compressed_tensors.quantization import QuantizationConfig, QuantizationStatus, apply_quantization_config


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj = torch.nn.Linear(256, 64)
        self.gate = torch.nn.Linear(256, 64)
        self.lm_head = torch.nn.Linear(256, 64)


def main() -> None:
    configs = json.loads((Path(__file__).parent / "configs.json").read_text())
    # Bits of q_proj, bits of lm_head, inputs of q_proj.
    expected = {
        "w4a16": (4, None, None), "w4a16_asym": (4, 8, None), "w3a16": (3, None, None),
        "w8a8": (8, 8, ("token", True)), "w8a8_static": (8, None, ("tensor", False)),
    }  # fmt: skip
    for name, (bits, head_bits, inputs) in expected.items():
        config = QuantizationConfig.model_validate(configs[name])
        model = Model()
        config.quantization_status = QuantizationStatus.INITIALIZED
        apply_quantization_config(model, config)
        scheme = lambda module: getattr(module, "quantization_scheme", None)
        assert scheme(model.gate) is None, name
        assert scheme(model.q_proj).weights.num_bits == bits, name
        head = scheme(model.lm_head)
        assert (head and head.weights.num_bits) == head_bits, name
        found = scheme(model.q_proj).input_activations
        assert (found and (found.strategy, found.dynamic)) == inputs, name
        print(f"{name}: accepted")


if __name__ == "__main__":
    main()
