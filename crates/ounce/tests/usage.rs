//! Help, exit codes and what is said about wrong arguments and files.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{Machine, Ran};
use std::fs::{self, File};
use std::process::Stdio;

#[test]
fn every_command_has_help() {
    let machine = Machine::new();
    assert!(machine.run(&["--version"]).ok().stdout.starts_with("ounce "));
    let all = machine.run(&["--help"]).ok().stdout;
    for command in ["pull", "chat", "inspect", "perplexity", "bench"] {
        assert!(all.contains(command));
        assert!(machine.run(&[command, "--help"]).ok().stdout.contains("Usage: ounce"));
    }
}

#[test]
fn wrong_arguments_are_code_2() {
    let machine = Machine::new();
    machine.run(&[]).fails(2, &["Usage"]);
    machine.run(&["sing"]).fails(2, &["sing"]);
    machine.run(&["chat", "--temprature", "1"]).fails(2, &["--temprature", "--temperature"]);
    machine.run(&["perplexity", "m.gguf"]).fails(2, &["--text"]);
    machine.run(&["bench", "m.gguf", "-t", "0"]).fails(2, &["0"]);
    machine.run(&["chat", "-p", "x", "--top-p", "1.5"]).fails(2, &["top-p is 1.5", "at most 1"]);
    machine.run(&["chat", "-p", "x", "--temperature", "-1"]).fails(2, &["temperature is -1"]);
    machine.run(&["chat", "-p", "x", "--ctx", "0"]).fails(2, &["--ctx"]);
    machine.run(&["perplexity", "m.gguf", "--text", "t", "--window", "0"]).fails(2, &["--window"]);
    machine.run(&["bench", "m.gguf", "-r", "4294967295"]).fails(2, &["10000"]);
    machine.run(&["chat", "-p", "x", "--greedy", "--temperature", "1"]).fails(2, &["cannot be used with"]);
}

#[test]
fn models_that_are_not_there_are_code_1() {
    let machine = Machine::new();
    for command in [&["inspect"][..], &["bench"], &["chat", "-p", "x"]] {
        let ran = machine.run(&[command, &["nothing.gguf"]].concat());
        ran.fails(1, &["error: ", "nothing.gguf", "hint: ", "smollm2-135m"]);
    }
    machine.run(&["inspect", "smollm2-135m"]).fails(1, &["not been fetched", "ounce pull smollm2-135m"]);
}

#[test]
fn files_that_are_no_models_are_named() {
    let machine = Machine::new();
    let text = machine.data("a.gguf", "this is not a model");
    let empty = machine.data("empty.gguf", "");
    let folder = machine.path("data/folder");
    fs::create_dir(&folder).unwrap();
    for (path, name) in [(&text, "a.gguf"), (&empty, "empty.gguf"), (&folder, "folder")] {
        let path = path.to_str().unwrap();
        for command in [vec!["inspect", path], vec!["bench", path], vec!["chat", path, "-p", "x"]] {
            machine.run(&command).fails(1, &["error: ", name, "hint: "]);
        }
    }
    machine.run(&["inspect", folder.to_str().unwrap()]).fails(1, &["config.json"]);
}

#[test]
fn a_full_disk_behind_stdout_is_an_error_and_a_closed_pipe_is_not() {
    let machine = Machine::new();
    if let Ok(full) = File::options().write(true).open("/dev/full") {
        let output = machine.ounce(&["pull"]).stdout(full).output().unwrap();
        Ran::from(output).fails(1, &["cannot write to standard output"]);
    }
    if let Ok(full) = File::options().write(true).open("/dev/full") {
        let output = machine.ounce(&["inspect", "nothing.gguf"]).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
    // The reader is gone before the first write.
    let mut child = machine.ounce(&["pull"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(ran.code == Some(0) && !ran.stderr.contains("error"), "{ran:?}");
}

#[test]
fn standard_input_without_text_is_an_error() {
    let machine = Machine::new();
    machine.run(&["chat"]).fails(1, &["standard input holds no text"]);
}
