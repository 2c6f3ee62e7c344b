//! `ounce tiny`: networks for microcontrollers, through the program.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::tiny::simulation_is_possible;
use common::{Machine, Ran, need};
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
    assert!(!machine.path("data/net").exists());
}

/// Runs the program with the compilers and the emulator of this machine within reach.
fn with_tools(machine: &Machine, arguments: &[&str]) -> Ran {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ran::from(machine.ounce(arguments).env("PATH", path).output().unwrap())
}

#[test]
fn pictures_are_streamed_to_a_simulated_device() {
    let network = need!("OUNCE_TEST_DATA", "tiny/pretrainedResnet_quant.tflite");
    let pictures = need!("OUNCE_TEST_DATA", "tiny/cifar10-jpg.zip");
    if !simulation_is_possible() {
        return;
    }
    let machine = Machine::new();
    let pictures = format!("{pictures}/test");
    let run = |more: &[&str]| with_tools(&machine, &[&["tiny", "simulate", &network], more].concat());
    let report = run(&["--data", &pictures, "--images", "20", "--json"]).ok().json();
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((number("images"), number("equal")), (20, 20), "{report}");
    // The network is right for five pictures of six.
    assert!(number("right") >= 13, "{report}");
    assert!(number("stack_peak_bytes") < number("stack_bytes"), "{report}");
    assert!(
        number("instructions") >= number("mean_instructions") && number("mean_instructions") > 0,
        "{report}"
    );
    run(&["--data", "nothing.zip/test"]).fails(1, &["nothing.zip"]);
    run(&["--sram", "16K"]).fails(1, &["SRAM", "too many", "arena"]);
    run(&["--flash", "64K"]).fails(1, &["flash", "too many", "constants"]);
    run(&["--sram", "60K", "--stack", "256"]).fails(1, &["stack of 256 bytes"]);
}

#[test]
fn the_original_graph_fits_in_less_than_the_original_takes() {
    let graph = need!("OUNCE_TEST_DATA", "tiny/49kb-int8-graph.json");
    let parameters = need!("OUNCE_TEST_DATA", "tiny/full-int8-params.pkl");
    let scales = need!("OUNCE_TEST_DATA", "tiny/scale.json");
    let machine = Machine::new();
    machine.run(&["tiny", "emit", &graph, "-o", "net"]).fails(2, &["--parameters", "--scales"]);
    if !simulation_is_possible() {
        return;
    }
    let named = ["--parameters", &parameters, "--scales", &scales, "--sram", "160K", "--json"];
    let report = with_tools(&machine, &[&["tiny", "simulate", &graph], &named[..]].concat()).ok().json();
    assert_eq!(report["equal"], 1, "{report}");
    assert!(report["instructions"].as_u64().unwrap() < 65_000_000, "{report}");
}

#[test]
fn a_device_learns_by_a_scheme() {
    let network = need!("OUNCE_TEST_DATA", "tiny/mcunet-5fps.pkl");
    let pictures = need!("OUNCE_TEST_DATA", "tiny/cifar10-jpg.zip");
    let machine = Machine::new();
    let emit = ["tiny", "emit", &network, "-o", "net", "--scheme", "49", "--classes", "10"];
    let report = machine.run(&[&emit[..], &["--sram", "225000", "--check", "--json"]].concat()).ok().json();
    // What the original counts: constants beside trained parameters in flash, and these in RAM.
    assert_eq!(report["state_bytes"], 47_656, "{report}");
    assert!(report["constant_bytes"].as_u64().unwrap() <= 478_144, "{report}");
    let header = fs::read_to_string(machine.path("data/net/model.h")).unwrap();
    assert!(header.contains("model_train_step") && header.contains("model_invoke"), "{header}");
    machine.run(&["tiny", "emit", &network, "-o", "other", "--scheme", "50"]).fails(2, &["50", "49"]);
    if !simulation_is_possible() {
        return;
    }
    let more =
        ["--scheme", "49", "--classes", "cat,ship", "--steps", "4", "--images", "4", "--sram", "225000"];
    let simulate = [&["tiny", "simulate", &network, "--data", &pictures, "--json"], &more[..]].concat();
    let report = with_tools(&machine, &simulate).ok().json();
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((number("equal"), report["losses"].as_array().unwrap().len()), (4, 4), "{report}");
    assert_eq!(report["same_bytes_on_this_machine"], true, "{report}");
    assert!(number("instructions") <= 65_000_000 && number("step_instructions") <= 106_000_000, "{report}");
    machine.run(&["tiny", "simulate", &network, "--scheme", "49"]).fails(2, &["--data"]);
}
