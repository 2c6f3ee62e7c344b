//! Drawings of circuits: as text and as SVG.
//!
//! Gates are packed into columns as far to the left as their wires allow; both drawings show the same columns.

mod columns;
mod label;
mod svg;
mod text;

pub use svg::svg;
pub use text::text;

#[cfg(test)]
mod tests;
