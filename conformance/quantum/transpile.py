"""Compares gate counts with Qiskit's transpiler, on OpenQASM files.

    python transpile.py EXAMPLE FILE...

EXAMPLE is the built example `transpile` of ounce-quantum. Prints, for two bases, on all pairs and on a line, gates on two qubits: ours, and
Qiskit's at levels 1 and 3 (the least of three seeds).
"""

import subprocess
import sys
import warnings

from qiskit import QuantumCircuit, qasm2, qasm3, transpile

warnings.filterwarnings("ignore")
BASES = (["rz", "sx", "x", "cx"], ["rz", "rx", "rzz", "cz"])


def main(example, files):
    sums = {}
    for file in files:
        text = open(file).read()
        circuit = qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS) if text.startswith("OPENQASM 2") else qasm3.loads(text)
        line = [(a, a + 1) for a in range(circuit.num_qubits - 1)]
        for basis in BASES:
            for coupling in (None, line):
                pairs = ",".join(f"{a}-{b},{b}-{a}" for a, b in coupling) if coupling else "all"
                ours = subprocess.run([example, ",".join(basis), pairs, file], capture_output=True, text=True).stdout.split()
                both = [list(pair) for edge in coupling for pair in (edge, edge[::-1])] if coupling else None
                counts = [int(ours[2])]
                for level in (1, 3):
                    made = [
                        transpile(circuit, basis_gates=basis, coupling_map=both, optimization_level=level, seed_transpiler=seed)
                        for seed in range(3)
                    ]
                    counts.append(min(sum(len(item.qubits) == 2 and item.operation.name != "barrier" for item in one.data) for one in made))
                name = file.rsplit("/", 1)[-1][:-5]
                print(f"{name:34} {'cx' if 'cx' in basis else 'cz, rzz':8} {'line' if coupling else 'all':5} {counts}")
                key = ("cx" if "cx" in basis else "cz, rzz", "line" if coupling else "all")
                sums[key] = [a + b for a, b in zip(sums.get(key, [0, 0, 0]), counts)]
    for key, counts in sums.items():
        print("sum", *key, counts)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
