//! The `ounce` program.
fn main() {}
