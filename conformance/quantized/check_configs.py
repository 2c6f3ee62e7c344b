"""Has compressed-tensors itself read the configurations that Ounce writes (`configs.json`, which a test holds equal to what it writes).

Usage: pip install compressed-tensors==0.20.0; python check_configs.py
"""

import json
from pathlib import Path

import torch
from compressed_tensors.quantization import QuantizationConfig, QuantizationStatus, apply_quantization_config
from compressed_tensors.transform import TransformConfig, apply_transform_config


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
        "w8a8_rotated": (8, None, ("token", True)),
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
        if "transform_config" in configs[name]:
            rotation(TransformConfig.model_validate(configs[name]["transform_config"]))
        print(f"{name}: accepted")


def rotation(config: TransformConfig) -> None:
    """Fused into the weights and applied to the inputs, a rotation changes nothing; its matrix has the signs of the number of common ones."""
    model = Model()
    x = torch.randn(3, 256)
    before = model.q_proj(x)
    apply_transform_config(model, config)
    assert torch.allclose(model.q_proj(x), before, atol=1e-5)
    assert torch.equal(model.gate(x), torch.nn.functional.linear(x, model.gate.weight, model.gate.bias))
    transform = next(child for child in model.q_proj.children() if type(child).__name__ == "HadamardTransform")
    signs = torch.tensor([[1.0 - 2.0 * ((i & j).bit_count() % 2) for j in range(64)] for i in range(64)])
    blocks = x.unflatten(-1, (-1, 64)) @ (signs / 8.0)
    assert torch.allclose(transform(x), blocks.flatten(-2, -1), atol=1e-5)


if __name__ == "__main__":
    main()
