//! Reads OpenQASM files, writes them in the gates of a device and prints what that took: `transpile BASIS COUPLING FILE...`, such as
//! `transpile rz,sx,x,cx 0-1,1-2 bell.qasm`. Coupling `all` couples all qubits; `draw` as BASIS draws instead.

use ounce_quantum::transpile::{Target, TranspileOptions, transpile};
use ounce_quantum::{draw, qasm};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [basis, coupling, files @ ..] = &arguments[..] else {
        return Err("transpile BASIS COUPLING FILE...".into());
    };
    for file in files {
        let circuit =
            qasm::read(&std::fs::read_to_string(file)?).map_err(|error| format!("{file}: {error}"))?;
        if basis == "draw" {
            println!("{}", draw::text(&circuit, Some(120)));
            continue;
        }
        let pairs: Vec<(usize, usize)> = coupling
            .split(',')
            .filter_map(|pair| pair.split_once('-'))
            .map(|(a, b)| Ok((a.parse()?, b.parse()?)))
            .collect::<Result<_, std::num::ParseIntError>>()?;
        let most = pairs.iter().map(|pair| pair.0.max(pair.1) + 1).max().unwrap_or(0).max(circuit.qubits());
        let target = Target::new(most, basis.split(','))?;
        let target = if pairs.is_empty() { target } else { target.coupled(pairs)? };
        let started = std::time::Instant::now();
        let transpiled = transpile(&circuit, &target, &TranspileOptions::default())?;
        let seconds = started.elapsed().as_secs_f64();
        let two = transpiled.circuit.operations().filter(|own| own.qubits.len() == 2).count();
        let all = transpiled.circuit.operations().count();
        println!("{file} two {two} all {all} swaps {} seconds {seconds:.4}", transpiled.swaps);
    }
    Ok(())
}
