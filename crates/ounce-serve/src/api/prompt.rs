//! Prompts as the API takes them: texts or tokens, one or several.

use super::error::ApiError;
use crate::server::{Served, State};
use axum::http::StatusCode;
use ounce_llm::tokenizer::Special;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text, tokens, or several of either.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Prompt {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    Several(Vec<Vec<u32>>),
}

/// A prompt, ready to be read.
pub(crate) struct Encoded {
    pub(crate) tokens: Vec<u32>,
    /// As it was given, if it was given as text.
    pub(crate) text: Option<String>,
}

/// The tokens of each prompt. `param` is the field's name, for errors.
pub(crate) async fn encode(
    state: &State,
    served: &Served,
    prompt: Prompt,
    param: &'static str,
) -> Result<Vec<Encoded>, ApiError> {
    match &prompt {
        Prompt::Text(text) => state.check_bytes(served, text.len())?,
        Prompt::Texts(texts) => texts.iter().try_for_each(|text| state.check_bytes(served, text.len()))?,
        Prompt::Tokens(_) | Prompt::Several(_) => {}
    }
    let _permit = state.preparing.acquire().await;
    let model = served.model.clone();
    let encode = move || -> Result<Vec<Encoded>, ApiError> {
        let fault = |message: String| ApiError::field(param, message);
        let texts = match prompt {
            Prompt::Tokens(tokens) => return Ok(vec![Encoded { tokens, text: None }]),
            Prompt::Several(prompts) => {
                return Ok(prompts.into_iter().map(|tokens| Encoded { tokens, text: None }).collect());
            }
            Prompt::Text(text) => vec![text],
            Prompt::Texts(texts) => texts,
        };
        let tokenizer = model.tokenizer();
        let one = |text: String| {
            let mut tokens = tokenizer
                .encode_document(&text, Special::Parse)
                .map_err(|error| fault(format!("{param}: {error}")))?;
            // An empty text still begins.
            if tokens.is_empty() {
                tokens.extend(tokenizer.bos().or(tokenizer.eos()));
            }
            Ok(Encoded { tokens, text: Some(text) })
        };
        texts.into_iter().map(one).collect()
    };
    let prompts = tokio::task::spawn_blocking(encode)
        .await
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    if prompts.is_empty() || prompts.iter().any(|prompt| prompt.tokens.is_empty()) {
        return Err(ApiError::field(param, format!("{param} is empty; there must be at least one token")));
    }
    Ok(prompts)
}
