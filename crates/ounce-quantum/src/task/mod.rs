//! The tasks of the papers: data prepared as there.

mod eigen;
pub mod pictures;
pub mod table;
