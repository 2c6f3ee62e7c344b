"""Has Ounce read and write all models of the onnx package's own tests, and compares what comes out with what went in.

Usage: python check.py, in the root of the repository. Needs onnx and numpy (onnx 1.23: 2,024 models). Two models are the same if they are
equal message by message, once the data of tensors is moved to raw_data and what Ounce drops (documentation of attributes and values, annotations)
is cleared. Models with what Ounce refuses by name are counted.
"""

import collections
import pathlib
import subprocess
import tempfile

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

KNOWN = ["are not supported"]


def models():
    for case in collect_testcases(None):
        if case.model is not None:
            yield case.name, case.model
    for path in pathlib.Path(onnx.__file__).parent.glob("backend/test/data/*/*/model.onnx"):
        yield f"{path.parent.parent.name}-{path.parent.name}", onnx.load(path)


def tensor(t):
    if t.data_type != onnx.TensorProto.STRING and t.data_location != onnx.TensorProto.EXTERNAL:
        raw = t.raw_data or numpy_helper.from_array(numpy_helper.to_array(t)).raw_data
        for field in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
            t.ClearField(field)
        t.raw_data = raw
    t.ClearField("doc_string")


def value_type(ty):
    ty.ClearField("denotation")
    kind = ty.WhichOneof("value")
    if kind in ("sequence_type", "optional_type"):
        value_type(getattr(ty, kind).elem_type)
    elif kind == "tensor_type":
        for dim in ty.tensor_type.shape.dim:
            dim.ClearField("denotation")
    elif kind is not None:
        getattr(ty, kind).Clear()
        getattr(ty, kind).SetInParent()


def graph(g):
    for t in g.initializer:
        tensor(t)
    for v in [*g.input, *g.output, *g.value_info]:
        for field in ("doc_string", "metadata_props"):
            v.ClearField(field)
        value_type(v.type)
    for field in ("quantization_annotation", "metadata_props"):
        g.ClearField(field)
    for n in g.node:
        n.ClearField("metadata_props")
        n.ClearField("overload")
        for a in n.attribute:
            a.ClearField("doc_string")
            if a.HasField("t"):
                tensor(a.t)
            for t in a.tensors:
                tensor(t)
            if a.HasField("g"):
                graph(a.g)
            for inner in a.graphs:
                graph(inner)
            if a.HasField("tp"):
                value_type(a.tp)


def plain(model):
    graph(model.graph)
    # Empty texts may stand in a file or not.
    return onnx.ModelProto.FromString(model.SerializeToString(deterministic=True))


def texts(message):
    """Fields with a default value that are set are unset, down to the last message."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                texts(inner)
    for field in message.DESCRIPTOR.fields:
        if not field.is_repeated and field.type == field.TYPE_STRING and message.HasField(field.name) and not getattr(message, field.name):
            message.ClearField(field.name)


def main():
    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as after:
        names = []
        for index, (name, model) in enumerate(models()):
            names.append(name)
            pathlib.Path(before, f"{index}.onnx").write_bytes(model.SerializeToString())
        command = ["cargo", "run", "--quiet", "-p", "ounce-formats", "--example", "onnx_rewrite", "--", before, after]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        counts, wrong = collections.Counter(), []
        for line in lines:
            file, outcome = line.split("\t", 1)
            name = names[int(file.removesuffix(".onnx"))]
            if outcome != "ok":
                known = any(text in outcome for text in KNOWN)
                counts[outcome.rsplit(": ", 1)[-1] if known else "wrong"] += 1
                wrong += [] if known else [f"{name}: {outcome}"]
                continue
            a, b = (plain(onnx.load(pathlib.Path(folder, file), load_external_data=False)) for folder in (before, after))
            for model in (a, b):
                texts(model)
                if not model.model_version:
                    model.ClearField("model_version")
            same = a.SerializeToString(deterministic=True) == b.SerializeToString(deterministic=True)
            counts["the same" if same else "wrong"] += 1
            wrong += [] if same else [f"{name}: differs"]
    for outcome, count in counts.most_common():
        print(f"{count:6} {outcome}")
    print("\n".join(wrong[:20]))
    raise SystemExit(1 if wrong else 0)


main()
