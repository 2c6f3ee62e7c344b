//! Whether a program fits the memory that there is.

use super::EmitError;
use crate::simulate::Sizes;

/// What a program takes of the memory, in bytes, before it is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Memory {
    /// The arena, in RAM.
    pub arena: u64,
    /// The most that is needed of it together: no packing is smaller.
    pub lower_bound: u64,
    /// Parameters that are trained, in RAM; their first values are in flash.
    pub state: u64,
    /// Weights and tables that never change, in flash.
    pub constants: u64,
    /// Code of the kernels that are called, at most, in flash.
    pub kernels: u64,
    /// Calls of the run-time.
    pub calls: usize,
}

/// What of the C library is called to copy and to fill, and code and structs for a call, in bytes, as arm-none-eabi-gcc 12 makes them for a Cortex-M7, rounded up.
const LIBRARY_CODE: u64 = 1024;
const CALL_CODE: u64 = 112;

impl Memory {
    /// An upper estimate of the code, in bytes. What a firmware has besides is not in it.
    pub fn code(&self) -> u64 {
        LIBRARY_CODE + self.kernels + CALL_CODE * self.calls as u64
    }

    /// RAM with a stack of the given size, in bytes.
    pub fn sram(&self, stack: u64) -> u64 {
        self.arena.saturating_add(self.state).saturating_add(stack)
    }

    /// Flash, the code estimated, in bytes.
    pub fn flash(&self) -> u64 {
        self.state + self.constants + self.code()
    }
}

/// The memory that there is, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// RAM for arena, trained parameters and stack.
    pub sram: u64,
    /// Flash for weights, first values of trained parameters, and code.
    pub flash: u64,
    /// The part of RAM that is set aside for the stack.
    pub stack: u64,
}

impl Budget {
    /// Proves that a program fits before it is compiled.
    ///
    /// # Errors
    /// [`EmitError::Budget`] with the numbers.
    pub fn check(&self, memory: &Memory) -> Result<(), EmitError> {
        let parts =
            format!("arena {}, trained parameters {}, stack {}", memory.arena, memory.state, self.stack);
        fits("SRAM", memory.sram(self.stack), self.sram, parts)?;
        let parts = format!(
            "constants {}, first values of trained parameters {}, code at most {}",
            memory.constants,
            memory.state,
            memory.code()
        );
        fits("flash", memory.flash(), self.flash, parts)
    }

    /// Proves that a compiled program fits.
    ///
    /// # Errors
    /// [`EmitError::Budget`] with the numbers.
    pub fn check_compiled(&self, sizes: &Sizes) -> Result<(), EmitError> {
        let ram = format!("variables {}, stack {}", sizes.data + sizes.bss, sizes.stack);
        fits("SRAM", sizes.ram(), self.sram, ram)?;
        let flash = format!("code {}, constants {}, first values {}", sizes.text, sizes.rodata, sizes.data);
        fits("flash", sizes.flash(), self.flash, flash)
    }
}

fn fits(memory: &'static str, needed: u64, available: u64, parts: String) -> Result<(), EmitError> {
    if needed <= available { Ok(()) } else { Err(EmitError::Budget { memory, needed, available, parts }) }
}
