//! The interface: OpenAI's API, and what belongs to a server.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod error;
mod logprobs;
mod message;
pub(crate) mod models;
mod prompt;
mod sampling;
mod stream;
mod tools;

use utoipa::OpenApi;

/// The description of the interface.
#[derive(OpenApi)]
#[openapi(
    info(title = "Ounce", description = "An OpenAI-compatible server."),
    paths(
        chat::chat,
        completions::completions,
        embeddings::embeddings,
        models::models,
        models::model,
        models::health,
        models::metrics
    ),
    components(schemas(chat::ChatChunk, error::ErrorBody))
)]
pub(crate) struct Description;
