//! Connections: taken, bounded in time, and ended in order.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Extension, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The head of a request must have come after this time.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// Every part of a request's body must come within this time.
pub(crate) const BODY_PART_TIME: Duration = Duration::from_secs(20);
/// How long a connection may take to hand over the end of the last answer.
const LINGER: Duration = Duration::from_secs(2);

/// Counts the requests that are being answered, each until the last byte of its answer has been handed to its connection.
#[derive(Clone)]
pub(crate) struct InFlight(Arc<watch::Sender<usize>>);

impl InFlight {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    fn begin(&self) -> Guard {
        self.0.send_modify(|count| *count += 1);
        Guard(self.clone())
    }

    async fn none(&self) {
        // The sender is here, so that waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

struct Guard(InFlight);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// Counts a request while it is answered.
pub(crate) async fn count(in_flight: InFlight, request: Request, next: Next) -> Response {
    let guard = in_flight.begin();
    next.run(request).await.map(|inner| Body::new(Counted { inner, _guard: guard }))
}

/// A body that counts as long as it is there.
struct Counted {
    inner: Body,
    _guard: Guard,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Says that the connection ends where the body of a request was not read, since what follows in it cannot be told from the next request.
pub(crate) async fn close_unread(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let has_body = length || headers.contains_key(header::TRANSFER_ENCODING);
    let mut response = next.run(request).await;
    let unread = matches!(
        response.status(),
        StatusCode::UNAUTHORIZED
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    if has_body && unread {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Takes connections until `shutdown` is done, then waits until all that was asked is answered. Connections on which nothing is asked do not
/// keep it waiting.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    in_flight: InFlight,
    shutdown: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = &mut shutdown => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Often too many open files, which passes.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Pieces of an answer are small, and should not wait for one another.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(address))));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .serve_connection(TokioIo::new(stream), service);
        connections.spawn(graceful.watch(connection));
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = async {
            in_flight.none().await;
            tokio::time::sleep(LINGER).await;
        } => {}
    }
    connections.shutdown().await;
}
