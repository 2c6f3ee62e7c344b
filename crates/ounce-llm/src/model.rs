//! A loaded model.

use crate::arch;
use crate::checkpoint::{Checkpoint, LoadError, LoadOptions, Source, TensorSummary, WeightLoader};
use crate::config::Config;
use crate::decoder::{self, Weights};
use crate::template::{ChatTemplate, TemplateError};
use crate::tokenizer::Tokenizer;
use ounce_kernels::ThreadPool;
use std::path::Path;

/// What a load has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadProgress {
    /// Weights have been read and laid out.
    Tensor {
        /// Bytes of the checkpoint done.
        done: u64,
        /// Bytes of the checkpoint in all.
        total: u64,
    },
}

/// A decoder with its weights, its tokenizer and its chat template.
pub struct Model {
    config: Config,
    weights: Weights,
    tokenizer: Tokenizer,
    chat_template: Result<Option<ChatTemplate>, TemplateError>,
    tensors: Vec<TensorSummary>,
}

impl Model {
    /// Loads a GGUF file, or a folder with `config.json`, `*.safetensors` and `tokenizer.json`.
    ///
    /// Float weights stay in the memory map; quantized ones (GGUF blocks, and the linear maps of AutoAWQ, GPTQ and compressed-tensors
    /// folders) are laid out anew on all threads of the pool. A chat template that cannot be
    /// parsed is no error here, since much can be done without: see [`chat_template_error`](Self::chat_template_error).
    ///
    /// # Errors
    /// A file that cannot be read, an unknown architecture, an option that is not supported, a missing or misshapen tensor, a tokenizer
    /// that cannot be used.
    pub fn load(
        path: &Path,
        pool: &mut ThreadPool,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, LoadError> {
        Self::load_with(path, LoadOptions::default(), pool, progress)
    }

    /// [`load`](Self::load) with options.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        path: &Path,
        options: LoadOptions,
        pool: &mut ThreadPool,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, LoadError> {
        let checkpoint = Checkpoint::open(path)?;
        let (config, names) = arch::describe(&checkpoint)?;
        let (tokenizer, chat_template) = match checkpoint.source() {
            Source::Gguf(file) => {
                let tokenizer = Tokenizer::from_gguf(file.metadata())?;
                (tokenizer, ChatTemplate::from_gguf(file.metadata()))
            }
            Source::Folder(_) => (Tokenizer::from_folder(path)?, ChatTemplate::from_folder(path)),
        };
        let weights = pool.region(|team| {
            let mut loader = WeightLoader::new(&checkpoint, team, progress);
            if options.in_f32 {
                loader = loader.in_f32();
            }
            decoder::load(&config, names, &mut loader, options.head)
        })?;
        let tensors = checkpoint.tensors();
        Ok(Self { config, weights, tokenizer, chat_template, tensors })
    }

    /// Shape and options.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Text to token ids and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How a conversation becomes text, if the model says so.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.chat_template.as_ref().ok()?.as_ref()
    }

    /// What is wrong with the model's chat template, if it has one that cannot be used.
    pub fn chat_template_error(&self) -> Option<&TemplateError> {
        self.chat_template.as_ref().err()
    }

    /// Bytes of weights that are read from memory to decode one token.
    pub fn weight_bytes(&self) -> u64 {
        self.weights.streamed_bytes(self.config.experts.map_or(0, |experts| experts.used))
    }

    /// The tensors of the checkpoint, in the order of the file.
    pub fn tensors(&self) -> &[TensorSummary] {
        &self.tensors
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }
}
