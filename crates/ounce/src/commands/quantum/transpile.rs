//! `ounce quantum transpile`.

use crate::failure::{Failure, Result};
use crate::output::{self, note};
use crate::quantum::circuit;
use crate::quantum::devices::Devices;
use clap::{ArgGroup, Args};
use ounce_quantum::qasm;
use ounce_quantum::transpile::{Target, TranspileOptions, transpile};
use std::path::PathBuf;

/// Arguments of `ounce quantum transpile`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target").required(true).args(["device", "basis"]))]
pub(crate) struct Arguments {
    /// The circuit, in OpenQASM 2 or 3
    #[arg(value_name = "FILE.qasm")]
    circuit: PathBuf,
    /// The device whose gates and couplings are to be used
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    #[command(flatten)]
    devices: Devices,
    /// Gates to use instead of a device's, between all pairs of qubits
    #[arg(long, value_name = "GATE,...", value_delimiter = ',')]
    basis: Vec<String>,
    /// The value of a parameter (`input float` of OpenQASM 3); several times for several, for all or for none
    #[arg(long, value_name = "NAME=VALUE")]
    parameter: Vec<String>,
    /// Seed of the search for places of the qubits
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write OpenQASM 3 instead of 2, which has no parameters
    #[arg(long)]
    qasm3: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE.qasm")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut circuit = circuit::read(&arguments.circuit)?;
    if !arguments.parameter.is_empty() {
        circuit = circuit::bound(&circuit, &arguments.parameter)?;
    }
    let target = match &arguments.device {
        Some(name) => Target::of(&arguments.devices.named(name)?)?,
        None => Target::new(circuit.qubits(), arguments.basis.iter().map(String::as_str))
            .map_err(Failure::usage)?,
    };
    let options = TranspileOptions { seed: arguments.seed, ..TranspileOptions::default() };
    let placed = transpile(&circuit, &target, &options)?;
    let text = match arguments.qasm3 {
        true => qasm::write3(&placed.circuit),
        false => qasm::write2(&placed.circuit).map_err(|error| {
            Failure::from_error(&error)
                .hint("give --qasm3, or the values of parameters by --parameter NAME=VALUE")
        })?,
    };
    let pairs = placed.circuit.operations().filter(|operation| operation.qubits.len() == 2).count();
    note(format_args!(
        "{} gates, {pairs} of them on two qubits, {} swaps; qubit q starts at {:?} and ends at {:?}",
        placed.circuit.operations().count(),
        placed.swaps,
        placed.first,
        placed.last
    ));
    match &arguments.output {
        Some(path) => output::write(path, &text),
        None => output::print(&text),
    }
}
