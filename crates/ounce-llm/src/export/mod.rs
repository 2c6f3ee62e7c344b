//! Models into files that others read: Hugging Face folders (floats, AutoAWQ, compressed-tensors) and GGUF.
//!
//! A model comes from a GGUF file or a folder and goes to either. Its layers are handed over one after another, so that no more than one
//! need be in memory; embedding, final norm, head, tokenizer and chat template are taken from the source. Everything is written under a
//! temporary name, which becomes the target's when the last byte is on the disk; an existing target is refused.
//!
//! The two worlds differ in more than names: GGUF keeps the rows of queries and keys of Llama models so that neighbours rotate
//! together where folders rotate halves ([`RopeStyle`](crate::config::RopeStyle)); it stores the norms of Gemma with the 1 added; it merges the experts of a mixture
//! into one tensor and orders the fused rows of Falcon otherwise.

mod blocks;
mod config_json;
mod convert;
mod error;
mod floats;
mod folder;
mod folder_files;
mod gguf;
mod gguf_header;
mod metadata;
mod options;
mod plan;
mod rope;
mod rows;
#[cfg(test)]
mod tests;

pub use convert::{Container, convert};
pub use error::ExportError;
pub(crate) use folder::FolderExport;
pub(crate) use gguf::{GgufExport, stored_type};
pub(crate) use options::{FolderFormat, HeadExport, LinearKind, Origin};
