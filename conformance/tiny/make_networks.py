"""Makes small.tflite and small.onnx: the same small network for pictures of 12 x 12 with random weights, quantized to int8 as TensorFlow Lite does, and with QuantizeLinear and DequantizeLinear.

Usage: python make_networks.py. Needs tflite (2.18, which brings flatbuffers), onnx and numpy.
"""

import pathlib

import flatbuffers
import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
CLASSES = 5
rng = np.random.default_rng(7)


class Conv:
    """A convolution with the padding that TensorFlow calls SAME. Weights are [outputs, rows, columns, inputs], of a depthwise one [channels, rows, columns, 1]."""

    def __init__(self, inputs, outputs, kernel, stride=1, depthwise=False, relu=True):
        shape = (outputs, kernel, kernel, 1 if depthwise else inputs)
        self.weight = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        self.bias = rng.normal(0, 0.1, outputs)
        self.stride, self.depthwise, self.relu = stride, depthwise, relu
        self.scales = np.abs(self.weight).reshape(outputs, -1).max(1) / 127
        self.bytes = np.round(self.weight / self.scales[:, None, None, None]).astype(np.int8)

    def padding(self, extent):
        kernel = self.weight.shape[1]
        total = max((-(-extent // self.stride) - 1) * self.stride + kernel - extent, 0)
        return total // 2, total - total // 2

    def __call__(self, x):
        sides = self.padding(x.shape[1])
        x = np.pad(x, ((0, 0), sides, sides, (0, 0)))
        kernel, places = self.weight.shape[1], (x.shape[1] - self.weight.shape[1]) // self.stride + 1
        y = np.zeros((x.shape[0], places, places, len(self.bias)))
        for i in range(places):
            for j in range(places):
                patch = x[:, i * self.stride:, j * self.stride:][:, :kernel, :kernel]
                rule = "nhwc,chw->nc" if self.depthwise else "nhwc,ohwc->no"
                y[:, i, j] = np.einsum(rule, patch, self.weight[..., 0] if self.depthwise else self.weight)
        y += self.bias
        return np.maximum(y, 0) if self.relu else y


def pooled(x, reduce):
    n, h, w, c = x.shape
    return reduce(x.reshape(n, h // 2, 2, w // 2, 2, c), axis=(2, 4))


def scale_of(x, is_picture=False):
    """Scale and zero point of bytes."""
    if is_picture:
        return 1 / 128, 0
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = (high - low) / 255
    return scale, int(round(-128 - low / scale))


CONVS = [Conv(3, 8, 3, stride=2), Conv(8, 8, 3, depthwise=True), Conv(8, 8, 1, relu=False), Conv(8, 16, 1), Conv(16, CLASSES, 1, relu=False)]


def values(reduce):
    """What every layer gives for pictures of all brightnesses, by name, and its scale and zero point."""
    pictures = np.clip(rng.uniform(-1, 0.6, (64, 1, 1, 1)) + rng.uniform(0, 0.4, (64, 12, 12, 3)), -1, 1)
    v = {"picture": pictures, "conv0": CONVS[0](pictures)}
    v["conv1"] = CONVS[1](v["conv0"])
    v["conv2"] = CONVS[2](v["conv1"])
    v["sum"] = np.maximum(v["conv0"] + v["conv2"], 0)
    v["pool"] = pooled(v["sum"], reduce)
    v["conv3"] = CONVS[3](v["pool"])
    v["mean"] = v["conv3"].mean((1, 2))
    v["dense"] = CONVS[4](v["mean"][:, None, None])[:, 0, 0]
    scales = {name: scale_of(x, name == "picture") for name, x in v.items()}
    scales["pool"] = scales["sum"]
    return v, scales


class Model:
    """A model of TensorFlow Lite in the making."""

    def __init__(self):
        self.b = flatbuffers.Builder(1024)
        self.buffers, self.tensors, self.codes, self.operators = [None], [], [], []

    def tensor(self, name, shape, ty, quantization=None, data=None, axis=0):
        b, buffer = self.b, 0
        if data is not None:
            self.buffers.append(data.tobytes())
            buffer = len(self.buffers) - 1
        extents, text = b.CreateNumpyVector(np.array(shape, np.int32)), b.CreateString(name)
        known = None
        if quantization is not None:
            scales, zeros = quantization
            scale, zero = b.CreateNumpyVector(np.array(scales, np.float32)), b.CreateNumpyVector(np.array(zeros, np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale)
            tflite.QuantizationParametersAddZeroPoint(b, zero)
            tflite.QuantizationParametersAddQuantizedDimension(b, axis)
            known = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, extents)
        tflite.TensorAddType(b, ty)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, text)
        if known is not None:
            tflite.TensorAddQuantization(b, known)
        self.tensors.append(tflite.TensorEnd(b))
        return len(self.tensors) - 1

    def operator(self, code, inputs, output, kind=None, **options):
        b = self.b
        if code not in self.codes:
            self.codes.append(code)
        made = None
        if kind is not None:
            getattr(tflite, kind + "Start")(b)
            for name, value in options.items():
                getattr(tflite, kind + "Add" + name)(b, value)
            made = getattr(tflite, kind + "End")(b)
        inputs, outputs = b.CreateNumpyVector(np.array(inputs, np.int32)), b.CreateNumpyVector(np.array([output], np.int32))
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, self.codes.index(code))
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if made is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, kind))
            tflite.OperatorAddBuiltinOptions(b, made)
        self.operators.append(tflite.OperatorEnd(b))

    def write(self, path, inputs, outputs):
        b = self.b

        def table(items):
            b.StartVector(4, len(items), 4)
            for item in reversed(items):
                b.PrependUOffsetTRelative(item)
            return b.EndVector()

        codes, buffers = [], []
        for code in self.codes:
            tflite.OperatorCodeStart(b)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
            tflite.OperatorCodeAddBuiltinCode(b, code)
            tflite.OperatorCodeAddVersion(b, 1)
            codes.append(tflite.OperatorCodeEnd(b))
        for content in self.buffers:
            vector = b.CreateByteVector(content) if content else None
            tflite.BufferStart(b)
            if vector is not None:
                tflite.BufferAddData(b, vector)
            buffers.append(tflite.BufferEnd(b))
        tensors, operators = table(self.tensors), table(self.operators)
        inputs, outputs = (b.CreateNumpyVector(np.array([at], np.int32)) for at in (inputs, outputs))
        name = b.CreateString("main")
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddName(b, name)
        graphs = table([tflite.SubGraphEnd(b)])
        codes, buffers = table(codes), table(buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        path.write_bytes(bytes(b.Output()))


def write_tflite(path):
    v, scales = values(np.max)
    model, code = Model(), tflite.BuiltinOperator
    relu = {True: tflite.ActivationFunctionType.RELU, False: tflite.ActivationFunctionType.NONE}

    def value(name):
        scale, zero = scales[name]
        return model.tensor(name, (1, *v[name].shape[1:]), tflite.TensorType.INT8, ([scale], [zero]))

    def parameters(at, x):
        conv = CONVS[at]
        weight, axis = conv.bytes, 0
        if conv.depthwise:
            weight, axis = np.ascontiguousarray(weight.transpose(3, 1, 2, 0)), 3
        if at == 4:
            weight = weight.reshape(CLASSES, -1)
        count = len(conv.bias)
        w = model.tensor(f"weight{at}", weight.shape, tflite.TensorType.INT8, (conv.scales, [0] * count), weight, axis)
        sums = conv.scales * scales[x][0]
        bias = np.round(conv.bias / sums).astype(np.int32)
        return w, model.tensor(f"bias{at}", bias.shape, tflite.TensorType.INT32, (sums, [0] * count), bias)

    ids = {"picture": value("picture")}

    def conv(at, x):
        kind, name = CONVS[at], f"conv{at}"
        inputs = [ids[x], *parameters(at, x)]
        ids[name] = value(name)
        options = {"Padding": tflite.Padding.SAME, "StrideW": kind.stride, "StrideH": kind.stride, "FusedActivationFunction": relu[kind.relu]}
        options |= {"DilationWFactor": 1, "DilationHFactor": 1}
        if kind.depthwise:
            model.operator(code.DEPTHWISE_CONV_2D, inputs, ids[name], "DepthwiseConv2DOptions", DepthMultiplier=1, **options)
        else:
            model.operator(code.CONV_2D, inputs, ids[name], "Conv2DOptions", **options)

    conv(0, "picture")
    conv(1, "conv0")
    conv(2, "conv1")
    ids["sum"] = value("sum")
    model.operator(code.ADD, [ids["conv0"], ids["conv2"]], ids["sum"], "AddOptions", FusedActivationFunction=relu[True])
    ids["pool"] = value("pool")
    window = {"Padding": tflite.Padding.VALID, "StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2}
    model.operator(code.MAX_POOL_2D, [ids["sum"]], ids["pool"], "Pool2DOptions", **window)
    conv(3, "pool")
    axes = model.tensor("axes", (2,), tflite.TensorType.INT32, None, np.array([1, 2], np.int32))
    ids["mean"] = value("mean")
    model.operator(code.MEAN, [ids["conv3"], axes], ids["mean"], "ReducerOptions", KeepDims=False)
    inputs = [ids["mean"], *parameters(4, "mean")]
    ids["dense"] = value("dense")
    model.operator(code.FULLY_CONNECTED, inputs, ids["dense"], "FullyConnectedOptions", FusedActivationFunction=relu[False])
    output = model.tensor("probabilities", (1, CLASSES), tflite.TensorType.INT8, ([1 / 256], [-128]))
    model.operator(code.SOFTMAX, [ids["dense"]], output, "SoftmaxOptions", Beta=1.0)
    model.write(path, ids["picture"], output)


def write_onnx(path):
    v, scales = values(np.mean)
    nodes, constants = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(array, name))
        return name

    def quantized(name):
        """The name of a value behind its quantization."""
        scale, zero = scales[name]
        of = [constant(f"{name}.scale", np.float32(scale)), constant(f"{name}.zero", np.int8(zero))]
        nodes.append(helper.make_node("QuantizeLinear", [name, *of], [f"{name}.bytes"], f"{name}.quantize"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}.bytes", *of], [f"{name}.real"], f"{name}.dequantize"))
        return f"{name}.real"

    def weight(at):
        conv = CONVS[at]
        data = conv.bytes.reshape(CLASSES, -1) if at == 4 else np.ascontiguousarray(conv.bytes.transpose(0, 3, 1, 2))
        name = f"weight{at}"
        inputs = [constant(name, data), constant(f"{name}.scale", conv.scales.astype(np.float32)), constant(f"{name}.zero", np.zeros(len(conv.scales), np.int8))]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}.real"], f"{name}.dequantize", axis=0))
        return [f"{name}.real", constant(f"bias{at}", conv.bias.astype(np.float32))]

    def conv(at, x):
        kind, name = CONVS[at], f"conv{at}"
        first, last = kind.padding(v[x].shape[1])
        result = f"{name}.sum" if kind.relu else name
        group = len(kind.bias) if kind.depthwise else 1
        nodes.append(helper.make_node("Conv", [quantized(x), *weight(at)], [result], result, strides=[kind.stride] * 2, pads=[first, first, last, last], group=group))
        if kind.relu:
            nodes.append(helper.make_node("Relu", [result], [name], f"{name}.relu"))

    conv(0, "picture")
    conv(1, "conv0")
    conv(2, "conv1")
    nodes.append(helper.make_node("Add", ["conv0.real", quantized("conv2")], ["sum.all"], "sum.all"))
    nodes.append(helper.make_node("Relu", ["sum.all"], ["sum"], "sum.relu"))
    nodes.append(helper.make_node("AveragePool", [quantized("sum")], ["pool"], "pool", kernel_shape=[2, 2], strides=[2, 2]))
    conv(3, "pool")
    nodes.append(helper.make_node("GlobalAveragePool", [quantized("conv3")], ["mean"], "mean"))
    nodes.append(helper.make_node("Flatten", [quantized("mean")], ["features"], "features"))
    nodes.append(helper.make_node("Gemm", ["features", *weight(4)], ["dense"], "dense", transB=1))
    nodes.append(helper.make_node("Softmax", [quantized("dense")], ["probabilities"], "probabilities", axis=1))
    # Constants come before what reads them; the order of nodes is that of their making.
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", 3, 12, 12])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", CLASSES])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="make_networks.py")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


write_tflite(HERE / "small.tflite")
write_onnx(HERE / "small.onnx")
