"""Writes crates/ounce-quantum/tests/gates.json: matrices of TorchQuantum's and Qiskit's gates, and TorchQuantum's encoders.

Needs torch, numpy, qiskit and the files of torchquantum 0.1.8 (pip install --no-deps torchquantum==0.1.8). Its own dependencies are
replaced by stand-ins, since the versions it needs cannot be installed together; none of them computes a matrix.

Matrices are lists of [re, im], row by row, with the first qubit as the most significant bit.
"""

import ast
import importlib
import importlib.util
import json
import pathlib
import sys
from unittest.mock import MagicMock

ANGLES = [0.37, -1.2, 2.9, 0.6]
ROOT = pathlib.Path(__file__).resolve().parents[2]


class StandIn:
    """Finds any module of a package that is not needed for matrices."""

    PACKAGES = ("qiskit", "torchpack", "qiskit_ibm_runtime", "qiskit_aer", "torchdiffeq", "opt_einsum", "nvidia", "pathos",
                "qiskit_nature", "torchvision", "matplotlib", "tqdm", "dill", "sklearn", "recommonmark", "setproctitle",
                "tensorboard", "tensorflow", "multiprocess", "scipy", "pyscf", "pylatexenc")

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.PACKAGES:
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__ = []
        module.__file__ = __file__
        module.__version__ = "0.0"
        module.__spec__ = spec
        return module

    def exec_module(self, module):
        pass


def flat(matrix):
    return [[round(float(z.real), 12) + 0.0, round(float(z.imag), 12) + 0.0] for row in matrix for z in row]


def torchquantum():
    finder = StandIn()
    sys.meta_path.insert(0, finder)
    import numpy as np
    import torch

    import torchquantum.macro as macro
    import torchquantum as tq
    from torchquantum.functional import func_name_dict, mat_dict
    from torchquantum.functional.paulix import multicnot_matrix, multixcnot_matrix

    sys.meta_path.remove(finder)
    gates, missing = {}, []
    names = sorted(set(func_name_dict) | set(tq.op_name_dict))
    for name in names:
        op = tq.op_name_dict.get(name)
        function = func_name_dict.get(name)
        # The table of matrices has each under one of its names; a function closes over that name.
        constants = function.__code__.co_consts if function is not None else ()
        key = next((key for key in [name, *constants] if isinstance(key, str) and key in mat_dict), None)
        if key is None and op is not None:
            key = next((k for k in [op().name.lower()] if k in mat_dict), None)
        entry = mat_dict.get(key)
        if entry is None:
            missing.append(name)
            continue
        if not callable(entry):
            gates[name] = {"angles": 0, "matrix": flat(entry.detach().numpy())}
            continue
        done = False
        for count in range(1, 5):
            params = torch.tensor([ANGLES[:count]], dtype=torch.float64)
            try:
                matrix = entry(params)
            except Exception:
                continue
            matrix = matrix.squeeze(0) if matrix.dim() == 3 else matrix
            if matrix.dim() != 2 or not any(matrix.shape[0] == 2**n for n in range(1, 5)):
                continue
            gates[name] = {"angles": count, "matrix": flat(matrix.detach().numpy())}
            done = True
            break
        if not done:
            missing.append(name)
    for width, function in (("multicnot", multicnot_matrix), ("multixcnot", multixcnot_matrix)):
        gates[width] = {"angles": 0, "matrix": flat(function(3).numpy())}
        if width in missing:
            missing.remove(width)
    rz = torch.tensor([ANGLES[:1]], dtype=torch.float64)
    gates["multirz"] = {"angles": 1, "matrix": flat(np.asarray(mat_dict["multirz"](rz, 3)))}
    gates["qft"] = {"angles": 0, "matrix": flat(np.asarray(mat_dict["qft"](3)))}
    for name in ("multirz", "qft"):
        if name in missing:
            missing.remove(name)
    source = pathlib.Path(tq.__file__).parent / "encoding" / "encodings.py"
    return gates, missing, encoders(source), layers(tq)


def layers(tq):
    """Names and wires of what each template applies on 4 qubits in 2 blocks."""
    classes = dict(sys.modules["torchquantum.layer.layers"].layer_name_dict)
    for module, names in (("seth_layer", ["SethLayer0", "SethLayer1", "SethLayer2"]), ("u3_layer", ["U3CU3Layer0", "CU3Layer0"])):
        source = importlib.import_module(f"torchquantum.layer.layers.{module}")
        classes.update({getattr(source, name).name: getattr(source, name) for name in names})
    history = {}
    for name, layer in classes.items():
        device = tq.QuantumDevice(n_wires=4, bsz=1, record_op=True)
        try:
            layer({"n_wires": 4, "n_blocks": 2})(device)
        except NameError:  # some templates of the release lack imports
            continue
        wires = [op["wires"] if isinstance(op["wires"], (list, tuple)) else [op["wires"]] for op in device.op_history]
        history[name] = [[op["name"], list(map(int, on))] for op, on in zip(device.op_history, wires)]
    return history


def encoders(source):
    text = source.read_text()
    marker = "encoder_op_list_name_dict = "
    table = ast.literal_eval(text[text.index(marker) + len(marker):])
    return {
        name: [[gate["func"], gate["wires"], gate.get("input_idx") or []] for gate in gates]
        for name, gates in table.items()
    }


def qiskit():
    from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping

    gates = {}
    for name, gate in get_standard_gate_name_mapping().items():
        try:
            matrix = reordered(type(gate)(*ANGLES[: len(gate.params)]) if gate.params else gate)
        except Exception:
            continue
        gates[name] = {"angles": len(gate.params), "matrix": flat(matrix)}
    return gates


def reordered(gate):
    """The matrix with the first qubit as the most significant bit."""
    from qiskit.quantum_info import Operator

    return Operator(gate).reverse_qargs().data


if __name__ == "__main__":
    if sys.argv[1:] == ["qiskit"]:
        print(json.dumps(qiskit()))
    elif sys.argv[1:] == ["torchquantum"]:
        gates, missing, table, history = torchquantum()
        print(json.dumps({"gates": gates, "missing": missing, "encoders": table, "layers": history}))
    else:
        qiskit_json, torchquantum_json = (json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:3])
        golden = {"angles": ANGLES, "qiskit": qiskit_json, **torchquantum_json}
        target = ROOT / "crates/ounce-quantum/tests/gates.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
