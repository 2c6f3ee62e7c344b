//! `ounce tiny train`, through the program: a small network and pictures that are made here.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::Machine;
use std::fs;
use std::io::Read as _;

/// Bytes that look random.
fn bytes(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// An array as numpy pickles it, in protocol 0.
fn array(kind: &str, shape: &[usize], data: &[u8]) -> String {
    let shape: String = shape.iter().map(|extent| format!("I{extent}\n")).collect();
    let data: String = data.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!(
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n({shape}t\
         cnumpy\ndtype\n(S'{kind}'\nI00\nI01\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'{data}'\ntb"
    )
}

/// A convolution of images of `size` (0: the classifier).
fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, depthwise: bool, size: usize) -> String {
    let groups = if depthwise { inputs } else { 1 };
    let shape = [outputs, inputs / groups, kernel, kernel];
    let weights: Vec<u8> = bytes(inputs as u32 * 31 + outputs as u32, shape.iter().product());
    let scales: Vec<u8> = (0..outputs).flat_map(|_| 0.006f32.to_le_bytes()).collect();
    let taps = (shape[1] * kernel * kernel) as f64;
    let sizes = match size {
        0 => "S'in_shape'\nNS'out_shape'\nN".to_owned(),
        _ => format!("S'in_shape'\nI{size}\nS'out_shape'\nI{}\n", size.div_ceil(stride)),
    };
    format!(
        "(S'in_channel'\nI{inputs}\nS'out_channel'\nI{outputs}\n{sizes}S'kernel_size'\nI{kernel}\nS'stride'\nI{stride}\n\
         S'groups'\nI{groups}\nS'act'\nNS'params'\n(S'weight'\n{}S'bias'\n{}S'w_scales'\n{}S'x_scale'\nF0.03\n\
         S'x_zero'\nI-5\nS'y_scale'\nF{}\nS'y_zero'\nI-5\ndd",
        array("i1", &shape, &weights),
        array("i4", &[outputs], &vec![0; 4 * outputs]),
        array("f4", &[outputs], &scales),
        0.02 * taps.sqrt(),
    )
}

/// A first convolution, an inverted bottleneck and a classifier, for pictures of 12 x 12.
fn network() -> String {
    format!(
        "(S'first_conv'\n{}S'blocks'\n((S'pointwise1'\n{}S'depthwise'\n{}S'pointwise2'\n{}S'residual'\nNS'se'\nNdlS'feature_mix'\nNS'classifier'\n{}d.",
        conv(3, 6, 3, 2, false, 12),
        conv(6, 12, 1, 1, false, 6),
        conv(12, 12, 3, 1, true, 6),
        conv(12, 8, 1, 1, false, 6),
        conv(8, 5, 1, 1, false, 0),
    )
}

/// Files of MNIST: dark (3), grey (7) and light (8) noise. The network's clamps are no activation functions, so it tells no shapes.
fn digits(machine: &Machine, part: &str, count: u32) {
    let (mut pictures, mut labels) = (vec![0, 0, 8, 3], vec![0, 0, 8, 1]);
    pictures.extend([count, 12, 12].map(u32::to_be_bytes).concat());
    labels.extend(count.to_be_bytes());
    for index in 0..count {
        let class = [3, 7, 8][index as usize % 3];
        labels.push(class);
        let noise = bytes(index + part.len() as u32 * 1000, 144);
        let light = [20, 100, 180][index as usize % 3];
        pictures.extend(noise.iter().map(|noise| light + noise / 4));
    }
    fs::create_dir_all(machine.path("data/digits")).unwrap();
    machine.data(&format!("digits/{part}-images-idx3-ubyte"), pictures);
    machine.data(&format!("digits/{part}-labels-idx1-ubyte"), labels);
}

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
    fails(2, &["a.onnx", "--data", "digits"], &["a.onnx", ".pkl"]);
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
    fails(1, &["small.pkl", "--data", "digits", "-o", "out", "--resume"], &["no checkpoint"]);
    let damaged = machine.path("data/digits/t10k-labels-idx1-ubyte");
    fs::write(&damaged, b"\0\0\x08\x01\0\0\0\x05").unwrap();
    fails(1, &["small.pkl", "--data", "digits"], &["t10k-labels-idx1-ubyte"]);
}
