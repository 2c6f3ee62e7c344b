//! Times of the simulators on the circuits of `benches/peers/quantum`, as one JSON object a line.
//!
//! `bench state QUBITS THREADS single|double [REPEATS]`, `bench gradient ...` or `bench batch ...` (of 256 samples).

use std::error::Error;
use std::f64::consts::TAU;
use std::time::Instant;

use ounce_kernels::ThreadPool;
use ounce_kernels::amplitudes::Real;
use ounce_quantum::sim::{Plan, SimulatorBackend, StateVector};
use ounce_quantum::{Angle, Circuit, Differentiate, Gate, PauliSum, Request, Standard, Symbol};
use ounce_random::Pcg32;

type Outcome = Result<serde_json::Value, Box<dyn Error>>;

const LIMIT: u128 = 16 << 30;
const DEPTH: usize = 20;
const SAMPLES: usize = 256;

/// Numbers from 0 to `largest` in an order without pattern, the same as in `benches/peers/common/quantum_peers.py`.
fn angles(count: usize, largest: f64) -> Vec<f64> {
    (1..=count).map(|index| largest * (index as f64 * 0.618_033_988_749_894_9).fract()).collect()
}

/// Layers of `u3` on every qubit and a ring of `cx` or `cz`.
fn layers(qubits: usize) -> Result<Circuit, Box<dyn Error>> {
    let mut circuit = Circuit::new(qubits);
    let angles = angles(3 * DEPTH * qubits, TAU);
    for layer in 0..DEPTH {
        for qubit in 0..qubits {
            let at = 3 * (layer * qubits + qubit);
            circuit.push(Standard::U3, &[qubit], angles[at..at + 3].iter().copied())?;
        }
        let gate = if layer % 2 == 0 { Standard::X } else { Standard::Z };
        for qubit in 0..qubits {
            circuit.push::<f64>(Gate::from(gate).controlled(1), &[qubit, (qubit + 1) % qubits], [])?;
        }
    }
    Ok(circuit)
}

fn state<T: Real>(qubits: usize, threads: usize, repeats: usize) -> Outcome {
    let mut random = Pcg32::new(7);
    let circuit = layers(qubits)?;
    let mut pool = ThreadPool::new(threads);
    let (mut z, mut passes) = (0.0, 0);
    let (seconds, cpu) = timed(repeats, || {
        let plan = Plan::new::<T>(&circuit, pool.kernels());
        let mut state = StateVector::<T>::zero(qubits, pool.kernels(), LIMIT)?;
        state.run(&mut pool, &plan, &[], &[], &mut random)?;
        z = state.expectation(&mut pool, &PauliSum::z_on_each(1)[0])?;
        passes = plan.passes();
        Ok(())
    })?;
    Ok(serde_json::json!({ "seconds": seconds, "cpu": cpu, "passes": passes, "value": z }))
}

/// Six layers of `ry` on every qubit and a ring of `cx`, and `rx` up to 100 parameters; the sum of all `Z`.
fn gradient<T: Real>(qubits: usize, threads: usize, repeats: usize) -> Outcome {
    let mut circuit = Circuit::new(qubits);
    for _ in 0..6 {
        for qubit in 0..qubits {
            let angle = circuit.add_parameter("ry");
            circuit.push(Standard::Ry, &[qubit], [angle])?;
        }
        for qubit in 0..qubits {
            circuit.cx(qubit, (qubit + 1) % qubits)?;
        }
    }
    for qubit in 0..qubits.min(100usize.saturating_sub(6 * qubits)) {
        let angle = circuit.add_parameter("rx");
        circuit.push(Standard::Rx, &[qubit], [angle])?;
    }
    let parameters = angles(circuit.parameters().len(), TAU);
    let sum = PauliSum::new(PauliSum::z_on_each(qubits).iter().flat_map(|own| own.terms().to_vec()));
    let observables = [sum];
    let request = Request::new(&circuit, &parameters, &[], 1, &observables)?;
    let mut backend = SimulatorBackend::<T>::new(ThreadPool::new(threads), LIMIT);
    let mut norm = 0.0;
    let (seconds, cpu) = timed(repeats, || {
        let (_, gradients) = backend.gradients(&request, &mut |_| vec![1.0])?;
        norm = gradients.parameters.iter().map(|own| own * own).sum::<f64>().sqrt();
        Ok(())
    })?;
    Ok(serde_json::json!({ "seconds": seconds, "cpu": cpu, "value": norm, "parameters": parameters.len() }))
}

/// An encoder of `ry`, `rz`, `rx`, `ry` on every qubit, two blocks of a ring of `rzz` and `ry`; the loss is the sum of squares of all `Z` of 256 samples.
fn batch<T: Real>(qubits: usize, threads: usize, repeats: usize) -> Outcome {
    let mut circuit = Circuit::new(qubits);
    let first = circuit.add_inputs(4 * qubits);
    for (layer, gate) in [Standard::Ry, Standard::Rz, Standard::Rx, Standard::Ry].into_iter().enumerate() {
        for qubit in 0..qubits {
            circuit.push(gate, &[qubit], [Angle::from(Symbol::Input(first + layer * qubits + qubit))])?;
        }
    }
    for _ in 0..2 {
        for qubit in 0..qubits {
            let angle = circuit.add_parameter("rzz");
            circuit.push(Standard::Rzz, &[qubit, (qubit + 1) % qubits], [angle])?;
        }
        for qubit in 0..qubits {
            let angle = circuit.add_parameter("ry");
            circuit.push(Standard::Ry, &[qubit], [angle])?;
        }
    }
    let inputs = angles(SAMPLES * 4 * qubits, 3.0);
    let parameters = angles(circuit.parameters().len(), 6.0);
    let observables = PauliSum::z_on_each(qubits);
    let request = Request::new(&circuit, &parameters, &inputs, SAMPLES, &observables)?;
    let mut backend = SimulatorBackend::<T>::new(ThreadPool::new(threads), LIMIT);
    let mut loss = 0.0;
    let (seconds, cpu) = timed(repeats, || {
        let (values, _) =
            backend.gradients(&request, &mut |values| values.iter().map(|value| 2.0 * value).collect())?;
        loss = values.iter().map(|value| value * value).sum::<f64>();
        Ok(())
    })?;
    Ok(serde_json::json!({ "seconds": seconds, "cpu": cpu, "value": loss }))
}

/// Seconds that the threads of this process have run, where the system tells.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() * 1e-9
}

/// Runs `work` some times; the least wall and processor seconds of one.
fn timed(
    repeats: usize,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(f64, f64), Box<dyn Error>> {
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..repeats {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        work()?;
        let own = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        least = (least.0.min(own.0), least.1.min(own.1));
    }
    Ok(least)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [task, qubits, threads, precision, rest @ ..] = arguments.as_slice() else {
        return Err("usage: bench state|gradient|batch QUBITS THREADS single|double [REPEATS]".into());
    };
    let (qubits, threads) = (qubits.parse()?, threads.parse()?);
    let repeats = rest.first().map_or(Ok(5), |own| own.parse())?;
    let run = match (task.as_str(), precision.as_str()) {
        ("state", "single") => state::<f32>,
        ("state", "double") => state::<f64>,
        ("gradient", "single") => gradient::<f32>,
        ("gradient", "double") => gradient::<f64>,
        ("batch", "single") => batch::<f32>,
        ("batch", "double") => batch::<f64>,
        _ => return Err(format!("{task} {precision}: no such task").into()),
    };
    println!("{}", run(qubits, threads, repeats)?);
    Ok(())
}
