"""Golden values of the ggml block types and a golden GGUF file, from the `gguf` Python package.

Writes beside this script:

* `TYPE.blocks`: random valid blocks of each type; `TYPE.f32`: what `gguf.dequantize` makes of them (little-endian f32).
* `package.gguf`: a small model file with every kind of metadata value and a tensor of each of several types, by `gguf.GGUFWriter`.
* `weights.f32`: rows of weights with awkward blocks among them; `TYPE.quantized`: what `gguf.quantize` makes of those.

Usage: pip install gguf numpy; python make_golden.py
"""

from pathlib import Path

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

HERE = Path(__file__).parent
SEED = 20260

# Where the f16 fields of a block lie, in bytes.
F16_FIELDS = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.IQ4_NL: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}  # fmt: skip
FLOATS = [T.F32, T.F16, T.BF16]
WRITTEN = [T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0]


def random_blocks(rng: np.random.Generator, ty: T, weights: int) -> np.ndarray:
    """Blocks of uniformly random bits, with finite floats: of many magnitudes, both signs, zeros and subnormal numbers."""
    length, size = GGML_QUANT_SIZES[ty]
    blocks = rng.integers(0, 256, (weights // length, size), dtype=np.uint8)
    for at in F16_FIELDS[ty]:
        bits = rng.integers(0, 1 << 16, len(blocks), dtype=np.uint16)
        bits[(bits & 0x7C00) == 0x7C00] ^= 0x4000  # neither infinite nor NaN
        bits[0], bits[1] = 0x0001, 0x8000
        blocks[:, at : at + 2] = bits.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(-1)


def random_floats(rng: np.random.Generator, ty: T, count: int) -> np.ndarray:
    """All finite bit patterns are equally likely."""
    bits, exponent = {T.F32: (np.uint32, 0x7F800000), T.F16: (np.uint16, 0x7C00), T.BF16: (np.uint16, 0x7F80)}[ty]
    values = rng.integers(0, np.iinfo(bits).max, count, dtype=bits, endpoint=True)
    return values[(values & exponent) != exponent].view(np.uint8)


def awkward_weights(rng: np.random.Generator) -> np.ndarray:
    blocks = rng.normal(size=(64, 32)).astype(np.float32)
    blocks *= np.exp2(rng.integers(-12, 6, (64, 1))).astype(np.float32)
    blocks[0] = 0
    blocks[1] = -0.25
    blocks[2] = 7
    blocks[3, ::2] = -blocks[3, 1::2]  # two weights of the largest magnitude, of either sign
    blocks[4] = np.arange(32) - 16
    blocks[5] = np.arange(32) / 2  # halves, where rounding shows
    blocks[6] = np.abs(blocks[6])
    blocks[7] = -np.abs(blocks[7])
    blocks[8, 3] = 60000  # near the largest f16
    blocks[9] *= 1e-6  # scales that are subnormal as f16
    blocks[10] = np.where(np.arange(32) == 5, 127, np.arange(32) + 0.5)
    blocks[11, 31] = 0
    return blocks


def main() -> None:
    rng = np.random.default_rng(SEED)
    for ty in F16_FIELDS:
        blocks = random_blocks(rng, ty, 2048)
        write(ty, blocks, gguf.dequantize(blocks, ty))
    for ty in FLOATS:
        blocks = random_floats(rng, ty, 1024)
        write(ty, blocks, gguf.dequantize(blocks, ty))
    weights = awkward_weights(rng)
    (HERE / "weights.f32").write_bytes(weights.tobytes())
    for ty in WRITTEN:
        (HERE / f"{ty.name}.quantized").write_bytes(gguf.quantize(weights, ty).tobytes())
    write_file(HERE / "package.gguf", weights)


def write_file(path: Path, weights: np.ndarray) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint8("test.u8", 255)
    writer.add_int8("test.i8", -128)
    writer.add_uint16("test.u16", 65535)
    writer.add_int16("test.i16", -32768)
    writer.add_uint32("test.u32", 4294967295)
    writer.add_int32("test.i32", -2147483648)
    writer.add_float32("test.f32", 0.1)
    writer.add_uint64("test.u64", 18446744073709551615)
    writer.add_int64("test.i64", -9223372036854775808)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "Unze ünce 盎司 🜚")
    writer.add_array("test.strings", ["a", "", "ß", "\u0000x"])
    writer.add_array("test.i32s", [1, -2, 3])
    writer.add_array("test.f32s", [0.5, -0.25])
    writer.add_array("test.bools", [True, False])
    writer.add_array("test.nested", [[1, 2], [3], [4, 5, 6]])
    for name, ty, rows in [("w.f32", T.F32, 3), ("w.q8_0", T.Q8_0, 5), ("w.q4_1", T.Q4_1, 7), ("w.bf16", T.BF16, 1)]:
        data = gguf.quantize(weights[:rows], ty)
        writer.add_tensor(name, data, raw_dtype=None if ty == T.F32 else ty)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write(ty: T, blocks: np.ndarray, values: np.ndarray) -> None:
    assert values.dtype == np.float32
    (HERE / f"{ty.name}.blocks").write_bytes(blocks.tobytes())
    (HERE / f"{ty.name}.f32").write_bytes(values.tobytes())


if __name__ == "__main__":
    main()
