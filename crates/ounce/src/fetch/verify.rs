//! Checksums.

use super::progress;
use crate::failure::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// A running sha256.
#[derive(Default)]
pub(super) struct Checksum(Sha256);

impl Checksum {
    /// Takes in the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum in lower-case hexadecimal.
    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The sha256 of a file, with a progress bar labelled `label`.
pub(super) fn file_sha256(path: &Path, label: &'static str) -> Result<String> {
    let what = || format!("cannot read {}", path.display());
    let mut file = File::open(path).context(what)?;
    let bar = progress::bar(label, file.metadata().context(what)?.len());
    let mut checksum = Checksum::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer).context(what)?;
        if n == 0 {
            break;
        }
        checksum.update(&buffer[..n]);
        bar.inc(n as u64);
    }
    bar.finish_and_clear();
    Ok(checksum.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-2, appendix B.1.
    #[test]
    fn equals_the_standards_example() {
        let mut checksum = Checksum::default();
        checksum.update(b"ab");
        checksum.update(b"c");
        assert_eq!(checksum.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
