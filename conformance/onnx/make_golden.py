"""Makes small ONNX models and summary.json, which says what is in them as the onnx package reads them.

Usage: python make_golden.py. Needs onnx and numpy (onnx 1.23 made the files here).
"""

import json
import pathlib
import zlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(1)


def save(name, graph, **options):
    model = helper.make_model(graph, producer_name="conformance", opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.example", 2)], **options)
    helper.set_model_props(model, {"purpose": "tests", "language": "häß"})
    onnx.save(model, HERE / name)
    return model


def value(name, shape, ty=T.FLOAT):
    return helper.make_tensor_value_info(name, ty, shape)


def network():
    weight = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "weight", "bias"], ["a"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Clip", ["a", "", "six"], ["b"], name="clip"),
        helper.make_node("Resize", ["b", "", "scales"], ["c"], mode="linear", coordinate_transformation_mode="pytorch_half_pixel", cubic_coeff_a=-0.75),
        helper.make_node("Special", ["c"], ["y"], domain="com.example", floats=[1.5, -2.0], strings=["a", "b"], flag=1),
    ]
    initializers = [
        numpy_helper.from_array(weight, "weight"),
        helper.make_tensor("bias", T.FLOAT, [4], [0.5, -1.0, 2.0, 0.0]),
        helper.make_tensor("six", T.FLOAT, [], [6.0]),
        helper.make_tensor("scales", T.FLOAT, [4], np.array([1, 1, 2, 2], np.float32).tobytes(), raw=True),
    ]
    graph = helper.make_graph(
        nodes, "network", [value("x", ["batch", 3, 8, 8])], [value("y", ["batch", 4, None, None])], initializers, value_info=[value("a", ["batch", 4, 4, 4])]
    )
    return save("network.onnx", graph, doc_string="a small network")


def tensors():
    initializers = []
    kinds = {
        "FLOAT": [1.5, -2, 3, 0], "DOUBLE": [1.5, -2, 3, 1e300], "INT8": [-128, 127, 0, 1], "UINT8": [0, 255, 1, 2], "INT16": [-32768, 32767, 0, 1],
        "UINT16": [0, 65535, 1, 2], "INT32": [-(2**31), 2**31 - 1, 0, 1], "INT64": [-(2**63), 2**63 - 1, 0, 1], "UINT32": [0, 2**32 - 1, 1, 2],
        "UINT64": [0, 2**64 - 1, 1, 2], "BOOL": [1, 0, 1, 1], "FLOAT16": [1.5, -2, 65504, 0], "BFLOAT16": [1.5, -2, 3, 0], "COMPLEX64": [1, 2, 3j, 4],
        "COMPLEX128": [1, 2, 3j, 4], "FLOAT8E4M3FN": [1, -2, 0.5, 0], "FLOAT8E5M2": [1, -2, 0.5, 0], "INT4": [-8, 7, 0, 1], "UINT4": [0, 15, 1, 2],
    }
    for name, values in kinds.items():
        element = getattr(T, name)
        plain = helper.make_tensor(f"{name}.fields", element, [2, 2], values)
        raw = numpy_helper.to_array(plain)
        raw = numpy_helper.from_array(raw, f"{name}.raw")
        assert raw.data_type == element and raw.raw_data and not plain.raw_data
        initializers += [plain, raw]
    initializers.append(helper.make_tensor("strings", T.STRING, [2], [b"a", "ß".encode()]))
    initializers.append(helper.make_tensor("empty", T.FLOAT, [0, 3], []))
    return save("tensors.onnx", helper.make_graph([], "tensors", [], [], initializers))


def control():
    then = helper.make_graph([helper.make_node("Identity", ["x"], ["t"])], "then", [], [value("t", [2])])
    other = helper.make_graph(
        [helper.make_node("Constant", [], ["e"], value=numpy_helper.from_array(np.array([1, 2], np.float32), "v"))], "else", [], [value("e", [2])]
    )
    inner = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    sequence = helper.make_tensor_sequence_value_info("s", T.INT64, ["n"])
    optional = helper.make_value_info("o", helper.make_optional_type_proto(helper.make_tensor_type_proto(T.FLOAT, None)))
    graph = helper.make_graph([inner], "control", [value("c", [], T.BOOL), value("x", [2]), sequence, optional], [value("y", [2])])
    return save("control.onnx", graph)


def external():
    graph = helper.make_graph([], "external", [], [], [numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")])
    model = helper.make_model(graph)
    onnx.save(model, HERE / "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=0)


def function():
    body = helper.make_function("custom", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 17)])
    graph = helper.make_graph([helper.make_node("Twice", ["x"], ["y"], domain="custom")], "f", [value("x", [1])], [value("y", [1])])
    onnx.save(helper.make_model(graph, functions=[body]), HERE / "function.onnx")


def attribute(a):
    kind = a.AttributeType.Name(a.type)
    plain = {"FLOAT": "f", "INT": "i", "FLOATS": "floats", "INTS": "ints"}
    if kind in plain:
        found = getattr(a, plain[kind])
        return [a.name, list(found) if kind.endswith("S") else found]
    if kind == "STRING":
        return [a.name, a.s.decode()]
    if kind == "STRINGS":
        return [a.name, [s.decode() for s in a.strings]]
    if kind == "TENSOR":
        return [a.name, tensor(a.t)]
    assert kind == "GRAPH", kind
    return [a.name, graph(a.g)]


def tensor(t):
    if t.data_type == T.STRING:
        return [t.name, t.data_type, list(t.dims), [s.decode() for s in t.string_data]]
    data = t.raw_data or numpy_helper.from_array(numpy_helper.to_array(t)).raw_data
    return [t.name, t.data_type, list(t.dims), zlib.crc32(data)]


def info(v):
    kind = v.type.WhichOneof("value")
    if kind != "tensor_type":
        return [v.name, kind]
    ty = v.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in ty.shape.dim]
    return [v.name, ty.elem_type, dims]


def graph(g):
    return {
        "name": g.name,
        "nodes": [
            {"name": n.name, "op": n.op_type, "domain": n.domain, "inputs": list(n.input), "outputs": list(n.output), "attributes": [attribute(a) for a in n.attribute]}
            for n in g.node
        ],
        "initializers": [tensor(t) for t in g.initializer],
        "inputs": [info(v) for v in g.input],
        "outputs": [info(v) for v in g.output],
        "values": [info(v) for v in g.value_info],
    }


def main():
    golden = {}
    for make in (network, tensors, control):
        m = make()
        golden[f"{make.__name__}.onnx"] = {
            "ir_version": m.ir_version,
            "producer": m.producer_name,
            "doc": m.doc_string,
            "opsets": [[o.domain, o.version] for o in m.opset_import],
            "metadata": [[p.key, p.value] for p in m.metadata_props],
            "graph": graph(m.graph),
        }
    external()
    function()
    (HERE / "summary.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
