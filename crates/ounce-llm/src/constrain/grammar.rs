//! What a text may be.

use llguidance::api::TopLevelGrammar;
use serde_json::{Value as Json, json};

use super::{GrammarError, limits};
use crate::tools::ToolGrammar;

/// What stands between the parts of a JSON value, as a regular expression: nothing, blanks, or one line break with an indentation.
pub const WHITESPACE: &str = r"[\x20\t]{1,2}|\r?\n[\x20\t]{0,32}";

/// What a text may be.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Grammar {
    /// A JSON object of any shape.
    JsonObject,
    /// JSON that is valid under a schema.
    JsonSchema {
        /// The schema: an object, or `true`.
        schema: Json,
        /// Ignore keywords that cannot be enforced. Else they are errors.
        lenient: bool,
    },
    /// A text that a regular expression matches as a whole, in the syntax of the `regex` crate, without anchors, look-around and back-references.
    Regex(String),
    /// A text of a context-free grammar in llguidance's variant of Lark, whose first rule is named `start`. See
    /// <https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md>.
    Lark(String),
    /// One of these strings.
    Choice(Vec<String>),
    /// Calls of tools, perhaps after free text.
    Tools(ToolGrammar),
}

impl Grammar {
    /// JSON that is valid under `schema`, all of which must be enforceable.
    pub fn json_schema(schema: Json) -> Grammar {
        Grammar::JsonSchema { schema, lenient: false }
    }

    /// JSON that is valid under the part of `schema` that can be enforced.
    pub fn lenient_json_schema(schema: Json) -> Grammar {
        Grammar::JsonSchema { schema, lenient: true }
    }

    /// The kind, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Grammar::JsonObject | Grammar::JsonSchema { .. } => "JSON schema",
            Grammar::Regex(_) => "regular expression",
            Grammar::Lark(_) => "Lark grammar",
            Grammar::Choice(_) => "choice",
            Grammar::Tools(_) => "schema of a tool",
        }
    }

    /// The grammar in the library's terms, within the limits of size.
    pub(super) fn to_library(&self) -> Result<TopLevelGrammar, GrammarError> {
        match self {
            Grammar::JsonObject => {
                let any = with_json_options(&json!({"type": "object"}), false)?;
                Ok(TopLevelGrammar::from_json_schema(any))
            }
            Grammar::JsonSchema { schema, lenient } => {
                limits::check_json(schema, &mut 0)?;
                Ok(TopLevelGrammar::from_json_schema(with_json_options(schema, *lenient)?))
            }
            Grammar::Regex(regex) => {
                limits::check_text(regex)?;
                Ok(TopLevelGrammar::from_regex(regex))
            }
            Grammar::Lark(lark) => {
                limits::check_text(lark)?;
                limits::check_intersections(lark)?;
                Ok(TopLevelGrammar::from_lark(lark.clone()))
            }
            Grammar::Choice(strings) => choice(strings).map(TopLevelGrammar::from_lark),
            Grammar::Tools(tools) => {
                let mut values = 0;
                tools.schemas().try_for_each(|schema| limits::check_json(schema, &mut values))?;
                tools.to_lark().map(TopLevelGrammar::from_lark)
            }
        }
    }
}

/// `schema` with the library's options in it. A schema's own `x-guidance`, which could lift the bound on white space, is replaced.
pub(crate) fn with_json_options(schema: &Json, lenient: bool) -> Result<Json, GrammarError> {
    let mut schema = match schema {
        Json::Bool(true) => serde_json::Map::new(),
        Json::Object(entries) => entries.clone(),
        other => {
            let kind =
                if other.is_boolean() { "false, which nothing obeys" } else { "neither an object nor true" };
            return Err(GrammarError::Invalid { what: "JSON schema", problem: format!("it is {kind}") });
        }
    };
    schema.insert("x-guidance".to_owned(), json!({"whitespace_pattern": WHITESPACE, "lenient": lenient}));
    Ok(Json::Object(schema))
}

/// One terminal of all strings.
fn choice(strings: &[String]) -> Result<String, GrammarError> {
    if strings.len() > limits::MAX_CHOICES {
        return Err(GrammarError::TooLarge { what: "strings of a choice", limit: limits::MAX_CHOICES });
    }
    if strings.iter().map(String::len).sum::<usize>() > limits::MAX_TEXT_BYTES {
        return Err(GrammarError::TooLarge { what: "bytes of a grammar", limit: limits::MAX_TEXT_BYTES });
    }
    if strings.iter().all(String::is_empty) {
        let problem = "it has no string that is not empty".to_owned();
        return Err(GrammarError::Invalid { what: "choice", problem });
    }
    let strings: Vec<String> = strings.iter().map(|s| Json::from(s.as_str()).to_string()).collect();
    Ok(format!("start: CHOICE\nCHOICE: {}", strings.join(" | ")))
}
