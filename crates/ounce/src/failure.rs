//! What the program says when it cannot go on: a cause, a remedy, an exit code.

use crate::output::note;
use std::error::Error;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads standard output any more; there is nothing to say.
    Quiet,
    /// A cause and, where there is one, a remedy.
    Told {
        /// What went wrong, in one line.
        cause: String,
        /// What to do about it.
        hint: Option<String>,
        /// Whether the command line itself is at fault (exit code 2 instead of 1).
        usage: bool,
    },
}

/// The result of everything in the program.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure with its cause.
    pub(crate) fn new(cause: impl Display) -> Self {
        Self::Told { cause: cause.to_string(), hint: None, usage: false }
    }

    /// A failure of the command line itself.
    pub(crate) fn usage(cause: impl Display) -> Self {
        Self::Told { cause: cause.to_string(), hint: None, usage: true }
    }

    /// A failure with an error and what caused it.
    pub(crate) fn from_error(error: &dyn Error) -> Self {
        Self::new(chain(error))
    }

    /// What a failed write to standard output means.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Quiet;
        }
        Self::new(format!("cannot write to standard output: {error}"))
    }

    /// Adds the remedy, unless one is there already.
    pub(crate) fn hint(self, remedy: impl Display) -> Self {
        match self {
            Self::Told { cause, hint, usage } => {
                Self::Told { cause, hint: hint.or_else(|| Some(remedy.to_string())), usage }
            }
            Self::Quiet => self,
        }
    }

    /// Prints the failure on standard error and gives the program's exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Quiet => ExitCode::SUCCESS,
            Self::Told { cause, hint, usage } => {
                note(format_args!("error: {cause}"));
                if let Some(hint) = hint {
                    note(format_args!("hint: {hint}"));
                }
                ExitCode::from(if *usage { 2 } else { 1 })
            }
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Quiet => Ok(()),
            Self::Told { cause, .. } => f.write_str(cause),
        }
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::from_error(&error)
    }
}

/// An error with its sources, each said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// Says what was being done when an error came.
pub(crate) trait Context<T> {
    /// Puts `what()` before the error's own words.
    fn context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Error> Context<T> for std::result::Result<T, E> {
    fn context<D: Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Failure::new(format!("{}: {}", what(), chain(&error))))
    }
}
