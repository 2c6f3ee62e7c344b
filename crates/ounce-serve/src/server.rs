//! The server: routes, limits, keys and logs around the interface.

use crate::api::error::ApiError;
use crate::api::{Description, chat, completions, embeddings, models};
use crate::connections::{self, BODY_PART_TIME, InFlight};
use crate::engine::{self, EngineOptions, Handle, StartError};
use crate::hosts;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, extract};
use metrics_exporter_prometheus::PrometheusHandle;
use ounce_kernels::ThreadPool;
use ounce_llm::Model;
use ounce_llm::constrain::ConstraintFactory;
use ounce_llm::tools::encode_forced;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi as _;

/// Requests that are encoded at once.
const PREPARING: usize = 2;

/// How a server is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How texts are kept and how many.
    pub engine: EngineOptions,
    /// Tokens that an answer has at most.
    pub max_tokens: usize,
    /// Bytes that a request has at most.
    pub body_limit: usize,
    /// Requests to `/v1` must have one of these; none: anybody may ask.
    pub api_keys: Vec<String>,
    /// Pages from these origins may ask; `*`: all.
    pub cors: Vec<String>,
}

/// A model under a name.
pub struct NamedModel {
    /// The name that requests give.
    pub name: String,
    /// The model.
    pub model: Arc<Model>,
}

/// A server cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The engine cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An origin is no text that a header can hold.
    #[error("{0:?} is not an origin; it must look like https://example.org")]
    Origin(String),
    /// Numbers cannot be collected.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(String),
}

/// A model that is served.
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) index: usize,
    pub(crate) model: Arc<Model>,
    /// Bytes of the longest token.
    longest_token: usize,
    constraints: OnceLock<Result<ConstraintFactory, String>>,
}

impl Served {
    pub(crate) fn new(index: usize, NamedModel { name, model }: NamedModel) -> Self {
        let tokenizer = model.tokenizer();
        let lengths = (0..tokenizer.vocab_size() as u32).map(|token| tokenizer.token_bytes(token).len());
        let longest_token = lengths.max().unwrap_or(1);
        Self { name, index, model, longest_token, constraints: OnceLock::new() }
    }

    /// What compiles grammars for this model; made when it is first asked for, which takes up to some seconds.
    pub(crate) fn constraints(&self) -> Result<&ConstraintFactory, &str> {
        let make = || {
            let model = self.model.clone();
            let encode = move |text: &str| encode_forced(model.tokenizer(), text);
            ConstraintFactory::with_encoder(self.model.tokenizer(), encode).map_err(|error| error.to_string())
        };
        self.constraints.get_or_init(make).as_ref().map_err(String::as_str)
    }
}

/// What all requests share.
pub(crate) struct State {
    pub(crate) models: Vec<Served>,
    pub(crate) engine: Handle,
    pub(crate) options: Options,
    pub(crate) metrics: PrometheusHandle,
    /// Who holds a permit may encode a conversation or compile a grammar.
    pub(crate) preparing: Semaphore,
    /// Seconds since 1970.
    pub(crate) started: u64,
}

impl State {
    /// The model of this name; the first one if none is named.
    pub(crate) fn served(&self, name: Option<&str>) -> Result<&Served, ApiError> {
        let Some(name) = name else { return Ok(&self.models[0]) };
        self.models.iter().find(|served| served.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.models.iter().map(|served| served.name.as_str()).collect();
            let mut error = ApiError::new(
                StatusCode::NOT_FOUND,
                format!("there is no model {name:?}; this server has {}", names.join(", ")),
            )
            .with_code("model_not_found");
            error.body.error.param = Some("model".into());
            error
        })
    }

    /// Tokens that a text of this model may have; none if it has no end.
    pub(crate) fn limit(&self, served: &Served) -> Option<usize> {
        let EngineOptions { context, stream, .. } = self.options.engine;
        let most = served.model.config().context;
        stream.is_none().then(|| context.unwrap_or(most.min(ounce_llm::session::DEFAULT_CONTEXT)))
    }

    /// Whether the model can read these tokens; `param` is the field that they come from.
    pub(crate) fn check_prompt(
        &self,
        served: &Served,
        prompt: &[u32],
        param: &'static str,
    ) -> Result<(), ApiError> {
        let vocab_size = served.model.config().vocab_size;
        if let Some(token) = prompt.iter().find(|&&token| token as usize >= vocab_size) {
            let message = format!("token id {token}: the model has ids below {vocab_size}");
            return Err(ApiError::field(param, message));
        }
        match self.limit(served) {
            Some(context) if prompt.len() > context => {
                Err(engine::job::JobError::PromptTooLong { prompt: prompt.len(), context }.into())
            }
            _ => Ok(()),
        }
    }

    /// Refuses a text that cannot fit, without encoding it.
    pub(crate) fn check_bytes(&self, served: &Served, bytes: usize) -> Result<(), ApiError> {
        let least = bytes.div_ceil(served.longest_token);
        match self.limit(served) {
            Some(context) if least > context => {
                let message = format!(
                    "the prompt has {bytes} bytes, which are {least} tokens or more, but the context of this model holds {context}; shorten it, or start the server with --window"
                );
                Err(ApiError::new(StatusCode::BAD_REQUEST, message).with_code("context_length_exceeded"))
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing can be answered any more.
    pub(crate) fn engine_stopped(&self) -> bool {
        self.engine.has_ended()
    }
}

/// A server that has its models and its engine, but takes no connections yet.
pub struct Server {
    state: Arc<State>,
    engine: JoinHandle<()>,
    cors: Option<CorsLayer>,
}

impl Server {
    /// Starts the engine on the threads of `pool`. The names of the models differ, and there is at least one.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn new(models: Vec<NamedModel>, pool: ThreadPool, options: Options) -> Result<Self, ServerError> {
        let cors = cors(&options.cors)?;
        let metrics = crate::metrics::recorder().map_err(ServerError::Metrics)?;
        let loaded: Vec<_> = models.iter().map(|named| named.model.clone()).collect();
        let (handle, engine) = engine::start(&loaded, pool, options.engine)?;
        let models = models.into_iter().enumerate().map(|(index, named)| Served::new(index, named)).collect();
        let started = crate::api::answer::now();
        let state = Arc::new(State {
            models,
            engine: handle,
            options,
            metrics,
            preparing: Semaphore::new(PREPARING),
            started,
        });
        Ok(Self { state, engine, cors })
    }

    /// What answers requests, without connections.
    #[cfg(test)]
    pub(crate) fn router(&self) -> Router {
        router(self.state.clone(), self.cors.clone())
    }

    /// Answers until `shutdown` is done; then takes no more connections, finishes what was begun, and returns.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) {
        let Self { state, engine, cors } = self;
        let upkeep = tokio::spawn(upkeep(state.metrics.clone()));
        let in_flight = InFlight::new();
        let counted = in_flight.clone();
        let only_local = state.options.api_keys.is_empty()
            && listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let mut router = router(state, cors);
        if only_local {
            router = router.layer(middleware::from_fn(hosts::only_local));
        }
        let router = router.layer(middleware::from_fn(move |request, next| {
            connections::count(counted.clone(), request, next)
        }));
        connections::serve(listener, router, in_flight, shutdown).await;
        upkeep.abort();
        // The last handle is gone with the router, so the engine ends.
        let _ = tokio::task::spawn_blocking(|| engine.join()).await;
    }
}

/// Lets the metrics forget what is old.
async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

fn router(state: Arc<State>, cors: Option<CorsLayer>) -> Router {
    let api = Router::new()
        .route("/v1/chat/completions", post(chat::chat))
        .route("/v1/completions", post(completions::completions))
        .route("/v1/embeddings", post(embeddings::embeddings))
        .route("/v1/models", get(models::models))
        .route("/v1/models/{*model}", get(models::model))
        .layer(DefaultBodyLimit::max(state.options.body_limit))
        .route_layer(middleware::from_fn_with_state(state.clone(), authorize));
    let id = HeaderName::from_static("x-request-id");
    let mut router = api
        .route("/health", get(models::health))
        .route("/metrics", get(models::metrics))
        .route("/openapi.json", get(|| async { Json(Description::openapi()) }))
        .merge(crate::page::router())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(state)
        .layer(middleware::from_fn(connections::close_unread))
        .layer(RequestBodyTimeoutLayer::new(BODY_PART_TIME))
        .layer(middleware::from_fn(crate::metrics::count));
    if let Some(cors) = cors {
        router = router.layer(cors);
    }
    let span = |request: &Request| {
        let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("-");
        tracing::info_span!("request", %id, method = %request.method(), path = %request.uri().path())
    };
    let done = |response: &Response, latency: Duration, _: &tracing::Span| {
        tracing::info!(
            status = response.status().as_u16(),
            milliseconds = latency.as_millis() as u64,
            "answered"
        );
    };
    router
        .layer(PropagateRequestIdLayer::new(id.clone()))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_response(done).on_failure(()))
        .layer(SetRequestIdLayer::new(id, MakeRequestUuid))
}

/// Lets a request pass that has a key, if keys are asked for.
async fn authorize(
    extract::State(state): extract::State<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let keys = &state.options.api_keys;
    if keys.is_empty() {
        return next.run(request).await;
    }
    let header = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = header.and_then(|value| match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(key),
        _ => None,
    });
    // Every key is compared to its end, so that the time tells nothing.
    let known =
        given.is_some_and(|given| keys.iter().fold(false, |known, key| known | same(key.as_bytes(), given)));
    if known {
        return next.run(request).await;
    }
    let message = match given {
        None => "this server wants an API key; send the header authorization: Bearer KEY",
        Some(_) => "the API key is not known",
    };
    let mut response =
        ApiError::new(StatusCode::UNAUTHORIZED, message).with_code("invalid_api_key").into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Compares without telling by its time where texts differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

async fn not_found(request: Request) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", request.uri().path()))
}

async fn method_not_allowed(request: Request) -> ApiError {
    let message = format!("{} does not take {}", request.uri().path(), request.method());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

fn cors(origins: &[String]) -> Result<Option<CorsLayer>, ServerError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        // Client libraries send headers of their own.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("x-request-id"), header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Some(layer.allow_origin(tower_http::cors::Any)));
    }
    let value = |origin: &String| {
        let valid = origin.contains("://") && !origin.ends_with('/');
        let value = HeaderValue::from_str(origin).ok().filter(|_| valid);
        value.ok_or_else(|| ServerError::Origin(origin.clone()))
    };
    let origins = origins.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(layer.allow_origin(AllowOrigin::list(origins))))
}
