//! Clients that leave, and a server that ends.

use super::{ask, options, post, router, server};
use crate::Options;
use http_body_util::BodyExt as _;
use ounce_llm::Stream;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

/// One slot, and texts that never end by themselves.
fn endless() -> Options {
    let mut options = Options { max_tokens: usize::MAX, ..options(1) };
    options.engine.stream = Some(Stream { sinks: 4, window: 24, chunk: 8 });
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_its_slot() {
    let router = router(endless());
    let body =
        json!({"prompt": "a", "max_tokens": 4_000_000_000_u32, "stream": true, "logit_bias": {"7": 100}});
    for _ in 0..3 {
        let response = router.clone().oneshot(post("/v1/completions", &body)).await.unwrap();
        let mut stream = response.into_body();
        // It is being answered, and would be for ever.
        assert!(stream.frame().await.unwrap().unwrap().into_data().unwrap().starts_with(b"data: "));
        drop(stream);
    }
    // One that leaves before it is answered at all.
    let waiting = tokio::spawn(router.clone().oneshot(post("/v1/completions", &body)));
    let held = waiting.await.unwrap().unwrap();
    let second = json!({"prompt": "b", "max_tokens": 4_000_000_000_u32, "logit_bias": {"7": 100}});
    let queued = tokio::spawn({
        let (router, request) = (router.clone(), post("/v1/completions", &second));
        async move { router.oneshot(request).await }
    });
    tokio::task::yield_now().await;
    queued.abort();
    drop(held);
    let answer = ask(&router, "/v1/completions", &json!({"prompt": "a", "max_tokens": 3})).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_end_finishes_what_it_began() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let running = tokio::spawn(server(options(2)).run(listener, async {
        let _ = ended.await;
    }));
    let body = json!({"prompt": "a", "max_tokens": 150, "stream": true}).to_string();
    let request = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Who never ends a request keeps nobody waiting.
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 64];
    let read = connection.read(&mut first).await.unwrap();
    assert!(first[..read].starts_with(b"HTTP/1.1 200"));
    end.send(()).unwrap();
    let mut rest = String::new();
    connection.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("[DONE]"));
    running.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
