//! Circuits as OpenQASM.

use std::collections::HashSet;

use super::angles::expression;
use crate::circuit::{Angle, Circuit, Instruction, Operation, Symbol};
use crate::gate::{Gate, Standard, names};
use crate::transpile::{decompose, simpler};

/// Why a circuit cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WriteError {
    /// Parameters or inputs, which OpenQASM 2 does not have.
    #[error(
        "OpenQASM 2 has no parameters; bind the {parameters} parameters and {inputs} inputs first, or write OpenQASM 3"
    )]
    Symbols {
        /// Parameters of the circuit.
        parameters: usize,
        /// Its inputs.
        inputs: usize,
    },
}

/// Gates of `qelib1.inc`.
const QELIB1: &str = "id x y z h s sdg t tdg sx sxdg rx ry rz p u2 u3 cx cy cz ch swap ccx cswap crx cry crz cp cu3 csx cu rxx rzz \
    rccx rc3x c3x c3sx c4x";

/// Gates of `stdgates.inc`.
const STDGATES: &str =
    "id x y z h s sdg t tdg sx rx ry rz p u2 u3 cx cy cz ch swap ccx cswap crx cry crz cp cu";

/// Those of them that may stand after `ctrl @`: their phases are the same for all.
const CONTROLLED: &str = "x y z h s sdg t tdg sx rx ry rz p swap";

/// Words that no parameter may be called.
const WORDS: &str = "q c inputs pi tau euler U CX u0 gphase mcx multirz pauli unitary c3sqrtx OPENQASM include qreg creg qubit bit input output const \
    gate measure reset barrier ctrl negctrl inv pow if else for while switch case default opaque def extern defcal cal delay box let int uint float bool \
    complex duration stretch array angle return break continue end in void true false sin cos tan exp ln log sqrt arcsin asin arccos acos arctan \
    atan floor ceiling mod popcount sizeof real imag pragma mutable readonly defcalgrammar durationof rotl rotr im";

/// Writes OpenQASM 2.0 with `qelib1.inc`. Gates that this lacks are defined at the top; global phases are left out.
///
/// # Errors
/// If the circuit has parameters or inputs.
pub fn write2(circuit: &Circuit) -> Result<String, WriteError> {
    let (parameters, inputs) = (circuit.parameters().len(), circuit.inputs());
    if parameters + inputs > 0 {
        return Err(WriteError::Symbols { parameters, inputs });
    }
    Ok(Writer { version: 2, defined: HashSet::new(), definitions: String::new() }.circuit(circuit))
}

/// Writes OpenQASM 3.0 with `stdgates.inc`. Parameters become `input float[64]`, inputs the array `inputs`. Gates that the library lacks are defined
/// at the top.
pub fn write3(circuit: &Circuit) -> String {
    Writer { version: 3, defined: HashSet::new(), definitions: String::new() }.circuit(circuit)
}

struct Writer {
    version: u8,
    defined: HashSet<String>,
    definitions: String,
}

fn has(list: &str, name: &str) -> bool {
    list.split_whitespace().any(|own| own == name)
}

impl Writer {
    fn circuit(mut self, circuit: &Circuit) -> String {
        // Definitions come first, so that parameters can be given other names.
        let written: Vec<(&Instruction, Vec<Operation>)> = circuit
            .instructions()
            .iter()
            .map(|instruction| (instruction, self.prepared(instruction)))
            .collect();
        let parameters = self.parameter_names(circuit.parameters());
        let symbol = |symbol: Symbol| match symbol {
            Symbol::Parameter(number) => parameters[number].clone(),
            Symbol::Input(number) => format!("inputs[{number}]"),
        };
        let three = self.version == 3;
        let mut text = match three {
            true => "OPENQASM 3.0;\ninclude \"stdgates.inc\";\n".to_owned(),
            false => "OPENQASM 2.0;\ninclude \"qelib1.inc\";\n".to_owned(),
        };
        for name in &parameters {
            text += &format!("input float[64] {name};\n");
        }
        if circuit.inputs() > 0 {
            text += &format!("input array[float[64], {}] inputs;\n", circuit.inputs());
        }
        text += &self.definitions;
        for (count, old, new, name) in
            [(circuit.qubits(), "qreg", "qubit", "q"), (circuit.bits(), "creg", "bit", "c")]
        {
            if count > 0 {
                let declared = if three {
                    format!("{new}[{count}] {name};\n")
                } else {
                    format!("{old} {name}[{count}];\n")
                };
                text += &declared;
            }
        }
        let qubit = |number: &usize| format!("q[{number}]");
        for (instruction, operations) in written {
            match instruction {
                Instruction::Gate(_) => {
                    operations.iter().for_each(|own| text += &self.call(own, &qubit, &symbol));
                }
                Instruction::Measure { qubit, bit } if three => {
                    text += &format!("c[{bit}] = measure q[{qubit}];\n")
                }
                Instruction::Measure { qubit, bit } => text += &format!("measure q[{qubit}] -> c[{bit}];\n"),
                Instruction::Reset(qubit) => text += &format!("reset q[{qubit}];\n"),
                // Without qubits it would mean all of them.
                Instruction::Barrier(qubits) if qubits.is_empty() => {}
                Instruction::Barrier(qubits) => {
                    let all: Vec<String> = qubits.iter().map(qubit).collect();
                    text += &format!("barrier {};\n", all.join(", "));
                }
            }
        }
        text
    }

    /// What is written for a gate: itself, if the library has it or it can be defined.
    fn prepared(&mut self, instruction: &Instruction) -> Vec<Operation> {
        let Instruction::Gate(operation) = instruction else { return Vec::new() };
        let operations =
            decompose(std::slice::from_ref(operation), |own| self.is_written(own) || definable(&own.gate));
        operations.iter().for_each(|own| self.define(&own.gate));
        operations
    }

    /// Whether a gate can be written without a definition; global phases are passed over in version 2.
    fn is_written(&self, operation: &Operation) -> bool {
        let gate = &operation.gate;
        let name = gate.name();
        match (self.version, gate.standard()) {
            (_, Some(Standard::GlobalPhase)) => gate.controls() == 0,
            (2, Some(_)) => has(QELIB1, &name),
            (_, Some(Standard::Sxdg)) => true,
            (_, Some(standard)) => {
                has(STDGATES, &name) || (gate.controls() > 0 && has(CONTROLLED, &Gate::from(standard).name()))
            }
            _ => false,
        }
    }

    /// Writes the definition of a gate, after those of the gates in it.
    fn define(&mut self, gate: &Gate) {
        let angles = (0..gate.angles()).map(|index| Angle::from(Symbol::Parameter(index))).collect();
        let operation = Operation { gate: gate.clone(), qubits: (0..gate.qubits()).collect(), angles };
        let name = gate.name();
        if self.is_written(&operation) || self.defined.contains(&name) {
            return;
        }
        let parts = simpler(&operation).unwrap_or_default();
        let parts = decompose(&parts, |own| self.is_written(own) || definable(&own.gate));
        parts.iter().for_each(|own| self.define(&own.gate));
        let formals = |letter: char, count: usize| -> String {
            (0..count).map(|index| format!("{letter}{index}")).collect::<Vec<_>>().join(", ")
        };
        let of_angles = match gate.angles() {
            0 => String::new(),
            count => format!("({})", formals('a', count)),
        };
        let symbol = |symbol: Symbol| match symbol {
            Symbol::Parameter(index) | Symbol::Input(index) => format!("a{index}"),
        };
        let body: String = parts
            .iter()
            .map(|own| format!("  {}", self.call(own, &|qubit| format!("q{qubit}"), &symbol)))
            .collect();
        // Phases that version 2 leaves out leave blanks.
        let body: String =
            body.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n")).collect();
        self.definitions += &format!("gate {name}{of_angles} {} {{\n{body}}}\n", formals('q', gate.qubits()));
        self.defined.insert(name);
    }

    /// One line; nothing for a phase in version 2.
    fn call(
        &self,
        operation: &Operation,
        qubit: &dyn Fn(&usize) -> String,
        symbol: &dyn Fn(Symbol) -> String,
    ) -> String {
        let gate = &operation.gate;
        let standard = gate.standard();
        let name = gate.name();
        let written = match (self.version, standard) {
            (2, Some(Standard::GlobalPhase)) => return String::new(),
            (2, Some(Standard::Sx)) if gate.controls() == 3 => "c3sqrtx".to_owned(),
            (3, Some(_)) if has(STDGATES, &name) || self.defined.contains(&name) => name,
            (3, Some(standard)) => {
                let controls = match gate.controls() {
                    0 => String::new(),
                    1 => "ctrl @ ".to_owned(),
                    count => format!("ctrl({count}) @ "),
                };
                let own = match standard {
                    Standard::Sxdg => "inv @ sx".to_owned(),
                    _ => Gate::from(standard).name(),
                };
                controls + &own
            }
            _ => name,
        };
        let angles: Vec<String> = operation.angles.iter().map(|angle| expression(angle, symbol)).collect();
        let angles = if angles.is_empty() { String::new() } else { format!("({})", angles.join(", ")) };
        let qubits: Vec<String> = operation.qubits.iter().map(qubit).collect();
        let space = if qubits.is_empty() { "" } else { " " };
        format!("{written}{angles}{space}{};\n", qubits.join(", "))
    }

    /// Names of parameters that OpenQASM allows and that differ from each other and from all else.
    fn parameter_names(&self, wanted: &[String]) -> Vec<String> {
        let mut taken: HashSet<String> = WORDS.split_whitespace().map(str::to_owned).collect();
        taken.extend(names().iter().map(|name| name.name.to_owned()));
        taken.extend(self.defined.iter().cloned());
        let mut next = 0usize;
        let unique = |name: &String| {
            let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
            let mut clean: String = name.chars().map(letter).collect();
            if !clean.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                clean.insert(0, '_');
            }
            let mut own = clean.clone();
            while !taken.insert(own.clone()) {
                own = format!("{clean}_{next}");
                next += 1;
            }
            own
        };
        wanted.iter().map(unique).collect()
    }
}

/// Whether a gate is written as a definition instead of its parts.
fn definable(gate: &Gate) -> bool {
    gate.standard().is_some_and(|standard| standard != Standard::GlobalPhase) && gate.controls() <= 4
}
