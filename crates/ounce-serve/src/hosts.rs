//! Which names a server may be called by.

use crate::api::error::ApiError;
use axum::extract::Request;
use axum::http::{StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Answers only requests that call this machine by a name for itself. A page from elsewhere, whose name has been made to stand for this
/// machine (DNS rebinding), could otherwise ask a server that wants no key.
pub(crate) async fn only_local(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    if host.is_none_or(is_local) {
        return next.run(request).await;
    }
    let message = "this server listens for its own machine only, and is called localhost or 127.0.0.1; to serve other names, start it with --api-key or another --host";
    ApiError::new(StatusCode::FORBIDDEN, message).into_response()
}

fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn names_of_this_machine_are_known() {
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:80",
            "127.1.2.3",
            "[::1]:8080",
            "LOCALHOST",
            "a.localhost:1",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["example.org", "localhost.example.org", "10.0.0.1", "", "127.0.0.1.example.org:80", "\u{e9}"]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
