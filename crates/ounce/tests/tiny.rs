//! `ounce tiny`: networks for microcontrollers, through the program.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{Machine, need};
use std::fs;

#[test]
fn a_network_is_written_as_c_that_compiles() {
    let network = need!("OUNCE_TEST_DATA", "tiny/pretrainedResnet_quant.tflite");
    let machine = Machine::new();
    let report = machine.run(&["tiny", "emit", &network, "-o", "net", "--json"]).ok().json();
    assert!(report["sram_bytes"].as_u64() >= report["arena_bytes"].as_u64(), "{report}");
    assert!(report["arena_bytes"].as_u64() >= report["arena_lower_bound_bytes"].as_u64(), "{report}");
    let folder = machine.path("data/net");
    let sources = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let sources: Vec<_> =
        sources.filter(|path| path.extension().is_some_and(|extension| extension == "c")).collect();
    assert!(sources.len() > 1, "{sources:?}");
    match std::process::Command::new("cc")
        .arg("-fsyntax-only")
        .args(["-std=c99", "-Wall", "-Werror"])
        .args(&sources)
        .status()
    {
        Ok(status) => assert!(status.success()),
        Err(error) => eprintln!("not compiled: {error}"),
    }
    machine.run(&["tiny", "emit", &network, "-o", "net"]).fails(1, &["net", "exists"]);
    let small = ["tiny", "emit", &network, "-o", "small", "--sram", "16K", "--check"];
    machine.run(&small).fails(1, &["nothing was written"]);
    let left: Vec<_> =
        fs::read_dir(machine.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["net"]);
}

#[test]
fn what_cannot_be_compiled_is_named() {
    let machine = Machine::new();
    let text = machine.data("a.tflite", "this is no network");
    machine.run(&["tiny", "emit", text.to_str().unwrap(), "-o", "net"]).fails(1, &["a.tflite"]);
    machine.run(&["tiny", "emit", "nothing.tflite", "-o", "net"]).fails(1, &["nothing.tflite"]);
    let network = need!("OUNCE_TEST_DATA", "tiny/vww.tflite");
    machine.run(&["tiny", "emit", &network, "-o", "net"]).fails(1, &["pad"]);
    assert!(!machine.path("data/net").exists());
}
