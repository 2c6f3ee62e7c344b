//! Which instruction sets a test run covers: an emulated run names the one it was made for.
#![allow(missing_docs, clippy::unwrap_used)]

use ounce_kernels::Kernels;

#[test]
fn the_expected_kernels_are_fastest() {
    let available: Vec<&str> = Kernels::available().iter().map(|kernels| kernels.name()).collect();
    println!("kernels: {}", available.join(", "));
    assert_eq!(available.last(), Some(&"portable"));
    if let Ok(expected) = std::env::var("OUNCE_EXPECT_KERNELS") {
        assert_eq!(available[0], expected);
        assert_eq!(Kernels::detect().name(), expected);
    }
}
