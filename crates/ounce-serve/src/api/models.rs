//! `GET /v1/models`, and what else tells about the server.

use super::error::{ApiError, ErrorBody};
use crate::server::{Served, State};
use axum::{Json, extract};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The models of this server.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelList {
    object: &'static str,
    data: Vec<ModelBody>,
}

/// A model.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelBody {
    /// The name that requests give.
    id: String,
    object: &'static str,
    /// When the server started, in seconds since 1970.
    created: u64,
    owned_by: &'static str,
    /// Tokens that a text may have, prompt and answer together; none if texts have no end.
    max_model_len: Option<usize>,
}

/// Whether the server works.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

fn body(state: &State, served: &Served) -> ModelBody {
    ModelBody {
        id: served.name.clone(),
        object: "model",
        created: state.started,
        owned_by: "ounce",
        max_model_len: state.limit(served),
    }
}

/// Lists the models.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "models",
    responses(
        (status = 200, description = "The models", body = ModelList),
        (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
    )
)]
pub(crate) async fn models(extract::State(state): extract::State<Arc<State>>) -> Json<ModelList> {
    let data = state.models.iter().map(|served| body(&state, served)).collect();
    Json(ModelList { object: "list", data })
}

/// Tells about a model.
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    tag = "models",
    params(("model" = String, Path, description = "The name of the model")),
    responses(
        (status = 200, description = "The model", body = ModelBody),
        (status = 400, description = "The name is not text", body = ErrorBody),
        (status = 401, description = "The API key is missing or wrong", body = ErrorBody),
        (status = 404, description = "There is no such model", body = ErrorBody),
    )
)]
pub(crate) async fn model(
    extract::State(state): extract::State<Arc<State>>,
    name: Result<extract::Path<String>, extract::rejection::PathRejection>,
) -> Result<Json<ModelBody>, ApiError> {
    let extract::Path(name) = name.map_err(|error| ApiError::field("model", error.body_text()))?;
    let served = state.served(Some(&name))?;
    Ok(Json(body(&state, served)))
}

/// Tells whether the server works.
#[utoipa::path(
    get,
    path = "/health",
    tag = "server",
    responses(
        (status = 200, description = "It works", body = Health),
        (status = 503, description = "The engine has stopped", body = ErrorBody),
    )
)]
pub(crate) async fn health(
    extract::State(state): extract::State<Arc<State>>,
) -> Result<Json<Health>, ApiError> {
    if state.engine_stopped() {
        return Err(ApiError::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "the engine has stopped"));
    }
    Ok(Json(Health { status: "ok" }))
}

/// Counts what the server does, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, description = "The text format of Prometheus", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics(extract::State(state): extract::State<Arc<State>>) -> String {
    state.metrics.render()
}
