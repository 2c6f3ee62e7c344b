//! What the linker wrote: sizes and addresses.

use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol};

use super::SimulateError;

/// Bytes of the parts of a program.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sizes {
    /// Code, in flash.
    pub text: u64,
    /// Constants, in flash.
    pub rodata: u64,
    /// Variables with a first value, in RAM; the value itself is in flash.
    pub data: u64,
    /// Variables that begin as 0, in RAM.
    pub bss: u64,
    /// The stack, in RAM.
    pub stack: u64,
}

impl Sizes {
    /// Flash in use.
    pub fn flash(&self) -> u64 {
        self.text + self.rodata + self.data
    }

    /// RAM in use or set aside.
    pub fn ram(&self) -> u64 {
        self.data + self.bss + self.stack
    }
}

/// Reads sizes, and the address of the function `symbol`.
pub(crate) fn inspect(path: &Path, symbol: &str) -> Result<(Sizes, u64), SimulateError> {
    let bytes = std::fs::read(path).map_err(SimulateError::io(path))?;
    let problem = |problem: String| SimulateError::Elf { path: path.into(), problem };
    let file = object::File::parse(&*bytes).map_err(|error| problem(error.to_string()))?;
    let size = |name: &str| file.section_by_name(name).map_or(0, |section| section.size());
    let sizes = Sizes {
        text: size(".text"),
        rodata: size(".rodata") + size(".ARM.exidx"),
        data: size(".data"),
        bss: size(".bss"),
        stack: size(".stack"),
    };
    let found = file.symbols().find(|s| s.name() == Ok(symbol));
    let address = found.ok_or_else(|| problem(format!("it has no {symbol}")))?.address();
    // The lowest bit says that the function is Thumb code.
    Ok((sizes, address & !1))
}
