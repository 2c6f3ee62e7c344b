//! Loading a model, with a progress bar.

use crate::failure::{Failure, Result};
use crate::fetch::progress_bar;
use ounce_kernels::ThreadPool;
use ounce_llm::model::{LoadProgress, Model};
use ounce_llm::session::{Session, SessionError, SessionOptions};
use std::path::Path;
use std::sync::Arc;

/// Loads the model at `path`.
pub(crate) fn model(path: &Path, pool: &mut ThreadPool) -> Result<Model> {
    let mut bar = None;
    let loaded = Model::load(path, pool, &mut |progress| {
        let LoadProgress::Tensor { done, total } = progress;
        bar.get_or_insert_with(|| progress_bar("loading", total)).set_position(done);
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    loaded.map_err(|error| with_hint(Failure::from(error), path))
}

/// Loads the model at `path` and opens a session with it.
pub(crate) fn session(path: &Path, threads: usize, options: SessionOptions) -> Result<Session> {
    let mut pool = ThreadPool::new(threads);
    let model = model(path, &mut pool)?;
    Session::new(Arc::new(model), pool, options).map_err(|error| {
        let failure = Failure::from_error(&error);
        if matches!(error, SessionError::Stream { .. }) {
            return failure.hint("choose a smaller --window, or forget fewer tokens at a time with --evict");
        }
        failure
    })
}

/// Adds what can be done about a model that cannot be loaded.
pub(crate) fn with_hint(failure: Failure, path: &Path) -> Failure {
    let shown = path.display();
    if path.is_dir() {
        return failure.hint("a Hugging Face folder has config.json, tokenizer.json and *.safetensors");
    }
    if path.extension().is_none_or(|extension| extension != "gguf") {
        return failure.hint(format!("is {shown} a GGUF file?"));
    }
    failure.hint(format!("check that {shown} is a whole GGUF file, or fetch it again"))
}
