//! What a grammar may cost. A grammar above a limit is refused with a [`GrammarError`] when it is compiled; a text on which a
//! limit of a single step is exceeded ends with [`ConstraintError::Failed`](super::ConstraintError::Failed).

use llguidance::api::ParserLimits;
use serde_json::Value as Json;

use super::GrammarError;
use super::multiples::Multiples;

/// Levels of nesting in the JSON of a schema.
pub const MAX_SCHEMA_DEPTH: usize = 64;

/// Values in the JSON of a schema, or of all schemas of a set of tools: objects, arrays, strings, numbers.
pub const MAX_SCHEMA_VALUES: usize = 10_000;

/// Properties, definitions or required names of one object of a schema, for which compilation takes time with the square.
pub const MAX_PROPERTIES: usize = 2_000;

/// Bytes of a regular expression, of a Lark grammar, or of all strings of a choice.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

/// Brackets that a regular expression or a Lark grammar may have open at once.
pub const MAX_OPEN_BRACKETS: usize = 100;

/// Patterns, formats and references below one `allOf`, or `&` of a Lark grammar: what a text must match at once, for which the
/// states of the lexer grow with the power.
pub const MAX_INTERSECTED: usize = 6;

/// Strings of a choice.
pub const MAX_CHOICES: usize = 4096;

/// The stack of the thread that compiles: references of a schema and rules of a grammar may form a chain as long as the limits above allow,
/// and the compiler descends along it. Pages that are not reached cost nothing.
pub(super) const COMPILE_STACK_BYTES: usize = 128 << 20;

/// The limits of the library. Its own words on speed: 50 units of initial fuel a microsecond, 14 of step fuel, 20 items.
pub(super) fn of_parser() -> ParserLimits {
    ParserLimits {
        // States of the grammar that one position of the text may have.
        max_items_in_row: 2_000,
        // Work on all regular expressions when the grammar is compiled: 20 ms.
        initial_lexer_fuel: 1_000_000,
        // Work on regular expressions for one mask: 15 ms; typical masks need a thousandth.
        step_lexer_fuel: 200_000,
        // Work on the grammar for one mask.
        step_max_items: 20_000,
        // Memory of one text: 1 to 2 KB a state. Also bounds the states of one lexeme such as a string of bounded length.
        max_lexer_states: 50_000,
        // Symbols in all rules.
        max_grammar_size: 200_000,
        // Else large regular expressions are run over the whole vocabulary when the grammar is compiled.
        precompute_large_lexemes: false,
        verbose_errors: false,
    }
}

/// Refuses JSON above the limits; `values` counts on from schema to schema.
pub(super) fn check_json(schema: &Json, values: &mut usize) -> Result<(), GrammarError> {
    let mut multiples = Multiples::default();
    visit(schema, 0, values, &mut multiples)?;
    multiples.check()
}

fn visit(
    value: &Json,
    depth: usize,
    values: &mut usize,
    multiples: &mut Multiples,
) -> Result<(), GrammarError> {
    if depth > MAX_SCHEMA_DEPTH {
        return Err(GrammarError::TooLarge { what: "levels of a schema", limit: MAX_SCHEMA_DEPTH });
    }
    *values += 1;
    if *values > MAX_SCHEMA_VALUES {
        return Err(GrammarError::TooLarge { what: "values in a schema", limit: MAX_SCHEMA_VALUES });
    }
    match value {
        Json::Array(items) => items.iter().try_for_each(|item| visit(item, depth + 1, values, multiples)),
        Json::Object(entries) if entries.len() > MAX_PROPERTIES => Err(too_many_properties()),
        Json::Object(entries) => entries.iter().try_for_each(|(key, item)| {
            if key == "required" && item.as_array().is_some_and(|names| names.len() > MAX_PROPERTIES) {
                return Err(too_many_properties());
            }
            if key == "allOf" && intersected(item) > MAX_INTERSECTED {
                return Err(too_many_intersected());
            }
            if key == "multipleOf" {
                multiples.add(item)?;
            }
            visit(item, depth + 1, values, multiples)
        }),
        _ => Ok(()),
    }
}

/// Keywords in a value that restrict strings, or may.
fn intersected(value: &Json) -> usize {
    match value {
        Json::Array(items) => items.iter().map(intersected).sum(),
        Json::Object(entries) => entries
            .iter()
            .map(|(key, item)| {
                usize::from(matches!(key.as_str(), "pattern" | "format" | "$ref")) + intersected(item)
            })
            .sum(),
        _ => 0,
    }
}

fn too_many_intersected() -> GrammarError {
    GrammarError::TooLarge { what: "patterns to be matched at once", limit: MAX_INTERSECTED }
}

fn too_many_properties() -> GrammarError {
    GrammarError::TooLarge { what: "properties of an object", limit: MAX_PROPERTIES }
}

/// Refuses a Lark grammar with many intersections. Those written in strings are counted too.
pub(super) fn check_intersections(lark: &str) -> Result<(), GrammarError> {
    if lark.matches('&').count() > MAX_INTERSECTED { Err(too_many_intersected()) } else { Ok(()) }
}

/// Refuses a text above the limits.
pub(super) fn check_text(text: &str) -> Result<(), GrammarError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(GrammarError::TooLarge { what: "bytes of a grammar", limit: MAX_TEXT_BYTES });
    }
    // Brackets in strings are counted too: they are few, and what is counted too high is only refused.
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_OPEN_BRACKETS {
            return Err(GrammarError::TooLarge {
                what: "open brackets in a grammar",
                limit: MAX_OPEN_BRACKETS,
            });
        }
    }
    Ok(())
}
