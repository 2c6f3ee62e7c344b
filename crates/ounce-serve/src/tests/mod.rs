//! The server on a tiny random model, without a network but where connections matter.
#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod answers;
mod connections;
mod limits;

use crate::{EngineOptions, NamedModel, Options, Server};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use ounce_kernels::ThreadPool;
use ounce_llm::{KvType, Model};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tower::ServiceExt as _;

/// A tiny random Llama in 4 bits.
fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    let load = || {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../ounce-llm/tests/golden/quantized/awq-llama");
        Arc::new(Model::load(&folder, &mut ThreadPool::new(1), &mut |_| ()).unwrap())
    };
    MODEL.get_or_init(load).clone()
}

fn options(slots: usize) -> Options {
    Options {
        engine: EngineOptions { slots, queue: 1000, context: None, kv: KvType::F16, stream: None },
        max_tokens: 4096,
        body_limit: 1 << 20,
        api_keys: Vec::new(),
        cors: Vec::new(),
    }
}

fn server(options: Options) -> Server {
    let models = vec![NamedModel { name: "tiny".into(), model: model() }];
    Server::new(models, ThreadPool::new(2), options).unwrap()
}

fn router(options: Options) -> Router {
    server(options).router()
}

fn post(path: &str, body: &Value) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

/// Status and body of an answer.
async fn send(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// The JSON that is answered.
async fn ask(router: &Router, path: &str, body: &Value) -> Value {
    let (status, text) = send(router, post(path, body)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The pieces of a stream, which must end with `[DONE]`.
async fn stream(router: &Router, path: &str, body: &Value) -> Vec<Value> {
    let mut body = body.clone();
    body["stream"] = json!(true);
    let (status, text) = send(router, post(path, &body)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let mut pieces: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(pieces.pop(), Some("[DONE]"));
    pieces.into_iter().map(|piece| serde_json::from_str(piece).unwrap()).collect()
}

/// The code and the field of an error.
async fn refused(router: &Router, request: Request<Body>) -> (u16, Value) {
    let (status, text) = send(router, request).await;
    let error = serde_json::from_str::<Value>(&text).unwrap()["error"].clone();
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    (status.as_u16(), error)
}
