//! `quantize` on a tiny model with random weights, and what the other commands make of its output.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{Machine, Ran, model};
use serde_json::Value;

/// A machine with the model `a.gguf` and a text.
fn machine() -> Machine {
    let machine = Machine::new();
    model::write(&machine.path("data/a.gguf"), 1, true);
    let text: String = (0..60).map(|i| format!("the hen in tale {i} ate ham\n \n")).collect();
    machine.data("text", text);
    machine
}

fn quantize(machine: &Machine, output: &str, more: &[&str]) -> Ran {
    let arguments = ["quantize", "a.gguf", "-o", output, "--sequence", "64", "--samples", "8", "-t", "1"];
    machine.run(&[&arguments[..], more].concat())
}

/// The perplexity of a model on the text, and its divergence from the original.
fn measure(machine: &Machine, model: &str) -> (f64, f64) {
    let arguments = [
        "perplexity",
        model,
        "--text",
        "text",
        "--window",
        "64",
        "--chunks",
        "2",
        "--against",
        "a.gguf",
        "--json",
    ];
    let json = machine.run(&arguments).ok().json();
    (json["perplexity"].as_f64().unwrap(), json["kl"].as_f64().unwrap())
}

#[test]
fn folders_and_files_can_be_inspected_and_run() {
    let machine = machine();
    let calib = ["--calib", "text"];
    let (original, _) = measure(&machine, "a.gguf");
    let cases: [(&str, &[&str], f64, f64); 7] = [
        ("rtn", &["--method", "rtn"], 4.625, 0.3),
        ("rtn.gguf", &["--method", "rtn", "--type", "Q8_0"], 8.5, 0.03),
        ("awq", &calib, 4.625, 0.3),
        ("awq.gguf", &["--calib", "text", "--type", "Q4_0"], 4.5, 0.3),
        (
            "awq3",
            &["--calib", "text", "--bits", "3", "--group", "0", "--no-feedback", "--inspect", "block"],
            3.3,
            1.5,
        ),
        ("smooth", &["--calib", "text", "--method", "smoothquant", "--alpha", "0.5"], 8.25, 0.03),
        ("rotated", &["--calib", "text", "--method", "smoothquant"], 8.25, 0.03),
    ];
    for (output, more, bits, most) in cases {
        let json = quantize(&machine, output, &[more, &["--json"]].concat()).ok().json();
        let found = json["bits_per_weight"].as_f64().unwrap();
        assert!((found - bits).abs() < 0.1, "{output}: {json}");
        let inspected = machine.run(&["inspect", output, "--json"]).ok().json();
        assert_eq!(inspected["architecture"]["layers"], 2, "{output}");
        assert_eq!(inspected["chat_template"], true, "{output}");
        let (perplexity, kl) = measure(&machine, output);
        assert!(
            kl < most && (perplexity / original).ln().abs() < most,
            "{output}: {original} {perplexity} {kl}"
        );
        let chat = ["chat", output, "-p", "tell", "--greedy", "--max-tokens", "4"];
        machine.run(&chat).ok();
    }
}

#[test]
fn json_report_and_figure_hold_every_layer() {
    let machine = machine();
    let more = ["--calib", "text", "--json", "--report", "report.json", "--figure", "figure.svg"];
    let ran = quantize(&machine, "out", &more).ok();
    let printed = ran.json();
    let report = std::fs::read_to_string(machine.path("data/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(printed, report);
    for field in ["seconds", "bytes", "quantized_weights", "bits_per_weight"] {
        assert!(report[field].as_f64().unwrap() > 0.0, "{field}");
    }
    assert_eq!(
        (report["method"].as_str(), report["calibration_tokens"].as_u64()),
        (Some("awq"), Some(8 * 64))
    );
    assert_eq!((report["output"].as_str(), report["architecture"].as_str()), (Some("out"), Some("llama")));
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for layer in layers {
        assert_eq!(
            (layer["linears"].as_array().unwrap().len(), layer["scales"].as_array().unwrap().len()),
            (7, 4)
        );
        for scale in layer["scales"].as_array().unwrap() {
            assert!(scale["error_after"].as_f64() <= scale["error_before"].as_f64(), "{scale}");
        }
    }
    let figure = std::fs::read_to_string(machine.path("data/figure.svg")).unwrap();
    assert!(figure.starts_with("<svg") && figure.trim_end().ends_with("</svg>"), "{figure}");
    assert!(!figure.contains("NaN") && !figure.contains("inf"), "{figure}");
    // Every element is closed, and nothing stands in text that would open another.
    let opened = figure.matches('<').count() - figure.matches("</").count();
    assert_eq!(opened, figure.matches("/>").count() + figure.matches("</").count(), "{figure}");

    // Without calibration there are no errors of outputs; the table and the figure must do without.
    let ran = quantize(&machine, "plain", &["--method", "rtn", "--figure", "plain.svg"]).ok();
    assert!(ran.stdout.contains("plain") && ran.stdout.contains("bits per weight"), "{ran:?}");
    let figure = std::fs::read_to_string(machine.path("data/plain.svg")).unwrap();
    assert!(figure.starts_with("<svg") && !figure.contains("NaN"), "{figure}");
}

#[test]
fn wrong_options_are_explained() {
    let machine = machine();
    let cases: [(&[&str], &str); 9] = [
        (&["--bits", "9"], "2..=8"),
        (&["--method", "magic"], "rtn"),
        (&["--alpha", "2"], "0 to 1"),
        (&["--type", "Q9"], "Q4_0"),
        (&["--head", "4"], "--head"),
        (&["--format", "autoawq", "--bits", "3"], "AutoAWQ"),
        (&["--method", "smoothquant", "--format", "gguf"], "GGUF"),
        (&["--method", "smoothquant", "--format", "compressed-tensors", "--bits", "4"], "8-bit"),
        (&["--group", "16"], "group 0"),
    ];
    for (more, word) in cases {
        let ran = quantize(&machine, "out", &[more, &["--calib", "text"]].concat());
        assert!(!machine.path("data/out").exists());
        ran.fails(2, &[word]);
    }
    let none = ["quantize", "a.gguf", "-o", "out", "--calib", "text", "--samples", "0"];
    machine.run(&none).fails(2, &["--samples"]);
    machine.run(&["quantize", "a.gguf"]).fails(2, &["--output"]);
    for method in ["awq", "smoothquant"] {
        quantize(&machine, "out", &["--method", method]).fails(1, &["--calib"]);
    }
    machine.data("short", "the hen");
    quantize(&machine, "out", &["--calib", "short"]).fails(1, &["64", "--calib"]);
    quantize(&machine, "out", &["--calib", "nowhere"]).fails(1, &["nowhere"]);
    machine.run(&["quantize", "b.gguf", "-o", "out", "--method", "rtn"]).fails(1, &["b.gguf"]);
}

#[test]
fn options_that_would_change_nothing_are_refused() {
    let machine = machine();
    let smooth = ["--method", "smoothquant"];
    let rtn = ["--method", "rtn"];
    let cases: [(&str, &[&str], &[&str], &str); 16] = [
        ("out.gguf", &rtn, &["--bits", "3"], "GGUF"),
        ("out.gguf", &rtn, &["--group", "64"], "GGUF"),
        ("out.gguf", &rtn, &["--symmetric"], "GGUF"),
        ("out", &rtn, &["--type", "Q4_0"], "folders"),
        ("out", &[], &["--type", "Q8_0"], "folders"),
        ("out", &[], &["--alpha", "0.5"], "awq"),
        ("out", &rtn, &["--alpha", "auto"], "rtn"),
        ("out", &[], &["--rotate", "none"], "awq"),
        ("out", &rtn, &["--rotate", "auto"], "rtn"),
        ("out", &smooth, &["--no-feedback"], "smoothquant"),
        ("out", &rtn, &["--no-feedback"], "rtn"),
        ("out", &rtn, &["--inspect", "linear"], "rtn"),
        ("out", &smooth, &["--inspect", "block"], "smoothquant"),
        ("out", &rtn, &["--no-clip"], "rtn"),
        ("out", &smooth, &["--no-clip"], "smoothquant"),
        ("out", &["--format", "gguf"], &["--bits", "4"], "GGUF"),
    ];
    for (output, method, option, to) in cases {
        let ran = quantize(&machine, output, &[method, option, &["--calib", "text"]].concat());
        assert!(!machine.path("data").join(output).exists());
        ran.fails(2, &[option[0], &format!("does not apply to {to}")]);
    }
    for alpha in ["-0.1", "1.1", "nan", "high"] {
        let ran = quantize(&machine, "out", &[&smooth[..], &["--alpha", alpha, "--calib", "text"]].concat());
        ran.fails(2, &["--alpha", "a number from 0 to 1, or auto"]);
    }
    let rotated = ["--activations", "tensor", "--rotate", "auto", "--calib", "text"];
    quantize(&machine, "out", &[&smooth[..], &rotated].concat()).fails(2, &["per token"]);
    let long = ["quantize", "a.gguf", "-o", "out", "--calib", "text", "--sequence", "257"];
    machine.run(&long).fails(2, &["257", "256"]);
    // What the model takes is enough where nothing is said.
    machine.run(&long[..6]).ok();
}

#[test]
fn rotations_are_told_and_can_be_left_out() {
    let machine = machine();
    let smooth = ["--method", "smoothquant", "--calib", "text"];
    let ran = quantize(&machine, "rotated", &smooth).ok();
    assert!(ran.stdout.contains("rotated inputs: ") && ran.stdout.contains("--rotate none"), "{ran:?}");
    let config =
        |name: &str| std::fs::read_to_string(machine.path("data").join(name).join("config.json")).unwrap();
    assert!(config("rotated").contains("transform_config"));
    let ran = quantize(&machine, "plain", &[&smooth[..], &["--rotate", "none"]].concat()).ok();
    assert!(
        !ran.stdout.contains("rotated inputs") && !config("plain").contains("transform_config"),
        "{ran:?}"
    );
}

#[test]
fn reports_can_be_read_by_whoever_may_read_new_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = machine();
    std::fs::write(machine.path("data/new"), "").unwrap();
    let files = ["--method", "rtn", "--report", "r.json", "--figure", "r.svg"];
    quantize(&machine, "out", &files).ok();
    let mode = |name: &str| std::fs::metadata(machine.path("data").join(name)).unwrap().permissions().mode();
    assert_eq!((mode("r.json"), mode("r.svg")), (mode("new"), mode("new")));
}

/// 96 columns hold no blocks of 256.
#[test]
fn a_type_that_does_not_fit_all_maps_is_named_with_what_stands_in() {
    let machine = machine();
    let files = ["--method", "rtn", "--type", "Q4_K", "--figure", "r.svg", "--json"];
    let json = quantize(&machine, "out.gguf", &files).ok().json();
    let stored: Vec<&str> = json["layers"][0]["linears"]
        .as_array()
        .unwrap()
        .iter()
        .map(|map| map["stored"].as_str().unwrap())
        .collect();
    assert!(!stored.contains(&"Q4_K"), "{stored:?}");
    let weights = json["weights"].as_str().unwrap();
    assert!(stored.iter().all(|ty| weights.contains(ty)) && !weights.contains("Q4_K"), "{weights}");
    let figure = std::fs::read_to_string(machine.path("data/r.svg")).unwrap();
    assert!(figure.contains(weights), "{figure}");
}

/// Whether programs that are started from here ignore SIGHUP, as under `nohup`.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn signals_that_end_a_program_leave_nothing_behind() {
    let machine = machine();
    let text: String = (0..40_000).map(|i| format!("the hen in tale {i} ate ham\n")).collect();
    machine.data("long", text);
    for signal in ["TERM", "HUP", "INT"] {
        if signal == "HUP" && hangups_are_ignored() {
            eprintln!("HUP is left out: it is ignored here");
            continue;
        }
        let before = data(&machine);
        let arguments = [
            "quantize",
            "a.gguf",
            "-o",
            "out",
            "--calib",
            "long",
            "--sequence",
            "256",
            "--samples",
            "100000",
            "-t",
            "1",
        ];
        let mut child = machine.ounce(&arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
        while data(&machine) == before {
            assert!(child.try_wait().unwrap().is_none(), "it ended before the {signal} came");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let sent =
            std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let ran = Ran::from(child.wait_with_output().unwrap());
        ran.fails(1, &["stopped"]);
        assert_eq!(data(&machine), before, "{signal}");
    }
}

#[test]
fn what_exists_is_not_touched() {
    let machine = machine();
    machine.data("out.gguf", "precious");
    std::fs::create_dir(machine.path("data/out")).unwrap();
    machine.data("out/note", "precious");
    let before = data(&machine);
    // Nor what a report would stand on, or a model that is about to be written; and a folder that is missing is found before the work.
    for (report, word) in [("a.gguf", "cannot hold"), ("new", "cannot hold"), ("none/r.json", "cannot write")]
    {
        let code = if word == "cannot write" { 1 } else { 2 };
        quantize(&machine, "new", &["--method", "rtn", "--report", report]).fails(code, &[word, report]);
    }
    let both = ["--method", "rtn", "--report", "same", "--figure", "same"];
    quantize(&machine, "new", &both).fails(2, &["cannot hold", "same"]);
    for output in ["out.gguf", "out"] {
        quantize(&machine, output, &["--method", "rtn"]).fails(1, &["exists", output]);
        quantize(&machine, output, &["--calib", "text"]).fails(1, &["exists", output]);
    }
    // The model itself above all.
    quantize(&machine, "a.gguf", &["--method", "rtn"]).fails(1, &["exists"]);
    assert_eq!(data(&machine), before);
    assert_eq!(std::fs::read(machine.path("data/out.gguf")).unwrap(), b"precious");
    assert_eq!(std::fs::read(machine.path("data/out/note")).unwrap(), b"precious");
}

/// What lies in `data/` with its sizes.
fn data(machine: &Machine) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(machine.path("data")).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    all.sort();
    all
}
