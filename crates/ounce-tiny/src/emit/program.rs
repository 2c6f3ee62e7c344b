//! A network as calls of the run-time: what lies between a graph and its text in C.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::interface::Argument;

/// A piece of memory in the arena, by its number in [`Function::slots`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Slot(pub(crate) usize);

/// What a statement does to a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A slot in a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub(crate) slot: Slot,
    pub(crate) access: Access,
}

/// An operand that is read and one that is written which may be the same memory.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) read: Slot,
    pub(crate) write: Slot,
    /// What the statement is then, if not the same text.
    pub(crate) text: Option<String>,
}

/// One statement of C. Its text names operand `i` as `$i$` and scratch memory as `$s$`.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// The node that it computes.
    pub(crate) node: String,
    pub(crate) text: String,
    pub(crate) operands: Vec<Operand>,
    /// Bytes of scratch.
    pub(crate) scratch: usize,
    /// What may share memory, in order of preference.
    pub(crate) shares: Vec<Share>,
    /// Copy these bytes from one slot to another first, if they share no memory: for kernels that only work in place.
    pub(crate) copy: Option<(Slot, Slot, usize)>,
}

/// A value that the caller gives or gets, and its memory: `None` for a number that is passed by value.
pub(crate) type Given = (Argument, Option<Slot>);

/// One function of the program.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) inputs: Vec<Given>,
    pub(crate) outputs: Vec<Given>,
    pub(crate) statements: Vec<Statement>,
    /// Bytes of every slot.
    pub(crate) slots: Vec<usize>,
}

/// Arrays and structs that never change, and parameters.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// Declarations with values.
    pub(crate) definitions: String,
    /// The same without values, for the header.
    pub(crate) declarations: String,
    /// Structs that the calls take, in the file of the calls.
    pub(crate) structs: String,
    /// Only count: values have no text, and nothing is declared.
    counted: bool,
    names: HashMap<String, String>,
    /// Bytes of parameters that are updated, in RAM and, their first values, in flash.
    pub(crate) state_bytes: usize,
    /// Bytes of what never changes, in flash.
    pub(crate) constant_bytes: usize,
    count: usize,
}

impl Tables {
    /// Tables of which only the size matters.
    pub(crate) fn counted() -> Self {
        Self { counted: true, ..Self::default() }
    }

    /// What stands for values in these tables: their text, or a hash where they are only counted.
    pub(crate) fn values(&self, values: impl Hash, text: impl FnOnce() -> String) -> String {
        if !self.counted {
            return text();
        }
        let mut hasher = DefaultHasher::new();
        values.hash(&mut hasher);
        hasher.finish().to_string()
    }

    /// An array that never changes; equal ones are one. `prefix` begins the name.
    pub(crate) fn constant(
        &mut self,
        prefix: &str,
        what: &str,
        ty: &str,
        bytes: usize,
        values: &str,
    ) -> String {
        let key = format!("{ty} {values}");
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let name = format!("{prefix}_{what}_{}", self.count);
        self.count += 1;
        self.array(&format!("const {ty}"), &name, values);
        self.constant_bytes += bytes;
        self.names.insert(key, name.clone());
        name
    }

    /// An array that the program changes.
    pub(crate) fn state(&mut self, name: &str, ty: &str, bytes: usize, values: &str) {
        self.array(ty, name, values);
        self.state_bytes += bytes;
    }

    /// A struct that never changes; equal ones are one.
    pub(crate) fn structure(&mut self, ty: &str, what: &str, values: &str) -> String {
        let key = format!("{ty} {{{values}}}");
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let name = format!("{what}_{}", self.count);
        self.count += 1;
        // Writing to a string does not fail.
        let _ = writeln!(self.structs, "static const {ty} {name} = {{{values}}};");
        self.names.insert(key, name.clone());
        name
    }

    fn array(&mut self, ty: &str, name: &str, values: &str) {
        if self.counted {
            return;
        }
        let count = values.split(',').count();
        let _ = writeln!(self.declarations, "extern {ty} {name}[{count}];");
        let _ = write!(self.definitions, "{ty} {name}[{count}] = {{");
        for (i, value) in values.split(',').enumerate() {
            self.definitions.push_str(match i {
                0 => "\n    ",
                _ if i % 24 == 0 => ",\n    ",
                _ => ", ",
            });
            self.definitions.push_str(value);
        }
        self.definitions.push_str("\n};\n");
    }
}

/// Values as C writes them, between commas.
pub(crate) fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(",")
}

/// A float that C reads as exactly this one.
pub(crate) fn float(x: f32) -> String {
    format!("{x:e}f")
}

/// An integer of 32 bits.
pub(crate) fn int(x: i32) -> String {
    if x == i32::MIN { "(-2147483647 - 1)".to_owned() } else { x.to_string() }
}

/// A name that C allows.
pub(crate) fn identifier(name: &str) -> String {
    let mut identifier: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if identifier.chars().next().is_none_or(|c| c.is_ascii_digit()) {
        identifier.insert(0, '_');
    }
    identifier
}
