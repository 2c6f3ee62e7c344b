"""Writes the quantized networks of `benches/peers/tiny` as ONNX (pairs of QuantizeLinear and DequantizeLinear) and as TensorFlow Lite, with the same random weights.

Run by the Python of the peers' environment: `tiny_networks.py FOLDER` makes NAME.onnx and NAME.tflite for every network.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CLASSES = 1000

# Expansion, output channels, repeats, stride (Sandler et al. 2018).
MOBILENET_V2 = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]

# Channels after the expansion (0: none), output channels, kernel, stride, residual (Lin et al. 2022).
MCUNET = [
    (0, 8, 3, 1, False),
    (32, 16, 3, 2, False),
    (48, 16, 3, 1, True),
    (48, 24, 7, 2, False),
    (120, 24, 3, 1, True),
    (120, 40, 3, 2, False),
    (160, 40, 7, 1, True),
    (160, 48, 5, 1, False),
    (144, 48, 3, 1, True),
    (192, 48, 3, 1, True),
    (240, 96, 7, 2, False),
    (384, 96, 5, 1, True),
    (384, 96, 5, 1, True),
    (576, 160, 3, 1, False),
]


@dataclass(frozen=True)
class Quantization:
    """`real = scale (byte - zero)`, signed bytes."""

    scale: float
    zero: int


# What a ReLU6 leaves: its bounds are those of the bytes.
RELU6 = Quantization(6 / 255, -128)
LINEAR = Quantization(0.06, 0)
SUM = Quantization(0.09, 0)
PIXELS = Quantization(1 / 127.5, 0)


@dataclass(frozen=True)
class Value:
    """A value of a network: its number, `[channels, height, width]`, and its quantization."""

    index: int
    shape: tuple[int, int, int]
    quantization: Quantization


@dataclass(frozen=True)
class Layer:
    """One operator: "conv", "add" or "pool"."""

    kind: str
    inputs: list[Value]
    output: Value
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    scales: np.ndarray | None = None
    stride: int = 1
    groups: int = 1

    def pads(self) -> list[int]:
        """Padding before and after, as TensorFlow's SAME has it; the image is square."""
        size, kernel = self.inputs[0].shape[1], self.weight.shape[2]
        total = max(0, (-(-size // self.stride) - 1) * self.stride + kernel - size)
        return [total // 2, total - total // 2]


class Network:
    """Layers in order."""

    def __init__(self, size: int) -> None:
        self.random = np.random.default_rng(1)
        self.layers: list[Layer] = []
        self.input = Value(0, (3, size, size), PIXELS)
        self.count = 1

    def _output(self, shape: tuple[int, int, int], quantization: Quantization) -> Value:
        self.count += 1
        return Value(self.count - 1, shape, quantization)

    def conv(self, x: Value, outputs: int, kernel: int, stride: int, groups: int, quantization: Quantization) -> Value:
        """A convolution with SAME padding."""
        channels, size, _ = x.shape
        weight = self.random.integers(-127, 128, (outputs, channels // groups, kernel, kernel), dtype=np.int8)
        scales = (self.random.uniform(1, 2, outputs) * 0.02 / np.sqrt(weight[0].size)).astype(np.float32)
        real = self.random.uniform(-1, 1, outputs)
        bias = np.round(real / (scales * x.quantization.scale)).astype(np.int32)
        places = -(-size // stride)
        y = self._output((outputs, places, places), quantization)
        self.layers.append(Layer("conv", [x], y, weight, bias, scales, stride, groups))
        return y

    def add(self, a: Value, b: Value) -> Value:
        """A sum."""
        y = self._output(a.shape, SUM)
        self.layers.append(Layer("add", [a, b], y))
        return y

    def pool(self, x: Value) -> Value:
        """The mean over the image."""
        y = self._output((x.shape[0], 1, 1), x.quantization)
        self.layers.append(Layer("pool", [x], y))
        return y

    def block(self, x: Value, inner: int, outputs: int, kernel: int, stride: int, residual: bool) -> Value:
        """An inverted bottleneck."""
        y = self.conv(x, inner, 1, 1, 1, RELU6) if inner else x
        channels = y.shape[0]
        y = self.conv(y, channels, kernel, stride, channels, RELU6)
        y = self.conv(y, outputs, 1, 1, 1, LINEAR)
        return self.add(x, y) if residual else y


def mobilenet_v2(size: int) -> Network:
    """MobileNetV2 of width 1."""
    net = Network(size)
    x = net.conv(net.input, 32, 3, 2, 1, RELU6)
    for expansion, outputs, repeats, stride in MOBILENET_V2:
        for i in range(repeats):
            inner = expansion * x.shape[0] if expansion > 1 else 0
            x = net.block(x, inner, outputs, 3, stride if i == 0 else 1, i > 0)
    x = net.conv(x, 1280, 1, 1, 1, RELU6)
    net.conv(net.pool(x), CLASSES, 1, 1, 1, LINEAR)
    return net


def mcunet(size: int) -> Network:
    """A network of the shape of mcunet-5fps."""
    net = Network(size)
    x = net.conv(net.input, 16, 3, 2, 1, RELU6)
    for inner, outputs, kernel, stride, residual in MCUNET:
        x = net.block(x, inner, outputs, kernel, stride, residual)
    net.conv(net.pool(x), CLASSES, 1, 1, 1, LINEAR)
    return net


NETWORKS = {"mcunet-5fps-128": lambda: mcunet(128), "mobilenet-v2-224": lambda: mobilenet_v2(224)}


def write_onnx(net: Network, path: Path) -> None:
    """Floats outside, activations in unsigned bytes, which ONNX Runtime prefers on x86-64."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors = [], []

    def constant(name: str, data: np.ndarray) -> str:
        tensors.append(numpy_helper.from_array(data, name))
        return name

    def pair(value: Value, source: str) -> None:
        """Names the quantized value `v` and its floats `d`."""
        i, q = value.index, value.quantization
        scale = constant(f"s{i}", np.array(q.scale, np.float32))
        zero = constant(f"z{i}", np.array(q.zero + 128, np.uint8))
        nodes.append(helper.make_node("QuantizeLinear", [source, scale, zero], [f"v{i}"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"v{i}", scale, zero], [f"d{i}"]))

    pair(net.input, "image")
    for n, layer in enumerate(net.layers):
        inputs = [f"d{x.index}" for x in layer.inputs]
        if layer.kind == "conv":
            zeros = np.zeros(len(layer.scales), np.int8)
            w = [constant(f"w{n}", layer.weight), constant(f"ws{n}", layer.scales), constant(f"wz{n}", zeros)]
            scales = (layer.scales * np.float32(layer.inputs[0].quantization.scale)).astype(np.float32)
            b = [constant(f"b{n}", layer.bias), constant(f"bs{n}", scales), constant(f"bz{n}", zeros.astype(np.int32))]
            nodes.append(helper.make_node("DequantizeLinear", w, [f"dw{n}"], axis=0))
            nodes.append(helper.make_node("DequantizeLinear", b, [f"db{n}"], axis=0))
            before, after = layer.pads()
            nodes.append(
                helper.make_node(
                    "Conv",
                    [*inputs, f"dw{n}", f"db{n}"],
                    [f"y{n}"],
                    kernel_shape=list(layer.weight.shape[2:]),
                    strides=[layer.stride] * 2,
                    pads=[before, before, after, after],
                    group=layer.groups,
                )
            )
        else:
            nodes.append(helper.make_node({"add": "Add", "pool": "GlobalAveragePool"}[layer.kind], inputs, [f"y{n}"]))
        pair(layer.output, f"y{n}")
    last = net.layers[-1].output
    nodes.append(helper.make_node("Flatten", [f"d{last.index}"], ["logits"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, *net.input.shape])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, last.shape[0]])
    graph = helper.make_graph(nodes, path.stem, [image], [logits], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write_tflite(net: Network, path: Path) -> None:
    """Signed bytes inside and outside."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description, model.buffers = 3, path.stem, [schema.BufferT()]
    graph.tensors, graph.operators = [], []
    codes: list[int] = []

    def tensor(name: str, shape: list[int], kind: int, scales: list[float], zeros: list[int], data: np.ndarray | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type = name, shape, kind
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint, made.quantization.quantizedDimension = scales, zeros, 0
        made.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(code: int, version: int, inputs: list[int], outputs: list[int], kind: int, options: object) -> None:
        if code not in codes:
            codes.append(code)
            made = schema.OperatorCodeT()
            made.builtinCode, made.deprecatedBuiltinCode, made.version = code, min(code, 127), version
            model.operatorCodes = [*(model.operatorCodes or []), made]
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = codes.index(code), inputs, outputs
        made.builtinOptionsType, made.builtinOptions = kind, options
        graph.operators.append(made)

    def activation(value: Value) -> int:
        channels, height, width = value.shape
        q = value.quantization
        return tensor(f"v{value.index}", [1, height, width, channels], schema.TensorType.INT8, [q.scale], [q.zero])

    numbers = {0: activation(net.input)}
    for n, layer in enumerate(net.layers):
        inputs = [numbers[x.index] for x in layer.inputs]
        output = numbers[layer.output.index] = activation(layer.output)
        fused = schema.ActivationFunctionType.RELU6 if layer.output.quantization == RELU6 and layer.kind == "conv" else schema.ActivationFunctionType.NONE
        if layer.kind == "add":
            options = schema.AddOptionsT()
            options.fusedActivationFunction = fused
            operator(schema.BuiltinOperator.ADD, 2, inputs, [output], schema.BuiltinOptions.AddOptions, options)
            continue
        if layer.kind == "pool":
            options = schema.Pool2DOptionsT()
            options.padding, options.fusedActivationFunction = schema.Padding.VALID, fused
            options.filterHeight = options.filterWidth = layer.inputs[0].shape[1]
            options.strideH = options.strideW = 1
            operator(schema.BuiltinOperator.AVERAGE_POOL_2D, 2, inputs, [output], schema.BuiltinOptions.Pool2DOptions, options)
            continue
        depthwise = layer.groups > 1
        weight = layer.weight.transpose(1, 2, 3, 0) if depthwise else layer.weight.transpose(0, 2, 3, 1)
        zeros = [0] * len(layer.scales)
        w = tensor(f"w{n}", list(weight.shape), schema.TensorType.INT8, layer.scales.tolist(), zeros, np.ascontiguousarray(weight))
        graph.tensors[w].quantization.quantizedDimension = 3 if depthwise else 0
        scales = (layer.scales * np.float32(layer.inputs[0].quantization.scale)).tolist()
        b = tensor(f"b{n}", [len(scales)], schema.TensorType.INT32, scales, zeros, layer.bias)
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding, options.fusedActivationFunction = schema.Padding.SAME, fused
        options.strideH = options.strideW = layer.stride
        options.dilationHFactor = options.dilationWFactor = 1
        if depthwise:
            options.depthMultiplier = 1
            operator(schema.BuiltinOperator.DEPTHWISE_CONV_2D, 3, [*inputs, w, b], [output], schema.BuiltinOptions.DepthwiseConv2DOptions, options)
        else:
            operator(schema.BuiltinOperator.CONV_2D, 3, [*inputs, w, b], [output], schema.BuiltinOptions.Conv2DOptions, options)
    graph.inputs, graph.outputs = [numbers[0]], [numbers[net.layers[-1].output.index]]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def main() -> None:
    """Writes all networks."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in NETWORKS.items():
        net = make()
        write_onnx(net, folder / f"{name}.onnx")
        write_tflite(net, folder / f"{name}.tflite")


if __name__ == "__main__":
    main()
