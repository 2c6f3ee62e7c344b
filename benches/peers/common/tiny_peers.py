"""The networks of `benches/peers/tiny` in other programs. Run by the Python of their environment; prints one JSON object.

usage: tiny_peers.py onnxruntime MODEL.onnx THREADS REPEATS
       tiny_peers.py tflite MODEL.tflite THREADS REPEATS
       tiny_peers.py reference MODEL.tflite THREADS REPEATS
       tiny_peers.py torch train THREADS REPEATS
"""

from __future__ import annotations

import json
import os
import sys
import time

PEER, WHAT, THREADS, REPEATS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
# Before any library starts its threads.
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402


def pixels(count: int) -> np.ndarray:
    """Bytes that look random, the same as the example of ounce-import makes."""
    return ((np.arange(count, dtype=np.int64) * 2654435761 >> 13) % 256 - 128).astype(np.int8)


def timed(work) -> tuple[float, np.ndarray]:
    """The least seconds of a run, after one that does not count, and what the last run returned."""
    value, seconds = work(), []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        value = work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds), value


def onnxruntime() -> tuple[float, np.ndarray]:
    """Logits by ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    session = ort.InferenceSession(WHAT, options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    image = (pixels(int(np.prod(shape))).astype(np.float32) / np.float32(127.5)).reshape(shape)
    return timed(lambda: session.run(None, {"image": image})[0])


def tflite() -> tuple[float, np.ndarray]:
    """Logits by TensorFlow Lite with XNNPACK, in bytes."""
    from ai_edge_litert.interpreter import OpResolverType

    return logits_of(OpResolverType.AUTO)


def reference() -> tuple[float, np.ndarray]:
    """Logits by TensorFlow Lite's reference kernels, which say what its operators compute, in bytes."""
    from ai_edge_litert.interpreter import OpResolverType

    return logits_of(OpResolverType.BUILTIN_REF)


def logits_of(kernels) -> tuple[float, np.ndarray]:
    """Logits by TensorFlow Lite with the given kernels."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(WHAT, num_threads=THREADS, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    _, height, width, channels = source["shape"]
    image = pixels(height * width * channels).reshape(channels, height, width).transpose(1, 2, 0)[None]
    image = np.ascontiguousarray(image)

    def work() -> np.ndarray:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    return timed(work)


def torch() -> tuple[float, np.ndarray]:
    """A step of training of MobileNetV2 of width 0.35 by PyTorch: the loss of every step."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    blocks = [(1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)]
    batch, size, classes = 32, 128, 10

    def numbers(shape: tuple[int, ...], scale: float) -> torch.Tensor:
        z = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53
        return torch.from_numpy(((2 * found - 1) * scale).astype(np.float32)).reshape(shape)

    def conv(channels: int, outputs: int, kernel: int, stride: int, groups: int, act: bool) -> list[nn.Module]:
        made = nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        made.weight.data = numbers(tuple(made.weight.shape), (3 / made.weight[0].numel()) ** 0.5)
        return [made, nn.BatchNorm2d(outputs), *([nn.ReLU6(inplace=True)] if act else [])]

    class Block(nn.Module):
        def __init__(self, channels: int, expansion: int, outputs: int, stride: int) -> None:
            super().__init__()
            inner = channels * expansion
            first = conv(channels, inner, 1, 1, 1, True) if expansion > 1 else []
            self.layers = nn.Sequential(*first, *conv(inner, inner, 3, stride, inner, True), *conv(inner, outputs, 1, 1, 1, False))
            self.residual = stride == 1 and channels == outputs

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.layers(x) if self.residual else self.layers(x)

    layers, channels = conv(3, 16, 3, 2, 1, True), 16
    for expansion, outputs, repeats, stride in blocks:
        for i in range(repeats):
            layers.append(Block(channels, expansion, outputs, stride if i == 0 else 1))
            channels = outputs
    layers += conv(channels, 1280, 1, 1, 1, True)
    head = nn.Linear(1280, classes)
    head.weight.data, head.bias.data = numbers((classes, 1280), 0.05), torch.zeros(classes)
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.002)
    x, labels = numbers((batch, 3, size, size), 1.0), torch.arange(batch) * 7 % classes
    losses = []

    def work() -> np.ndarray:
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        return np.array(losses)

    return timed(work)


if __name__ == "__main__":
    seconds, value = {"onnxruntime": onnxruntime, "tflite": tflite, "reference": reference, "torch": torch}[PEER]()
    print(json.dumps({"seconds": seconds, "value": value.astype(float).ravel().tolist()}))
