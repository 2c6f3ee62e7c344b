"""Runs int8 networks with TensorFlow Lite's reference kernels and keeps what they give.

Usage: python run.py FOLDER. FOLDER holds vww.tflite, vww_96_int8.tflite, pretrainedResnet_quant.tflite and two pictures. Needs ai-edge-litert, pillow, numpy
and safetensors. Writes crates/ounce-import/tests/golden/tflite.safetensors: inputs and outputs, and a checksum of the result of every operator with
channels before height and width.
"""

import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parents[2] / "crates/ounce-import/tests/golden/tflite.safetensors"
FOLDER = pathlib.Path(sys.argv[1])
NETWORKS = {"vww.tflite": ["person_crop.png", None], "vww_96_int8.tflite": ["person_crop.png", None], "pretrainedResnet_quant.tflite": ["no_person_crop.png", None]}


def first(x):
    """Channels first, as graphs have images."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def formula(shape):
    i = np.arange(np.prod(shape), dtype=np.int64)
    return ((i * 7919 + i // 13 * 31 + i // 128 * 17) % 256 - 128).astype(np.int8).reshape(shape)


def checksum(x):
    flat = np.ascontiguousarray(x).astype(np.int64).ravel()
    return int((flat * (np.arange(flat.size) % 251 + 1)).sum() % (1 << 31))


arrays = {}
for file, pictures in NETWORKS.items():
    net = Interpreter(str(FOLDER / file), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, experimental_preserve_all_tensors=True)
    net.allocate_tensors()
    given, wanted = net.get_input_details()[0], net.get_output_details()[0]
    n, h, w, c = given["shape"]
    for k, picture in enumerate(pictures):
        name = f"{file.removesuffix('.tflite')}.{k}"
        if picture:
            x = np.asarray(Image.open(FOLDER / picture).convert("RGB").resize((w, h)), np.int32) - 128
            x = x.astype(np.int8)[None]
        else:
            x = formula((n, c, h, w)).transpose(0, 2, 3, 1)
        arrays[f"{name}.x"] = np.ascontiguousarray(first(x))
        if given["dtype"] == np.float32:
            # Whole pixels of the picture, from -1 to 1.
            x = ((x.astype(np.float32) + np.float32(0.5)) / np.float32(127.5)).astype(np.float32)
        net.set_tensor(given["index"], x)
        net.invoke()
        arrays[f"{name}.y"] = net.get_tensor(wanted["index"])
        sums = []
        for op in net._get_ops_details():
            # Tensors of floats need no checksum.
            results = [net.get_tensor(i) for i in op["outputs"]]
            sums += [[i, checksum(first(r) if r.ndim == 4 and op["op_name"] != "TRANSPOSE" else r)] for i, r in zip(op["outputs"], results) if r.dtype == np.int8]
        arrays[f"{name}.checksums"] = np.array(sums, np.int32)
        print(name, arrays[f"{name}.y"])
save_file(arrays, OUT)
print(OUT.stat().st_size)
