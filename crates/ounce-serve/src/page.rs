//! The chat page: plain files, part of the program.

use crate::server::State;
use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// What the page may do: run and load its own files, ask this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const INDEX: &str = include_str!("../page/index.html");

/// The files below `/page/`: name, type, content.
const FILES: [(&str, &str, &str); 23] = [
    ("answer.js", SCRIPT, include_str!("../page/answer.js")),
    ("api.js", SCRIPT, include_str!("../page/api.js")),
    ("app.js", SCRIPT, include_str!("../page/app.js")),
    ("ask.js", SCRIPT, include_str!("../page/ask.js")),
    ("blocks.js", SCRIPT, include_str!("../page/blocks.js")),
    ("composer.js", SCRIPT, include_str!("../page/composer.js")),
    ("conversations.js", SCRIPT, include_str!("../page/conversations.js")),
    ("dom.js", SCRIPT, include_str!("../page/dom.js")),
    ("emphasis.js", SCRIPT, include_str!("../page/emphasis.js")),
    ("errors.js", SCRIPT, include_str!("../page/errors.js")),
    ("export.js", SCRIPT, include_str!("../page/export.js")),
    ("highlight.js", SCRIPT, include_str!("../page/highlight.js")),
    ("inline.js", SCRIPT, include_str!("../page/inline.js")),
    ("keys.js", SCRIPT, include_str!("../page/keys.js")),
    ("mark.svg", SVG, include_str!("../page/mark.svg")),
    ("markdown.js", SCRIPT, include_str!("../page/markdown.js")),
    ("prose.css", CSS, include_str!("../page/prose.css")),
    ("scroll.js", SCRIPT, include_str!("../page/scroll.js")),
    ("settings.js", SCRIPT, include_str!("../page/settings.js")),
    ("sidebar.js", SCRIPT, include_str!("../page/sidebar.js")),
    ("style.css", CSS, include_str!("../page/style.css")),
    ("theme.js", SCRIPT, include_str!("../page/theme.js")),
    ("thread.js", SCRIPT, include_str!("../page/thread.js")),
];

/// The routes of the page.
pub(crate) fn router() -> Router<Arc<State>> {
    let router = Router::new().route("/", get(|| async { file(HTML, INDEX) }));
    FILES.into_iter().fold(router, |router, (name, kind, content)| {
        router.route(&format!("/page/{name}"), get(move || async move { file(kind, content) }))
    })
}

fn file(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Another version of the program has other files under the same names.
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (headers, content).into_response()
}
