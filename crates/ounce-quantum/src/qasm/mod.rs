//! OpenQASM 2 and 3: reading and writing circuits.
//!
//! Read are all of OpenQASM 2 and, of OpenQASM 3, what a circuit has: registers, constants, `input` parameters, `gate` definitions, `ctrl`,
//! `negctrl`, `inv` and `pow`, measurements, resets and barriers. Definitions are inlined. What a circuit cannot hold (`if`, loops, classical
//! types, timing) is refused with its place. `qelib1.inc` and `stdgates.inc` are built in, and every other name of [`crate::gate::names`] is understood as
//! well, unless a file defines it.
//!
//! An `input float` or `input angle` is a parameter; `input array[float, n]` is `n` inputs. Angles must be linear in them. Quotients are those of real numbers, of
//! integers too. Of OpenQASM 3's `U`, and of `u2` and `u3` as `stdgates.inc` defines them, the phase matters only under `ctrl`; there it is that of the
//! specification.

mod angles;
mod cursor;
mod definitions;
mod error;
mod expression;
mod gates;
mod lexer;
mod library;
mod operands;
mod reader;
mod write;

pub(crate) use angles::number;
pub use error::{Problem, QasmError};
pub use reader::{Limits, read, read_with};
pub use write::{WriteError, write2, write3};

#[cfg(test)]
mod tests;
