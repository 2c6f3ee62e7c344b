//! Errors in the form of OpenAI's API.

use crate::engine::Refused;
use crate::engine::job::JobError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// A request that is not answered, and why.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) body: ErrorBody,
}

/// The body of an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    pub(crate) error: ErrorDetail,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// What is wrong and what to do.
    pub(crate) message: String,
    /// The kind of error.
    #[serde(rename = "type")]
    #[schema(example = "invalid_request_error")]
    pub(crate) kind: &'static str,
    /// The field that is wrong, if it is one.
    pub(crate) param: Option<String>,
    /// A name for programs.
    #[schema(example = "context_length_exceeded")]
    pub(crate) code: Option<&'static str>,
}

/// How requests that ask for an answer may be refused, for the description of the interface.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the description is derived from it; answers are made of `ApiError`")]
pub(crate) enum Refusals {
    /// A field is not as it must be
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// The API key is missing or wrong
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// There is no such model
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body is too large
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is not declared as JSON
    #[response(status = 415)]
    NotJson(ErrorBody),
    /// Too many requests are waiting
    #[response(status = 429)]
    Busy(ErrorBody),
}

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER: &str = "1";

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let error = ErrorDetail { message: message.into(), kind, param: None, code: None };
        Self { status, body: ErrorBody { error } }
    }

    /// A field of the request that is not as it must be.
    pub(crate) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::BAD_REQUEST, message);
        error.body.error.param = Some(param.into());
        error
    }

    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.body.error.code = Some(code);
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let turned_away = self.status == StatusCode::TOO_MANY_REQUESTS;
        let mut response = (self.status, Json(self.body)).into_response();
        if turned_away || self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, refused.to_string()).with_code("queue_full")
            }
            Refused::Ended => Self::new(StatusCode::SERVICE_UNAVAILABLE, refused.to_string()),
        }
    }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::PromptTooLong { .. } => Self::new(
                StatusCode::BAD_REQUEST,
                message + "; shorten it, or start the server with --window",
            )
            .with_code("context_length_exceeded"),
            JobError::OpeningTooLong { .. } => {
                Self::new(StatusCode::BAD_REQUEST, message).with_code("context_length_exceeded")
            }
            JobError::Form(_) => Self::field("response_format", message),
            JobError::Internal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, message),
        }
    }
}
