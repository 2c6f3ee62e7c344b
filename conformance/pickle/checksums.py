"""Writes checksums.json: of every array in the quantized networks that tests read, its path, type, shape and
CRC-32; and of every float its path and value.

Usage: python checksums.py FOLDER, with FOLDER holding the four .pkl files. Needs numpy. Torch's zip archives are read with `zipfile`, the pickles
with Python's own reader, which is told where storages lie.
"""

import io
import json
import pathlib
import pickle
import sys
import zipfile
import zlib

import numpy as np

FILES = ["mcunet-5fps.pkl", "mbv2-w0.35.pkl", "proxyless-w0.3.pkl", "full-int8-params.pkl"]


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def load(path):
    if not zipfile.is_zipfile(path):
        return Unpickler(open(path, "rb")).load()
    archive = zipfile.ZipFile(path)
    name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
    return Unpickler(io.BytesIO(archive.read(name))).load()


def walk(value, path, found):
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        found.append([path, str(value.dtype), list(value.shape), zlib.crc32(data.tobytes())])
    elif isinstance(value, dict):
        for key, item in value.items():
            walk(item, f"{path}/{key}", found)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            walk(item, f"{path}/{index}", found)
    elif isinstance(value, float):
        found.append([path, "float", value])


folder = pathlib.Path(sys.argv[1])
golden = {}
for file in FILES:
    golden[file] = []
    walk(load(folder / file), "", golden[file])
lines = [f"{json.dumps(file)}: [\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]" for file, rows in golden.items()]
pathlib.Path(__file__).with_name("checksums.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
