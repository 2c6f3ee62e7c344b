//! A conversation with tools, as the template of a model can write it.

use serde_json::Value as Json;

use super::{CLOSE, OPEN, Tool};
use crate::template::{ChatTemplate, Message, RenderOptions, ToolCall};

/// A conversation with tools, ready for [`ChatTemplate::render_with`] or [`ChatTemplate::render_parts_with`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPrompt {
    /// The messages.
    pub messages: Vec<Message>,
    /// What the template gets as its variable `tools`; empty if it does not write them in the [form of calls](super), and they are described
    /// in the messages.
    pub tools: Vec<Json>,
}

impl ToolPrompt {
    /// The conversation `messages` with `tools` on offer; none if they are not to be called this time.
    pub fn new(template: &ChatTemplate, messages: &[Message], tools: &[Tool]) -> ToolPrompt {
        if writes_calls(template) {
            let tools = tools.iter().map(|tool| tool.definition().clone()).collect();
            return ToolPrompt { messages: messages.to_vec(), tools };
        }
        let mut plain = as_text(messages);
        if !tools.is_empty() {
            describe(template, &mut plain, &description(tools));
        }
        ToolPrompt { messages: plain, tools: Vec::new() }
    }
}

/// Whether the template shows the tools that it is given and writes calls in the form of [`tools`](super): found out by having it do so.
fn writes_calls(template: &ChatTemplate) -> bool {
    const NAME: &str = "ounce_probe";
    let tool = serde_json::json!({"type": "function", "function": {
        "name": NAME, "description": "", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}});
    let question = Message::new("user", "a");
    let call =
        ToolCall { id: Some("1".to_owned()), name: NAME.to_owned(), arguments: "{\"a\": 1}".to_owned() };
    let options = |tools| RenderOptions { add_generation_prompt: true, tools };
    let shows = template.render_with(std::slice::from_ref(&question), &options(std::slice::from_ref(&tool)));
    let calls = template.render_with(&[question, Message::calling("", vec![call.clone()])], &options(&[]));
    shows.is_ok_and(|text| text.contains(NAME)) && calls.is_ok_and(|text| text.contains(&call_text(&call)))
}

/// Calls and results as text.
fn as_text(messages: &[Message]) -> Vec<Message> {
    let mut plain: Vec<Message> = Vec::with_capacity(messages.len());
    let mut in_results = false;
    for message in messages {
        let is_result = message.role == "tool";
        if is_result {
            let response = format!("<tool_response>\n{}\n</tool_response>", message.content);
            match plain.last_mut() {
                // The results of calls made at once are one turn.
                Some(last) if in_results => last.content += &format!("\n{response}"),
                _ => plain.push(Message::new("user", response)),
            }
        } else {
            let mut parts: Vec<String> = message.tool_calls.iter().map(call_text).collect();
            if !message.content.is_empty() {
                parts.insert(0, message.content.clone());
            }
            plain.push(Message::new(message.role.as_str(), parts.join("\n")));
        }
        in_results = is_result;
    }
    plain
}

fn call_text(call: &ToolCall) -> String {
    let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
    format!("{OPEN}\n{{\"name\": \"{}\", \"arguments\": {arguments}}}\n{CLOSE}", call.name)
}

/// What Qwen's template says of tools.
fn description(tools: &[Tool]) -> String {
    let definitions: Vec<String> = tools.iter().map(|tool| tool.definition().to_string()).collect();
    format!(
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
         You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{}\n</tools>\n\n\
         For each function call, return a json object with function name and arguments within {OPEN}{CLOSE} XML tags:\n\
         {OPEN}\n{{\"name\": <function-name>, \"arguments\": <args-json-object>}}\n{CLOSE}",
        definitions.join("\n")
    )
}

/// Puts `text` at the end of the system message; where the template takes none, before the first message of the user.
fn describe(template: &ChatTemplate, messages: &mut Vec<Message>, text: &str) {
    if let Some(system) = messages.first_mut().filter(|m| matches!(m.role.as_str(), "system" | "developer")) {
        system.content = format!("{}\n\n{text}", system.content);
        return;
    }
    let probe = [Message::new("system", "a"), Message::new("user", "b")];
    if template.render(&probe, true).is_ok() {
        messages.insert(0, Message::new("system", text));
    } else if let Some(user) = messages.iter_mut().find(|m| m.role == "user") {
        user.content = format!("{text}\n\n{}", user.content);
    }
}
