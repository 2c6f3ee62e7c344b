//! Who asks: clients take turns in the queue.

use crate::server::State;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;

/// A number for the client: of its API key and its address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) u64);

impl FromRequestParts<Arc<State>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Infallible> {
        let mut hasher = DefaultHasher::new();
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        address.map(|ConnectInfo(address)| address.ip()).hash(&mut hasher);
        if !state.options.api_keys.is_empty() {
            // It has been checked; else anybody could be many clients.
            parts.headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).hash(&mut hasher);
        }
        Ok(Self(hasher.finish()))
    }
}
