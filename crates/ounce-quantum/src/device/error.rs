//! Why a device could not be read.

use std::io;
use std::path::PathBuf;

/// Why a device could not be read. Every message says which file, where in it, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is larger than any of its kind.
    #[error("{} has more than {limit} bytes; it is no file of a device, give the configuration or calibration itself", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
    },
    /// A file is not the JSON that is expected.
    #[error("{}:{line}:{column}: {message}; give the {expected} of a device as IBM writes it", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
        /// Configuration or calibration.
        expected: &'static str,
    },
    /// A field says what cannot be.
    #[error("{}: {field} is {found}, but must be {expected}; correct the file or download it again", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Where in it, such as `qubits[2].T1`.
        field: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// No pair of files lies in a folder.
    #[error(
        "no conf_NAME.json with a props_NAME.json beside it lies in {}; give a folder with both files of a device, or that of the Python package qiskit_ibm_runtime",
        path.display()
    )]
    NoDevices {
        /// The folder.
        path: PathBuf,
    },
}
