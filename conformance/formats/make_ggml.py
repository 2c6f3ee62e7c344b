"""Golden values of ggml's quantizers that the `gguf` Python package does not have: the K types, and all with an importance matrix.

Builds `ggml-quants.c` from a checkout of llama.cpp (or the `vendor/llama.cpp` folder of the sdist of llama-cpp-python) without fused
multiply-adds, which compilers otherwise form as they like, and calls it. Reads `weights.f32`, which `make_golden.py` writes, and writes beside it:

* `Q4_K.quantized`, `Q6_K.quantized`: what ggml makes of `weights.f32`.
* `importance.f32`: one value per column of rows of 512; `TYPE.weighted`: what ggml makes of the weights with that importance.

Usage: pip install numpy; python make_ggml.py PATH/OF/llama.cpp. Values were made with llama.cpp 0c1e570.
"""

import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
COLS = 512
# Name, name of the function, weights and bytes of a block.
TYPES = [
    ("Q4_0", "q4_0", 32, 18), ("Q4_1", "q4_1", 32, 20), ("Q5_0", "q5_0", 32, 22), ("Q5_1", "q5_1", 32, 24),
    ("Q4_K", "q4_K", 256, 144), ("Q6_K", "q6_K", 256, 210),
]  # fmt: skip


def build(checkout: Path, folder: str) -> ctypes.CDLL:
    source, library = checkout / "ggml" / "src", f"{folder}/libquants.so"
    flags = ["-O2", "-ffp-contract=off", "-fPIC", "-shared", "-DNDEBUG", "-D_GNU_SOURCE", "-w"]
    versions = ['-DGGML_VERSION="0"', '-DGGML_COMMIT="0"']
    includes = [f"-I{folder}", f"-I{source}", f"-I{source.parent / 'include'}"]
    Path(folder, "ggml-version.h").touch()  # made by cmake otherwise
    files = [source / "ggml-quants.c", source / "ggml.c"]
    subprocess.run(["cc", *flags, *versions, *includes, *map(str, files), "-o", library, "-lm"], check=True)
    return ctypes.CDLL(library, mode=1)  # lazily, since the threads of ggml are not linked


def main() -> None:
    weights = np.fromfile(HERE / "weights.f32", dtype="<f4")
    rng = np.random.default_rng(20261)
    importance = np.exp(rng.normal(size=COLS) * 2).astype("<f4")
    importance[5:9] = 0
    importance.tofile(HERE / "importance.f32")
    pointer = lambda array: array.ctypes.data_as(ctypes.c_void_p)
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(sys.argv[1]), folder)
        for name, function, length, size in TYPES:
            quantize = getattr(library, f"quantize_{function}")
            quantize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
            quantize.restype = ctypes.c_size_t
            for suffix, given in [("quantized", None), ("weighted", pointer(importance))]:
                if suffix == "quantized" and length == 32:
                    continue
                out = np.zeros(len(weights) // length * size, dtype=np.uint8)
                written = quantize(pointer(weights), pointer(out), len(weights) // COLS, COLS, given)
                assert written == len(out)
                out.tofile(HERE / f"{name}.{suffix}")


if __name__ == "__main__":
    main()
