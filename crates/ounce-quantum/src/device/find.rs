//! Finding the files of devices.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::DeviceError;

/// Both files of a device.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DeviceFiles {
    /// The name within the names of the files, such as `santiago` of `conf_santiago.json`.
    pub name: String,
    /// The configuration.
    pub configuration: PathBuf,
    /// The calibration.
    pub properties: PathBuf,
}

/// How deep folders are searched: the package keeps files in `qiskit_ibm_runtime/fake_provider/backends/NAME`.
const DEPTH: usize = 4;
/// Folders and files looked at at most, so that a search in the wrong place ends.
const MAX_VISITED: usize = 200_000;

/// Where the installed Python package keeps its devices, below the folder that it is installed in and below its own.
const PACKAGE: [&str; 2] = ["qiskit_ibm_runtime/fake_provider/backends", "fake_provider/backends"];

/// The devices in a folder and the folders within, sorted by name: pairs of `conf_NAME.json` and `props_NAME.json`. Of the folder of an installed
/// Python package `qiskit_ibm_runtime`, or the `site-packages` it lies in, these are the devices that it ships.
///
/// # Errors
/// If the folder cannot be read, or has no device.
pub fn find(folder: &Path) -> Result<Vec<DeviceFiles>, DeviceError> {
    let root = PACKAGE.iter().map(|below| folder.join(below)).find(|path| path.is_dir());
    let root = root.unwrap_or_else(|| folder.to_owned());
    let mut found = Vec::new();
    let mut folders = VecDeque::from([(root, 0)]);
    let mut visited = 0;
    while let Some((path, depth)) = folders.pop_front() {
        let io = |source| DeviceError::Io { path: path.clone(), source };
        for entry in fs::read_dir(&path).map_err(io)? {
            let entry = entry.map_err(io)?;
            visited += 1;
            if visited > MAX_VISITED {
                break;
            }
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            // Links are not followed, so no folder is searched twice.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if depth < DEPTH {
                    folders.push_back((entry.path(), depth + 1));
                }
            } else if let Some(name) = name.strip_prefix("conf_").and_then(|name| name.strip_suffix(".json"))
            {
                let properties = path.join(format!("props_{name}.json"));
                if properties.is_file() {
                    found.push(DeviceFiles { name: name.into(), configuration: entry.path(), properties });
                }
            }
        }
    }
    if found.is_empty() {
        return Err(DeviceError::NoDevices { path: folder.into() });
    }
    found.sort();
    Ok(found)
}
