//! The text of a model, taken apart into what it says and what it calls.

use serde_json::Value as Json;

use super::header::{Header, ObjectScanner, header};
use super::{CLOSE, OPEN};
use crate::template::ToolCall;

/// A piece of a model's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolEvent {
    /// Text for the user.
    Text(String),
    /// A call begins; calls count from 0.
    CallStart {
        /// Which call.
        index: usize,
        /// The name of the function.
        name: String,
    },
    /// More of the JSON text of a call's arguments, as the model wrote it.
    Arguments {
        /// Which call.
        index: usize,
        /// The text.
        text: String,
    },
    /// A call is whole.
    CallEnd {
        /// Which call.
        index: usize,
    },
}

/// Finds calls in text that comes in pieces. However it is cut, the pieces of text and of arguments, joined, are the same.
///
/// White space right before and after calls is dropped. Text is held back while it may become a call, and white space until something follows it.
/// What stands between `<tool_call>` and `</tool_call>` without being a call is text.
#[derive(Debug, Default)]
pub struct ToolCallParser {
    state: State,
    /// What is not decided.
    held: String,
    calls: usize,
    /// Nothing has come since a call.
    after_call: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// After the opening mark.
    Call,
    /// In a call whose keys are in another order, or in what is none: until the closing mark, so far searched to this byte.
    Opaque(usize),
    Arguments(ObjectScanner),
    /// After the arguments.
    Tail,
}

impl ToolCallParser {
    /// A parser at the beginning of an output.
    pub fn new() -> ToolCallParser {
        ToolCallParser::default()
    }

    /// The next piece of the output: what is now certain.
    pub fn push(&mut self, text: &str) -> Vec<ToolEvent> {
        self.held.push_str(text);
        let mut events = Vec::new();
        while self.step(&mut events) {}
        events
    }

    /// The output has ended: what was held back. A call whose arguments are cut off does not end, so that it has no [`ToolEvent::CallEnd`].
    pub fn finish(mut self) -> Vec<ToolEvent> {
        let mut events = Vec::new();
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Text => self.text(&held, &mut events),
            State::Call | State::Opaque(_) => self.body(&held, "", &mut events),
            State::Arguments(_) => {}
            State::Tail => events.push(ToolEvent::CallEnd { index: self.calls - 1 }),
        }
        events
    }

    /// Decides one thing; false if more text is needed for that.
    fn step(&mut self, events: &mut Vec<ToolEvent>) -> bool {
        match &mut self.state {
            State::Text => match self.held.find(OPEN) {
                Some(at) => {
                    let before = self.take(at, OPEN);
                    self.text(before.trim_end(), events);
                    self.state = State::Call;
                    true
                }
                None => {
                    let undecided = partial(&self.held, OPEN);
                    let decided = self.held[..self.held.len() - undecided].trim_end().len();
                    let text: String = self.held.drain(..decided).collect();
                    self.text(&text, events);
                    false
                }
            },
            State::Call => match header(&self.held) {
                Header::Call(name, at) => {
                    self.held.drain(..at);
                    events.push(ToolEvent::CallStart { index: self.calls, name });
                    self.calls += 1;
                    self.state = State::Arguments(ObjectScanner::default());
                    true
                }
                Header::Other => {
                    self.state = State::Opaque(0);
                    true
                }
                Header::Unknown => false,
            },
            State::Opaque(searched) => match self.held[*searched..].find(CLOSE) {
                Some(at) => {
                    let at = *searched + at;
                    let body = self.take(at, CLOSE);
                    self.body(&body, CLOSE, events);
                    self.state = State::Text;
                    true
                }
                None => {
                    *searched = self.held.len() - partial(&self.held, CLOSE);
                    false
                }
            },
            State::Arguments(scanner) => {
                let end = scanner.push(&self.held);
                let text: String = self.held.drain(..end.unwrap_or(self.held.len())).collect();
                if !text.is_empty() {
                    events.push(ToolEvent::Arguments { index: self.calls - 1, text });
                }
                if end.is_some() {
                    self.state = State::Tail;
                }
                end.is_some()
            }
            State::Tail => {
                // The closing mark may be missing; the next call ends this one too.
                let close = self.held.find(CLOSE);
                let open = self.held.find(OPEN).filter(|&open| close.is_none_or(|close| open < close));
                let (at, mark, next) = match (open, close) {
                    (Some(open), _) => (open, OPEN, State::Call),
                    (None, Some(close)) => (close, CLOSE, State::Text),
                    (None, None) => {
                        let kept = partial(&self.held, OPEN).max(partial(&self.held, CLOSE));
                        self.held.drain(..self.held.len() - kept);
                        return false;
                    }
                };
                self.take(at, mark);
                events.push(ToolEvent::CallEnd { index: self.calls - 1 });
                self.after_call = true;
                self.state = next;
                true
            }
        }
    }

    /// Takes what is held before `at`, and the mark there.
    fn take(&mut self, at: usize, mark: &str) -> String {
        let before = self.held[..at].to_owned();
        self.held.drain(..at + mark.len());
        before
    }

    fn text(&mut self, text: &str, events: &mut Vec<ToolEvent>) {
        let text = if self.after_call { text.trim_start() } else { text };
        if !text.is_empty() {
            self.after_call = false;
            events.push(ToolEvent::Text(text.to_owned()));
        }
    }

    /// What stood between the marks: a call, or else text.
    fn body(&mut self, body: &str, close: &str, events: &mut Vec<ToolEvent>) {
        let Some((name, arguments)) = whole_call(body) else {
            self.text(&format!("{OPEN}{body}{close}"), events);
            return;
        };
        let index = self.calls;
        self.calls += 1;
        self.after_call = true;
        events.push(ToolEvent::CallStart { index, name });
        events.push(ToolEvent::Arguments { index, text: arguments });
        events.push(ToolEvent::CallEnd { index });
    }
}

/// Name and arguments of a call in any order of keys. Arguments may be written as a string that holds JSON, or be missing.
fn whole_call(body: &str) -> Option<(String, String)> {
    let call: Json = serde_json::from_str(body).ok()?;
    let name = call["name"].as_str()?.to_owned();
    let arguments = match call.get("arguments").or_else(|| call.get("parameters")) {
        None | Some(Json::Null) => "{}".to_owned(),
        Some(Json::String(text)) => {
            serde_json::from_str::<Json>(text).ok().filter(Json::is_object)?;
            text.clone()
        }
        Some(Json::Object(entries)) => Json::Object(entries.clone()).to_string(),
        Some(_) => return None,
    };
    Some((name, arguments))
}

/// The length of the longest end of `text` that begins `mark` and is not all of it.
fn partial(text: &str, mark: &str) -> usize {
    (1..mark.len()).rev().find(|&n| text.ends_with(&mark[..n])).unwrap_or(0)
}

/// An output taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedOutput {
    /// What it says.
    pub content: String,
    /// What it calls, in order. The arguments of the last one are cut off if the output is.
    pub calls: Vec<ToolCall>,
}

impl ParsedOutput {
    /// Takes a finished text apart.
    pub fn parse(text: &str) -> ParsedOutput {
        let mut parser = ToolCallParser::new();
        let mut events = parser.push(text);
        events.extend(parser.finish());
        events.into_iter().collect()
    }
}

impl FromIterator<ToolEvent> for ParsedOutput {
    fn from_iter<I: IntoIterator<Item = ToolEvent>>(events: I) -> ParsedOutput {
        let mut output = ParsedOutput::default();
        for event in events {
            match event {
                ToolEvent::Text(text) => output.content.push_str(&text),
                ToolEvent::CallStart { name, .. } => {
                    output.calls.push(ToolCall { id: None, name, arguments: String::new() });
                }
                ToolEvent::Arguments { text, index } => {
                    if let Some(call) = output.calls.get_mut(index) {
                        call.arguments.push_str(&text);
                    }
                }
                ToolEvent::CallEnd { .. } => {}
            }
        }
        output
    }
}
