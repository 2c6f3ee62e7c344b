//! Tools and response formats: what an answer may be, and calls in it.

use super::error::ApiError;
use crate::server::Served;
use axum::http::StatusCode;
use ounce_llm::constrain::{Constraint, Grammar};
use ounce_llm::generate::FinishReason;
use ounce_llm::tools::{MARKERS, Tool, ToolCallParser, ToolChoice, ToolEvent, ToolGrammar};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The form of an answer.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ResponseFormat {
    /// Any text.
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that is valid under a schema.
    JsonSchema {
        /// The schema.
        json_schema: NamedSchema,
    },
    /// A text that a regular expression matches as a whole. Not in OpenAI's API.
    Regex {
        /// The expression, in the syntax of Rust's `regex` crate.
        regex: String,
    },
    /// A text of a context-free grammar. Not in OpenAI's API.
    Lark {
        /// The grammar, in llguidance's variant of Lark.
        lark: String,
    },
    /// One of some texts. Not in OpenAI's API.
    Choice {
        /// The texts.
        choice: Vec<String>,
    },
}

/// A JSON schema with a name.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct NamedSchema {
    /// A name for it.
    name: String,
    /// The schema; any object without.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
    /// Refuse schemas of which a part cannot be enforced.
    strict: Option<bool>,
}

/// The fields that say what an answer may be. Unknown fields are ignored.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct FormFields {
    /// The form of the answer.
    response_format: Option<ResponseFormat>,
    /// Functions that the model may call, as `{"type": "function", "function": {"name", "description", "parameters", "strict"}}`.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Value>,
    /// `none`, `auto`, `required`, or `{"type": "function", "function": {"name"}}`.
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<Value>,
    /// Whether several functions may be called at once. Default true.
    parallel_tool_calls: Option<bool>,
}

/// What an answer may be.
pub(crate) struct Form {
    /// Tools that the model is told of.
    pub(crate) tools: Vec<Tool>,
    /// Whether calls are looked for.
    pub(crate) calls: bool,
    grammar: Option<Grammar>,
    /// The field that the grammar comes from.
    field: &'static str,
}

impl FormFields {
    pub(crate) fn form(self) -> Result<Form, ApiError> {
        let fault = |field: &'static str| {
            move |error: ounce_llm::tools::ToolError| ApiError::field(field, error.to_string())
        };
        let tools = match &self.tools {
            Some(tools) => Tool::from_openai(tools).map_err(fault("tools"))?,
            None => Vec::new(),
        };
        let choice = match &self.tool_choice {
            Some(choice) => ToolChoice::from_openai(choice, &tools).map_err(fault("tool_choice"))?,
            None if tools.is_empty() => ToolChoice::None,
            None => ToolChoice::Auto,
        };
        let parallel = self.parallel_tool_calls.unwrap_or(true);
        let calls = ToolGrammar::new(&tools, &choice, parallel).map_err(fault("tool_choice"))?;
        let format = match self.response_format {
            None | Some(ResponseFormat::Text) => None,
            Some(ResponseFormat::JsonObject) => Some(Grammar::JsonObject),
            Some(ResponseFormat::JsonSchema { json_schema: NamedSchema { schema, strict, .. } }) => {
                Some(match (schema, strict) {
                    (None, _) => Grammar::JsonObject,
                    (Some(schema), Some(true)) => Grammar::json_schema(schema),
                    (Some(schema), _) => Grammar::lenient_json_schema(schema),
                })
            }
            Some(ResponseFormat::Regex { regex }) => Some(Grammar::Regex(regex)),
            Some(ResponseFormat::Lark { lark }) => Some(Grammar::Lark(lark)),
            Some(ResponseFormat::Choice { choice }) => Some(Grammar::Choice(choice)),
        };
        match (calls, format) {
            (Some(_), Some(_)) => Err(ApiError::field(
                "response_format",
                "an answer cannot both have a form and call tools; leave response_format or tools out, or set tool_choice to none",
            )),
            (Some(calls), None) => {
                Ok(Form { tools, calls: true, grammar: Some(Grammar::Tools(calls)), field: "tools" })
            }
            (None, grammar) => {
                // Tools that may not be called are not mentioned.
                Ok(Form { tools: Vec::new(), calls: false, grammar, field: "response_format" })
            }
        }
    }
}

impl Form {
    /// What keeps answers of this model in the form. May take some milliseconds, and for the first of a model seconds.
    pub(crate) fn constraint(&self, served: &Served) -> Result<Option<Constraint>, ApiError> {
        let Some(grammar) = &self.grammar else { return Ok(None) };
        let factory = served
            .constraints()
            .map_err(|problem| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, problem.to_owned()))?;
        factory.compile(grammar).map(Some).map_err(|error| ApiError::field(self.field, error.to_string()))
    }
}

/// A call of a function.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct CallBody {
    /// By what the function's answer refers to it.
    pub(crate) id: String,
    #[serde(rename = "type", default = "function")]
    #[schema(value_type = String)]
    pub(crate) kind: String,
    pub(crate) function: FunctionBody,
}

/// What is called.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct FunctionBody {
    /// The name of the function.
    pub(crate) name: String,
    /// The arguments, as the text of a JSON object.
    pub(crate) arguments: String,
}

fn function() -> String {
    "function".into()
}

/// What is new in a call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CallDelta {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    kind: Option<&'static str>,
    function: FunctionDelta,
}

/// What is new in what is called.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
struct FunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
}

/// Text and calls in an answer that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// None: the answer is text.
    parser: Option<ToolCallParser>,
    /// Calls so far.
    pub(crate) found: Vec<CallBody>,
}

/// What a piece of an answer amounts to.
pub(crate) enum CallPiece {
    Text(String),
    Call(CallDelta),
}

impl Calls {
    pub(crate) fn new(look_for_calls: bool) -> Self {
        Self { parser: look_for_calls.then(ToolCallParser::new), found: Vec::new() }
    }

    /// Takes the next piece of text.
    pub(crate) fn push(&mut self, text: &str) -> Vec<CallPiece> {
        match &mut self.parser {
            None => vec![CallPiece::Text(text.to_owned())],
            Some(parser) => {
                let events = parser.push(text);
                events.into_iter().filter_map(|event| self.piece(event)).collect()
            }
        }
    }

    /// The answer has ended. The beginning of a call that was cut off before its name was known is dropped.
    pub(crate) fn finish(&mut self, reason: FinishReason) -> Vec<CallPiece> {
        let events = self.parser.take().map(ToolCallParser::finish).unwrap_or_default();
        let cut = matches!(reason, FinishReason::Length | FinishReason::Context);
        let of_call = |text: &str| MARKERS[0].starts_with(text.trim()) || text.trim().starts_with(MARKERS[0]);
        let events = events
            .into_iter()
            .filter(|event| !(cut && matches!(event, ToolEvent::Text(text) if of_call(text))));
        events.filter_map(|event| self.piece(event)).collect()
    }

    fn piece(&mut self, event: ToolEvent) -> Option<CallPiece> {
        match event {
            ToolEvent::Text(text) => Some(CallPiece::Text(text)),
            ToolEvent::CallStart { index, name } => {
                let id = crate::random::name("call");
                let arguments = String::new();
                let body = FunctionBody { name: name.clone(), arguments: arguments.clone() };
                self.found.push(CallBody { id: id.clone(), kind: function(), function: body });
                let function = FunctionDelta { name: Some(name), arguments };
                Some(CallPiece::Call(CallDelta { index, id: Some(id), kind: Some("function"), function }))
            }
            ToolEvent::Arguments { index, text } => {
                if let Some(call) = self.found.get_mut(index) {
                    call.function.arguments.push_str(&text);
                }
                let function = FunctionDelta { name: None, arguments: text };
                Some(CallPiece::Call(CallDelta { index, id: None, kind: None, function }))
            }
            ToolEvent::CallEnd { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_however_the_answer_is_cut() {
        let text = "So.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": 1}}\n</tool_call>";
        for cut in 0..text.len() {
            let mut calls = Calls::new(true);
            let mut pieces = calls.push(&text[..cut]);
            pieces.extend(calls.push(&text[cut..]));
            pieces.extend(calls.finish(FinishReason::Stop));
            let (mut content, mut arguments) = (String::new(), String::new());
            for piece in pieces {
                match piece {
                    CallPiece::Text(text) => content.push_str(&text),
                    CallPiece::Call(call) => arguments.push_str(&call.function.arguments),
                }
            }
            assert_eq!((content.as_str(), arguments.as_str()), ("So.", "{\"n\": 1}"), "{cut}");
            let found = &calls.found[0];
            assert_eq!((found.function.name.as_str(), &found.function.arguments), ("f", &arguments));
        }
    }

    #[test]
    fn a_call_that_was_cut_off_is_dropped() {
        for text in ["<tool_call>\n{\"name\": \"get_", "<tool_c", "<tool_call>"] {
            let mut calls = Calls::new(true);
            let mut pieces = calls.push(text);
            pieces.extend(calls.finish(FinishReason::Length));
            assert!(pieces.is_empty(), "{text}");
        }
    }

    #[test]
    fn without_tools_a_call_is_text() {
        let mut calls = Calls::new(false);
        assert!(matches!(&calls.push("<tool_call>")[..], [CallPiece::Text(text)] if text == "<tool_call>"));
        assert!(calls.finish(FinishReason::Stop).is_empty() && calls.found.is_empty());
    }
}
