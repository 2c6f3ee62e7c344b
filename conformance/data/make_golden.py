"""Makes what the tests of ounce-data compare with: pictures with their pixels as Pillow decodes them, and bilinear interpolations by PyTorch.

Usage: python make_golden.py. Needs torch, numpy and pillow (13.0).
"""

import gzip
import json
import pathlib
import struct
import zlib

import numpy as np
import torch
from PIL import Image

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(1)


def pictures():
    """A smooth picture in each kind of file, and the CRC-32 of its RGB pixels (JPEG: the pixels, since decoders differ in the last bit)."""
    y, x = np.mgrid[0:12, 0:20]
    rgb = np.stack([x * 12, y * 20, 255 - x * 6 - y * 10], -1).astype(np.uint8)
    picture = Image.fromarray(rgb)
    kinds = {"rgb.png": picture, "grey.png": picture.convert("L"), "palette.png": picture.quantize(16), "rgba.png": picture.convert("RGBA")}
    golden = {}
    for name, kind in kinds.items():
        kind.save(HERE / name)
        golden[name] = [20, 12, zlib.crc32(np.asarray(Image.open(HERE / name).convert("RGB")).tobytes())]
    for name, kind in {"rgb.jpg": picture, "grey.jpg": picture.convert("L")}.items():
        kind.save(HERE / name, quality=95, subsampling=0)
        golden[name] = [20, 12, np.asarray(Image.open(HERE / name).convert("RGB")).ravel().tolist()]
    return golden


def idx():
    """Pictures and labels as MNIST has them, compressed; and numbers of each other type."""
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    files = {"pictures.idx.gz": (8, pixels), "labels.idx": (8, np.array([7, 1], np.uint8))}
    for name, ty, code in [("int8", ">i1", 9), ("int16", ">i2", 11), ("int32", ">i4", 12), ("float32", ">f4", 13), ("float64", ">f8", 14)]:
        files[f"{name}.idx"] = (code, np.array([-1, 0, 2], ty))
    for name, (code, array) in files.items():
        data = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        (HERE / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)


def resize():
    cases = []
    for channels, height, width, target in [(2, 3, 4, (6, 8)), (1, 5, 7, (3, 3)), (1, 4, 4, (4, 4)), (1, 1, 5, (3, 2)), (3, 6, 5, (7, 11)), (1, 8, 8, (1, 1)), (1, 9, 2, (4, 9))]:
        planes = (rng.random((channels, height, width)) * 255).astype(np.float32)
        resized = torch.nn.functional.interpolate(torch.from_numpy(planes)[None], size=target, mode="bilinear", align_corners=False)[0]
        cases.append({"size": [height, width], "target": target, "planes": planes.ravel().tolist(), "resized": resized.numpy().ravel().tolist()})
    return cases


idx()
(HERE / "pictures.json").write_text(json.dumps(pictures()) + "\n")
(HERE / "resize.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in resize()) + "\n]\n")
