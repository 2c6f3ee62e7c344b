//! Definitions and applications of gates.

use super::cursor::Cursor;
use super::definitions::{Call, Callee, DEPTH, Definition, Modifier};
use super::error::{At, Problem, QasmError};
use super::expression::{Expression, Names, Value};
use super::lexer::Kind;
use super::library::Builtin;
use super::operands::broadcast;
use super::reader::{Globals, Reader};
use crate::circuit::Instruction;

/// Angles or qubits of a definition that are read.
const NAMES: usize = 4096;

/// Names inside a definition: its parameters, and constants.
struct Formals<'r, 'a> {
    angles: &'r [&'a str],
    globals: Globals<'r, 'a>,
}

impl Names for Formals<'_, '_> {
    fn value(&self, name: &str, index: Option<usize>, at: At) -> Result<Value, QasmError> {
        match self.angles.iter().position(|own| *own == name) {
            Some(number) if index.is_none() => Ok(Value::Formal(number)),
            _ => match self.globals.value(name, index, at)? {
                Value::Angle(angle) if angle.constant().is_none() => Err(at.error(Problem::NotConstant)),
                value => Ok(value),
            },
        }
    }
}

impl<'a> Reader<'a> {
    /// `gate name(angles) qubits { calls }`.
    pub(super) fn gate(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        cursor.take();
        let (name, at) = cursor.word("the name of a gate")?;
        let mut angles = Vec::new();
        if cursor.takes("(") && !cursor.takes(")") {
            angles = list(cursor, "the name of an angle")?;
            cursor.expect(")")?;
        }
        let qubits = if cursor.is("{") { Vec::new() } else { list(cursor, "the name of a qubit")? };
        cursor.expect("{")?;
        let mut body = Vec::new();
        let mut depth = 1;
        while !cursor.takes("}") {
            let call_at = cursor.at();
            if cursor.takes_word("barrier") {
                while !cursor.takes(";") {
                    if cursor.take().kind == Kind::End {
                        return Err(cursor.expected(";"));
                    }
                }
                continue;
            }
            if let Kind::Word(word @ ("measure" | "reset" | "if" | "for" | "while")) = cursor.peek().kind {
                let what = format!("`{word}` in the definition of a gate");
                return Err(
                    call_at.error(Problem::Unsupported { what, remedy: "a gate has only gates in it" })
                );
            }
            let formals = Formals { angles: &angles, globals: Globals(&self.names) };
            let call = self.call(cursor, &formals)?;
            let mut numbers = Vec::new();
            while let Kind::Word(_) = cursor.peek().kind {
                let (qubit, at) = cursor.word("a qubit")?;
                let unknown = || at.error(Problem::Unknown { what: "qubit", name: qubit.to_owned() });
                numbers.push(qubits.iter().position(|own| *own == qubit).ok_or_else(unknown)?);
                if !cursor.takes(",") {
                    break;
                }
            }
            cursor.expect(";")?;
            self.check(&call, numbers.len())?;
            distinct(&numbers, call_at)?;
            depth = depth.max(1 + self.definitions.depth(&call.callee));
            body.push((call, numbers));
        }
        if depth > DEPTH {
            return Err(at.error(Problem::Limit { what: "definitions within definitions", limit: DEPTH }));
        }
        if self.gates.insert(name, self.definitions.all.len()).is_some() {
            return Err(at.error(Problem::Twice(name.to_owned())));
        }
        let (angles, qubits) = (angles.len(), qubits.len());
        self.definitions.all.push(Definition { name: name.to_owned(), angles, qubits, body, depth });
        Ok(())
    }

    /// Modifiers, the name of a gate and its angles.
    fn call(&self, cursor: &mut Cursor<'a>, names: &impl Names) -> Result<Call, QasmError> {
        let mut modifiers = Vec::new();
        loop {
            let modifier = match (cursor.peek().kind, cursor.second()) {
                (Kind::Word("inv"), Kind::Symbol("@")) => {
                    cursor.take();
                    Modifier::Inverse
                }
                (Kind::Word("pow"), Kind::Symbol("(")) => {
                    cursor.take();
                    cursor.expect("(")?;
                    let exponent = Expression::parse(cursor, names, self.version)?;
                    cursor.expect(")")?;
                    Modifier::Power(exponent)
                }
                (Kind::Word(word @ ("ctrl" | "negctrl")), Kind::Symbol("@" | "(")) => {
                    let at = cursor.take().at;
                    let mut count = 1;
                    if cursor.takes("(") {
                        count = Expression::parse(cursor, names, self.version)?.whole()?;
                        cursor.expect(")")?;
                    }
                    if count > self.limits.qubits {
                        return Err(at.error(Problem::Limit { what: "controls", limit: self.limits.qubits }));
                    }
                    Modifier::Controls { count, on: word == "ctrl" }
                }
                _ => break,
            };
            cursor.expect("@")?;
            modifiers.push(modifier);
        }
        let (name, at) = cursor.word("the name of a gate")?;
        let defined = self.gates.get(name).map(|&index| Callee::Defined(index));
        let callee = defined.or_else(|| Builtin::find(name, self.version).map(Callee::Builtin));
        let callee =
            callee.ok_or_else(|| at.error(Problem::Unknown { what: "gate", name: name.to_owned() }))?;
        let mut arguments = Vec::new();
        if cursor.takes("(") && !cursor.takes(")") {
            loop {
                arguments.push(Expression::parse(cursor, names, self.version)?);
                if !cursor.takes(",") {
                    break;
                }
            }
            cursor.expect(")")?;
        }
        Ok(Call { callee, at, modifiers, arguments })
    }

    fn check(&self, call: &Call, qubits: usize) -> Result<(), QasmError> {
        let (angles, targets) = self.definitions.counts(&call.callee);
        let controls: usize = call.modifiers.iter().map(Modifier::controls).sum();
        for (what, expected, found) in
            [("angles", angles, call.arguments.len()), ("qubits", targets + controls, qubits)]
        {
            if expected != found {
                let gate = self.definitions.name(&call.callee);
                return Err(call.at.error(Problem::Count { gate, what, expected, found }));
            }
        }
        Ok(())
    }

    /// A gate on registers or qubits.
    pub(super) fn application(&mut self, cursor: &mut Cursor<'a>) -> Result<(), QasmError> {
        let call = self.call(cursor, &Globals(&self.names))?;
        let operands = if cursor.is(";") { Vec::new() } else { self.operands(cursor)? };
        self.check(&call, operands.len())?;
        cursor.expect(";")?;
        for qubits in broadcast(&operands, call.at)? {
            distinct(&qubits, call.at)?;
            let operations = self.definitions.expand(&call, &qubits, &[], false)?;
            self.instructions.extend(operations.into_iter().map(Instruction::Gate));
        }
        Ok(())
    }
}

fn list<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Result<Vec<&'a str>, QasmError> {
    let mut names = Vec::new();
    loop {
        let (name, at) = cursor.word(what)?;
        if names.contains(&name) {
            return Err(at.error(Problem::Twice(name.to_owned())));
        }
        if names.len() >= NAMES {
            return Err(at.error(Problem::Limit { what: "names", limit: NAMES }));
        }
        names.push(name);
        if !cursor.takes(",") {
            return Ok(names);
        }
    }
}

fn distinct(qubits: &[usize], at: At) -> Result<(), QasmError> {
    let twice = qubits.iter().enumerate().any(|(index, qubit)| qubits[..index].contains(qubit));
    if twice { Err(at.error(Problem::Repeated)) } else { Ok(()) }
}
