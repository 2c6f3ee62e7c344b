"""The circuits of `benches/peers/quantum` in other simulators. Run by the Python of their environment; prints one JSON object.

usage: quantum_peers.py qsim|lightning state QUBITS THREADS single|double REPEATS
       quantum_peers.py lightning gradient QUBITS THREADS single|double REPEATS
       quantum_peers.py torchquantum batch QUBITS THREADS single REPEATS
"""

import json
import os
import sys
import time

PEER, TASK, QUBITS, THREADS, PRECISION, REPEATS = sys.argv[1:7]
QUBITS, THREADS, REPEATS = int(QUBITS), int(THREADS), int(REPEATS)
# Before any library starts its threads.
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402

DEPTH = 20
SAMPLES = 256


def angles(count: int, largest: float) -> np.ndarray:
    """The same numbers as the bench example of ounce-quantum makes."""
    return largest * np.modf(np.arange(1, count + 1) * 0.6180339887498949)[0]


def timed(work) -> dict:
    """The least wall and processor seconds of a run of `work`, and what the last one returned."""
    seconds, cpu, value = [], [], None
    for _ in range(REPEATS):
        wall, own = time.perf_counter(), time.process_time()
        value = work()
        seconds.append(time.perf_counter() - wall)
        cpu.append(time.process_time() - own)
    return {"seconds": min(seconds), "cpu": min(cpu), "value": float(value)}


def layers():
    """Gates of the state benchmark: ("u3", qubit, matrix) or ("cx" or "cz", control, target)."""
    a = angles(3 * DEPTH * QUBITS, 2 * np.pi).reshape(DEPTH, QUBITS, 3)
    for layer in range(DEPTH):
        for qubit in range(QUBITS):
            t, p, l = a[layer, qubit]
            c, s = np.cos(t / 2), np.sin(t / 2)
            yield "u3", qubit, np.array([[c, -np.exp(1j * l) * s], [np.exp(1j * p) * s, np.exp(1j * (p + l)) * c]])
        for qubit in range(QUBITS):
            yield ("cx" if layer % 2 == 0 else "cz"), qubit, (qubit + 1) % QUBITS


def qsim_state() -> dict:
    """The whole state by qsim; <Z> of qubit 0."""
    import cirq
    import qsimcirq

    q = cirq.LineQubit.range(QUBITS)
    two = {"cx": cirq.CNOT, "cz": cirq.CZ}
    operations = [cirq.MatrixGate(b).on(q[a]) if name == "u3" else two[name](q[a], q[b]) for name, a, b in layers()]
    circuit = cirq.Circuit(operations)
    simulator = qsimcirq.QSimSimulator(qsimcirq.QSimOptions(max_fused_gate_size=4, cpu_threads=THREADS, verbosity=0))
    state = None

    def work() -> float:
        nonlocal state
        state = simulator.simulate(circuit, qubit_order=q).final_state_vector
        return 0.0

    result = timed(work)
    halves = (np.abs(state.reshape(2, -1)) ** 2).sum(axis=1, dtype=np.float64)
    return {**result, "value": float(halves[0] - halves[1])}


def lightning():
    """Lightning's device and PennyLane."""
    import pennylane as qml

    return qml, qml.device("lightning.qubit", wires=QUBITS, c_dtype=np.complex64 if PRECISION == "single" else np.complex128)


def lightning_state() -> dict:
    """The whole state by lightning, with <Z> of qubit 0, which it cannot leave out."""
    qml, device = lightning()
    two = {"cx": qml.CNOT, "cz": qml.CZ}
    operations = [qml.QubitUnitary(b, wires=a) if name == "u3" else two[name]([a, b]) for name, a, b in layers()]
    tape = qml.tape.QuantumScript(operations, [qml.expval(qml.PauliZ(0))])
    return timed(lambda: device.execute(tape))


def lightning_gradient() -> dict:
    """Value and adjoint gradient by lightning; the norm of the gradient."""
    qml, device = lightning()
    width = min(QUBITS, max(0, 100 - 6 * QUBITS))
    values = iter(angles(6 * QUBITS + width, 2 * np.pi))
    operations = []
    for _ in range(6):
        operations += [qml.RY(next(values), qubit) for qubit in range(QUBITS)]
        operations += [qml.CNOT([qubit, (qubit + 1) % QUBITS]) for qubit in range(QUBITS)]
    operations += [qml.RX(next(values), qubit) for qubit in range(width)]
    sum_of_z = qml.Hamiltonian([1.0] * QUBITS, [qml.PauliZ(qubit) for qubit in range(QUBITS)])
    tape = qml.tape.QuantumScript(operations, [qml.expval(sum_of_z)])
    config = qml.devices.ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
    program, config = device.preprocess(config)
    (tape,), _ = program([tape])

    def work() -> float:
        _, jacobian = device.execute_and_compute_derivatives(tape, config)
        return np.linalg.norm(np.array(jacobian).ravel())

    return timed(work)


def torchquantum_batch() -> dict:
    """Forward and backward of 256 samples by TorchQuantum; the loss, a sum of squares."""
    import warnings

    warnings.filterwarnings("ignore")
    import torch
    import torchquantum as tq
    import torchquantum.functional as tqf

    torch.set_num_threads(THREADS)
    x = torch.tensor(angles(SAMPLES * 4 * QUBITS, 3.0).reshape(SAMPLES, 4 * QUBITS), dtype=torch.float32)
    w = torch.tensor(angles(4 * QUBITS, 6.0), dtype=torch.float32, requires_grad=True)
    measure = tq.MeasureAll(tq.PauliZ)

    def work() -> float:
        w.grad = None
        device = tq.QuantumDevice(n_wires=QUBITS, bsz=SAMPLES)
        for layer, gate in enumerate((tqf.ry, tqf.rz, tqf.rx, tqf.ry)):
            for qubit in range(QUBITS):
                gate(device, wires=qubit, params=x[:, layer * QUBITS + qubit])
        k = 0
        for _ in range(2):
            for qubit in range(QUBITS):
                tqf.rzz(device, wires=[qubit, (qubit + 1) % QUBITS], params=w[k].view(1, 1))
                k += 1
            for qubit in range(QUBITS):
                tqf.ry(device, wires=qubit, params=w[k].view(1, 1))
                k += 1
        loss = (measure(device) ** 2).sum()
        loss.backward()
        return loss.item()

    return timed(work)


TASKS = {
    ("qsim", "state"): qsim_state,
    ("lightning", "state"): lightning_state,
    ("lightning", "gradient"): lightning_gradient,
    ("torchquantum", "batch"): torchquantum_batch,
}

if __name__ == "__main__":
    print(json.dumps(TASKS[PEER, TASK]()))
