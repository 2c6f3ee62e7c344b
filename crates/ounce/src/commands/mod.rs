//! The subcommands, one file each.

pub(crate) mod bench;
pub(crate) mod chat;
pub(crate) mod inspect;
pub(crate) mod perplexity;
pub(crate) mod pull;
pub(crate) mod quantize;
pub(crate) mod quantum;
pub(crate) mod serve;
pub(crate) mod streameval;
pub(crate) mod tiny;
