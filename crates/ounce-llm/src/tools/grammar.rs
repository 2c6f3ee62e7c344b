//! The form of calls as a grammar.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{CLOSE, OPEN, Tool, ToolChoice, ToolError};
use crate::constrain::{GrammarError, with_json_options};

/// The most calls in a row: a small model may otherwise call for ever.
pub const MAX_CALLS: usize = 16;

/// What a model with tools may say: a call, several, or free text that becomes a call once `<tool_call>` stands in it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolGrammar {
    tools: Vec<Tool>,
    free_text: bool,
    max_calls: usize,
}

impl ToolGrammar {
    /// The grammar of a request; none if the choice is that no tool be called, or there is none: the text is then free.
    ///
    /// With [`ToolChoice::Auto`] the text is free, and constrained from `<tool_call>` on; after the first call only calls may follow. With
    /// [`ToolChoice::Required`] it is one call or several, with [`ToolChoice::Function`] exactly one. Unless `parallel`, there is one call at most.
    ///
    /// # Errors
    /// [`ToolError::Unknown`] and [`ToolError::NoTools`].
    pub fn new(
        tools: &[Tool],
        choice: &ToolChoice,
        parallel: bool,
    ) -> Result<Option<ToolGrammar>, ToolError> {
        choice.check(tools)?;
        let named = |tool: &&Tool| !matches!(choice, ToolChoice::Function(name) if name != tool.name());
        let callable: Vec<Tool> = tools.iter().filter(named).cloned().collect();
        if callable.is_empty() || *choice == ToolChoice::None {
            return Ok(None);
        }
        let several = parallel && !matches!(choice, ToolChoice::Function(_));
        Ok(Some(ToolGrammar {
            tools: callable,
            free_text: *choice == ToolChoice::Auto,
            max_calls: if several { MAX_CALLS } else { 1 },
        }))
    }

    /// Whether the text begins as free text.
    pub fn begins_free(&self) -> bool {
        self.free_text
    }

    /// The schemas of the arguments.
    pub(crate) fn schemas(&self) -> impl Iterator<Item = &Json> {
        self.tools.iter().map(Tool::parameters)
    }

    /// The grammar in Lark.
    pub(crate) fn to_lark(&self) -> Result<String, GrammarError> {
        let mut lark = if self.free_text {
            // The lazy lexeme ends where the mark does. The other one cannot hold the mark, so there is no way around a call.
            format!(
                "start: TEXT | text_open calls\n\
                 TEXT: /(?s:.*)/ & ~/(?s:.*){OPEN}(?s:.*)/\n\
                 text_open[lazy]: /(?s:.*)/ \"{OPEN}\"\n"
            )
        } else {
            format!("start: \"{OPEN}\" calls\n")
        };
        match self.max_calls {
            1 => lark.push_str("calls: call\n"),
            n => {
                let _ = writeln!(lark, "calls: call (\"\\n{OPEN}\" call){{0,{}}}", n - 1);
            }
        }
        let names: Vec<String> = (0..self.tools.len()).map(|i| format!("call_{i}")).collect();
        let _ = writeln!(lark, "call: {}", names.join(" | "));
        for (i, tool) in self.tools.iter().enumerate() {
            let schema = with_json_options(tool.parameters(), !tool.is_strict())?;
            // Names have no character that would need an escape.
            let name = tool.name();
            let _ = writeln!(
                lark,
                "call_{i}: \"\\n{{\\\"name\\\": \\\"{name}\\\", \\\"arguments\\\": \" arguments_{i} \"}}\\n{CLOSE}\"\n\
                 arguments_{i}: %json {schema}"
            );
        }
        Ok(lark)
    }
}
