//! The chat page: plain files, part of the program.

use crate::server::State;
use axum::Router;
use std::sync::Arc;

/// The routes of the page.
pub(crate) fn router() -> Router<Arc<State>> {
    Router::new()
}
