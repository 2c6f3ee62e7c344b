//! The turns of a conversation.

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Value as Json, json};

/// One turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, `tool`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
    /// What the assistant calls.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a message of a tool answers.
    pub tool_call_id: Option<String>,
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// By what the answer refers to it.
    pub id: Option<String>,
    /// The name of the function.
    pub name: String,
    /// The arguments, as the text of a JSON object.
    pub arguments: String,
}

impl Message {
    /// A message of `role`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Message {
        Message { role: role.into(), content: content.into(), ..Message::default() }
    }

    /// A message of the assistant that calls functions.
    pub fn calling(content: impl Into<String>, tool_calls: Vec<ToolCall>) -> Message {
        Message { tool_calls, ..Message::new("assistant", content) }
    }

    /// The answer of a function.
    pub fn result(tool_call_id: Option<String>, content: impl Into<String>) -> Message {
        Message { tool_call_id, ..Message::new("tool", content) }
    }

    /// As templates see it: keys that say nothing are not there, since some ask whether they are.
    pub(super) fn to_value(&self) -> Value {
        let mut entries =
            vec![("role", Value::from(self.role.as_str())), ("content", Value::from(self.content.as_str()))];
        if !self.tool_calls.is_empty() {
            let calls: Vec<Json> = self.tool_calls.iter().map(ToolCall::to_json).collect();
            entries.push(("tool_calls", Value::from(Serde(calls))));
        }
        if let Some(id) = &self.tool_call_id {
            entries.push(("tool_call_id", Value::from(id.as_str())));
        }
        Value::from_pairs(entries)
    }

    /// Bytes of all that is said.
    pub(super) fn size(&self) -> usize {
        let calls = self.tool_calls.iter().map(|call| call.name.len() + call.arguments.len() + 64);
        self.role.len() + self.content.len() + calls.sum::<usize>() + 64
    }
}

impl ToolCall {
    /// In the form of transformers: arguments are an object, not its text.
    fn to_json(&self) -> Json {
        let arguments =
            serde_json::from_str(&self.arguments).unwrap_or_else(|_| Json::from(self.arguments.as_str()));
        let mut call = json!({"type": "function", "function": {"name": self.name, "arguments": arguments}});
        if let Some(id) = &self.id {
            call["id"] = Json::from(id.as_str());
        }
        call
    }
}
