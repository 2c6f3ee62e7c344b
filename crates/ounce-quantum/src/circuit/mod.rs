//! Circuits: gates on qubits, with angles that may depend on parameters and inputs.

mod angle;
mod places;

pub use angle::{Angle, Symbol};

use crate::gate::{Gate, Standard};

/// A gate on certain qubits with certain angles.
#[derive(Clone, PartialEq, Debug)]
pub struct Operation {
    /// The gate.
    pub gate: Gate,
    /// Its qubits, controls first; all different.
    pub qubits: Vec<usize>,
    /// Its angles.
    pub angles: Vec<Angle>,
}

impl Operation {
    /// The values of its angles.
    pub fn angle_values(&self, parameters: &[f64], inputs: &[f64]) -> Vec<f64> {
        self.angles.iter().map(|angle| angle.value(parameters, inputs)).collect()
    }

    /// The operation that undoes this one.
    pub fn inverse(&self) -> Self {
        let (gate, angles) = self.gate.inverse(&self.angles);
        Self { gate, qubits: self.qubits.clone(), angles }
    }
}

/// One step of a circuit.
#[derive(Clone, PartialEq, Debug)]
pub enum Instruction {
    /// A gate.
    Gate(Operation),
    /// A measurement of a qubit in the Z basis into a classical bit.
    Measure {
        /// The qubit.
        qubit: usize,
        /// The bit.
        bit: usize,
    },
    /// A qubit is set to 0, whatever it was.
    Reset(usize),
    /// Nothing may be moved across, on these qubits.
    Barrier(Vec<usize>),
}

/// Why an instruction does not fit a circuit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CircuitError {
    /// A qubit that the circuit lacks.
    #[error(
        "{gate} on qubit {qubit}, but the circuit has {qubits} qubits; give it more or use a lower number"
    )]
    Qubit {
        /// What was to be added.
        gate: String,
        /// The qubit it named.
        qubit: usize,
        /// Qubits of the circuit.
        qubits: usize,
    },
    /// A qubit named twice.
    #[error("{gate} names qubit {qubit} twice; its qubits must differ")]
    Repeated {
        /// What was to be added.
        gate: String,
        /// The qubit.
        qubit: usize,
    },
    /// Another number of qubits than the gate acts on.
    #[error("{gate} acts on {expected} qubits, {found} were given")]
    Qubits {
        /// The gate.
        gate: String,
        /// Qubits it acts on.
        expected: usize,
        /// Qubits given.
        found: usize,
    },
    /// Another number of angles than the gate takes.
    #[error("{gate} takes {expected} angles, {found} were given")]
    Angles {
        /// The gate.
        gate: String,
        /// Angles it takes.
        expected: usize,
        /// Angles given.
        found: usize,
    },
    /// An angle that depends on what the circuit lacks.
    #[error("an angle of {gate} depends on {symbol:?}, which the circuit lacks; declare it first")]
    Symbol {
        /// The gate.
        gate: String,
        /// What it depends on.
        symbol: Symbol,
    },
    /// An angle that is not a number.
    #[error("an angle of {gate} is not finite")]
    NotFinite {
        /// The gate.
        gate: String,
    },
    /// A classical bit that the circuit lacks.
    #[error("a measurement into bit {bit}, but the circuit has {bits} bits")]
    Bit {
        /// The bit it named.
        bit: usize,
        /// Bits of the circuit.
        bits: usize,
    },
}

/// A list of instructions on `qubits` qubits and `bits` classical bits. Every instruction in it is valid: its qubits and symbols exist.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Circuit {
    qubits: usize,
    bits: usize,
    parameters: Vec<String>,
    inputs: usize,
    instructions: Vec<Instruction>,
}

impl Circuit {
    /// A circuit of `qubits` qubits without instructions, bits, parameters and inputs.
    pub fn new(qubits: usize) -> Self {
        Self { qubits, ..Self::default() }
    }

    /// Adds classical bits; returns the number of the first.
    pub fn add_bits(&mut self, count: usize) -> usize {
        self.bits += count;
        self.bits - count
    }

    /// Adds a parameter. Names are for files and drawings and need not differ.
    pub fn add_parameter(&mut self, name: impl Into<String>) -> Symbol {
        self.parameters.push(name.into());
        Symbol::Parameter(self.parameters.len() - 1)
    }

    /// Adds inputs; returns the number of the first.
    pub fn add_inputs(&mut self, count: usize) -> usize {
        self.inputs += count;
        self.inputs - count
    }

    /// Qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Classical bits.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Names of the parameters.
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// Inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// All instructions, in order.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The instructions, to change angles; what makes one invalid must not be done.
    pub(crate) fn instructions_mut(&mut self) -> &mut [Instruction] {
        &mut self.instructions
    }

    /// A circuit with the same qubits, bits, parameters and inputs and other instructions, which must be valid in it.
    pub(crate) fn with_instructions(&self, instructions: Vec<Instruction>) -> Self {
        Self { instructions, parameters: self.parameters.clone(), ..*self }
    }

    /// The gates among the instructions, in order.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.instructions.iter().filter_map(|instruction| match instruction {
            Instruction::Gate(operation) => Some(operation),
            _ => None,
        })
    }

    /// Adds a gate.
    ///
    /// # Errors
    /// If qubits or angles do not fit the gate or the circuit.
    pub fn push<A: Into<Angle>>(
        &mut self,
        gate: impl Into<Gate>,
        qubits: &[usize],
        angles: impl IntoIterator<Item = A>,
    ) -> Result<&mut Self, CircuitError> {
        let angles = angles.into_iter().map(Into::into).collect();
        self.push_instruction(Instruction::Gate(Operation {
            gate: gate.into(),
            qubits: qubits.to_vec(),
            angles,
        }))
    }

    /// Adds a standard unitary without angles and controls.
    ///
    /// # Errors
    /// As [`Circuit::push`].
    pub fn apply(&mut self, gate: Standard, qubits: &[usize]) -> Result<&mut Self, CircuitError> {
        self.push::<Angle>(gate, qubits, [])
    }

    /// Adds a controlled X.
    ///
    /// # Errors
    /// As [`Circuit::push`].
    pub fn cx(&mut self, control: usize, target: usize) -> Result<&mut Self, CircuitError> {
        self.push::<Angle>(Gate::from(Standard::X).controlled(1), &[control, target], [])
    }

    /// Adds any instruction.
    ///
    /// # Errors
    /// If it does not fit the circuit.
    pub fn push_instruction(&mut self, instruction: Instruction) -> Result<&mut Self, CircuitError> {
        match &instruction {
            Instruction::Gate(operation) => self.check(operation)?,
            Instruction::Measure { qubit, bit } => {
                self.check_qubits("measure", &[*qubit])?;
                if *bit >= self.bits {
                    return Err(CircuitError::Bit { bit: *bit, bits: self.bits });
                }
            }
            Instruction::Reset(qubit) => self.check_qubits("reset", &[*qubit])?,
            Instruction::Barrier(qubits) => self.check_qubits("barrier", qubits)?,
        }
        self.instructions.push(instruction);
        Ok(self)
    }

    /// Adds gates that are known to fit, so that what derives circuits from valid ones need not handle errors.
    pub(crate) fn extend_valid(&mut self, instructions: impl IntoIterator<Item = Instruction>) {
        self.instructions.extend(instructions);
    }

    /// A circuit with the same parameters, inputs and bits, without instructions, on `qubits` qubits.
    pub(crate) fn emptied(&self, qubits: usize) -> Self {
        let parameters = self.parameters.clone();
        Self { qubits, bits: self.bits, parameters, inputs: self.inputs, instructions: Vec::new() }
    }

    /// Adds the instructions of another circuit, on `qubits[i]` what that has on qubit `i`. Its parameters and inputs are added after those of
    /// this circuit; so are its bits.
    ///
    /// # Errors
    /// If there are not as many qubits as the other circuit has, or one does not exist.
    pub fn append(&mut self, other: &Self, qubits: &[usize]) -> Result<&mut Self, CircuitError> {
        if qubits.len() != other.qubits {
            let (expected, found) = (other.qubits, qubits.len());
            return Err(CircuitError::Qubits { gate: "the circuit".into(), expected, found });
        }
        self.check_qubits("the circuit", qubits)?;
        let first = (self.parameters.len(), self.inputs, self.bits);
        self.parameters.extend(other.parameters.iter().cloned());
        self.inputs += other.inputs;
        self.bits += other.bits;
        for instruction in &other.instructions {
            let moved = |numbers: &[usize]| numbers.iter().map(|&qubit| qubits[qubit]).collect();
            self.instructions.push(match instruction {
                Instruction::Gate(operation) => Instruction::Gate(Operation {
                    gate: operation.gate.clone(),
                    qubits: moved(&operation.qubits),
                    angles: operation.angles.iter().map(|angle| angle.renumbered(first.0, first.1)).collect(),
                }),
                Instruction::Measure { qubit, bit } => {
                    Instruction::Measure { qubit: qubits[*qubit], bit: bit + first.2 }
                }
                Instruction::Reset(qubit) => Instruction::Reset(qubits[*qubit]),
                Instruction::Barrier(numbers) => Instruction::Barrier(moved(numbers)),
            });
        }
        Ok(self)
    }

    /// The circuit with parameters and inputs replaced by values: it has none any more.
    ///
    /// # Panics
    /// If there are fewer values than parameters or inputs.
    pub fn bound(&self, parameters: &[f64], inputs: &[f64]) -> Self {
        let bind = |operation: &Operation| Operation {
            angles: operation.angle_values(parameters, inputs).into_iter().map(Angle::from).collect(),
            ..operation.clone()
        };
        let instructions = self.instructions.iter().map(|instruction| match instruction {
            Instruction::Gate(operation) => Instruction::Gate(bind(operation)),
            other => other.clone(),
        });
        Self { instructions: instructions.collect(), qubits: self.qubits, bits: self.bits, ..Self::default() }
    }

    /// The circuit that undoes this one; `None` if it measures or resets.
    pub fn inverse(&self) -> Option<Self> {
        let undone = self.instructions.iter().rev().map(|instruction| match instruction {
            Instruction::Gate(operation) => Some(Instruction::Gate(operation.inverse())),
            Instruction::Barrier(qubits) => Some(Instruction::Barrier(qubits.clone())),
            Instruction::Measure { .. } | Instruction::Reset(_) => None,
        });
        Some(Self { instructions: undone.collect::<Option<_>>()?, ..self.clone() })
    }

    fn check(&self, operation: &Operation) -> Result<(), CircuitError> {
        let gate = || operation.gate.name();
        let (expected, found) = (operation.gate.qubits(), operation.qubits.len());
        if expected != found {
            return Err(CircuitError::Qubits { gate: gate(), expected, found });
        }
        let (expected, found) = (operation.gate.angles(), operation.angles.len());
        if expected != found {
            return Err(CircuitError::Angles { gate: gate(), expected, found });
        }
        self.check_qubits(&gate(), &operation.qubits)?;
        for angle in &operation.angles {
            if !angle.is_finite() {
                return Err(CircuitError::NotFinite { gate: gate() });
            }
            let lacks = |symbol: &Symbol| match *symbol {
                Symbol::Parameter(index) => index >= self.parameters.len(),
                Symbol::Input(index) => index >= self.inputs,
            };
            if let Some(&(symbol, _)) = angle.terms().iter().find(|(symbol, _)| lacks(symbol)) {
                return Err(CircuitError::Symbol { gate: gate(), symbol });
            }
        }
        Ok(())
    }

    fn check_qubits(&self, gate: &str, qubits: &[usize]) -> Result<(), CircuitError> {
        for (index, &qubit) in qubits.iter().enumerate() {
            if qubit >= self.qubits {
                return Err(CircuitError::Qubit { gate: gate.into(), qubit, qubits: self.qubits });
            }
            if qubits[..index].contains(&qubit) {
                return Err(CircuitError::Repeated { gate: gate.into(), qubit });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
