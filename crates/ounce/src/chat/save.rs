//! Writing a conversation to a file.

use crate::failure::{Context as _, Result};
use ounce_llm::template::Message;
use std::path::Path;

/// Writes the messages to `path`: as JSON (the messages of OpenAI's API) if it ends in `.json`, else as Markdown.
pub(super) fn save(messages: &[Message], path: &Path) -> Result<()> {
    let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let text = if json { to_json(messages)? } else { to_markdown(messages) };
    std::fs::write(path, text).context(|| format!("cannot write {}", path.display()))
}

fn to_json(messages: &[Message]) -> Result<String> {
    let messages: Vec<_> = messages
        .iter()
        .map(|message| serde_json::json!({ "role": message.role, "content": message.content }))
        .collect();
    Ok(serde_json::to_string_pretty(&messages)? + "\n")
}

fn to_markdown(messages: &[Message]) -> String {
    messages.iter().map(|message| format!("## {}\n\n{}\n\n", message.role, message.content.trim())).collect()
}
