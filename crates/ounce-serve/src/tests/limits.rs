//! What the server does not do, and says so.

use super::{ask, options, post, refused, router, send};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

#[tokio::test]
async fn wrong_requests_are_named() {
    let router = router(options(2));
    let chat = |more: Value| {
        let mut body = json!({"messages": [{"role": "user", "content": "a"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post("/v1/chat/completions", &body)
    };
    let cases = [
        (json!({"messages": []}), "messages"),
        (json!({"messages": "a"}), "messages"),
        (json!({"messages": [{"role": "nobody", "content": "a"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (
            json!({"messages": [{"role": "user", "content": "a", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": ""}}]}]}),
            "messages[0].tool_calls",
        ),
        (json!({"temperature": 3}), "temperature"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"top_p": 0}), "top_p"),
        (json!({"top_p": -1}), "top_p"),
        (json!({"n": 0}), "n"),
        (json!({"n": 65}), "n"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_completion_tokens": 0}), "max_completion_tokens"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}),
            "messages[0].content",
        ),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs"),
        (json!({"logit_bias": {"a": 1}}), "logit_bias"),
        (json!({"logit_bias": {"99999999": 1}}), "logit_bias"),
        (json!({"logit_bias": {"1": 101}}), "logit_bias"),
        (json!({"stop": vec!["a"; 17]}), "stop"),
        (json!({"response_format": {"type": "poem"}}), "response_format.type"),
        (json!({"response_format": {"type": "regex", "regex": "("}}), "response_format"),
        (json!({"tools": [{"type": "function"}]}), "tools"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"model": "other"}), "model"),
    ];
    for (more, field) in cases {
        let (status, error) = refused(&router, chat(more.clone())).await;
        assert_eq!(status, if field == "model" { 404 } else { 400 }, "{more} {error}");
        assert_eq!(error["param"], field, "{more} {error}");
    }
    let completions = [
        (json!({}), Value::Null),
        (json!({"prompt": []}), json!("prompt")),
        (json!({"prompt": [[]]}), json!("prompt")),
        (json!({"prompt": [4_000_000_000_u32]}), json!("prompt")),
        (json!({"prompt": "a", "logprobs": 21}), json!("logprobs")),
        (json!({"prompt": vec!["a"; 100], "n": 3}), json!("prompt")),
    ];
    for (body, field) in completions {
        let (status, error) = refused(&router, post("/v1/completions", &body)).await;
        assert_eq!((status, &error["param"]), (400, &field), "{body} {error}");
    }
    let long = json!({"prompt": vec![1; 100_000]});
    let (status, error) = refused(&router, post("/v1/completions", &long)).await;
    assert_eq!((status, &error["code"]), (400, &json!("context_length_exceeded")));
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused_by_kind() {
    let router = router(options(1));
    let raw = |kind: &str, body: Vec<u8>| {
        let request = Request::post("/v1/completions").header(header::CONTENT_TYPE, kind);
        request.body(Body::from(body)).unwrap()
    };
    let json = "application/json";
    assert_eq!(refused(&router, raw(json, b"{".to_vec())).await.0, 400);
    assert_eq!(refused(&router, raw(json, b"\xff\xfe".to_vec())).await.0, 400);
    assert_eq!(refused(&router, raw(json, b"[]".to_vec())).await.0, 400);
    assert_eq!(refused(&router, raw(json, b"{\"prompt\": \"\xff\"}".to_vec())).await.0, 400);
    assert_eq!(refused(&router, raw(json, "[".repeat(100_000).into_bytes())).await.0, 400);
    assert_eq!(refused(&router, raw(json, vec![b' '; (1 << 20) + 1])).await.0, 413);
    assert_eq!(refused(&router, raw("text/plain", b"{}".to_vec())).await.0, 415);
    let get = Request::get("/v1/completions").body(Body::empty()).unwrap();
    assert_eq!(refused(&router, get).await.0, 405);
    let elsewhere = Request::get("/v1/nothing").body(Body::empty()).unwrap();
    assert_eq!(refused(&router, elsewhere).await.0, 404);
}

#[tokio::test]
async fn keys_are_asked_for_where_they_guard() {
    let router = router(super::Options { api_keys: vec!["one".into(), "two".into()], ..options(1) });
    let get = |path: &str, key: Option<&str>| {
        let mut request = Request::get(path);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, key);
        }
        request.body(Body::empty()).unwrap()
    };
    for key in [None, Some("Bearer three"), Some("one"), Some("Bearer "), Some("Bearer onetwo")] {
        let (status, error) = refused(&router, get("/v1/models", key)).await;
        assert_eq!((status, &error["code"]), (401, &json!("invalid_api_key")), "{key:?}");
    }
    for key in ["Bearer one", "Bearer two"] {
        assert_eq!(send(&router, get("/v1/models", Some(key))).await.0, StatusCode::OK);
    }
    for path in ["/", "/page/app.js", "/health", "/metrics", "/openapi.json"] {
        assert_eq!(send(&router, get(path, None)).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn other_origins_may_ask_only_if_named() {
    let preflight = || {
        Request::options("/v1/chat/completions")
            .header(header::ORIGIN, "https://example.org")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type,authorization")
            .body(Body::empty())
            .unwrap()
    };
    let allowed = async |origins: &[&str]| {
        let cors = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let response = router(super::Options { cors, ..options(1) }).oneshot(preflight()).await.unwrap();
        response
            .headers()
            .get(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(allowed(&[]).await, None);
    assert_eq!(allowed(&["https://other.org"]).await, None);
    assert_eq!(allowed(&["https://example.org"]).await.as_deref(), Some("https://example.org"));
    assert_eq!(allowed(&["*"]).await.as_deref(), Some("*"));
    let models = vec![super::NamedModel { name: "tiny".into(), model: super::model() }];
    let wrong = super::Options { cors: vec!["example.org".into()], ..options(1) };
    assert!(super::Server::new(models, super::ThreadPool::new(1), wrong).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_when_the_line_is_full_is_told_to_come_again() {
    let mut options = options(1);
    options.engine.queue = 2;
    let router = router(options);
    let body = json!({"prompt": "a", "max_tokens": 100, "temperature": 0});
    let expected = ask(&router, "/v1/completions", &body).await["choices"].clone();
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (router, request) = (router.clone(), post("/v1/completions", &body));
            tokio::spawn(async move { router.oneshot(request).await.unwrap() })
        })
        .collect();
    let (mut answered, mut turned_away) = (0, 0);
    for task in tasks {
        let response = task.await.unwrap();
        if response.status() == StatusCode::OK {
            let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["choices"], expected);
            answered += 1;
        } else {
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
            turned_away += 1;
        }
    }
    assert!(answered >= 1 && turned_away >= 1, "{answered} answered, {turned_away} turned away");
}

#[tokio::test]
async fn the_description_names_every_route() {
    let router = router(options(1));
    let get = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let (_, text) = send(&router, get).await;
    let description: Value = serde_json::from_str(&text).unwrap();
    let paths: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
    for path in [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
        "/v1/models/{model}",
        "/health",
        "/metrics",
    ] {
        assert!(paths.iter().any(|found| *found == path), "{path} of {paths:?}");
    }
}
