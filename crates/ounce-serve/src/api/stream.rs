//! Several choices as one stream of server-sent events.

use super::answer::Choice;
use crate::engine::job::Event;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use std::convert::Infallible;
use std::time::Duration;

/// Turns events of choices into pieces of an answer.
pub(crate) trait Pieces: Send + 'static {
    /// The piece of JSON.
    type Piece: Serialize;

    /// What is sent before anything else.
    fn opening(&mut self) -> Vec<Self::Piece>;

    /// What an event of a choice amounts to.
    fn pieces(&mut self, choice: usize, event: Event) -> Result<Vec<Self::Piece>, super::error::ApiError>;

    /// What is sent at the end.
    fn closing(&mut self) -> Vec<Self::Piece>;
}

/// The choices' events, interleaved as they come, each until its last.
fn merged(choices: Vec<Choice>) -> impl stream::Stream<Item = (usize, Event)> {
    let one = |(index, choice): (usize, Choice)| {
        Box::pin(stream::unfold(Some(choice), move |choice| async move {
            let mut choice = choice?;
            let event = choice.next().await;
            let last = matches!(event, Event::Finished(_) | Event::Failed(_));
            Some(((index, event), (!last).then_some(choice)))
        }))
    };
    stream::select_all(choices.into_iter().enumerate().map(one))
}

/// The response that sends pieces as they come, and then `[DONE]`. An error is sent in place of what would follow.
pub(crate) fn respond<P: Pieces>(pieces: P, choices: Vec<Choice>) -> Response {
    struct Going<S, P> {
        events: S,
        pieces: P,
        ready: std::collections::VecDeque<Sent>,
        state: State,
    }
    enum State {
        Opening,
        Open,
        Closed,
    }
    fn json<T: Serialize>(piece: &T) -> Sent {
        Sent::default().json_data(piece).unwrap_or_default()
    }
    let going = Going {
        events: merged(choices),
        pieces,
        ready: std::collections::VecDeque::new(),
        state: State::Opening,
    };
    let body = stream::unfold(going, |mut going| async move {
        loop {
            if let Some(sent) = going.ready.pop_front() {
                return Some((Ok::<_, Infallible>(sent), going));
            }
            match going.state {
                State::Closed => return None,
                State::Opening => {
                    going.state = State::Open;
                    going.ready.extend(going.pieces.opening().iter().map(json));
                }
                State::Open => match going.events.next().await {
                    Some((choice, event)) => match going.pieces.pieces(choice, event) {
                        Ok(pieces) => going.ready.extend(pieces.iter().map(json)),
                        Err(error) => {
                            going.state = State::Closed;
                            going.ready.push_back(json(&error.body));
                            going.ready.push_back(Sent::default().data("[DONE]"));
                        }
                    },
                    None => {
                        going.state = State::Closed;
                        going.ready.extend(going.pieces.closing().iter().map(json));
                        going.ready.push_back(Sent::default().data("[DONE]"));
                    }
                },
            }
        }
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(10));
    let mut response = Sse::new(body).keep_alive(alive).into_response();
    // Proxies that gather what they pass on would undo the stream.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    response
}
