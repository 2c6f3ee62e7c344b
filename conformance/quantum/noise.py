"""Noise models and noisy runs of Qiskit Aer, for the tests of `ounce-quantum`.

    pip install -r requirements.txt
    python noise.py                  writes crates/ounce-quantum/tests/golden/{devices/*.json,noise.json}; the devices are made up here
    python noise.py --shipped DIR    writes DIR/quantum/noise_golden.json: the devices that qiskit-ibm-runtime ships, read where it is installed

An entry of `errors` is a gate on qubits with the entries of its superoperator that are not 0: row, column, real part, imaginary part, in Qiskit's order.
"""
import argparse
import json
import random
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np
import qiskit_ibm_runtime
from qiskit import QuantumCircuit
from qiskit.circuit.library import U1Gate, U2Gate, U3Gate
from qiskit.providers import BackendV2
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel
from qiskit_ibm_runtime.models import BackendProperties, QasmBackendConfiguration
from qiskit_ibm_runtime.utils.backend_converter import convert_to_target

OLD = {"u1": U1Gate, "u2": U2Gate, "u3": U3Gate}
HERE = Path(__file__).parents[2] / "crates/ounce-quantum/tests/golden"


class Device(BackendV2):
    """Both files of a device as a backend."""

    def __init__(self, configuration, properties):
        self.configuration = configuration
        name = configuration["backend_name"]
        super().__init__(name=name)
        conf = QasmBackendConfiguration.from_dict(configuration)
        self._target = convert_to_target(conf, BackendProperties.from_dict(properties))

    @property
    def target(self):
        return self._target

    @property
    def max_circuits(self):
        return None

    @classmethod
    def _default_options(cls):
        return None

    def run(self, *_args, **_kwargs):
        raise NotImplementedError


def parameter(name, unit, value):
    return {"date": "2026-01-01T00:00:00+00:00", "name": name, "unit": unit, "value": value}


def qubit(t1, t2, error, asymmetric=None, unit="us", operational=None):
    """T1 and T2 in `unit`; None leaves a value out."""
    values = [("T1", unit, t1), ("T2", unit, t2), ("frequency", "GHz", 5.0), ("readout_error", "", error)]
    if asymmetric:
        values += [("prob_meas1_prep0", "", asymmetric[0]), ("prob_meas0_prep1", "", asymmetric[1])]
    values += [("readout_length", "ns", 1200.0), ("operational", "", operational)]
    return [parameter(*value) for value in values if value[2] is not None]


def gate(name, qubits, error, length, unit="ns", operational=None):
    values = [("gate_error", "", error), ("gate_length", unit, length), ("operational", "", operational)]
    parameters = [parameter(*value) for value in values if value[2] is not None]
    return {"gate": name, "qubits": qubits, "name": name + "_".join(map(str, qubits)), "parameters": parameters}


def files(name, basis, coupling, qubits, gates, **more):
    names = sorted({entry["gate"] for entry in gates} | set(basis))
    of = lambda name: [entry["qubits"] for entry in gates if entry["gate"] == name]
    configuration = {
        "backend_name": name, "backend_version": "1.0.0", "n_qubits": len(qubits), "basis_gates": basis,
        "gates": [{"name": own, "parameters": [], "qasm_def": "", "coupling_map": of(own)} for own in names if of(own)],
        "coupling_map": coupling, "local": False, "simulator": False, "conditional": False, "memory": True,
        "max_shots": 20000, "open_pulse": False, "dt": 0.5, "supported_instructions": basis + ["measure", "reset", "delay"], **more,
    }
    properties = {
        "backend_name": name, "backend_version": "1.0.0", "last_update_date": "2026-01-01T00:00:00+00:00",
        "qubits": qubits, "gates": gates, "general": [],
    }
    return configuration, properties


def line():
    """Four qubits in a line with the gates of Falcon processors, and all that a calibration may lack or exaggerate."""
    qubits = [
        qubit(80.0, 60.0, 0.02, (0.01, 0.03)),  # T2 < T1: a mixture
        qubit(50.0, 90.0, 0.03, (0.025, 0.035)),  # T1 < T2 < 2 T1: Kraus
        qubit(0.04, 0.2, 0.05, unit="ms"),  # T2 > 2 T1: cut; no asymmetric readout
        qubit(70.0, None, 0.1, (0.0, 0.2)),  # no T2
    ]
    pairs = [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2]]
    gates = []
    for q in range(4):
        gates += [gate("id", [q], 4e-4, 35.0), gate("rz", [q], 0.0, 0.0), gate("reset", [q], None, 900.0)]
        gates += [gate("sx", [q], [4e-4, 3e-3, 1e-5, 6e-4][q], 0.035, "us"), gate("x", [q], [4e-4, 3e-3, 1.0, None][q], 35.0)]
    errors = [1.2e-2, 1.1e-2, 2e-4, 0.9, 5e-2, 1.0]
    gates += [gate("cx", pair, errors[i], 300.0 + 37 * i) for i, pair in enumerate(pairs)]
    processor = {"family": "Test", "revision": 5.11}
    return files("ounce_line", ["id", "rz", "sx", "x", "cx", "reset"], pairs, qubits, gates, processor_type=processor, quantum_volume=16)


def star():
    """Five qubits around one, with the gates of Eagle and Heron processors, a gate and a qubit that do not work."""
    draw = random.Random(5)
    qubits = [qubit(draw.uniform(80, 300), draw.uniform(50, 350), 0.02, (0.015, 0.025)) for _ in range(4)]
    qubits.append(qubit(100.0, 100.0, 0.5, (0.5, 0.5), operational=0))
    pairs = [[0, 1], [2, 0], [0, 3], [4, 0]]
    gates = []
    for q in range(5):
        gates += [gate("id", [q], 2e-4, 32.0), gate("rz", [q], 0, 0), gate("sx", [q], draw.uniform(1e-4, 5e-4), 32.0)]
        gates += [gate("x", [q], 2e-4, 32.0), gate("rx", [q], 2.5e-4, 32.0), gate("measure", [q], 0.02, 1200.0)]
    for name, length in [("cz", 68.0), ("rzz", 68.0), ("ecr", 533.0)]:
        gates += [gate(name, pair, draw.uniform(1e-3, 9e-3), length) for pair in pairs]
    gates += [gate("cz", [1, 2], 1.0, 68.0, operational=0)]
    configuration, properties = files("ounce_star", ["cz", "ecr", "id", "rx", "rz", "rzz", "sx", "x"], pairs + [[1, 2]], qubits, gates)
    properties["general_qlists"] = [{"name": "lf_4", "qubits": [0, 1, 2, 3]}]
    configuration["processor_type"] = {"family": "Test", "revision": "3"}
    configuration["clops_h"] = "None"
    return configuration, properties


def old():
    """Two qubits with the gates of 2019, coupled one way."""
    qubits = [qubit(52.0, 41.0, 0.04), qubit(47.0, 61.0, 0.03, (0.01, 0.05))]
    gates = []
    for q in range(2):
        gates += [gate("id", [q], 1e-3, 36.0), gate("u1", [q], 0, 0), gate("u2", [q], 1e-3, 36.0), gate("u3", [q], 2e-3, 71.0)]
    gates += [gate("cx", [0, 1], 2e-2, 420.0)]
    return files("ounce_old", ["u1", "u2", "u3", "cx", "id"], [[0, 1]], qubits, gates)


def errors(backend, thermal):
    """The errors of a backend as Aer computes them."""
    model = NoiseModel.from_backend(backend, thermal_relaxation=thermal, readout_error=False)
    found = []
    for name, by_qubits in model._local_quantum_errors.items():
        for qubits, error in by_qubits.items():
            matrix = error.to_quantumchannel().data
            entries = [[int(r), int(c), number(matrix[r, c].real), number(matrix[r, c].imag)] for r, c in zip(*np.nonzero(np.abs(matrix) > 1e-14))]
            found.append({"gate": name, "qubits": list(qubits), "entries": entries})
    return sorted(found, key=lambda error: (error["gate"], error["qubits"]))


def number(value):
    return float(f"{value:.13g}")


def circuit(configuration, seed, gates):
    """Random gates of the basis, where the device has them: name, qubits, angles."""
    draw = random.Random(seed)
    usable = [entry for entry in configuration["gates"] if entry["name"] not in ("measure", "delay", "id")]
    chosen = []
    for _ in range(gates):
        entry = draw.choice(usable)
        qubits = draw.choice([q for q in entry["coupling_map"] if configuration["backend_name"] != "ounce_star" or (4 not in q and q != [1, 2])])
        angles = {"rz": 1, "rx": 1, "rzz": 1, "u1": 1, "u2": 2, "u3": 3}.get(entry["name"], 0)
        chosen.append([entry["name"], qubits, [round(draw.uniform(0, 1.5), 3) for _ in range(angles)]])
    return chosen


def run(backend, qubits, gates):
    """The density matrix by Aer's simulator, row by row."""
    model = NoiseModel.from_backend(backend)
    written = QuantumCircuit(qubits)
    for name, on, angles in gates:
        if name in OLD:
            written.append(OLD[name](*angles), on)
        else:
            getattr(written, name)(*angles, *on)
    written.save_density_matrix()
    simulator = AerSimulator(method="density_matrix", noise_model=model)
    rho = simulator.run(written, optimization_level=0).result().data()["density_matrix"].data
    return [[number(value.real), number(value.imag)] for value in rho.flatten()]


def synthetic():
    golden = []
    (HERE / "devices").mkdir(exist_ok=True)
    for configuration, properties in [line(), star(), old()]:
        name = configuration["backend_name"]
        for kind, content in [("conf", configuration), ("props", properties)]:
            text = json.dumps(content, indent=None, separators=(",", ":")).replace('{"gate"', '\n{"gate"').replace("[{\"date\"", "\n[{\"date\"")
            (HERE / "devices" / f"{kind}_{name}.json").write_text(text + "\n")
        backend = Device(configuration, properties)
        entry = {"device": name, "thermal": errors(backend, True), "depolarizing": errors(backend, False), "runs": []}
        for seed in range(2):
            gates = circuit(configuration, seed, 25)
            rho = run(backend, len(properties["qubits"]) if name != "ounce_star" else 4, gates)
            entry["runs"].append({"gates": gates, "density": rho})
        golden.append(entry)
    text = json.dumps(golden, separators=(",", ":")).replace('{"gate"', '\n{"gate"')
    (HERE / "noise.json").write_text(text + "\n")


def shipped(folder):
    golden = []
    backends = Path(qiskit_ibm_runtime.__file__).parent / "fake_provider" / "backends"
    for path in sorted(backends.glob("*/props_*.json")):
        conf = path.with_name(path.name.replace("props_", "conf_"))
        if not conf.exists():
            continue
        backend = Device(json.loads(conf.read_text()), json.loads(path.read_text()))
        golden.append({
            "device": conf.stem.removeprefix("conf_"), "configuration": str(conf), "properties": str(path),
            "thermal": errors(backend, True), "depolarizing": errors(backend, False), "runs": [],
        })
        print(golden[-1]["device"], len(golden[-1]["thermal"]))
    (folder / "quantum").mkdir(parents=True, exist_ok=True)
    (folder / "quantum" / "noise_golden.json").write_text(json.dumps(golden))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--shipped", type=Path)
    folder = arguments.parse_args().shipped
    shipped(folder) if folder else synthetic()
