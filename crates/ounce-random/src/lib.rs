//! Random numbers that are the same in every version and on every machine: seeds are part of results.

#![forbid(unsafe_code)]

mod draw;
mod pcg;

pub use pcg::Pcg32;
