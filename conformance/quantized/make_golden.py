"""Golden tensors of quantized linear maps, packed by the tools that define the formats.

Writes `golden/model.safetensors`: for each case `CASE/quants`, `CASE/zeros`, `CASE/scales` (the plain arrays, `[rows, cols]` and `[rows, groups]`)
and the module `CASE` as the tool packs it. Where the tool can unpack on a CPU, what it unpacks is compared with the plain arrays here.

Tools: AutoAWQ 0.2.9 (the unpacked sdist; only the files of its linear maps are imported), AutoGPTQ 0.7.1 (the unpacked wheel), compressed-tensors
0.20.0 (installed), and compressed-tensors 0.12.2 (the unpacked wheel), which left bits empty at the end of words.

Usage: pip install torch transformers compressed-tensors==0.20.0; python make_golden.py AUTOAWQ AUTOGPTQ OLD_COMPRESSED_TENSORS
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import save_file

HERE = Path(__file__).parent
tensors: dict[str, torch.Tensor] = {}
generator = torch.Generator().manual_seed(20262)


def load(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def autoawq(folder: Path) -> tuple[types.ModuleType, types.ModuleType, types.ModuleType]:
    """The package's own __init__ imports models that today's transformers no longer have; packages without one stand in for it."""
    for name in ["awq", "awq.utils", "awq.modules"]:
        package = types.ModuleType(name)
        package.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = package
    sys.modules.setdefault("accelerate", types.ModuleType("accelerate"))
    linear = folder / "awq" / "modules" / "linear"
    packing = importlib.import_module("awq.utils.packing_utils")
    return load("awq_gemm", linear / "gemm.py"), load("awq_gemv", linear / "gemv.py"), packing


def plain(case: str, rows: int, cols: int, group: int, bits: int, symmetric: bool, dtype=torch.float16, least_zero=0):
    """Random quants, zeros and scales, and the weights that they mean, as exactly as f32 holds them."""
    random = lambda low, high, shape: torch.randint(low, high, shape, generator=generator)
    quants = random(0, 1 << bits, (rows, cols))
    middle = 1 << (bits - 1)
    zeros = torch.full((rows, cols // group), middle)
    if not symmetric:
        zeros = random(least_zero, 1 << bits, zeros.shape)
    scales = (torch.rand(zeros.shape, generator=generator) * 0.05 + 0.001).to(dtype)
    tensors[f"{case}/quants"] = quants.to(torch.uint8)
    tensors[f"{case}/zeros"] = zeros.to(torch.uint8)
    tensors[f"{case}/scales"] = scales
    wide = lambda x: x.repeat_interleave(group, dim=1).float()
    return quants, zeros, scales, (quants - wide(zeros)) * wide(scales)


def linear_of(weight: torch.Tensor) -> torch.nn.Linear:
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight.data = weight
    return linear


def keep(case: str, module, names: list[str]) -> None:
    for name in names:
        tensors[f"{case}.{name}"] = getattr(module, name).contiguous()


def awq(folder: Path) -> None:
    gemm, gemv, packing = autoawq(folder)
    # Its from_linear needs multiples of 32 outputs, of which the layout needs only 8.
    for rows, cols, group in [(32, 96, 32), (32, 172, 172), (64, 128, 64), (96, 256, 128)]:
        case = f"awq_gemm-{rows}x{cols}-g{group}"
        quants, zeros, scales, weight = plain(case, rows, cols, group, 4, False)
        packed = gemm.WQLinear_GEMM.from_linear(
            linear_of(weight), 4, group, scales=scales.t().contiguous().float(), zeros=zeros.t().contiguous().float()
        )
        keep(case, packed, ["qweight", "qzeros", "scales"])
        assert (packed.scales.t() == scales).all()
        found = packing.dequantize_gemm(packed.qweight, packed.qzeros, packed.scales.float(), 4, group)
        assert torch.allclose(found.t(), weight, atol=1e-6)
    for rows, cols, group in [(16, 96, 32), (8, 128, 64), (8, 384, 128)]:
        case = f"awq_gemv-{rows}x{cols}-g{group}"
        quants, zeros, scales, weight = plain(case, rows, cols, group, 4, False)
        packed = gemv.WQLinear_GEMV.from_linear(linear_of(weight), 4, group, scales=scales.float(), zeros=zeros.float())
        keep(case, packed, ["qweight", "qzeros", "scales"])


def gptq(folder: Path) -> None:
    old = load("gptq_linear", folder / "auto_gptq" / "nn_modules" / "qlinear" / "qlinear_cuda_old.py")
    for rows, cols, group, bits, symmetric in [
        (32, 96, 32, 4, False), (64, 128, 64, 4, True), (32, 128, 128, 8, False), (32, 96, 96, 3, False),
        (32, 64, 32, 2, False),
    ]:  # fmt: skip
        case = f"gptq-{rows}x{cols}-g{group}-b{bits}{'-sym' if symmetric else ''}"
        # A zero of 0 is stored as -1, which spoils its neighbours in this version.
        quants, zeros, scales, weight = plain(case, rows, cols, group, bits, symmetric, least_zero=1)
        module = old.QuantLinear(bits, group, cols, rows, bias=False)
        module.pack(linear_of(weight), scales.float(), zeros.float(), None)
        module.scales = module.scales.half()
        keep(case, module, ["qweight", "qzeros", "scales", "g_idx"])


def compressed(old_folder: Path) -> None:
    def scheme(bits, group, symmetric, strategy):
        args = QuantizationArgs(num_bits=bits, symmetric=symmetric, strategy=strategy, group_size=group)
        return QuantizationScheme(targets=["Linear"], weights=args)

    def compress(kind, case, rows, cols, group, bits, symmetric, dtype=torch.float16):
        strategy = "channel" if group == cols else "group"
        quants, zeros, scales, weight = plain(case, rows, cols, group, bits, symmetric, dtype)
        middle = 1 << (bits - 1)
        state = {"weight": weight, "weight_scale": scales, "weight_zero_point": (zeros - middle).to(torch.int8)}
        compressor = BaseCompressor.get_value_from_registry(kind)
        arguments = scheme(bits, None if strategy == "channel" else group, symmetric, strategy)
        state = compressor.compress(state, arguments)
        for name, tensor in state.items():
            tensors[f"{case}.{name}"] = tensor.clone().contiguous()
        found = compressor.decompress(state, arguments)["weight"].float()
        assert torch.allclose(found, weight.to(dtype).float(), atol=1e-2), case
        return quants - middle, zeros - middle

    for rows, cols, group, bits, symmetric, dtype in [
        (11, 96, 32, 4, False, torch.float16), (5, 172, 172, 4, True, torch.bfloat16), (9, 128, 64, 4, True, torch.float32),
        (33, 128, 128, 4, False, torch.bfloat16), (7, 96, 32, 3, False, torch.float16), (5, 172, 172, 3, True, torch.float16),
        (35, 64, 64, 3, False, torch.float16), (7, 96, 32, 2, False, torch.float16), (7, 96, 32, 5, False, torch.float16),
        (7, 96, 32, 6, False, torch.float16), (7, 96, 32, 7, True, torch.float16), (7, 99, 99, 8, False, torch.bfloat16),
    ]:  # fmt: skip
        case = f"pack-{rows}x{cols}-g{group}-b{bits}{'-sym' if symmetric else ''}"
        compress("pack-quantized", case, rows, cols, group, bits, symmetric, dtype)
    for rows, cols, group, bits, symmetric, dtype in [
        (9, 172, 172, 8, True, torch.bfloat16), (9, 96, 96, 8, False, torch.float16), (6, 96, 32, 8, True, torch.float32),
        (5, 64, 64, 4, True, torch.float16),
    ]:  # fmt: skip
        case = f"int-{rows}x{cols}-g{group}-b{bits}{'-sym' if symmetric else ''}"
        compress("int-quantized", case, rows, cols, group, bits, symmetric, dtype)

    # The old packing, of the same arrays.
    path = old_folder / "compressed_tensors" / "compressors" / "quantized_compressors" / "pack_quantized.py"
    source = path.read_text()
    names: dict = {"torch": torch, "math": __import__("math")}
    names.update({name: getattr(__import__("typing"), name) for name in ["Literal", "Optional", "Union"]})
    exec(compile(source[source.index("def pack_to_int32") :], str(path), "exec"), names)
    for case in ["pack-7x96-g32-b3", "pack-7x96-g32-b5", "pack-7x96-g32-b6", "pack-7x96-g32-b7-sym", "pack-35x64-g64-b3"]:
        old = case.replace("pack-", "old_pack-")
        bits = int(case.split("-b")[1][0])
        centred = lambda name: (tensors[f"{case}/{name}"].int() - (1 << (bits - 1))).to(torch.int8)
        for name in ["quants", "zeros", "scales"]:
            tensors[f"{old}/{name}"] = tensors[f"{case}/{name}"].clone()
        tensors[f"{old}.weight_packed"] = names["pack_to_int32"](centred("quants"), bits).contiguous()
        tensors[f"{old}.weight_scale"] = tensors[f"{case}.weight_scale"].clone()
        tensors[f"{old}.weight_shape"] = tensors[f"{case}.weight_shape"].clone()
        if "sym" not in case:
            packed = names["pack_to_int32"](centred("zeros"), bits, packed_dim=0)
            tensors[f"{old}.weight_zero_point"] = packed.contiguous()


def main() -> None:
    folders = [Path(argument) for argument in sys.argv[1:]]
    awq(folders[0])
    gptq(folders[1])
    compressed(folders[2])
    save_file(tensors, HERE / "golden" / "model.safetensors", metadata={"format": "pt"})
    (HERE / "golden" / "config.json").write_text(json.dumps({"model_type": "golden"}) + "\n")


if __name__ == "__main__":
    main()
