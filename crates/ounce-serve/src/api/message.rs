//! The messages of a conversation, as the API takes them.

use super::error::ApiError;
use super::tools::CallBody;
use ounce_llm::template::{Message, ToolCall};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One message.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ChatMessage {
    /// Who speaks.
    role: Role,
    /// What is said; may be missing where the assistant calls functions.
    content: Option<Content>,
    /// What the assistant calls.
    tool_calls: Option<Vec<CallBody>>,
    /// The call that a message of a tool answers.
    tool_call_id: Option<String>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    /// The newer name of `system`.
    Developer,
    User,
    Assistant,
    Tool,
}

/// A text, whole or in parts.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ContentPart {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// What the assistant said instead of an answer.
    Refusal {
        /// The text.
        refusal: String,
    },
    /// A picture, which is refused.
    ImageUrl {},
    /// A sound, which is refused.
    InputAudio {},
    /// A file, which is refused.
    File {},
}

impl Content {
    /// The text, if it is nothing but text.
    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    ContentPart::Text { text } | ContentPart::Refusal { refusal: text } => {
                        Some(text.as_str())
                    }
                    ContentPart::ImageUrl {} | ContentPart::InputAudio {} | ContentPart::File {} => None,
                })
                .collect(),
        }
    }
}

impl ChatMessage {
    /// As templates want it; `index` is its place in the request.
    pub(super) fn to_message(&self, index: usize) -> Result<Message, ApiError> {
        let fault = |field: &str, problem: &str| {
            let param = format!("messages[{index}].{field}");
            Err(ApiError::field(param.clone(), format!("{param} {problem}")))
        };
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        let content = match &self.content {
            Some(content) => match content.text() {
                Some(text) => text,
                None => return fault("content", "may only hold text: these models read nothing else"),
            },
            None if self.role == Role::Assistant && !calls.is_empty() => String::new(),
            None => return fault("content", "is missing"),
        };
        if !calls.is_empty() && self.role != Role::Assistant {
            return fault("tool_calls", "may only be in messages of the assistant");
        }
        if self.role == Role::Tool {
            return Ok(Message::result(self.tool_call_id.clone(), content));
        }
        if calls.is_empty() {
            return Ok(Message::new(self.role.name(), content));
        }
        let call = |call: &CallBody| ToolCall {
            id: Some(call.id.clone()),
            name: call.function.name.clone(),
            arguments: call.function.arguments.clone(),
        };
        Ok(Message::calling(content, calls.iter().map(call).collect()))
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System | Self::Developer => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}
