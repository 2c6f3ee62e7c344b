//! An OpenAI-compatible server: continuous batching, texts without end, constrained answers, a chat page.
//!
//! One thread, the engine, runs all models step by step; requests are its clients. See `ARCHITECTURE.md` for the way of a request.
#![forbid(unsafe_code)]

mod api;
mod client;
mod connections;
mod engine;
mod hosts;
mod metrics;
mod page;
mod random;
mod server;
#[cfg(test)]
mod tests;

pub use engine::{EngineOptions, StartError};
pub use server::{NamedModel, Options, Server, ServerError};
