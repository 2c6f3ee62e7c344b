//! `ounce quantum run`.

use crate::cli::Threads;
use crate::failure::{Failure, Result};
use crate::output;
use crate::quantum::circuit;
use crate::quantum::devices::Devices;
use clap::{Args, ValueEnum};
use ounce_kernels::ThreadPool;
use ounce_quantum::backend::{BackendError, Execution, NoisyBackend, NoisyOptions};
use ounce_quantum::counts::Counts;
use ounce_quantum::sim::{self, mps, stabilizer};
use ounce_quantum::transpile::{Target, TranspileOptions, transpile};
use ounce_quantum::{Circuit, Instruction};
use std::fmt::Write as _;
use std::path::PathBuf;

/// How a circuit is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Simulator {
    /// All amplitudes: any circuit, up to some 30 qubits
    Statevector,
    /// Clifford circuits, of thousands of qubits
    Stabilizer,
    /// Matrix-product states: wide, shallow circuits
    Mps,
}

/// Arguments of `ounce quantum run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The circuit, in OpenQASM 2 or 3; without measurements all qubits are measured at its end
    #[arg(value_name = "FILE.qasm")]
    circuit: PathBuf,
    /// Runs of the circuit
    #[arg(short, long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 26))]
    shots: u64,
    /// Where chance begins
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How it is simulated
    #[arg(long, value_enum, default_value_t = Simulator::Statevector)]
    simulator: Simulator,
    /// The value of a parameter (`input float` of OpenQASM 3); several times for several
    #[arg(long, value_name = "NAME=VALUE")]
    parameter: Vec<String>,
    /// With the noise of this device, for which the circuit is transpiled
    #[arg(long, value_name = "NAME", conflicts_with = "simulator")]
    device: Option<String>,
    #[command(flatten)]
    devices: Devices,
    /// With --device: compute noise by so many trajectories instead of exactly
    #[arg(long, value_name = "N", requires = "device", value_parser = clap::value_parser!(u32).range(1..))]
    trajectories: Option<u32>,
    #[command(flatten)]
    threads: Threads,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut circuit = circuit::read(&arguments.circuit)?;
    let parameters = circuit::values(&circuit, &arguments.parameter)?;
    measure_all(&mut circuit)?;
    let counts = match &arguments.device {
        Some(name) => on_device(arguments, &circuit, &parameters, name)?,
        None => simulate(arguments, &circuit, &parameters)?,
    };
    if arguments.json { output::print_json(&counts.to_json()) } else { output::print(&table(&counts)) }
}

/// Adds a measurement of each qubit, if there is none at all.
fn measure_all(circuit: &mut Circuit) -> Result<()> {
    let measures = |instruction: &Instruction| matches!(instruction, Instruction::Measure { .. });
    if !circuit.instructions().iter().any(measures) {
        let first = circuit.add_bits(circuit.qubits());
        for qubit in 0..circuit.qubits() {
            circuit.push_instruction(Instruction::Measure { qubit, bit: first + qubit })?;
        }
    }
    Ok(())
}

fn simulate(arguments: &Arguments, circuit: &Circuit, parameters: &[f64]) -> Result<Counts> {
    let (shots, seed) = (arguments.shots, arguments.seed);
    Ok(match arguments.simulator {
        Simulator::Statevector => {
            let mut pool = ThreadPool::new(arguments.threads.get());
            let shots = usize::try_from(shots).map_err(Failure::usage)?;
            sim::counts::<f64>(&mut pool, circuit, parameters, &[], shots, seed, crate::quantum::STATE_LIMIT)
                .map_err(|error| {
                    let hint = "give --simulator mps for a wide, shallow circuit, or --simulator stabilizer for one of Clifford gates";
                    hinted(error, hint)
                })?
        }
        Simulator::Stabilizer => stabilizer::counts(circuit, parameters, &[], shots, seed)?,
        Simulator::Mps => mps::counts(circuit, parameters, &[], mps::Truncation::default(), (shots, seed))?,
    })
}

fn on_device(arguments: &Arguments, circuit: &Circuit, parameters: &[f64], name: &str) -> Result<Counts> {
    let device = arguments.devices.named(name)?;
    let placed = transpile(circuit, &Target::of(&device)?, &TranspileOptions::default())?;
    let execution = arguments.trajectories.map_or(Execution::Exact, Execution::Trajectories);
    let options = NoisyOptions { execution, seed: arguments.seed, ..NoisyOptions::default() };
    let mut backend = NoisyBackend::new(device, options);
    backend.counts(&placed.circuit, parameters, &[], arguments.shots).map_err(|error| {
        let hint = match arguments.trajectories {
            None => "give --trajectories N, such as 1000, to compute the noise by so many runs",
            Some(_) => "take fewer qubits",
        };
        hinted(error, hint)
    })
}

/// A failure with what to do where a circuit is too large or not for this simulator.
fn hinted(error: BackendError, hint: &str) -> Failure {
    match error {
        BackendError::TooLarge { .. } | BackendError::Unsupported { .. } => {
            Failure::from_error(&error).hint(hint)
        }
        _ => error.into(),
    }
}

/// Outcomes, the most frequent first.
fn table(counts: &Counts) -> String {
    let mut all: Vec<_> = counts.iter().collect();
    all.sort_by_key(|&(_, times)| std::cmp::Reverse(times));
    let mut text = String::new();
    for (outcome, times) in all {
        let _ =
            writeln!(text, "{outcome}  {times:>8}  {:>6.2} %", 100.0 * times as f64 / counts.shots() as f64);
    }
    text
}
