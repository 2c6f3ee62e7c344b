//! The statements of a file.

use std::collections::HashMap;

use super::cursor::Cursor;
use super::definitions::Definitions;
use super::error::{At, Problem, QasmError};
use super::expression::{Expression, Names, Value};
use super::lexer::{Kind, tokens};
use super::operands::{Index, Operand, Register};
use crate::circuit::{Angle, Circuit, Instruction, Symbol};

/// How much of a file is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Gates after definitions were inlined, calls of definitions included.
    pub gates: usize,
    /// Qubits, bits and inputs, each.
    pub qubits: usize,
}

impl Default for Limits {
    /// A million gates, 4096 qubits.
    fn default() -> Self {
        Self { gates: 1_000_000, qubits: 4096 }
    }
}

/// Reads a circuit from OpenQASM 2 or 3, within the default [`Limits`].
///
/// # Errors
/// With line, column and what to do, if the text is not OpenQASM or has what circuits cannot hold.
pub fn read(text: &str) -> Result<Circuit, QasmError> {
    read_with(text, Limits::default())
}

/// Reads a circuit from OpenQASM 2 or 3.
///
/// # Errors
/// As [`read`].
pub fn read_with(text: &str, limits: Limits) -> Result<Circuit, QasmError> {
    let mut cursor = Cursor::new(tokens(text)?);
    let mut reader = Reader {
        version: 3,
        limits,
        names: HashMap::new(),
        gates: HashMap::new(),
        definitions: Definitions { all: Vec::new(), left: limits.gates, limit: limits.gates },
        qubits: 0,
        bits: 0,
        inputs: 0,
        parameters: Vec::new(),
        instructions: Vec::new(),
    };
    reader.file(&mut cursor)?;
    let end = cursor.at();
    reader.circuit(end)
}

/// What a name stands for, gates apart.
#[derive(Clone, Debug)]
pub(super) enum Entity {
    Qubits(Register),
    Bits(Register),
    Constant(f64),
    Parameter(usize),
    Inputs { first: usize, count: usize },
}

pub(super) struct Reader<'a> {
    pub(super) version: u8,
    pub(super) limits: Limits,
    pub(super) names: HashMap<&'a str, Entity>,
    pub(super) gates: HashMap<&'a str, usize>,
    pub(super) definitions: Definitions,
    qubits: usize,
    bits: usize,
    inputs: usize,
    parameters: Vec<String>,
    pub(super) instructions: Vec<Instruction>,
}

/// Names outside definitions.
pub(super) struct Globals<'r, 'a>(pub(super) &'r HashMap<&'a str, Entity>);

impl Names for Globals<'_, '_> {
    fn value(&self, name: &str, index: Option<usize>, at: At) -> Result<Value, QasmError> {
        let symbol = |symbol: Symbol| Ok(Value::Angle(symbol.into()));
        match (self.0.get(name), index) {
            (Some(Entity::Constant(value)), None) => Ok(Value::Angle(Angle::from(*value))),
            (Some(Entity::Parameter(number)), None) => symbol(Symbol::Parameter(*number)),
            (Some(Entity::Inputs { first, count }), Some(index)) => match index < *count {
                true => symbol(Symbol::Input(first + index)),
                false => {
                    let name = name.to_owned();
                    Err(at.error(Problem::Index { name, index: index as f64, length: *count }))
                }
            },
            _ => Err(at.error(Problem::Unknown { what: "constant or input", name: name.to_owned() })),
        }
    }
}

/// Statements that circuits cannot hold, and what to do about them.
const REFUSED: [(&str, &str); 12] = [
    ("if", "measure and decide outside of the circuit, or remove it"),
    ("for", "write the gates out"),
    ("while", "write the gates out"),
    ("switch", "write the gates out"),
    ("opaque", "define the gate with `gate`"),
    ("def", "write its statements out, or make it a `gate`"),
    ("extern", "remove it"),
    ("defcal", "remove it: pulses are not simulated"),
    ("cal", "remove it: pulses are not simulated"),
    ("delay", "remove it, or use `id`"),
    ("box", "write its statements without it"),
    ("let", "use the register itself"),
];

const CLASSICAL: [&str; 9] =
    ["int", "uint", "float", "bool", "complex", "duration", "stretch", "array", "angle"];

impl<'a> Reader<'a> {
    fn file(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        let hardware = cursor.tokens().iter().filter_map(|token| match token.kind {
            Kind::Hardware(number) => Some((number, token.at)),
            _ => None,
        });
        if let Some((most, at)) = hardware.max_by_key(|(number, _)| *number) {
            self.add_qubits(most.saturating_add(1), at)?;
        }
        if cursor.takes_word("OPENQASM") {
            self.version(cursor)?;
        }
        while cursor.peek().kind != Kind::End {
            self.statement(cursor)?;
        }
        if self.qubits == 0 { Err(cursor.at().error(Problem::NoQubits)) } else { Ok(()) }
    }

    fn version(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        match cursor.peek().kind {
            Kind::Number(value) if (2.0..4.0).contains(&value) => self.version = value as u8,
            Kind::Number(value) => return Err(cursor.at().error(Problem::Version(value.to_string()))),
            _ => return Err(cursor.expected("a version such as 3.0")),
        }
        cursor.take();
        cursor.expect(";")
    }

    fn statement(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        let (word, at) = match cursor.peek().kind {
            Kind::Word(word) => (word, cursor.at()),
            Kind::Symbol(";") => {
                cursor.take();
                return Ok(());
            }
            _ => return Err(cursor.expected("a statement")),
        };
        let refuse =
            |what: &str, remedy| Err(at.error(Problem::Unsupported { what: format!("`{what}`"), remedy }));
        if let Some((_, remedy)) = REFUSED.iter().find(|(refused, _)| *refused == word) {
            return refuse(word, remedy);
        }
        if CLASSICAL.contains(&word) {
            return refuse(word, "declare it `const`, or `input` if angles depend on it");
        }
        match word {
            "include" => self.include(cursor),
            "qreg" | "creg" | "qubit" | "bit" => self.register(cursor),
            "output" => {
                cursor.take();
                match cursor.peek().kind {
                    Kind::Word("bit") => self.register(cursor),
                    _ => refuse("output", "give only bits out"),
                }
            }
            "input" => self.input(cursor),
            "const" => self.constant(cursor),
            "gate" => self.gate(cursor),
            "measure" => {
                cursor.take();
                let source = self.operand(cursor, true)?;
                cursor.expect("->")?;
                let target = self.operand(cursor, false)?;
                self.measure(source, target, at)?;
                cursor.expect(";")
            }
            "reset" => {
                cursor.take();
                let qubits = self.operand(cursor, true)?;
                self.definitions.spend(qubits.numbers().len(), at)?;
                self.instructions.extend(qubits.numbers().iter().map(|&qubit| Instruction::Reset(qubit)));
                cursor.expect(";")
            }
            "barrier" => self.barrier(cursor, at),
            _ if matches!(self.names.get(word), Some(Entity::Bits(_))) => {
                let target = self.operand(cursor, false)?;
                self.measured(cursor, target)
            }
            _ => self.application(cursor),
        }
    }

    fn include(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        cursor.take();
        match cursor.peek().kind {
            Kind::Text("qelib1.inc" | "stdgates.inc") => cursor.take(),
            Kind::Text(name) => return Err(cursor.at().error(Problem::Include(name.to_owned()))),
            _ => return Err(cursor.expected("the name of a file")),
        };
        cursor.expect(";")
    }

    fn declare(&mut self, name: &'a str, at: At, entity: Entity) -> Result<(), QasmError> {
        match self.names.insert(name, entity) {
            Some(_) => Err(at.error(Problem::Twice(name.to_owned()))),
            None => Ok(()),
        }
    }

    fn add_qubits(&mut self, count: usize, at: At) -> Result<usize, QasmError> {
        grow(&mut self.qubits, count, self.limits.qubits, "qubits", at)
    }

    /// `qreg q[2];`, `qubit[2] q;`, `qubit q;` and the same with bits, to which a measurement may be assigned.
    fn register(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        let (keyword, at) = cursor.word("a declaration")?;
        let mut length = self.length(cursor)?;
        let (name, name_at) = cursor.word("a name")?;
        if keyword == "qreg" || keyword == "creg" {
            length = self.length(cursor)?;
        }
        let count = length.unwrap_or(1);
        let register = |first| Register { first, count, indexed: length.is_some() };
        if keyword.starts_with('q') {
            let first = self.add_qubits(count, at)?;
            self.declare(name, name_at, Entity::Qubits(register(first)))?;
        } else {
            let first = grow(&mut self.bits, count, self.limits.qubits, "bits", at)?;
            self.declare(name, name_at, Entity::Bits(register(first)))?;
            if cursor.is("=") {
                return self.measured(cursor, register(first).whole());
            }
        }
        cursor.expect(";")
    }

    /// A length between brackets, if there is one.
    fn length(&self, cursor: &mut Cursor<'a>) -> Result<Option<usize>, QasmError> {
        if !cursor.takes("[") {
            return Ok(None);
        }
        let length = self.expression(cursor)?.whole()?;
        cursor.expect("]")?;
        Ok(Some(length))
    }

    fn expression(&self, cursor: &mut Cursor<'a>) -> Result<Expression, QasmError> {
        Expression::parse(cursor, &Globals(&self.names), self.version)
    }

    /// `input float[64] a;` or `input array[float[64], 3] x;`.
    fn input(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        cursor.take();
        let (kind, at) = cursor.word("a type")?;
        match kind {
            "float" | "angle" => {
                self.length(cursor)?;
                let (name, at) = cursor.word("a name")?;
                if self.parameters.len() >= self.limits.gates {
                    return Err(at.error(Problem::Limit { what: "parameters", limit: self.limits.gates }));
                }
                self.declare(name, at, Entity::Parameter(self.parameters.len()))?;
                self.parameters.push(name.to_owned());
            }
            "array" => {
                cursor.expect("[")?;
                let (element, element_at) = cursor.word("a type")?;
                if element != "float" && element != "angle" {
                    return Err(unsupported_input(element, element_at));
                }
                self.length(cursor)?;
                cursor.expect(",")?;
                let count = self.expression(cursor)?.whole()?;
                cursor.expect("]")?;
                let first = grow(&mut self.inputs, count, self.limits.qubits, "inputs", at)?;
                let (name, at) = cursor.word("a name")?;
                self.declare(name, at, Entity::Inputs { first, count })?;
            }
            other => return Err(unsupported_input(other, at)),
        }
        cursor.expect(";")
    }

    fn constant(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        cursor.take();
        let (kind, at) = cursor.word("a type")?;
        if !["int", "uint", "float", "angle"].contains(&kind) {
            let what = format!("a constant of type `{kind}`");
            return Err(at.error(Problem::Unsupported { what, remedy: "use `float` or `int`" }));
        }
        self.length(cursor)?;
        let (name, at) = cursor.word("a name")?;
        cursor.expect("=")?;
        let value = self.expression(cursor)?.constant()?;
        self.declare(name, at, Entity::Constant(value))?;
        cursor.expect(";")
    }

    pub(super) fn operands(&self, cursor: &mut Cursor<'a>) -> Result<Vec<Operand>, QasmError> {
        let mut operands = vec![self.operand(cursor, true)?];
        while cursor.takes(",") {
            operands.push(self.operand(cursor, true)?);
        }
        Ok(operands)
    }

    /// Qubits, or bits.
    fn operand(&self, cursor: &mut Cursor<'a>, qubits: bool) -> Result<Operand, QasmError> {
        if let (true, Kind::Hardware(number)) = (qubits, cursor.peek().kind) {
            cursor.take();
            return Ok(Operand::One(number));
        }
        let what = if qubits { "a qubit" } else { "a bit" };
        let (name, at) = cursor.word(what)?;
        let register = match self.names.get(name) {
            Some(Entity::Qubits(register)) if qubits => register,
            Some(Entity::Bits(register)) if !qubits => register,
            _ => return Err(at.error(Problem::Unknown { what: &what[2..], name: name.to_owned() })),
        };
        if !cursor.takes("[") {
            return Ok(register.whole());
        }
        let index = self.index(cursor)?;
        cursor.expect("]")?;
        register.indexed(name, &index)
    }

    fn index(&self, cursor: &mut Cursor<'a>) -> Result<Index, QasmError> {
        let at = cursor.at();
        if cursor.takes("{") {
            let mut set = Vec::new();
            loop {
                let at = cursor.at();
                set.push((self.expression(cursor)?.constant()?, at));
                if !cursor.takes(",") {
                    break;
                }
            }
            cursor.expect("}")?;
            return Ok(Index::Set(set));
        }
        let mut parts = [None; 3];
        let mut colons = 0;
        loop {
            if !cursor.is(":") && !cursor.is("]") {
                parts[colons] = Some(self.expression(cursor)?.constant()?);
            }
            if colons == 2 || !cursor.takes(":") {
                break;
            }
            colons += 1;
        }
        match (colons, parts) {
            (0, [Some(one), ..]) => Ok(Index::One(one, at)),
            (1, [first, last, _]) => Ok(Index::Range(first, 1.0, last, at)),
            (2, [first, step, last]) => Ok(Index::Range(first, step.unwrap_or(1.0), last, at)),
            _ => Err(cursor.expected("an index")),
        }
    }

    /// `= measure q;`
    fn measured(&mut self, cursor: &mut Cursor<'a>, target: Operand) -> Result<(), QasmError> {
        let at = cursor.at();
        cursor.expect("=")?;
        if !cursor.takes_word("measure") {
            return Err(cursor.expected("measure"));
        }
        let source = self.operand(cursor, true)?;
        self.measure(source, target, at)?;
        cursor.expect(";")
    }

    fn measure(&mut self, source: Operand, target: Operand, at: At) -> Result<(), QasmError> {
        let (qubits, bits) = (source.numbers(), target.numbers());
        if qubits.len() != bits.len() {
            return Err(at.error(Problem::Lengths(qubits.len(), bits.len())));
        }
        self.definitions.spend(qubits.len(), at)?;
        let pairs = qubits.iter().zip(bits);
        self.instructions.extend(pairs.map(|(&qubit, &bit)| Instruction::Measure { qubit, bit }));
        Ok(())
    }

    fn barrier(&mut self, cursor: &mut Cursor<'a>, at: At) -> Result<(), QasmError> {
        cursor.take();
        let operands = if cursor.is(";") { Vec::new() } else { self.operands(cursor)? };
        let mut qubits: Vec<usize> = match operands[..] {
            [] => (0..self.qubits).collect(),
            _ => operands.iter().flat_map(|operand| operand.numbers().iter().copied()).collect(),
        };
        // A barrier may name a qubit more than once.
        let mut seen = vec![false; self.qubits];
        qubits.retain(|&qubit| !std::mem::replace(&mut seen[qubit], true));
        self.definitions.spend(qubits.len().max(1), at)?;
        self.instructions.push(Instruction::Barrier(qubits));
        cursor.expect(";")
    }

    fn circuit(self, end: At) -> Result<Circuit, QasmError> {
        let mut circuit = Circuit::new(self.qubits);
        circuit.add_bits(self.bits);
        circuit.add_inputs(self.inputs);
        for name in self.parameters {
            circuit.add_parameter(name);
        }
        for instruction in self.instructions {
            circuit.push_instruction(instruction).map_err(|error| {
                end.error(Problem::Unsupported { what: error.to_string(), remedy: "remove that instruction" })
            })?;
        }
        Ok(circuit)
    }
}

fn unsupported_input(kind: &str, at: At) -> QasmError {
    let what = format!("an input of type `{kind}`");
    at.error(Problem::Unsupported { what, remedy: "use `float`, `angle` or an array of them" })
}

/// Makes a count larger, within a limit; returns what it was.
fn grow(count: &mut usize, by: usize, limit: usize, what: &'static str, at: At) -> Result<usize, QasmError> {
    let first = *count;
    let sum = first.checked_add(by).filter(|sum| *sum <= limit);
    *count = sum.ok_or_else(|| at.error(Problem::Limit { what, limit }))?;
    Ok(first)
}
