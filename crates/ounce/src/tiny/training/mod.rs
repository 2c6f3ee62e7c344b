//! What `ounce tiny train` reads and leaves behind.

mod cache;
mod folder;
mod report;
mod rounding;
pub(crate) mod trainable;
mod trained;

pub(crate) use cache::Cache;
pub(crate) use folder::Folder;
pub(crate) use report::{Report, Settings};
pub(crate) use rounding::Rounding;
pub(crate) use trained::Trained;
