//! `ounce serve` as its users meet it: OpenAI's package, curl, EleutherAI's evaluation harness, and those who mean no good. What they ask
//! is in the scripts of `conformance/serve`, run by the Python that `OUNCE_TEST_PYTHON` names, on the default model.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{SMOLLM2, need};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The Python that runs the scripts; says that the test is skipped, and returns from it, if none is named.
macro_rules! python {
    () => {
        match std::env::var("OUNCE_TEST_PYTHON") {
            Ok(python) => python,
            Err(_) => {
                eprintln!(
                    "skipped: $OUNCE_TEST_PYTHON names no Python with conformance/serve/requirements.txt"
                );
                return;
            }
        }
    };
}

/// A server of the default model, named `model`, on a port of its own.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(model: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ounce"))
            .args(["serve", &format!("model={model}"), "--port", "0", "--quiet"])
            .args(arguments)
            // Memory that is free goes back to the system, so that what is resident tells what is held.
            .envs([("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "131072")])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let mut lines = stderr.lines().map_while(Result::ok).inspect(|line| eprintln!("ounce serve: {line}"));
        let address = |line: String| {
            let at = line.find("http://")?;
            line[at..].split_whitespace().next().map(str::to_owned)
        };
        let url = lines.find_map(address).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }

    /// Runs a script; the first arguments are the address and the name of the model.
    #[track_caller]
    fn pass(&self, python: &str, script: &str, arguments: &[&str]) {
        let script = Path::new("conformance/serve").join(script);
        run(python, &script, &[&[&self.url, "model"], arguments].concat());
    }

    /// Asks the server to end, which must succeed.
    #[track_caller]
    fn end(mut self) {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(asked.success());
        for _ in 0..60 {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        panic!("the server does not end");
    }
}

/// Runs a script of this repository, which must succeed.
#[track_caller]
fn run(python: &str, script: &Path, arguments: &[&str]) {
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(script))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {}\n{stdout}\n{stderr}", script.display(), output.status);
    println!("{stdout}");
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless a test has failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn openai_package_and_curl_get_what_they_expect() {
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let python = python!();
    let arguments =
        ["--slots", "4", "--queue", "12", "--ctx", "1024", "--api-key", "test-key", "--cors", "*"];
    let server = Server::start(&model, &arguments);
    server.pass(&python, "clients.py", &["--key", "test-key", "--queue", "16"]);
    server.end();
}

#[test]
fn an_evaluation_harness_finds_what_the_library_computes() {
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let python = python!();
    let Some([convert, loglikelihood]) = examples(["convert", "loglikelihood"]) else {
        eprintln!("skipped: cargo build -p ounce-llm --examples has not been run");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = folder.path().join("model");
    let converted =
        Command::new(convert).arg(&model).arg(&tokenizer).args(["folder", "F16"]).output().unwrap();
    assert!(converted.status.success(), "{converted:?}");
    let server = Server::start(&model, &["--slots", "4"]);
    let [tokenizer, loglikelihood] = [&tokenizer, &loglikelihood].map(|path| path.to_str().unwrap());
    let arguments = [&model, "--tokenizer", tokenizer, "--loglikelihood", loglikelihood];
    server.pass(&python, "evaluation.py", &arguments);
    server.end();
}

#[test]
fn hostile_clients_harm_nobody() {
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let python = python!();
    let server = Server::start(&model, &["--slots", "8", "--ctx", "512", "--max-tokens", "24"]);
    let pid = server.process.id().to_string();
    server.pass(&python, "hostile.py", &["--pid", &pid, "--slots", "8"]);
    // Whoever never ends a request cannot keep the server from ending.
    let mut held = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    held.write_all(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    server.end();
}

#[test]
fn the_page_works_in_a_browser() {
    let python = python!();
    if !["chromium", "chromedriver"].into_iter().all(on_path) {
        eprintln!("skipped: chromium and chromedriver are not on the PATH");
        return;
    }
    let script = Path::new("crates/ounce-serve/tests/page/page.py");
    // Against a stand-in for the server, which answers, fails and stalls as told.
    run(&python, script, &[]);
    let model = need!("OUNCE_TEST_MODELS", SMOLLM2);
    let server = Server::start(&model, &[]);
    run(&python, script, &[&server.url, "--real"]);
    server.end();
}

/// Whether a program is found.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Examples of `ounce-llm`, which `cargo test --workspace` builds beside the program.
fn examples<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let folder = Path::new(env!("CARGO_BIN_EXE_ounce")).parent()?.join("examples");
    let paths = names.map(|name| folder.join(name));
    paths.iter().all(|path| path.is_file()).then_some(paths)
}
