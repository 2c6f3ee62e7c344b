//! Texts that commands read.

use crate::failure::{Context as _, Failure, Result};
use std::path::Path;

/// The text in a file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).context(|| format!("cannot read the text {}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        Failure::new(format!(
            "{} is not UTF-8 text: byte {} is wrong",
            path.display(),
            error.utf8_error().valid_up_to()
        ))
        .hint("convert it, for instance with iconv")
    })
}
