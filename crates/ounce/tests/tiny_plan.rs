//! `ounce tiny plan`, through the program.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::tiny::{digits, network, other_digits, other_network};
use common::{Machine, need};
use ounce_tiny::contribution::{Contributions, Point};
use ounce_tiny::scheme::TrainedWeight;
use std::fs;

#[test]
fn published_schemes_of_a_network_are_planned() {
    let model = need!("OUNCE_TEST_DATA", "tiny/mcunet-5fps.pkl");
    let machine = Machine::new();
    let plan = ["tiny", "plan", &model, "--classes", "10", "--svg", "arena.svg"];
    let report = machine.run(&[&plan[..], &["--json"]].concat()).ok().json();
    let schemes = report["schemes"].as_array().unwrap();
    let extra: Vec<String> =
        schemes.iter().map(|scheme| format!("{:.1}", scheme["extra_kb"].as_f64().unwrap())).collect();
    assert_eq!(extra, ["49.6", "74.7", "99.7", "124.8", "148.2"]);
    for scheme in schemes.iter().chain([&report["inference"]]) {
        let bytes = |what: &str| scheme[format!("{what}_bytes")].as_u64().unwrap();
        assert!(bytes("arena_lower_bound") <= bytes("arena") && bytes("arena") <= bytes("arena_first_fit"));
        assert_eq!(bytes("sram"), bytes("arena") + bytes("state") + bytes("stack"));
        assert_eq!(scheme["fits"], bytes("sram") <= 256 << 10);
    }
    assert_eq!(report["layers"].as_array().unwrap().len(), 42);
    assert!(fs::read_to_string(machine.path("data/arena.svg")).unwrap().contains("lower bound"));
    let text = machine.run(&plan).ok().stdout;
    for extra in ["49.6", "74.7", "99.7", "124.8", "148.2"] {
        assert!(text.contains(&format!(" {extra} ")), "{text}");
    }
}

#[test]
fn a_scheme_is_measured_and_searched_for() {
    let machine = Machine::new();
    machine.data("net.pkl", network());
    digits(&machine, "train", 90);
    digits(&machine, "t10k", 30);
    let contributions = ["tiny", "plan", "net.pkl", "--contributions", "gains.json"];
    let measure = [
        &contributions[..],
        &[
            "--data",
            "digits",
            "--train",
            "45",
            "--validation",
            "45",
            "--epochs",
            "4",
            "--batch",
            "1",
            "--rate",
            "0.02",
            "--base",
            "3",
        ],
    ]
    .concat();
    machine.run(&contributions).fails(1, &["gains.json", "--data"]);
    machine.run(&[&measure[..], &["--figure", "gains.svg"]].concat()).ok();
    let measured = fs::read_to_string(machine.path("data/gains.json")).unwrap();
    assert!(fs::read_to_string(machine.path("data/gains.svg")).unwrap().contains("of the channels"));
    // What is missing is measured again, and comes out as before.
    let last = measured.lines().last().unwrap();
    let before = measured.lines().rev().nth(1).unwrap().trim_end_matches(',');
    let cut = measured.replace(&format!("{before},\n{last}"), &format!("{before}]}}"));
    assert_ne!(cut, measured);
    machine.data("gains.json", &cut);
    machine.run(&measure).ok();
    assert_eq!(fs::read_to_string(machine.path("data/gains.json")).unwrap(), measured);

    for (name, limits) in [("kb.toml", ["--budget-kb", "0.9"]), ("sram.toml", ["--sram", "12K"])] {
        let search = [&contributions[..], &["--search", "-o", name, "--json"], &limits].concat();
        let report = machine.run(&search).ok().json();
        let found = report["schemes"].as_array().unwrap().last().unwrap();
        assert_eq!(found["name"], "searched");
        match limits[0] {
            "--sram" => assert_eq!(found["fits"], true),
            _ => assert!(found["extra_kb"].as_f64().unwrap() <= 0.9),
        }
        assert!(report["search"]["accuracy"].as_f64() >= report["search"]["accuracy_by_chance"].as_f64());
        // The file is a scheme, and says the same.
        let again = machine
            .run(&["tiny", "plan", "net.pkl", "--scheme", name, "--classes", "10", "--json"])
            .ok()
            .json();
        let scheme = &again["schemes"][0];
        for key in ["biases", "weights", "extra_kb", "sram_bytes", "flash_bytes"] {
            assert_eq!(scheme[key], found[key], "{key}");
        }
        let text = fs::read_to_string(machine.path("data").join(name)).unwrap();
        assert!(text.starts_with("# Searched for net:"), "{text}");
    }
}

#[test]
fn contributions_are_of_one_network_and_of_the_same_pictures() {
    let machine = Machine::new();
    machine.data("net.pkl", network());
    digits(&machine, "train", 60);
    digits(&machine, "t10k", 6);
    let read = ["tiny", "plan", "net.pkl", "--contributions", "gains.json", "--search", "--sram", "20K"];
    let small = ["--train", "6", "--validation", "6", "--epochs", "1", "--base", "1"];
    let measure = [&read[..], &["--data", "digits"], &small].concat();
    machine.run(&measure).ok();
    let measured = fs::read_to_string(machine.path("data/gains.json")).unwrap();
    other_digits(&machine, "train");
    machine.run(&measure).fails(1, &["gains.json", "other pictures", "--data"]);
    machine.run(&read).ok();
    other_digits(&machine, "train");
    // Pictures that were not looked at do not matter.
    other_digits(&machine, "t10k");
    machine.run(&measure).ok();
    machine.data("net.pkl", other_network());
    for arguments in [&read[..], &measure] {
        machine.run(arguments).fails(1, &["gains.json", "another network"]);
    }
    // Those that do not say from what they were measured can be read, but not gone on with.
    let origin = measured.lines().nth(1).unwrap();
    assert!(origin.starts_with("\"origin\""), "{measured}");
    machine.data("gains.json", measured.replace(&format!("{origin}\n"), ""));
    machine.run(&read).ok();
    machine.run(&measure).fails(1, &["gains.json", "does not say"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_search_ends_with_the_best_so_far() {
    let model = need!("OUNCE_TEST_DATA", "tiny/mcunet-5fps.pkl");
    let known = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemes/mcunet-5fps/contributions.json");
    let machine = Machine::new();
    // All weights are made to help, so that there is much to search through.
    let mut found = Contributions::parse(&fs::read_to_string(known).unwrap()).unwrap();
    found.setting.validation = 1 << 30;
    found.weights.clear();
    for conv in found.convs - found.base..found.convs {
        for share in [0.25, 0.5, 1.0] {
            found.record(
                Point::Weights(TrainedWeight { conv, share }),
                0.8 + 0.001 * conv as f64 + 0.01 * share,
            );
        }
    }
    machine.data("gains.json", found.to_text());
    let search = ["tiny", "plan", &model, "--contributions", "gains.json", "--search", "--scheme", "49"];
    let run = |more: &[&str]| machine.run(&[&search[..], more].concat());
    // However few schemes are tried, one that fits is found; and if there is none, that is said.
    for evaluations in ["1", "2"] {
        let more = ["--budget-kb", "40", "--evaluations", evaluations, "--json"];
        let report = run(&more).ok().json();
        assert!(report["schemes"][1]["extra_kb"].as_f64().unwrap() <= 40.0, "{report}");
    }
    run(&["--sram", "100K", "--evaluations", "1"]).fails(1, &["no scheme fits"]);

    let more = ["--evaluations", "10000000", "-o", "found.toml"];
    let child = machine.ounce(&[&search[..], &more].concat());
    let ran = interrupted(child);
    assert!(ran.stderr.contains("stopped after"), "{ran:?}");
    assert!(ran.stdout.contains("before it was stopped") && !ran.stdout.contains("chance"), "{ran:?}");
    let text = fs::read_to_string(machine.path("data/found.toml")).unwrap();
    assert!(text.contains("tried before it was stopped"), "{text}");
    machine.run(&["tiny", "plan", &model, "--classes", "10", "--scheme", "found.toml"]).ok();
}

/// Presses Ctrl-C as soon as the program listens.
#[cfg(target_os = "linux")]
fn interrupted(mut command: std::process::Command) -> common::Ran {
    let piped = std::process::Stdio::piped;
    let child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let listens = || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 1 << (2 - 1) != 0
    };
    while !listens() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    common::Ran::from(child.wait_with_output().unwrap()).ok()
}

#[test]
fn what_cannot_be_planned_is_said() {
    let machine = Machine::new();
    machine.data("net.pkl", network());
    let plan = |more: &[&str]| machine.run(&[&["tiny", "plan", "net.pkl"], more].concat());
    plan(&["--scheme", "bias:9"]).fails(1, &["last 9", "has 4"]);
    plan(&["--scheme", "nothing.toml"]).fails(1, &["nothing.toml"]);
    plan(&["--search"]).fails(2, &["--contributions"]);
    for option in [
        "--train",
        "--validation",
        "--epochs",
        "--batch",
        "--rate",
        "--bias-rate",
        "--base",
        "--seeds",
        "--seed",
        "-t",
    ] {
        plan(&[option, "1"]).fails(2, &["--data"]);
    }
    plan(&["--contributions", "c", "--search", "--budget-kb", "nan"])
        .fails(2, &["--budget-kb", "0 or above"]);
    plan(&["--size", "0"]).fails(1, &["net.pkl"]);
    plan(&["--svg", "none/arena.svg"]).fails(1, &["none/arena.svg"]);
    machine.data("bad.json", "{\"setting\":");
    plan(&["--contributions", "bad.json"]).fails(1, &["bad.json", "line 1"]);
    machine.data("net.json", "");
    machine.run(&["tiny", "plan", "net.json"]).fails(2, &["net.json", ".pkl"]);
    machine.data("net.tflite", "");
    machine.run(&["tiny", "plan", "net.tflite"]).fails(1, &["net.tflite", "TensorFlow Lite"]);
}
