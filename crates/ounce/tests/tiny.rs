//! `ounce tiny`: networks for microcontrollers, through the program.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::tiny::{digits, network, simulation_is_possible};
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

#[test]
fn options_of_no_effect_are_refused() {
    let machine = Machine::new();
    machine.data("net.pkl", network());
    let fails = |arguments: &[&str], words: &[&str]| {
        machine.run(&[&["tiny"], arguments].concat()).fails(2, words);
    };
    for option in [
        ["--steps", "5"],
        ["--classes", "a,b"],
        ["--rounding", "nearest"],
        ["--rate", "0.1"],
        ["--bias-rate", "0.1"],
    ] {
        fails(&[&["simulate", "net.pkl"], &option[..]].concat(), &["--scheme"]);
    }
    fails(&["emit", "net.pkl", "-o", "c", "--seed", "1"], &["--scheme"]);
    for (file, option) in [
        ("net.tflite", "--size"),
        ("net.onnx", "--size"),
        ("net.json", "--size"),
        ("net.json", "--trained"),
        ("net.tflite", "--calibration"),
        ("net.onnx", "--parameters"),
        ("net.pkl", "--scales"),
    ] {
        machine.data(file, if file == "net.pkl" { network() } else { String::new() });
        for command in [&["emit", "-o", "c"][..], &["simulate"]] {
            fails(&[command, &[file, option, "8"]].concat(), &[option, file, "leave it out"]);
        }
    }
    assert!(!machine.path("data/c").exists());
}

#[test]
fn a_program_that_cannot_be_written_is_named() {
    let machine = Machine::new();
    machine.data("net.pkl", network());
    machine.data("file", "");
    for place in ["none/net", "file/net"] {
        let ran = machine.run(&["tiny", "emit", "net.pkl", "-o", place]);
        assert!(!ran.stderr.contains(".ounce-"), "{ran:?}");
        ran.fails(1, &["cannot write", place]);
    }
}

/// The network tells five classes; digits have ten, of which three are there.
#[test]
fn pictures_of_unknown_classes_are_refused() {
    let machine = Machine::new();
    machine.data("net.pkl", network());
    digits(&machine, "train", 60);
    digits(&machine, "t10k", 30);
    let simulate = ["tiny", "simulate", "net.pkl", "--data", "digits", "--images", "30"];
    machine.run(&simulate).fails(1, &["class", "tells 5", "hint"]);
    let train = ["tiny", "train", "net.pkl", "--data", "digits", "--epochs", "4", "--rate", "0.02"];
    let classes = ["--classes", "8,7", "-o", "two", "--json"];
    let learned = machine.run(&[&train[..], &classes].concat()).ok().json();
    if !simulation_is_possible() {
        return;
    }
    // What it has learned, it tells as after the training; of other digits nothing is drawn.
    let trained = [&simulate[..], &["--trained", "two", "--json"]].concat();
    let report = with_tools(&machine, &trained).ok().json();
    assert_eq!((&report["images"], &report["equal"]), (&20.into(), &20.into()), "{report}");
    let accuracy = learned["result"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.7, "{learned}");
    assert_eq!(report["right"].as_u64(), Some((20.0 * accuracy).round() as u64), "{report}");
    // Pictures of nothing that it has learned.
    for part in ["t10k", "train"] {
        let path = machine.path(&format!("data/digits/{part}-labels-idx1-ubyte"));
        let mut labels = fs::read(&path).unwrap();
        labels[8..].fill(3);
        fs::write(path, labels).unwrap();
    }
    machine.run(&trained).fails(1, &["digits has no pictures of 8, 7"]);
}

#[test]
fn the_simulation_says_what_memory_its_driver_takes() {
    if !simulation_is_possible() {
        return;
    }
    let machine = Machine::new();
    machine.data("net.pkl", network());
    digits(&machine, "train", 6);
    digits(&machine, "t10k", 3);
    let learns = ["--scheme", "bias:2", "--classes"];
    for (emit, simulate) in [
        (vec![], vec![]),
        (
            [&learns[..], &["3"]].concat(),
            [&learns[..], &["3,7,8", "--data", "digits", "--steps", "2"]].concat(),
        ),
    ] {
        let emit = [&["tiny", "emit", "net.pkl", "-o", "net", "--json"], &emit[..]].concat();
        let emitted = machine.run(&emit).ok().json();
        fs::remove_dir_all(machine.path("data/net")).unwrap();
        let simulate = [&["tiny", "simulate", "net.pkl"], &simulate[..]].concat();
        let simulated = with_tools(&machine, &[&simulate[..], &["--json"]].concat()).ok().json();
        let bytes = |report: &serde_json::Value, what: &str| report[what].as_u64().unwrap();
        let driver = bytes(&simulated, "driver_sram_bytes");
        assert!((1..=64).contains(&driver), "{simulated}");
        assert_eq!(bytes(&simulated, "sram_bytes") - driver, bytes(&emitted, "sram_bytes"));
        let text = with_tools(&machine, &simulate).ok().stdout;
        assert!(text.contains(&format!("reading and writing of files {driver}\n")), "{text}");
    }
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
    // The archive itself has a part for tests, in which the same are drawn.
    let whole = pictures.strip_suffix("/test").unwrap();
    let same = run(&["--data", whole, "--images", "20", "--json"]).ok().json();
    assert_eq!(same, report);
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
