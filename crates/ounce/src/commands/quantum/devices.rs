//! `ounce quantum devices`.

use crate::failure::Result;
use crate::output::{self, note};
use crate::quantum::devices::Devices;
use clap::Args;
use ounce_quantum::device::{Device, Summary};
use std::fmt::Write as _;

/// Arguments of `ounce quantum devices`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    devices: Devices,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut summaries = Vec::new();
    for files in arguments.devices.all()? {
        match Device::read(&files.configuration, &files.properties) {
            Ok(device) => summaries.push(device.summary()),
            // One damaged file does not hide the others.
            Err(error) => note(error),
        }
    }
    if arguments.json { output::print_json(&summaries) } else { output::print(&table(&summaries)) }
}

fn table(summaries: &[Summary]) -> String {
    let mut text = format!(
        "{:<18} {:>6} {:>4} {:>8} {:>8}  {:<14} {:<14} {:>8}  {}\n",
        "device", "qubits", "QV", "T1 (us)", "T2 (us)", "1 qubit", "2 qubits", "readout", "calibrated"
    );
    for device in summaries {
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.0}"));
        let error = |name: &Option<String>, value: Option<f64>| match (name, value) {
            (Some(name), Some(value)) => format!("{name} {value:.1e}"),
            _ => "-".into(),
        };
        let _ = writeln!(
            text,
            "{:<18} {:>6} {:>4} {:>8} {:>8}  {:<14} {:<14} {:>8}  {}",
            device.name,
            device.qubits,
            device.quantum_volume.map_or_else(|| "-".into(), |volume| volume.to_string()),
            number(device.t1_us),
            number(device.t2_us),
            error(&device.single_gate, device.single_error),
            error(&device.double_gate, device.double_error),
            device.readout_error.map_or_else(|| "-".into(), |value| format!("{:.2} %", 100.0 * value)),
            device.date.as_deref().map_or("-", |date| date.get(..10).unwrap_or(date)),
        );
    }
    text
}
