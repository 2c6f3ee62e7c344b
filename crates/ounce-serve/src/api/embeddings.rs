//! `POST /v1/embeddings`

use super::answer::{Asked, Batch};
use super::body::Body;
use super::error::{ApiError, Refusals};
use super::prompt::{Encoded, Prompt, encode};
use crate::client::Client;
use crate::engine::job::Task;
use crate::server::State;
use axum::{Json, extract};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The most inputs of a request, as in OpenAI's API.
const INPUTS: usize = 2048;

/// Texts to be embedded. Unknown fields are ignored.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct EmbeddingRequest {
    /// The name of a model; `/v1/models` lists them. The first one if none is named.
    model: Option<String>,
    /// A text, tokens, or several of either.
    input: Prompt,
    /// How numbers are written. Default `float`.
    encoding_format: Option<EncodingFormat>,
    /// Only the width of the model can be asked for.
    dimensions: Option<u32>,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// As a list.
    Float,
    /// As the bytes of little-endian 32-bit floats, in base 64.
    Base64,
}

/// Embeddings, in the order of the inputs.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbeddingResponse {
    object: &'static str,
    data: Vec<EmbeddingBody>,
    model: String,
    usage: EmbeddingUsage,
}

/// One embedding.
#[derive(Serialize, ToSchema)]
struct EmbeddingBody {
    object: &'static str,
    index: usize,
    embedding: Numbers,
}

/// A vector.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Numbers {
    Float(Vec<f32>),
    Base64(String),
}

/// Tokens of a request.
#[derive(Serialize, ToSchema)]
struct EmbeddingUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Makes vectors of texts: the mean of the last hidden states, of length 1.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    tag = "embeddings",
    request_body = EmbeddingRequest,
    responses(
        (status = 200, description = "The vectors", body = EmbeddingResponse),
        Refusals,
    )
)]
pub(crate) async fn embeddings(
    extract::State(state): extract::State<Arc<State>>,
    client: Client,
    body: Body,
) -> Result<Json<EmbeddingResponse>, ApiError> {
    let request = body.read::<EmbeddingRequest>()?;
    let served = state.served(request.model.as_deref())?;
    let width = served.model.config().hidden;
    if request.dimensions.is_some_and(|dimensions| dimensions as usize != width) {
        return Err(ApiError::field(
            "dimensions",
            format!("the vectors of this model have {width} dimensions"),
        ));
    }
    let inputs = encode(&state, served, request.input, "input").await?;
    if inputs.len() > INPUTS {
        return Err(ApiError::field(
            "input",
            format!("{} inputs exceed the {INPUTS} of a request", inputs.len()),
        ));
    }
    let mut batch = Batch::default();
    for Encoded { tokens, .. } in inputs {
        state.check_prompt(served, &tokens, "input")?;
        let asked = Asked { model: served.index, client: client.0, prompt: tokens.into(), opening: 0 };
        batch.add(&asked, Task::Embed);
    }
    let choices = batch.submit(&state)?;
    let mut tokens = 0;
    let mut data = Vec::with_capacity(choices.len());
    for (index, choice) in choices.into_iter().enumerate() {
        let (mut vector, of_prompt) = choice.embedding().await?;
        tokens += of_prompt;
        normalize(&mut vector);
        let embedding = match request.encoding_format {
            Some(EncodingFormat::Base64) => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                Numbers::Base64(BASE64_STANDARD.encode(bytes))
            }
            _ => Numbers::Float(vector),
        };
        data.push(EmbeddingBody { object: "embedding", index, embedding });
    }
    let usage = EmbeddingUsage { prompt_tokens: tokens, total_tokens: tokens };
    Ok(Json(EmbeddingResponse { object: "list", data, model: served.name.clone(), usage }))
}

fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}
