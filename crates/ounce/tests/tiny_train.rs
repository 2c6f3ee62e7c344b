//! `ounce tiny train`, through the program: a small network and pictures that are made here.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::tiny::{digits, network, of_file, other_digits, other_network, simulation_is_possible};
use common::{Machine, Ran};
use ounce_tiny::learn::Checkpoint;
use std::fs;
use std::io::Read as _;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.data("small.pkl", network());
    digits(&machine, "train", 240);
    digits(&machine, "t10k", 90);
    machine
}

const TRAIN: [&str; 12] = [
    "tiny",
    "train",
    "small.pkl",
    "--data",
    "digits",
    "--classes",
    "3,7,8",
    "--scheme",
    "scheme.toml",
    "--rate",
    "0.02",
    "-t",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&TRAIN[..], &["1"], more].concat()
}

#[test]
fn a_network_learns_and_goes_on_where_it_was_stopped() {
    let machine = machine();
    machine.data(
        "scheme.toml",
        "biases = 4\n[[weights]]\nconv = 1\nshare = 0.5\n[[weights]]\nconv = 3\nshare = 1\n",
    );
    let whole = machine.run(&with(&["--epochs", "4", "-o", "whole", "--json"])).ok().json();
    assert!(whole["result"]["accuracy"].as_f64().unwrap() > 0.8, "{whole}");
    assert_eq!(whole["history"].as_array().unwrap().len(), 4);
    assert_eq!((&whole["train"], &whole["test"], &whole["steps"]), (&240.into(), &90.into(), &960.into()));
    for file in ["checkpoint.safetensors", "epochs.csv", "loss.svg", "accuracy.svg", "result.json"] {
        assert!(machine.path(&format!("data/whole/{file}")).exists(), "{file}");
    }
    let csv = fs::read_to_string(machine.path("data/whole/epochs.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    machine.run(&with(&["--epochs", "4", "-o", "whole"])).fails(1, &["holds a training already", "--resume"]);

    // What was learned is compiled, for inference alone and to go on learning from; not with another network or other classes.
    for more in [&[][..], &["--scheme", "bias:2"]] {
        let output = format!("program{}", more.len());
        let emit = ["tiny", "emit", "small.pkl", "--trained", "whole", "-o", &output];
        machine.run(&[&emit[..], more].concat()).ok();
        let weights = fs::read_to_string(machine.path(&format!("data/{output}/model_weights.c"))).unwrap();
        let plain = ["tiny", "emit", "small.pkl", "--scheme", "bias:2", "--classes", "3", "-o", "plain"];
        if !machine.path("data/plain").exists() {
            machine.run(&plain).ok();
        }
        assert!(fs::read_to_string(machine.path("data/plain/model_weights.c")).unwrap() != weights);
    }
    fs::copy(machine.path("data/small.pkl"), machine.path("data/other.pkl")).unwrap();
    let other = ["tiny", "emit", "other.pkl", "--trained", "whole", "-o", "none"];
    machine.run(&other).fails(1, &["training of small, not of other"]);
    let nothing = ["tiny", "emit", "small.pkl", "--trained", "plain", "-o", "none"];
    machine.run(&nothing).fails(1, &["checkpoint.safetensors", "tiny train"]);

    // Stopped by Ctrl-C some time in the course of it, the same comes of it in the end.
    let mut child = machine.ounce(&with(&["--epochs", "4", "-o", "broken"]));
    let mut child =
        child.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let checkpoint = machine.path("data/broken/checkpoint.safetensors");
    while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.is_ok());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let other = with(&["--epochs", "4", "-o", "broken", "--resume", "--seed", "5"]);
    machine.run(&other).fails(1, &["other settings"]);
    machine.run(&with(&["--epochs", "4", "-o", "broken", "--resume"])).ok();
    let read = |name: &str| fs::read(machine.path(&format!("data/{name}/checkpoint.safetensors"))).unwrap();
    assert!(read("broken") == read("whole"));
}

/// The same small network as TensorFlow Lite and as ONNX have it: trained, compiled, simulated.
#[test]
fn networks_of_other_formats_learn() {
    let machine = machine();
    for file in ["small.tflite", "small.onnx"] {
        machine.data(file, of_file(file));
        let folder = |what: &str| format!("{what}-{}", file.len());
        let [trained, inference, program] = ["trained", "inference", "program"].map(folder);
        let data = ["--data", "digits", "--classes", "3,7,8"];
        let train = ["tiny", "train", file, "--scheme", "last:3", "--rate", "0.02", "--epochs", "6"];
        let train = [&train[..], &data, &["-t", "1", "-o", &trained, "--json"]].concat();
        let report = machine.run(&train).ok().json();
        assert!(report["result"]["accuracy"].as_f64().unwrap() > 0.8, "{file}: {report}");
        assert_eq!(report["scheme"]["biases"], 3);
        machine.run(&["tiny", "emit", file, "--trained", &trained, "-o", &inference]).ok();
        let emit = ["tiny", "emit", file, "--scheme", "full", "--classes", "3", "-o", &program, "--json"];
        let emitted = machine.run(&emit).ok().json();
        // All parameters and the classifier: 4 convolutions of bytes with biases of 32 bits.
        let weights = 8 * 27 + 8 * 9 + 8 * 8 + 8 * 16 + 3 * 16;
        assert_eq!(emitted["state_bytes"], weights + 4 * (8 + 8 + 8 + 16 + 3), "{file}: {emitted}");
        let plan = machine.run(&["tiny", "plan", file, "--classes", "3", "--json"]).ok().json();
        let named: Vec<&str> = plan["schemes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|scheme| scheme["name"].as_str().unwrap())
            .collect();
        assert_eq!(named, ["bias:1", "bias:2", "bias:4", "last:1", "last:2", "last:4"]);
        let whole = &plan["schemes"][5];
        assert_eq!((&whole["sram_bytes"], &whole["fits"]), (&emitted["sram_bytes"], &true.into()));
        if !simulation_is_possible() {
            continue;
        }
        let simulate = ["tiny", "simulate", file, "--scheme", "last:2", "--steps", "6", "--images", "6"];
        let simulate = [&simulate[..], &data, &["--sram", "64K", "--json"]].concat();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ran = Ran::from(machine.ounce(&simulate).env("PATH", path).output().unwrap()).ok().json();
        assert_eq!((&ran["equal"], &ran["same_bytes_on_this_machine"]), (&6.into(), &true.into()), "{ran}");
    }
    // What was trained is of these weights and of no others, whatever the file is called.
    let other = ["tiny", "emit", "small.onnx", "--trained", "trained-12", "-o", "none"];
    machine.run(&other).fails(1, &["trained-12/checkpoint", "another network", "--calibration"]);
}

#[test]
fn a_training_goes_on_with_its_own_pictures_and_network() {
    let machine = machine();
    machine.data("scheme.toml", "biases = 2\n");
    let resume = with(&["--epochs", "1", "-o", "out", "--resume"]);
    machine.run(&with(&["--epochs", "1", "-o", "out"])).ok();
    machine.run(&resume).ok();
    for part in ["train", "t10k"] {
        other_digits(&machine, part);
        machine.run(&resume).fails(1, &["out/checkpoint", "other pictures", "hint"]);
        other_digits(&machine, part);
    }
    machine.data("small.pkl", other_network());
    machine.run(&resume).fails(1, &["out/checkpoint", "another network"]);
    let emit = ["tiny", "emit", "small.pkl", "--trained", "out", "-o", "program"];
    machine.run(&emit).fails(1, &["out/checkpoint", "another network"]);
    machine.data("small.pkl", network());
    machine.run(&resume).ok();

    // One that does not say from what it came can be used, but not gone on with.
    let path = machine.path("data/out/checkpoint.safetensors");
    let checkpoint = Checkpoint { origin: None, ..Checkpoint::read(&path).unwrap() };
    checkpoint.write(&path).unwrap();
    machine.run(&resume).fails(1, &["out/checkpoint", "does not say", "begin again"]);
    machine.run(&emit).ok();
}

#[test]
fn a_training_takes_no_folder_of_something_else() {
    let machine = machine();
    machine.data("scheme.toml", "biases = 1\n");
    for name in ["foreign", "empty"] {
        fs::create_dir(machine.path("data").join(name)).unwrap();
    }
    machine.data("foreign/notes.txt", "mine");
    let begin = |folder: &str| machine.run(&with(&["--epochs", "1", "-o", folder]));
    begin("foreign").fails(1, &["foreign", "notes.txt", "empty folder"]);
    machine.run(&with(&["--epochs", "1", "-o", "foreign", "--resume"])).fails(1, &["no checkpoint"]);
    let left: Vec<_> = fs::read_dir(machine.path("data/foreign")).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(fs::read_to_string(machine.path("data/foreign/notes.txt")).unwrap(), "mine");
    begin("empty").ok();
    // What was put beside a training is no hindrance to it.
    machine.data("empty/notes.txt", "mine");
    machine.run(&with(&["--epochs", "1", "-o", "empty", "--resume"])).ok();
    assert_eq!(fs::read_to_string(machine.path("data/empty/notes.txt")).unwrap(), "mine");
}

#[test]
fn a_cache_is_of_the_pictures_that_were_there() {
    let machine = machine();
    machine.data("scheme.toml", "biases = 1\n");
    let loss = |more: &[&str]| {
        let report = machine.run(&with(&[&["--epochs", "1", "--json"], more].concat())).ok().json();
        report["history"][0]["loss"].as_f64().unwrap()
    };
    let cached = ["--cache", "cache"];
    let before = loss(&cached);
    assert_eq!(loss(&cached), before);
    // Other pictures in the same places, in files of the same sizes.
    other_digits(&machine, "train");
    let after = loss(&cached);
    assert!(after != before && after == loss(&[]), "{before} {after}");
}

#[test]
fn absurd_limits_and_names_are_refused() {
    let machine = machine();
    let emit = ["tiny", "emit", "small.pkl", "-o", "none", "--check"];
    machine.run(&[&emit[..], &["--stack", "18446744073709551615"]].concat()).fails(1, &["SRAM"]);
    machine.run(&[&emit[..], &["--name", "ounce_tiny"]].concat()).fails(1, &["ounce_tiny"]);
    let classes = ["--scheme", "bias:2", "--classes", "99999999999"];
    machine.run(&[&emit[..], &classes].concat()).fails(2, &["--classes", "1000000"]);
    assert!(!machine.path("data/none").exists());
}

#[test]
fn all_roundings_run_and_say_what_they_did() {
    let machine = machine();
    for rounding in ["original", "nearest", "error-feedback"] {
        let arguments = [
            "tiny",
            "train",
            "small.pkl",
            "--data",
            "digits",
            "--classes",
            "3,8",
            "--scheme",
            "last:2",
            "--rounding",
            rounding,
            "--epochs",
            "1",
            "--batch",
            "4",
            "--train",
            "40",
            "--validation",
            "20",
            "--test",
            "10",
            "--mirror",
            "--rate",
            "0.01",
        ];
        let said = machine.run(&arguments).ok();
        assert!(said.stdout.contains("validation") && said.stdout.contains("test"), "{said:?}");
        assert!(said.stdout.contains("biases of the last 2 convolutions, weights of 2"), "{said:?}");
    }
    let report = machine
        .run(&[
            "tiny",
            "train",
            "small.pkl",
            "--data",
            "digits",
            "--classes",
            "3,8",
            "--scheme",
            "bias:0",
            "--no-scaling",
            "--rounding",
            "original",
            "--epochs",
            "1",
            "--json",
        ])
        .ok()
        .json();
    assert_eq!((&report["scaling"], &report["head"]), (&false.into(), &"Int8".into()));
    assert_eq!(report["channels"], "First");
}

#[test]
fn bad_arguments_are_named() {
    let machine = machine();
    let fails = |code, arguments: &[&str], words: &[&str]| {
        machine.run(&[&["tiny", "train"], arguments].concat()).fails(code, words);
    };
    fails(2, &["a.json", "--data", "digits"], &["a.json", ".onnx"]);
    fails(2, &["a.bin", "--data", "digits"], &["a.bin", ".tflite"]);
    fails(1, &["none.onnx", "--data", "digits"], &["none.onnx"]);
    machine.data("small.tflite", of_file("small.tflite"));
    fails(2, &["small.tflite", "--data", "digits", "--size", "24"], &["small.tflite", "--size"]);
    fails(
        2,
        &["small.tflite", "--data", "digits", "--scheme", "49"],
        &["no scheme of 49 KB", ".pkl", "bias:N"],
    );
    fails(1, &["none.pkl", "--data", "digits"], &["none.pkl"]);
    fails(1, &["small.pkl", "--data", "nothing"], &["nothing"]);
    fails(1, &["small.pkl", "--data", "digits", "--classes", "3,x"], &["no class \"x\"", "7"]);
    fails(1, &["small.pkl", "--data", "digits", "--classes", "3"], &["two"]);
    fails(1, &["small.pkl", "--data", "digits", "--train", "1000"], &["1000 pictures to train on", "240"]);
    fails(2, &["small.pkl", "--data", "digits", "--scheme", "49"], &["no scheme of 49 KB", "none at all"]);
    fails(2, &["small.pkl", "--data", "digits", "--scheme", "bias:x"], &["\"x\""]);
    fails(1, &["small.pkl", "--data", "digits", "--scheme", "last:9"], &["last 9", "has 4"]);
    fails(1, &["small.pkl", "--data", "digits", "--scheme", "nothing.toml"], &["nothing.toml", "bias:N"]);
    machine.data("bad.toml", "biases = 2\nlayers = 3\n");
    fails(1, &["small.pkl", "--data", "digits", "--scheme", "bad.toml"], &["bad.toml", "layers"]);
    fails(2, &["small.pkl", "--data", "digits", "--rate", "nan"], &["NaN"]);
    fails(
        2,
        &["small.pkl", "--data", "digits", "--epochs", "2", "--warmup", "3"],
        &["--warmup 3", "2 epochs"],
    );
    fails(2, &["small.pkl", "--data", "digits", "--cut", "2"], &["--cache"]);
    fails(
        2,
        &["small.pkl", "--data", "digits", "--cut", "5", "--cache", "c"],
        &["--cut 5", "4 convolutions"],
    );
    fails(1, &["small.pkl", "--data", "digits", "-o", "out", "--resume"], &["no checkpoint"]);
    let damaged = machine.path("data/digits/t10k-labels-idx1-ubyte");
    fs::write(&damaged, b"\0\0\x08\x01\0\0\0\x05").unwrap();
    fails(1, &["small.pkl", "--data", "digits"], &["t10k-labels-idx1-ubyte"]);
}
