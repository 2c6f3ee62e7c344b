//! Request bodies: JSON, read with an error that names the field.

use super::error::ApiError;
use crate::server::State;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};
use serde_json::Value;
use std::sync::Arc;

/// The value of a JSON body.
pub(crate) struct Body(pub(crate) Value);

impl FromRequest<Arc<State>> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let message = "the body must be JSON, with the header content-type: application/json";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let limit = state.options.body_limit;
        let too_large = || {
            let message = format!("the body is larger than the {limit} bytes that this server takes");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        };
        let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if declared.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > limit as u64) {
            return Err(too_large());
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                status @ StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
                    status,
                    format!("the body is larger than the {limit} bytes that this server takes"),
                ),
                status => ApiError::new(status, rejection.body_text()),
            })?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            ApiError::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
        })?;
        if !value.is_object() {
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "the body must be a JSON object"));
        }
        Ok(Self(value))
    }
}

impl Body {
    /// The fields of `T` in the body; others are ignored.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_path_to_error::deserialize(&self.0).map_err(|error| {
            let path = error.path().to_string();
            let message = error.into_inner().to_string();
            match path.as_str() {
                "" | "." => ApiError::new(StatusCode::BAD_REQUEST, message),
                _ => ApiError::field(path.clone(), format!("{path}: {message}")),
            }
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// An optional object, for fields of which a derived reader would take a list of its fields as well.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    reader: D,
) -> Result<Option<T>, D::Error> {
    match Option::<Value>::deserialize(reader)? {
        None => Ok(None),
        Some(value) if value.is_object() => T::deserialize(value).map(Some).map_err(D::Error::custom),
        Some(_) => Err(D::Error::custom("invalid type, expected an object")),
    }
}
