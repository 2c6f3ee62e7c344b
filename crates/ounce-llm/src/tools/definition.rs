//! Tools and the choice among them, as a request names them.

use serde_json::{Value as Json, json};
use thiserror::Error;

/// The most tools of one request, as with OpenAI.
const MAX_TOOLS: usize = 128;

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    name: String,
    definition: Json,
    parameters: Json,
    strict: bool,
}

/// Whether the model calls tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// It does not.
    None,
    /// It may.
    #[default]
    Auto,
    /// It must.
    Required,
    /// It must call this one.
    Function(String),
}

/// A request whose tools cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ToolError {
    /// A part of it is not in the form of the API.
    #[error("{part} must be {expected}")]
    Form {
        /// Where: `tools[1].function.name`.
        part: String,
        /// What should be there.
        expected: &'static str,
    },
    /// Two tools have one name.
    #[error("two tools are named {0:?}")]
    Twice(String),
    /// The choice names a tool that is not there.
    #[error("tool_choice names {0:?}, which is none of the tools")]
    Unknown(String),
    /// A call is required, but there is no tool.
    #[error("tool_choice requires a call, but the request has no tools")]
    NoTools,
}

fn form(part: impl Into<String>, expected: &'static str) -> ToolError {
    ToolError::Form { part: part.into(), expected }
}

impl Tool {
    /// The tools of a request: `[{"type": "function", "function": {"name", "description", "parameters", "strict"}}, ...]`; null is no tools.
    ///
    /// # Errors
    /// [`ToolError::Form`] with the offending part, or [`ToolError::Twice`]. The schemas are looked at when a grammar is compiled.
    pub fn from_openai(tools: &Json) -> Result<Vec<Tool>, ToolError> {
        if tools.is_null() {
            return Ok(Vec::new());
        }
        let list = tools.as_array().ok_or_else(|| form("tools", "an array"))?;
        if list.len() > MAX_TOOLS {
            return Err(form("tools", "at most 128 tools"));
        }
        let tools = list.iter().enumerate();
        let tools =
            tools.map(|(i, tool)| Tool::one(tool, &format!("tools[{i}]"))).collect::<Result<Vec<_>, _>>()?;
        for (i, tool) in tools.iter().enumerate() {
            if tools[..i].iter().any(|earlier| earlier.name == tool.name) {
                return Err(ToolError::Twice(tool.name.clone()));
            }
        }
        Ok(tools)
    }

    fn one(tool: &Json, at: &str) -> Result<Tool, ToolError> {
        if tool["type"] != "function" {
            return Err(form(format!("{at}.type"), "\"function\""));
        }
        let function =
            tool["function"].as_object().ok_or_else(|| form(format!("{at}.function"), "an object"))?;
        let get = |key: &str| function.get(key).filter(|value| !value.is_null());
        let plain = |name: &&str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let name = get("name").and_then(Json::as_str).filter(plain).ok_or_else(|| {
            form(format!("{at}.function.name"), "1 to 64 letters, digits, underscores, hyphens and dots")
        })?;
        if get("description").is_some_and(|d| !d.is_string()) {
            return Err(form(format!("{at}.function.description"), "a string"));
        }
        let strict = match get("strict") {
            None => false,
            Some(strict) => {
                strict.as_bool().ok_or_else(|| form(format!("{at}.function.strict"), "a boolean"))?
            }
        };
        let parameters = match get("parameters") {
            None => json!({"type": "object", "properties": {}, "additionalProperties": false}),
            Some(Json::Object(schema)) => {
                let mut schema = schema.clone();
                let kind = schema.entry("type").or_insert_with(|| json!("object"));
                if kind != "object" {
                    return Err(form(format!("{at}.function.parameters.type"), "\"object\""));
                }
                Json::Object(schema)
            }
            Some(_) => return Err(form(format!("{at}.function.parameters"), "a JSON schema of an object")),
        };
        Ok(Tool { name: name.to_owned(), definition: tool.clone(), parameters, strict })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entry of the request, as chat templates get it.
    pub fn definition(&self) -> &Json {
        &self.definition
    }

    /// The schema of the arguments; that of an empty object where the request has none.
    pub fn parameters(&self) -> &Json {
        &self.parameters
    }

    /// Whether what cannot be enforced of the schema is an error, as the request asks; else it is ignored.
    pub fn is_strict(&self) -> bool {
        self.strict
    }
}

impl ToolChoice {
    /// The choice of a request: `"none"`, `"auto"`, `"required"`, `{"type": "function", "function": {"name"}}`; null is `auto`.
    ///
    /// # Errors
    /// [`ToolError::Form`], or [`ToolError::Unknown`] and [`ToolError::NoTools`] if it does not fit `tools`.
    pub fn from_openai(choice: &Json, tools: &[Tool]) -> Result<ToolChoice, ToolError> {
        let choice = match choice {
            Json::Null => ToolChoice::Auto,
            Json::String(word) => match word.as_str() {
                "none" => ToolChoice::None,
                "auto" => ToolChoice::Auto,
                "required" => ToolChoice::Required,
                _ => return Err(form("tool_choice", "\"none\", \"auto\", \"required\" or an object")),
            },
            Json::Object(entry) if entry.get("type").is_some_and(|kind| kind == "function") => {
                let name = choice["function"]["name"].as_str();
                ToolChoice::Function(
                    name.ok_or_else(|| form("tool_choice.function.name", "a string"))?.to_owned(),
                )
            }
            _ => return Err(form("tool_choice", "a string or {\"type\": \"function\", ...}")),
        };
        choice.check(tools)?;
        Ok(choice)
    }

    pub(super) fn check(&self, tools: &[Tool]) -> Result<(), ToolError> {
        match self {
            ToolChoice::Required if tools.is_empty() => Err(ToolError::NoTools),
            ToolChoice::Function(name) if tools.iter().all(|tool| tool.name != *name) => {
                Err(ToolError::Unknown(name.clone()))
            }
            _ => Ok(()),
        }
    }
}
