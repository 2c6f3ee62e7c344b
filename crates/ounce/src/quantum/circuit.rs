//! Circuits in files.

use crate::failure::{Context as _, Failure, Result};
use ounce_quantum::Circuit;
use ounce_quantum::qasm;
use std::path::Path;

/// Reads a circuit in OpenQASM 2 or 3.
pub(crate) fn read(path: &Path) -> Result<Circuit> {
    let text =
        std::fs::read_to_string(path).context(|| format!("cannot read the circuit {}", path.display()))?;
    // The error has line and column.
    qasm::read(&text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// The circuit with values for its parameters, from arguments such as `theta=0.5`.
pub(crate) fn bound(circuit: &Circuit, given: &[String]) -> Result<Circuit> {
    if circuit.inputs() > 0 {
        return Err(Failure::new(format!("the circuit has {} inputs besides parameters", circuit.inputs()))
            .hint("replace the array of inputs by its values"));
    }
    Ok(circuit.bound(&values(circuit, given)?, &[]))
}

/// The values of a circuit's parameters, from arguments such as `theta=0.5`.
pub(crate) fn values(circuit: &Circuit, given: &[String]) -> Result<Vec<f64>> {
    let mut values = vec![None; circuit.parameters().len()];
    for argument in given {
        let (name, value) = argument
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("{argument:?} is not NAME=VALUE")))?;
        let index = circuit
            .parameters()
            .iter()
            .position(|own| own == name)
            .ok_or_else(|| Failure::usage(format!("the circuit has no parameter {name:?}")))?;
        let number: f64 = value.parse().map_err(|_| Failure::usage(format!("{value:?} is no number")))?;
        values[index] = Some(number);
    }
    let named = values.into_iter().zip(circuit.parameters());
    named
        .map(|(value, name)| {
            value.ok_or_else(|| {
                Failure::usage(format!("parameter {name} has no value"))
                    .hint(format!("give --parameter {name}=VALUE"))
            })
        })
        .collect()
}
