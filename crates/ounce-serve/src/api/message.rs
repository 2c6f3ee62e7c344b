//! The messages of a conversation, as the API takes them.

use super::error::ApiError;
use ounce_llm::template::Message;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One message.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ChatMessage {
    /// Who speaks.
    role: Role,
    /// What is said.
    content: Option<Content>,
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
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(|ContentPart::Text { text }| text.as_str()).collect(),
        }
    }
}

impl ChatMessage {
    /// As templates want it; `index` is its place in the request.
    pub(super) fn to_message(&self, index: usize) -> Result<Message, ApiError> {
        let Some(content) = &self.content else {
            let param = format!("messages[{index}].content");
            return Err(ApiError::field(param.clone(), format!("{param} is missing")));
        };
        Ok(Message::new(self.role.name(), content.text()))
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
