//! Folders of pictures on the disk.

use std::path::Path;

use crate::set::{is_hidden, is_picture};
use crate::{DataError, Fault};

/// The pictures in the folders of `path`: class and name of each, in any order.
pub(crate) fn find(path: &Path) -> Result<Vec<(String, String)>, DataError> {
    let mut found = Vec::new();
    let mut any = false;
    for class in names(path)? {
        let folder = path.join(&class);
        if is_hidden(&class) || !folder.is_dir() {
            continue;
        }
        any = true;
        let before = found.len();
        for name in names(&folder)? {
            if is_picture(&name) && folder.join(&name).is_file() {
                found.push((class.clone(), name));
            }
        }
        if found.len() == before {
            return Err(Fault::EmptyClass.at(&folder));
        }
    }
    if any { Ok(found) } else { Err(Fault::NoClasses.at(path)) }
}

/// Names of what is in a folder.
fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let io = |error| Fault::Io(error).at(folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().into_string();
        names.push(name.map_err(|_| Fault::Name.at(&entry.path()))?);
    }
    Ok(names)
}
