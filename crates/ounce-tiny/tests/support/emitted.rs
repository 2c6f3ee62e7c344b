//! Emitted programs, run here and under QEMU.
#![allow(dead_code, clippy::expect_used, clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ounce_graph::{Executor, Graph, PlanOptions, Tensor, passes, plan};
use ounce_kernels::ThreadPool;
use ounce_tiny::emit::Emitted;
use ounce_tiny::runtime;
use ounce_tiny::simulate::{BOARD_HEADER, BOARD_HOST, Build, Report, Run, Sizes, Target, Tool};

/// A file of the data that is not part of the project: in the folder that `OUNCE_TEST_DATA` names, or in `shared/data` beside the
/// checkout. `None`, with a message, if it is in neither.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folders = [std::env::var_os("OUNCE_TEST_DATA").map(PathBuf::from), Some(beside)];
    let found = folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is neither under OUNCE_TEST_DATA nor in ../shared/data");
    }
    found
}

/// An executor of a graph after all passes.
pub(crate) fn executor(graph: &Graph) -> Executor {
    let graph = passes::optimize(graph).unwrap();
    Executor::new(&graph, &plan::plan(&graph, &PlanOptions::default()).unwrap()).unwrap()
}

/// What an executor gives for some inputs.
pub(crate) fn executed(
    executor: &mut Executor,
    inputs: &[(&str, &Tensor)],
    outputs: &[&str],
) -> HashMap<String, Tensor> {
    inputs.iter().for_each(|(name, tensor)| executor.set_input(name, tensor).unwrap());
    executor.run(&mut ThreadPool::new(1));
    outputs.iter().map(|name| ((*name).to_owned(), executor.output(name).unwrap())).collect()
}

/// What the program answers on this machine, every access checked. `None` without a compiler.
pub(crate) fn run_here(emitted: &Emitted, requests: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    emitted.write(path).unwrap();
    for file in [&BOARD_HEADER, &BOARD_HOST] {
        std::fs::write(path.join(file.name), file.text).unwrap();
    }
    std::fs::write(path.join("main.c"), emitted.driver()).unwrap();
    std::fs::write(path.join("requests"), requests).unwrap();
    let files =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let sources = files.filter(|name| name.ends_with(".c"));
    let compiled = Command::new(Tool::HostCompiler.program())
        .current_dir(path)
        .args(runtime::REQUIRED_FLAGS)
        .args(runtime::WARNINGS)
        .args(["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I."])
        .args(sources)
        .args(["-o", "program"])
        .output();
    let Ok(compiled) = compiled else {
        eprintln!("skipped: no C compiler (Debian: apt-get install gcc libc6-dev)");
        return None;
    };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let ran = Command::new(path.join("program")).current_dir(path).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(std::fs::read(path.join("answers")).unwrap())
}

/// What the program answers under QEMU, and what it took.
pub(crate) fn run_simulated(
    emitted: &Emitted,
    target: Target,
    stack: u64,
    requests: &[u8],
) -> (Vec<u8>, Report, Sizes) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("requests"), requests).unwrap();
    let build = Build::new(target).ram(4 << 20).flash(4 << 20).stack(stack);
    let image = emitted.add_to(build).text("main.c", emitted.driver()).compile(path).unwrap();
    let report = Run::new().limit(Duration::from_secs(300)).execute(&image, path).unwrap();
    assert_eq!(report.status, 0, "{}", report.output);
    (std::fs::read(path.join("answers")).unwrap(), report, image.sizes)
}
