"""Makes operators.tflite, a model with every operator that Ounce reads options of, and summary.json, which says what is in it and in the
models that tests read, as the reader generated from the schema says.

Usage: python make_golden.py FOLDER, with FOLDER holding the .tflite files. Needs tflite (2.18, which brings flatbuffers) and numpy.
"""

import json
import pathlib
import sys
import zlib

import flatbuffers
import numpy as np
import tflite

HERE = pathlib.Path(__file__).parent
FILES = ["vww.tflite", "vww_96_int8.tflite", "pretrainedResnet_quant.tflite"]

# Operator, kind of options, and the fields that the summary shows, in the order of Ounce's structs.
CONV = ["Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction"]
POOL = ["Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction"]
OPTIONS = {
    "CONV_2D": ("Conv2DOptions", CONV),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", CONV),
    "TRANSPOSE_CONV": ("TransposeConvOptions", ["Padding", "StrideH", "StrideW", "FusedActivationFunction"]),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ["FusedActivationFunction", "KeepNumDims"]),
    "ADD": ("AddOptions", ["FusedActivationFunction"]),
    "SUB": ("SubOptions", ["FusedActivationFunction"]),
    "MUL": ("MulOptions", ["FusedActivationFunction"]),
    "DIV": ("DivOptions", ["FusedActivationFunction"]),
    "AVERAGE_POOL_2D": ("Pool2DOptions", POOL),
    "MAX_POOL_2D": ("Pool2DOptions", POOL),
    "MEAN": ("ReducerOptions", ["KeepDims"]),
    "SUM": ("ReducerOptions", ["KeepDims"]),
    "REDUCE_MAX": ("ReducerOptions", ["KeepDims"]),
    "RESHAPE": ("ReshapeOptions", ["NewShape"]),
    "SOFTMAX": ("SoftmaxOptions", ["Beta"]),
    "LEAKY_RELU": ("LeakyReluOptions", ["Alpha"]),
    "CONCATENATION": ("ConcatenationOptions", ["Axis", "FusedActivationFunction"]),
    "SQUEEZE": ("SqueezeOptions", ["SqueezeDims"]),
    "STRIDED_SLICE": ("StridedSliceOptions", ["BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask"]),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ["AlignCorners", "HalfPixelCenters"]),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", ["AlignCorners", "HalfPixelCenters"]),
    "PACK": ("PackOptions", ["ValuesCount", "Axis"]),
    "UNPACK": ("UnpackOptions", ["Num", "Axis"]),
    "SPLIT": ("SplitOptions", ["NumSplits"]),
}
PLAIN = ["MAXIMUM", "MINIMUM", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "HARD_SWISH", "PRELU", "PAD", "PADV2", "TRANSPOSE", "QUANTIZE", "DEQUANTIZE"]
NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}


def options_of(operator, name):
    kind, fields = OPTIONS.get(name, (None, []))
    table = operator.BuiltinOptions()
    if kind is None:
        return []
    if table is None:
        assert name == "RESHAPE"  # Its options may be left out; those of the other operators are there in all models.
        return [[]]
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    found = []
    for field in fields:
        if hasattr(options, field + "AsNumpy"):
            numbers = getattr(options, field + "AsNumpy")()
            found.append([] if isinstance(numbers, int) else numbers.tolist())
        else:
            found.append(getattr(options, field)())
    return found


def numbers(array):
    return [] if isinstance(array, int) else array.tolist()


def tensor(model, t):
    q = t.Quantization()
    quantization = None
    if q is not None and q.ScaleLength():
        quantization = [q.ScaleLength(), zlib.crc32(q.ScaleAsNumpy().tobytes()), sum(numbers(q.ZeroPointAsNumpy())), q.QuantizedDimension()]
    data = model.Buffers(t.Buffer())
    crc = zlib.crc32(data.DataAsNumpy().tobytes()) if data.DataLength() else None
    return [t.Name().decode(), t.Type(), numbers(t.ShapeAsNumpy()), quantization, crc]


def summary(path):
    model = tflite.Model.GetRootAs(path.read_bytes(), 0)
    graphs = []
    for i in range(model.SubgraphsLength()):
        graph = model.Subgraphs(i)
        operators = []
        for j in range(graph.OperatorsLength()):
            operator = graph.Operators(j)
            code = model.OperatorCodes(operator.OpcodeIndex())
            number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
            name = code.CustomCode().decode() if number == tflite.BuiltinOperator.CUSTOM else NAMES[number]
            operators.append([name, numbers(operator.InputsAsNumpy()), numbers(operator.OutputsAsNumpy()), options_of(operator, name)])
        graphs.append({
            "inputs": numbers(graph.InputsAsNumpy()),
            "outputs": numbers(graph.OutputsAsNumpy()),
            "tensors": [tensor(model, graph.Tensors(j)) for j in range(graph.TensorsLength())],
            "operators": operators,
        })
    description = model.Description()
    return {"description": description.decode() if description else "", "subgraphs": graphs}



def write_operators(path):
    """Every operator with options that are no defaults, from a tensor that is quantized per channel."""
    b = flatbuffers.Builder(1024)
    names = [*OPTIONS, *PLAIN, "CUMSUM", "CUSTOM"]
    rng = np.random.default_rng(1)
    operators = []
    for index, name in enumerate(names):
        kind, fields = OPTIONS.get(name, (None, []))
        options = None
        if kind is not None:
            vectors = {f: b.CreateNumpyVector(np.array([1, -1, 7], np.int32)) for f in fields if f in ("NewShape", "SqueezeDims")}
            getattr(tflite, kind + "Start")(b)
            for field in fields:
                if field in vectors:
                    value = vectors[field]
                elif field in ("Padding", "KeepDims", "KeepNumDims", "AlignCorners"):
                    value = 1
                elif field == "HalfPixelCenters":
                    value = 0
                elif field == "FusedActivationFunction":
                    value = int(rng.integers(1, 4))
                elif field in ("Beta", "Alpha"):
                    value = 0.25
                else:
                    value = int(rng.integers(2, 9))
                getattr(tflite, kind + "Add" + field)(b, value)
            options = getattr(tflite, kind + "End")(b)
        inputs = b.CreateNumpyVector(np.array([0, 1, -1], np.int32))
        outputs = b.CreateNumpyVector(np.array([2], np.int32))
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, index)
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, kind))
            tflite.OperatorAddBuiltinOptions(b, options)
        operators.append(tflite.OperatorEnd(b))
    codes = []
    for name in names:
        custom = b.CreateString("Special") if name == "CUSTOM" else None
        number = getattr(tflite.BuiltinOperator, name)
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(b, number)
        if custom is not None:
            tflite.OperatorCodeAddCustomCode(b, custom)
        codes.append(tflite.OperatorCodeEnd(b))
    buffers, tensors = [], []
    data = [None, np.arange(12, dtype=np.int8).tobytes()]
    for content in data:
        vector = b.CreateByteVector(content) if content else None
        tflite.BufferStart(b)
        if vector is not None:
            tflite.BufferAddData(b, vector)
        buffers.append(tflite.BufferEnd(b))
    for name, buffer, scales, zeros in [("input", 0, [0.5], [3]), ("weight", 1, [0.5, 0.25, 0.125], []), ("output", 0, [], [])]:
        shape = b.CreateNumpyVector(np.array([1, 2, 2, 3], np.int32))
        text = b.CreateString(name)
        scale, zero = b.CreateNumpyVector(np.array(scales, np.float32)), b.CreateNumpyVector(np.array(zeros, np.int64))
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scale)
        tflite.QuantizationParametersAddZeroPoint(b, zero)
        tflite.QuantizationParametersAddQuantizedDimension(b, 3)
        quantization = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, tflite.TensorType.INT8)
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, text)
        tflite.TensorAddQuantization(b, quantization)
        tensors.append(tflite.TensorEnd(b))

    def table(items):
        b.StartVector(4, len(items), 4)
        for item in reversed(items):
            b.PrependUOffsetTRelative(item)
        return b.EndVector()

    tensors, operators = table(tensors), table(operators)
    inputs, outputs = b.CreateNumpyVector(np.array([0], np.int32)), b.CreateNumpyVector(np.array([2], np.int32))
    name = b.CreateString("main")
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors)
    tflite.SubGraphAddInputs(b, inputs)
    tflite.SubGraphAddOutputs(b, outputs)
    tflite.SubGraphAddOperators(b, operators)
    tflite.SubGraphAddName(b, name)
    graphs = table([tflite.SubGraphEnd(b)])
    codes, buffers, description = table(codes), table(buffers), b.CreateString("every operator")
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddDescription(b, description)
    tflite.ModelAddBuffers(b, buffers)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    path.write_bytes(bytes(b.Output()))


def main():
    write_operators(HERE / "operators.tflite")
    golden = {"operators.tflite": summary(HERE / "operators.tflite")}
    for file in FILES:
        golden[file] = summary(pathlib.Path(sys.argv[1]) / file)
    lines = []
    for file, model in golden.items():
        graphs = []
        for graph in model["subgraphs"]:
            rows = {key: ",\n".join(json.dumps(row) for row in graph[key]) for key in ("tensors", "operators")}
            inner = ",\n".join(f'"{key}": [\n{value}\n]' for key, value in rows.items())
            graphs.append(f'{{"inputs": {graph["inputs"]}, "outputs": {graph["outputs"]}, {inner}}}')
        lines.append(f'{json.dumps(file)}: {{"description": {json.dumps(model["description"])}, "subgraphs": [{", ".join(graphs)}]}}')
    (HERE / "summary.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
