//! One decoder for all language-model architectures: tokenizer, chat template, KV cache, sampling and evaluation.
//!
//! ```no_run
//! use ounce_kernels::{ThreadPool, available_threads};
//! use ounce_llm::{Model, Session, SessionOptions};
//! use std::{path::Path, sync::Arc};
//!
//! let mut pool = ThreadPool::new(available_threads());
//! let model = Arc::new(Model::load(Path::new("model.gguf"), &mut pool, &mut |_progress| ())?);
//! let mut session = Session::new(model, pool, SessionOptions::default())?;
//! let logits = session.feed(&[1, 2, 3], &mut |_tokens_done| true)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod arch;
pub mod batch;
pub mod cache;
pub mod checkpoint;
pub mod compress;
pub mod config;
pub mod constrain;
mod decoder;
pub mod evaluate;
pub mod export;
pub mod generate;
pub mod model;
pub mod sampling;
pub mod session;
pub mod template;
pub mod tokenizer;
pub mod tools;

pub use cache::{KvType, Stream};
pub use checkpoint::{HeadPrecision, LoadError, LoadOptions};
pub use config::Config;
pub use model::{LoadProgress, Model};
pub use session::{Session, SessionError, SessionOptions};
