"""Writes OpenQASM files with the states that Qiskit computes for them.

    python qasm.py small    a few files into crates/ounce-quantum/tests/qasm
    python qasm.py DIR      all benchmarks of mqt.bench in many sizes and forms, and random circuits, into DIR

Needs qiskit and mqt.bench. Each file NAME.qasm has a NAME.json beside it: the qubits, and the state before the final measurements, as a list of
[re, im] with qubit 0 as the least significant bit; null if it has more than 12 qubits or no single state.
"""

import json
import pathlib
import random
import sys
import warnings

from mqt.bench import BenchmarkLevel, get_benchmark
from mqt.bench.benchmarks import get_available_benchmark_names
from qiskit import QuantumCircuit, qasm2, qasm3, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Statevector

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST = 12
SMALL = [
    ("ghz", 5, "ALG", 2), ("ghz", 5, "INDEP", 3), ("qft", 5, "ALG", 2), ("qft", 4, "ALG", 3), ("wstate", 4, "ALG", 2),
    ("qpeexact", 4, "INDEP", 2), ("qpeinexact", 4, "ALG", 3), ("grover", 4, "INDEP", 2), ("grover", 4, "ALG", 3),
    ("vqe_real_amp", 4, "INDEP", 2), ("vqe_su2", 4, "ALG", 3), ("vqe_two_local", 4, "INDEP", 3), ("qaoa", 4, "INDEP", 2),
    ("qnn", 4, "INDEP", 2), ("qnn", 4, "ALG", 3), ("graphstate", 6, "ALG", 2), ("dj", 5, "ALG", 2), ("bv", 5, "ALG", 3),
    ("qwalk", 4, "INDEP", 2), ("randomcircuit", 4, "ALG", 2), ("randomcircuit", 4, "ALG", 3), ("half_adder", 5, "INDEP", 2),
    ("cdkm_ripple_carry_adder", 6, "ALG", 3), ("hhl", 5, "INDEP", 2), ("qftentangled", 4, "ALG", 3),
]


def state(circuit):
    if circuit.num_qubits > MOST or circuit.parameters:
        return None
    if any(item.operation.name in ("reset", "if_else", "for_loop", "while_loop", "switch_case") for item in circuit.data):
        return None
    try:
        bare = circuit.remove_final_measurements(inplace=False)
        # Qubits must stay, classical bits need not.
        return [[float(z.real), float(z.imag)] for z in Statevector(bare).data]
    except Exception:
        return None


def write(directory, name, circuit, version):
    dump = qasm2.dumps if version == 2 else qasm3.dumps
    try:
        text = dump(circuit)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    (directory / f"{name}.qasm").write_text(text + ("" if text.endswith("\n") else "\n"))
    golden = {"qubits": circuit.num_qubits, "state": state(circuit)}
    if golden["state"] is not None:
        golden["state"] = [[round(re, 12) + 0.0, round(im, 12) + 0.0] for re, im in golden["state"]]
    (directory / f"{name}.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    return None


def small(directory):
    for benchmark, size, level, version in SMALL:
        circuit = get_benchmark(benchmark, level=BenchmarkLevel[level], circuit_size=size, random_parameters=True)
        problem = write(directory, f"{benchmark}_{level.lower()}_{circuit.num_qubits}_v{version}", circuit, version)
        if problem:
            print(benchmark, level, version, problem)
    theta, phi = Parameter("theta"), Parameter("phi[1]")
    circuit = QuantumCircuit(2, name="parameters")
    circuit.rx(2 * theta + 0.5, 0)
    circuit.cx(0, 1)
    circuit.rzz(theta - phi / 3, 0, 1)
    write(directory, "parameters_v3", circuit, 3)


def large(directory):
    problems = {}
    for benchmark in sorted(get_available_benchmark_names()):
        for size in (3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 18):
            for level in ("ALG", "INDEP"):
                try:
                    circuit = get_benchmark(benchmark, level=BenchmarkLevel[level], circuit_size=size)
                except Exception:
                    continue
                if len(circuit.data) > 20000:
                    continue
                for version in (2, 3):
                    problem = write(directory, f"{benchmark}_{level.lower()}_{size}_v{version}", circuit, version)
                    if problem:
                        problems.setdefault(problem[:80], []).append(f"{benchmark} {size}")
    random.seed(1)
    for index in range(300):
        qubits = random.randint(1, 7)
        circuit = random_circuit(qubits, random.randint(1, 12), max_operands=min(4, qubits), seed=index, measure=index % 3 == 0)
        basis = random.choice([None, ["rz", "sx", "x", "cx"], ["u", "cz"], ["rz", "rx", "rzz"], ["u3", "cx"]])
        if basis:
            circuit = transpile(circuit, basis_gates=basis, optimization_level=random.randint(0, 3), seed_transpiler=1)
        for version in (2, 3):
            problem = write(directory, f"random_{index}_v{version}", circuit, version)
            if problem:
                problems.setdefault(problem[:80], []).append(f"random {index}")
    for problem, names in problems.items():
        print(len(names), problem, names[:3])


if __name__ == "__main__":
    if sys.argv[1] == "small":
        target = ROOT / "crates/ounce-quantum/tests/qasm"
        target.mkdir(parents=True, exist_ok=True)
        small(target)
    else:
        target = pathlib.Path(sys.argv[1])
        target.mkdir(parents=True, exist_ok=True)
        large(target)
