//! One decoder for all language-model architectures: tokenizer, chat template, KV cache, sampling and evaluation.
#![forbid(unsafe_code)]

pub mod arch;
pub mod cache;
pub mod checkpoint;
pub mod config;
pub mod decoder;
pub mod evaluate;
pub mod generate;
pub mod model;
pub mod sampling;
pub mod session;
pub mod template;
pub mod tokenizer;
