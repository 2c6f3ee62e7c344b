//! Terms of use that must be accepted before a model is fetched.

use crate::catalogue::Model;
use crate::failure::{Failure, Result};
use crate::output::note;
use std::io::{IsTerminal as _, Write as _, stderr, stdin};

/// Shows the model's terms, if it has any, and asks whether they are accepted, unless `accepted` says so already.
pub(crate) fn accept_terms(model: &Model, accepted: bool) -> Result<()> {
    let Some(terms) = &model.terms else { return Ok(()) };
    note(format_args!("{}: {}\n{}", model.title, model.licence, terms.trim()));
    if accepted {
        return Ok(());
    }
    let refused = || {
        Failure::new(format!("the terms of {} were not accepted", model.name))
            .hint(format!("read them, then run `ounce pull {} --accept-license`", model.name))
    };
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(refused());
    }
    let _ = write!(stderr(), "Do you accept them? [y/N] ");
    let _ = stderr().flush();
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") { Ok(()) } else { Err(refused()) }
}
