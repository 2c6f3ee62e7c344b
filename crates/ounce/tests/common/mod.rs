//! What the end-to-end tests share: a machine of their own with its cache and its tools, and a tiny model.
#![allow(dead_code, unused_imports, unused_macros, reason = "every test file uses another part")]

pub(crate) mod model;
pub(crate) mod tiny;

use std::env::var_os;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The default model.
pub(crate) const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// `name` in the folder that `variable` names, if it is there.
pub(crate) fn find(variable: &str, name: &str) -> Option<String> {
    let path = PathBuf::from(var_os(variable)?).join(name);
    path.exists().then(|| path.to_str().unwrap().to_owned())
}

/// `find`; says that the test is skipped, and returns from it, if there is nothing.
macro_rules! need {
    ($variable:literal, $name:expr) => {
        match $crate::common::find($variable, $name) {
            Some(path) => path,
            None => {
                eprintln!("skipped: {} is not in ${}", $name, $variable);
                return;
            }
        }
    };
}
pub(crate) use need;

/// A folder that stands for a machine: `cache/`, `bin/` (all that PATH names) and `data/`.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cache", "bin", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file under `data/`.
    pub(crate) fn data(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("data").join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Puts a shell script on PATH. It finds the machine's folder in `$MACHINE`.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The program with these arguments, not yet started.
    pub(crate) fn ounce(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ounce"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("MACHINE", self.folder.path())
            .env("OUNCE_CACHE", self.path("cache"))
            .stdin(Stdio::null())
            .current_dir(self.path("data"));
        let catalogue = self.path("data/catalogue.toml");
        if catalogue.exists() {
            command.env("OUNCE_CATALOGUE", catalogue);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.ounce(arguments).output().unwrap())
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Fails the test unless the program failed with `code`, printed no data, and named every one of `words` on standard error.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.stdout.is_empty(), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:#?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// The lines of a file, none if it is not there.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}
