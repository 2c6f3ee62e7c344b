//! Real machines by way of a folder: circuits out, counts in.
//!
//! A circuit is written as `circuits/ID.qasm`, and its counts are read from `counts/ID.json`, where the user puts them (or a script that sends circuits
//! to a machine). ID is a hash of the circuit and the number of shots, so that a program that is started again finds the counts of the last time, and a
//! circuit that was run is not run again. `manifest.json` lists what is waited for.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{Backend, BackendError, Request};
use crate::circuit::Circuit;
use crate::counts::Counts;
use crate::measurement::{BasisChange, MeasurementPlan};

/// Writes a circuit with measurements and without parameters as a text, OpenQASM for instance; or says why it cannot.
pub type CircuitWriter = Box<dyn Fn(&Circuit) -> Result<String, String> + Send>;

/// The most bytes of a file of counts.
pub const MAX_COUNTS_BYTES: u64 = 64 << 20;

/// What `manifest.json` says.
#[derive(Serialize)]
struct Manifest<'a> {
    format: &'static str,
    version: u32,
    /// Shots of every circuit.
    shots: u64,
    /// What is waited for; empty when all counts are there.
    circuits: &'a [Waiting],
}

/// A circuit whose counts are waited for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Waiting {
    /// The hash that names it.
    pub id: String,
    /// Its file, relative to the folder.
    pub circuit: String,
    /// Where its counts are expected, relative to the folder.
    pub counts: String,
    /// Qubits of the circuit.
    pub qubits: usize,
    /// Bits of an outcome.
    pub bits: usize,
}

/// Exchanges circuits and counts through a folder.
pub struct FileBackend {
    folder: PathBuf,
    writer: CircuitWriter,
    way: BasisChange,
    shots: u64,
    waiting: Vec<Waiting>,
    /// Missing counts are noted, not refused.
    gathering: bool,
    runs: u64,
}

impl FileBackend {
    /// A backend in a folder, which is made if it is not there. Circuits are run with `shots` shots; qubits are turned into the basis of Z in the given way.
    ///
    /// # Errors
    /// If the folder cannot be made, or there are no shots.
    pub fn new(
        folder: &Path,
        writer: CircuitWriter,
        way: BasisChange,
        shots: u64,
    ) -> Result<Self, BackendError> {
        if shots == 0 {
            return Err(BackendError::Failed("0 shots give no counts; take at least one".into()));
        }
        for name in ["circuits", "counts"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(|error| failed("make", &path, &error))?;
        }
        Ok(Self { folder: folder.into(), writer, way, shots, waiting: Vec::new(), gathering: false, runs: 0 })
    }

    /// Does `work`, which may ask for any number of expectation values, and writes all circuits whose counts are missing at once, instead of stopping at the first.
    /// Until all counts are there, expectation values within `work` are 0 and its result is dropped; so it must not do what cannot be done again.
    ///
    /// # Errors
    /// [`BackendError::Waiting`] if counts are missing; what `work` fails with.
    pub fn gather<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        self.gathering = true;
        self.waiting.clear();
        let result = work(self);
        self.gathering = false;
        let result = result?;
        self.hand_over()?;
        Ok(result)
    }

    /// The circuits whose counts are waited for.
    pub fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    /// Writes the manifest; refuses if anything is waited for.
    fn hand_over(&self) -> Result<(), BackendError> {
        let manifest =
            Manifest { format: "ounce-circuits", version: 1, shots: self.shots, circuits: &self.waiting };
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| BackendError::Failed(error.to_string()))?;
        write(&self.folder.join("manifest.json"), &text)?;
        match self.waiting.len() {
            0 => Ok(()),
            missing => Err(BackendError::Waiting { folder: self.folder.clone(), missing }),
        }
    }

    /// The counts of a circuit with its measurements; `None` if they are not there yet, in which case the circuit is.
    fn counts(&mut self, circuit: &Circuit) -> Result<Option<Counts>, BackendError> {
        let text = (self.writer)(circuit).map_err(BackendError::Failed)?;
        let digest =
            Sha256::new().chain_update(text.as_bytes()).chain_update(self.shots.to_le_bytes()).finalize();
        let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let (file, counts) = (format!("circuits/{id}.qasm"), format!("counts/{id}.json"));
        if let Some(found) = read(&self.folder.join(&counts))? {
            return Counts::from_json(&found, circuit.bits()).map(Some).map_err(|error| {
                let path = self.folder.join(&counts);
                BackendError::Failed(format!(
                    "{}: {error}; correct the file, or delete it and run the circuit again",
                    path.display()
                ))
            });
        }
        let path = self.folder.join(&file);
        if !path.exists() {
            write(&path, &text)?;
        }
        if self.waiting.iter().all(|known| known.id != id) {
            let (qubits, bits) = (circuit.qubits(), circuit.bits());
            self.waiting.push(Waiting { id, circuit: file, counts, qubits, bits });
        }
        Ok(None)
    }
}

impl Backend for FileBackend {
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        if !self.gathering {
            self.waiting.clear();
        }
        let plan = MeasurementPlan::new(request.observables);
        let width = request.observables.len();
        let mut values = vec![0.0; request.samples * width];
        for sample in 0..request.samples {
            let mut counts = Vec::with_capacity(plan.groups().len());
            for group in plan.groups() {
                let bound = request.circuit.bound(request.parameters, request.sample(sample));
                let measured = group.measured(&bound, self.way);
                let measured = measured.map_err(|error| BackendError::Failed(error.to_string()))?;
                counts.extend(self.counts(&measured)?);
            }
            if counts.len() == plan.groups().len() {
                values[sample * width..(sample + 1) * width].copy_from_slice(&plan.from_counts(&counts));
                self.runs += 1;
            }
        }
        if !self.gathering {
            self.hand_over()?;
        }
        Ok(values)
    }

    fn gathered<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        self.gather(work)
    }

    fn runs(&self) -> u64 {
        self.runs
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> BackendError {
    BackendError::Failed(format!("cannot {what} {}: {error}", path.display()))
}

/// The text of a file of counts, if it is there.
fn read(path: &Path) -> Result<Option<String>, BackendError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, &error)),
    };
    let mut text = String::new();
    file.take(MAX_COUNTS_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed("read", path, &error))?;
    if text.len() as u64 > MAX_COUNTS_BYTES {
        let message = format!(
            "{} has more than {MAX_COUNTS_BYTES} bytes; put counts of one circuit there",
            path.display()
        );
        return Err(BackendError::Failed(message));
    }
    Ok(Some(text))
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), BackendError> {
    let all = || {
        let mut file = temporary(path.parent().unwrap_or_else(|| Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    all().map_err(|error: io::Error| {
        // tempfile adds the name of its file, which nobody has heard of.
        let text = error.to_string();
        let reason = text.split(" at path ").next().unwrap_or_default();
        failed("write", path, &io::Error::new(error.kind(), reason))
    })
}

/// A file without a lasting name, with the permissions that any new file gets: what runs the circuits may be another user.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ounce-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}
