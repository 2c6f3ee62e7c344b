"""Makes the small pickles and checkpoints that tests read: values.N.pkl in every protocol, numpy.N.pkl, torch.pt.

Usage: python make_golden.py. Needs numpy and torch. What the files hold is repeated in crates/ounce-formats/tests/pickle.rs.
"""

import collections
import pathlib
import pickle
import sys
import types

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


Point.__module__ = "geometry.shapes"
shapes = types.ModuleType("geometry.shapes")
shapes.Point = Point
sys.modules["geometry"] = types.ModuleType("geometry")
sys.modules["geometry.shapes"] = shapes

shared = [1, 2]
cyclic = []
cyclic.append(cyclic)
values = {
    "none": None,
    "bools": (True, False),
    "ints": [0, 255, 256, 65535, 65536, -1, -(2**31), 2**31, 2**62, -(2**63)],
    "long": 2**100,
    "floats": (0.1, -2.5e300),
    "bytes": b"a\x00\xff'\"\\\n",
    "text": "häß \u20ac \U0001f600 \\ \n",
    "empty": ([], (), {}, set()),
    "set": {7},
    "frozen": frozenset(["x"]),
    "ordered": collections.OrderedDict(a=1, b=2),
    "object": Point(3, "y"),
    "shared": [shared, shared],
    "cyclic": cyclic,
    "class": collections.OrderedDict,
}
for protocol in range(6):
    kept = {k: v for k, v in values.items() if protocol >= 2 or k != "long"}
    (HERE / f"values.{protocol}.pkl").write_bytes(pickle.dumps(kept, protocol))

arrays = {
    name: np.arange(6).reshape(2, 3).astype(ty)
    for name, ty in [(t, t) for t in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")]
    + [(t, t) for t in ("float16", "float32", "float64")] + [("big", ">i4")]
}
arrays["fortran"] = np.asfortranarray(np.arange(24, dtype="int16").reshape(2, 3, 4))
arrays["scalar"] = np.float32(1.5)
arrays["point"] = np.array(2.5)
arrays["empty"] = np.zeros((0, 3), "int8")
for protocol in (2, 4, 5):
    (HERE / f"numpy.{protocol}.pkl").write_bytes(pickle.dumps(arrays, protocol))

torch.manual_seed(1)
base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
torch.save(
    {
        "base": base,
        "transposed": base.permute(2, 0, 1),
        "slice": base[1, :, 1:3],
        "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
        "bfloat16": torch.tensor([[1.5], [-2.0]], dtype=torch.bfloat16),
        "int8": torch.tensor([-128, 127], dtype=torch.int8),
        "int64": torch.tensor(2**40),
        "bool": torch.tensor([True, False]),
        "uint16": torch.tensor([1, 65535], dtype=torch.uint16),
        "parameter": torch.nn.Parameter(torch.tensor([3.0])),
        "empty": torch.zeros(0, 5),
        "expanded": torch.tensor([1.0]).expand(3),
        "state": torch.nn.Linear(2, 1).state_dict(),
    },
    HERE / "torch.pt",
)
