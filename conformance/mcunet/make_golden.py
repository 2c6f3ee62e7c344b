"""Runs int8 networks of MCUNetV3 in PyTorch as its quantized_ops_diff.py does, and keeps what they give.

Usage: python make_golden.py [FOLDER WITH THE PUBLISHED .pkl FILES]. Needs torch, numpy and safetensors. Writes
crates/ounce-import/tests/golden/mcunet.safetensors: a small random network with all its parameters and outputs, and, of the published networks,
features, logits and a checksum of every convolution for an input that a formula gives.
"""

import pathlib
import pickle
import sys
import zipfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).parents[2] / "crates/ounce-import/tests/golden/mcunet.safetensors"


def read(path):
    """A torch file without torch's classes: arrays of numpy and plain values."""
    archive = zipfile.ZipFile(path)
    root = archive.namelist()[0].split("/")[0]

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)

    return Unpickler(archive.open(f"{root}/data.pkl")).load()


def clamp(x):
    return x.clamp(-128, 127)


def conv(x, cfg):
    p = cfg["params"]
    kernel = cfg["kernel_size"]
    padding = [k // 2 for k in kernel] if isinstance(kernel, tuple) else kernel // 2
    scales = np.asarray(p["w_scales"], np.float64) * p["x_scale"] / p["y_scale"]
    w = torch.from_numpy(np.asarray(p["weight"], np.float32))
    b = torch.from_numpy(np.asarray(p["bias"], np.float32))
    y = F.conv2d(x - p["x_zero"], w, b, cfg["stride"], padding, 1, cfg["groups"])
    y = torch.round(y * torch.from_numpy(scales.astype(np.float32)).view(1, -1, 1, 1))
    return clamp(y + p["y_zero"])


def run(net, x):
    outputs = []

    def step(x, cfg):
        outputs.append(conv(x, cfg))
        return outputs[-1]

    x = step(x, net["first_conv"])
    for block in net["blocks"]:
        y = x
        for name in ("pointwise1", "depthwise", "pointwise2"):
            if block[name] is not None:
                y = step(y, block[name])
        if block["residual"] is not None:
            p, q = block["residual"]["params"], block["pointwise2"]["params"]
            shortcut = (x - p["x_zero"]) * torch.tensor(p["x_scale"], dtype=torch.float32)
            main = (y - q["y_zero"]) * torch.tensor(q["y_scale"], dtype=torch.float32)
            y = clamp(torch.round((shortcut + main) / torch.tensor(p["y_scale"], dtype=torch.float32)) + p["y_zero"])
        x = y
    # A mean over places is a sum of integers, rounded.
    features = torch.round(x.double().mean([2, 3], keepdim=True)).float()
    return outputs, features, conv(features, net["classifier"])


def formula(shape):
    i = np.arange(np.prod(shape), dtype=np.int64)
    return ((i * 7919 + i // 13 * 31 + i // 128 * 17) % 256 - 128).astype(np.int8).reshape(shape)


def checksum(y):
    flat = y.numpy().astype(np.int64).ravel()
    return int((flat * (np.arange(flat.size) % 251 + 1)).sum() % (1 << 31))


def random_conv(rng, i, o, k, stride, groups, x):
    fan = i // groups * k * k
    y_scale, y_zero = float(rng.uniform(0.02, 0.06)), int(rng.integers(-128, 20))
    params = {
        "weight": rng.integers(-127, 128, (o, i // groups, k, k)).astype(np.int8),
        "bias": rng.integers(-2000, 2000, o).astype(np.int32),
        "w_scales": rng.uniform(0.5, 1.5, o).astype(np.float32) * np.float32(0.02 / fan**0.5),
        "x_scale": x[0], "x_zero": x[1], "y_scale": y_scale, "y_zero": y_zero,
    }
    cfg = {"in_channel": i, "out_channel": o, "kernel_size": (k, k), "stride": stride, "groups": groups, "params": params}
    return cfg, (y_scale, y_zero)


def random_network(rng):
    first, q = random_conv(rng, 3, 8, 3, 2, 1, (1 / 127.5, 0))
    pw1, p = random_conv(rng, 8, 16, 1, 1, 1, q)
    dw, d = random_conv(rng, 16, 16, 3, 1, 16, p)
    pw2, r = random_conv(rng, 16, 8, 1, 1, 1, d)
    y = (float(rng.uniform(0.03, 0.08)), int(rng.integers(-20, 20)))
    residual = {"params": {"x_scale": q[0], "x_zero": q[1], "y_scale": y[0], "y_zero": y[1]}}
    dw2, s = random_conv(rng, 8, 8, 5, 2, 8, y)
    pw3, t = random_conv(rng, 8, 12, 1, 1, 1, s)
    classifier, _ = random_conv(rng, 12, 5, 1, 1, 1, t)
    blocks = [
        {"pointwise1": pw1, "depthwise": dw, "pointwise2": pw2, "residual": residual},
        {"pointwise1": None, "depthwise": dw2, "pointwise2": pw3, "residual": None},
    ]
    return {"first_conv": first, "blocks": blocks, "classifier": classifier}


def main():
    torch.set_num_threads(1)
    arrays = {}
    rng = np.random.default_rng(1)
    net = random_network(rng)
    x = rng.integers(-128, 128, (2, 3, 16, 16)).astype(np.int8)
    outputs, features, logits = run(net, torch.from_numpy(x.astype(np.float32)))
    arrays["small.x"], arrays["small.features"], arrays["small.logits"] = x, features, logits
    convs = [net["first_conv"]] + [b[n] for b in net["blocks"] for n in ("pointwise1", "depthwise", "pointwise2") if b[n]] + [net["classifier"]]
    for i, (cfg, y) in enumerate(zip(convs, outputs + [logits])):
        p = cfg["params"]
        arrays[f"small.{i}.weight"], arrays[f"small.{i}.bias"], arrays[f"small.{i}.w_scales"] = p["weight"], p["bias"], p["w_scales"]
        arrays[f"small.{i}.scales"] = np.array([p["x_scale"], p["y_scale"]])
        arrays[f"small.{i}.zeros"] = np.array([p["x_zero"], p["y_zero"]], np.int32)
        arrays[f"small.{i}.y"] = y
    p = net["blocks"][0]["residual"]["params"]
    arrays["small.residual.scales"] = np.array([p["x_scale"], p["y_scale"]])
    arrays["small.residual.zeros"] = np.array([p["x_zero"], p["y_zero"]], np.int32)
    for folder in sys.argv[1:]:
        for path in sorted(pathlib.Path(folder).glob("*.pkl")):
            if path.name.startswith("full-"):
                continue
            net = read(path)
            size = net["first_conv"]["in_shape"]
            outputs, features, logits = run(net, torch.from_numpy(formula((1, 3, size, size)).astype(np.float32)))
            arrays[f"{path.stem}.features"], arrays[f"{path.stem}.logits"] = features, logits
            arrays[f"{path.stem}.checksums"] = np.array([checksum(y) for y in outputs], np.int32)
    keep = lambda a: a.numpy().astype(np.int8) if isinstance(a, torch.Tensor) else a
    save_file({name: np.ascontiguousarray(keep(a)) for name, a in arrays.items()}, OUT)
    print(OUT, OUT.stat().st_size)


main()
