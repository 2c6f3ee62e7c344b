//! `inspect`, `chat`, `perplexity` and `bench` on a tiny model with random weights.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{Machine, Ran, model};
use std::io::Write as _;
use std::process::Stdio;

/// A machine with the models `a.gguf` (with a chat template) and `b.gguf` (without) and a text.
fn machine() -> Machine {
    let machine = Machine::new();
    model::write(&machine.path("data/a.gguf"), 1, true);
    model::write(&machine.path("data/b.gguf"), 2, false);
    let text: String = (0..120).map(|i| format!("the hen in tale {i} ate ham\n \n")).collect();
    machine.data("text", text);
    machine
}

#[test]
fn inspect_says_what_is_there() {
    let machine = machine();
    let json = machine.run(&["inspect", "a.gguf", "--json", "--tensors"]).ok().json();
    assert_eq!(json["architecture"]["name"], "llama");
    assert_eq!(json["architecture"]["layers"], 2);
    assert_eq!(json["architecture"]["context"], model::CONTEXT);
    assert_eq!(json["tokenizer"]["vocabulary"], model::VOCABULARY);
    assert_eq!(json["chat_template"], true);
    assert_eq!(json["bits_per_weight"], 32.0);
    assert_eq!(json["types"][0]["type"], "F32");
    assert_eq!(json["tensors"].as_array().unwrap().len(), 20);
    assert_eq!(json["tensor_count"], 20);
    let text = machine.run(&["inspect", "b.gguf"]).ok().stdout;
    assert!(text.contains("32.00 bits per weight") && text.contains("none"), "{text}");
}

#[test]
fn a_broken_chat_template_is_not_taken_for_none() {
    let machine = machine();
    let mut bytes = std::fs::read(machine.path("data/a.gguf")).unwrap();
    let at = bytes.windows(6).position(|window| window == b"endfor").unwrap();
    bytes[at..at + 6].copy_from_slice(b"endfoo");
    machine.data("broken.gguf", bytes);
    let json = machine.run(&["inspect", "broken.gguf", "--json"]).ok().json();
    assert_eq!(json["chat_template"], false);
    assert!(json["chat_template_problem"].as_str().unwrap().contains("endfoo"), "{json}");
    assert!(machine.run(&["inspect", "broken.gguf"]).ok().stdout.contains("cannot be used: "));
    let ran = machine.run(&["chat", "broken.gguf", "-p", "x", "--max-tokens", "2"]).ok();
    assert!(ran.stderr.contains("warning: ") && ran.stderr.contains("endfoo"), "{ran:?}");
}

#[test]
fn an_answer_is_alone_on_stdout_and_depends_on_the_seed_alone() {
    let machine = machine();
    let ask = |model: &str, more: &[&str]| {
        let arguments = [&["chat", model, "-p", "tell", "--max-tokens", "20"], more].concat();
        machine.run(&arguments).ok()
    };
    for name in ["a.gguf", "b.gguf"] {
        let one = ask(name, &["--seed", "5", "-t", "1"]);
        assert_eq!(one.stdout, ask(name, &["--seed", "5", "-t", "2"]).stdout);
        assert_ne!(one.stdout, ask(name, &["--seed", "6"]).stdout);
        assert!(one.stdout.ends_with('\n'));
        assert!(one.stderr.contains("tokens/s") && one.stderr.contains("--max-tokens"), "{one:?}");
        assert_eq!(ask(name, &["--greedy"]).stdout, ask(name, &["--temp", "0", "--seed", "9"]).stdout);
    }
    let quiet = ask("a.gguf", &["--greedy", "-q"]);
    assert!(!quiet.stderr.contains("tokens/s"));
}

#[test]
fn a_stop_text_is_not_shown() {
    let machine = machine();
    let ask = |more: &[&str]| {
        let arguments = [&["chat", "b.gguf", "-p", "tell", "--greedy", "--max-tokens", "30"], more].concat();
        machine.run(&arguments).ok().stdout
    };
    let whole = ask(&[]);
    let letters: Vec<char> = whole.trim_end().chars().collect();
    assert!(letters.len() > 6, "{whole:?}");
    let stop: String = letters[3..6].iter().collect();
    let before = &whole[..whole.find(&stop).unwrap()];
    assert_eq!(ask(&["--stop", &stop]).trim_end_matches('\n'), before.trim_end_matches('\n'));
}

#[test]
fn standard_input_is_the_question() {
    let machine = machine();
    let arguments = ["chat", "a.gguf", "--greedy", "--max-tokens", "8"];
    let mut child = machine
        .ounce(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"tell\nme\n").unwrap();
    let piped = Ran::from(child.wait_with_output().unwrap()).ok();
    let asked = machine.run(&[&arguments[..], &["-p", "tell\nme"]].concat()).ok();
    assert_eq!(piped.stdout, asked.stdout);
}

#[test]
fn a_context_that_is_too_small_is_explained() {
    let machine = machine();
    let long = "word ".repeat(100);
    let ran = machine.run(&["chat", "a.gguf", "-p", &long, "--ctx", "64"]);
    assert!(!ran.stderr.contains("/reset"), "{ran:?}");
    ran.fails(1, &["tokens", "64", "--ctx", "256"]);
    machine.run(&["chat", "a.gguf", "-p", "x", "--ctx", "4096"]).fails(1, &["4096", "256"]);
    let ran = machine.run(&["chat", "b.gguf", "-p", "tell", "--ctx", "16", "--greedy"]).ok();
    assert!(
        ran.stderr.contains("context of 16 tokens is full") || !ran.stderr.contains("stopped"),
        "{ran:?}"
    );
}

#[test]
fn a_stream_goes_on_beyond_the_context() {
    let machine = machine();
    let arguments =
        ["chat", "a.gguf", "-p", "tell", "--system", "be a hen", "--greedy", "--max-tokens", "600"];
    let ask = |more: &[&str]| machine.run(&[&arguments[..], more].concat());
    // This model never ends a text by itself.
    assert!(ask(&[]).ok().stderr.contains("context of 256 tokens is full"));
    let ran = ask(&["--sinks", "4", "--window", "60", "--evict", "16"]).ok();
    assert!(ran.stderr.contains("answer 600 tokens") && !ran.stderr.contains("full"), "{ran:?}");
    let long = "word ".repeat(300);
    let asked = ["chat", "a.gguf", "-p", &long, "--max-tokens", "3", "--window", "60", "--evict", "16"];
    assert!(machine.run(&asked).ok().stderr.contains("answer 3 tokens"));
    ask(&["--window", "300"]).fails(1, &["300", "256", "--window"]);
    ask(&["--window", "60", "--ctx", "100"]).fails(2, &["--ctx"]);
    ask(&["--window", "0"]).fails(2, &["--window"]);
    // The sinks hold the system message, whatever its length, and leave the window no room.
    let system = "hen ".repeat(60);
    machine
        .run(&["chat", "a.gguf", "-p", "x", "--system", &system, "--window", "60"])
        .fails(1, &["256", "system message"]);
}

#[test]
fn a_text_is_measured_as_one_stream() {
    let machine = machine();
    let measure = |more: &[&str]| {
        let stream =
            ["perplexity", "b.gguf", "--text", "text", "--stream", "--window", "60", "--evict", "10"];
        machine.run(&[&stream[..], more].concat())
    };
    let files = ["--csv", "rows.csv", "--figure", "rows.svg", "--every", "100", "--recompute-every", "50"];
    let json = measure(&[&files[..], &["--tokens", "900", "--json"]].concat()).ok().json();
    assert_eq!((json["sinks"].as_u64(), json["window"].as_u64()), (Some(4), Some(60)));
    let readings = json["readings"].as_array().unwrap();
    assert_eq!(readings.len(), 4);
    for reading in readings {
        let rows = reading["rows"].as_array().unwrap();
        let name = reading["reading"].as_str().unwrap();
        let last = rows.last().unwrap();
        let (end, held) = (last["tokens"].as_u64().unwrap(), last["held"].as_u64().unwrap());
        match name {
            "dense" => assert_eq!((end, held), (257, 256)),
            "recompute" => assert!(end > 800 && held == 64, "{reading}"),
            _ => assert!(end == 900 && held <= 74, "{reading}"),
        }
        assert!(rows.iter().all(|row| row["perplexity"].as_f64().unwrap() > 1.0), "{reading}");
    }
    let csv = std::fs::read_to_string(machine.path("data/rows.csv")).unwrap();
    let rows: usize = readings.iter().map(|reading| reading["rows"].as_array().unwrap().len()).sum();
    assert_eq!(csv.lines().count(), rows + 1);
    assert!(csv.starts_with("reading,tokens,"));
    assert!(
        std::fs::read_to_string(machine.path("data/rows.svg")).unwrap().matches("<polyline").count() == 4
    );

    let one = measure(&["--tokens", "300", "--readings", "sinks", "--feed", "1", "--json"]).ok().json();
    let many = measure(&["--tokens", "300", "--readings", "sinks", "--json"]).ok().json();
    let of = |json: &serde_json::Value| json["readings"][0]["perplexity"].as_f64().unwrap();
    assert!((of(&one) / of(&many) - 1.0).abs() < 1e-3, "{} {}", of(&one), of(&many));
    let text = measure(&["--tokens", "300", "--recompute-every", "100"]).ok().stdout;
    assert!(text.contains("recompute") && text.contains("sinks"), "{text}");
    measure(&["--chunks", "3"]).fails(2, &["--chunks"]);
    machine.run(&["perplexity", "b.gguf", "--text", "text", "--feed", "1"]).fails(2, &["--stream"]);
    machine.run(&["perplexity", "b.gguf", "--text", "text", "--sinks", "4"]).fails(2, &["--stream"]);
    machine.run(&["perplexity", "b.gguf", "--text", "text", "--evict", "4"]).fails(2, &["--stream"]);
}

#[test]
fn lines_that_were_read_a_while_ago_are_asked_for() {
    let machine = machine();
    let ask = |more: &[&str]| {
        let task =
            ["streameval", "b.gguf", "--lines", "12", "--every", "2", "--back", "3", "--window", "120"];
        machine.run(&[&task[..], &["--evict", "16"], more].concat())
    };
    let json = ask(&["--readings", "window,recompute,sinks", "--json"]).ok().json();
    for reading in json["readings"].as_array().unwrap() {
        // Of the lines 2, 4, ... 12 all but the first have a line 3 lines before them.
        assert_eq!(reading["questions"], 5, "{reading}");
        assert!(reading["tokens"].as_u64().unwrap() > 256, "{reading}");
    }
    assert_eq!(json, ask(&["--readings", "window,recompute,sinks", "--json"]).ok().json());
    let huge = usize::MAX.to_string();
    for back in ["13", &huge] {
        let task =
            ["streameval", "b.gguf", "--lines", "12", "--every", "2", "--window", "120", "--back", back];
        machine.run(&task).fails(2, &["no question", "--lines"]);
    }
    let text = ask(&[]).ok().stdout;
    assert!(text.contains("12 lines") && text.contains("dense") && text.contains("sinks"), "{text}");
}

#[test]
fn perplexity_names_its_protocol() {
    let machine = machine();
    let measure =
        |more: &[&str]| machine.run(&[&["perplexity", "b.gguf", "--text", "text"], more].concat()).ok();
    let hf = measure(&["--window", "64", "--chunks", "3", "--json"]).json();
    assert_eq!((hf["protocol"].as_str(), hf["window"].as_u64()), (Some("hf"), Some(64)));
    assert_eq!((hf["chunks"].as_u64(), hf["tokens"].as_u64()), (Some(3), Some(3 * 63)));
    assert!(hf["perplexity"].as_f64().unwrap() > 1.0 && hf["standard_error"].as_f64().unwrap() > 0.0);
    assert!(hf.get("kl").is_none());
    let llama = ["--protocol", "llama.cpp", "--window", "64"];
    let json = measure(&[&llama[..], &["--chunks", "3", "--json"]].concat()).json();
    assert_eq!(json["protocol"], "llama.cpp");
    assert_eq!(json["tokens"], 3 * 31);
    let text = measure(&llama).stdout;
    assert!(text.contains("perplexity") && text.contains("llama.cpp protocol"), "{text}");
    assert_eq!(
        measure(&["--window", "64", "-t", "1"]).stdout,
        measure(&["--window", "64", "-t", "2"]).stdout
    );
}

#[test]
fn a_model_does_not_diverge_from_itself_but_from_another() {
    let machine = machine();
    let against = |other: &str| {
        let arguments =
            ["perplexity", "b.gguf", "--text", "text", "--window", "64", "--chunks", "2", "--json"];
        machine.run(&[&arguments[..], &["--against", other]].concat()).ok().json()
    };
    let same = against("b.gguf");
    assert!(same["kl"].as_f64().unwrap() < 1e-9 && same["top1"] == 1.0, "{same}");
    assert_eq!(same["perplexity"], same["against_perplexity"]);
    let other = against("a.gguf");
    assert!(other["kl"].as_f64().unwrap() > 0.01 && other["top1"].as_f64().unwrap() < 1.0, "{other}");
    assert!(other["kl_max"].as_f64() >= other["kl_p99"].as_f64());
}

#[test]
fn texts_and_windows_that_do_not_fit_are_explained() {
    let machine = machine();
    machine.data("short", "the hen");
    machine.data("binary", [0xff, 0xfe]);
    let measure =
        |text: &str, more: &[&str]| machine.run(&[&["perplexity", "b.gguf", "--text", text], more].concat());
    measure("short", &["--window", "64"]).fails(1, &["one window takes 64"]);
    measure("binary", &["--window", "64"]).fails(1, &["not UTF-8", "byte 0"]);
    measure("missing", &["--window", "64"]).fails(1, &["cannot read the text missing"]);
    measure("text", &[]).fails(1, &["2048", "256", "--window"]);
    measure("text", &["--window", "1"]).fails(1, &["nothing to predict"]);
}

#[test]
fn bench_fills_its_fields() {
    let machine = machine();
    let arguments = ["bench", "a.gguf", "-p", "40", "-n", "10", "-r", "2", "-t", "2"];
    let json = machine.run(&[&arguments[..], &["--json"]].concat()).ok().json();
    for field in ["prefill_tokens_per_s", "decode_tokens_per_s", "bandwidth_share"] {
        assert!(json[field].as_f64().unwrap() > 0.0, "{field} in {json}");
    }
    let available = std::thread::available_parallelism().unwrap().get();
    assert_eq!(json["threads"], 2.min(available));
    let cut = machine.run(&["bench", "a.gguf", "-p", "8", "-n", "0", "-r", "1", "-t", "1000", "--json"]).ok();
    assert_eq!(cut.json()["threads"], available);
    assert!(cut.stderr.contains("1000 threads"), "{cut:?}");
    if cfg!(target_os = "linux") {
        assert!(json["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    }
    assert!(machine.run(&arguments).ok().stdout.contains("tokens/s"));
    machine.run(&["bench", "a.gguf", "-p", "0", "-n", "0"]).fails(2, &["nothing to measure"]);
    machine.run(&["bench", "a.gguf", "-p", "1000"]).fails(1, &["1000", "-p"]);
}
