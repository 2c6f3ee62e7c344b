//! The Jinja environment that Hugging Face gives to chat templates.
//!
//! As `apply_chat_template` of transformers sets it up: blocks trimmed, no escaping, loop controls, Python's methods on strings, lists and dicts, and the
//! functions `raise_exception`, `strftime_now` and `tojson`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State};

use super::{guard, json, time};

/// The most bytes that one call of a string method may make.
const METHOD_LIMIT: usize = 64 << 20;

/// A template's own refusal, kept apart from its faults.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

pub(super) fn new() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(method);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Refusal(message)))
    });
    environment.add_function("strftime_now", |format: String| time::strftime(&format, time::now()));
    environment.add_filter("tojson", tojson);
    // The library writes lists and dicts by descending into them.
    environment.set_formatter(|out, state, value| {
        guard::check_value(state, value)?;
        minijinja::escape_formatter(out, state, value)
    });
    environment.add_filter(guard::FILTER, |state: &State<'_, '_>, value: Value, attribute: Option<bool>| {
        guard::check_assigned(state, &value, attribute == Some(true)).map(|()| value)
    });
    environment.add_filter("string", |state: &State<'_, '_>, value: &Value| {
        guard::check_value(state, value)?;
        minijinja::filters::string(state, value)
    });
    environment.add_filter("pprint", |state: &State<'_, '_>, value: &Value| {
        guard::check_value(state, value)?;
        Ok::<_, Error>(minijinja::filters::pprint(value))
    });
    // In Python None cannot be iterated; templates tell by it whether there are tools.
    environment.add_test("iterable", |value: &Value| {
        value.kind() == ValueKind::String || (!value.is_none() && value.try_iter().is_ok())
    });
    Ok(environment)
}

fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<Value>>("indent")?,
    };
    let indent = indent.filter(|i| !i.is_none() && !i.is_undefined()).map(usize::try_from).transpose()?;
    // Hugging Face ignores none of these; templates use only the values that are the default here.
    let _ = options.get::<Option<bool>>("ensure_ascii")?;
    let sort = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    json::write(value, indent.map(|i| i.min(16)), sort)
}

/// Python's methods, with those that can multiply their input measured before they run.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let too_large =
        || Error::new(ErrorKind::InvalidOperation, format!("the result of `{name}` is too large"));
    match (name, value.as_str()) {
        ("replace", Some(text)) => {
            if let [from, to, ..] = arguments
                && let (Some(from), Some(to)) = (from.as_str(), to.as_str())
                && text.matches(from).count().saturating_mul(to.len()) > METHOD_LIMIT
            {
                return Err(too_large());
            }
        }
        ("join", Some(separator)) => {
            let mut bytes = 0usize;
            for item in arguments.first().into_iter().flat_map(|list| list.try_iter()).flatten() {
                bytes =
                    bytes.saturating_add(separator.len()).saturating_add(item.as_str().map_or(32, str::len));
                if bytes > METHOD_LIMIT {
                    return Err(too_large());
                }
            }
        }
        // A width of more than four digits, or one that is a field itself, is no text of a conversation.
        ("format", Some(text)) => {
            let mut digits = 0;
            let mut depth = 0;
            for c in text.chars() {
                digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
                depth = match c {
                    '{' => depth + 1,
                    '}' => 0,
                    _ => depth,
                };
                if digits > 4 || depth > 2 || (depth == 2 && c == ':') {
                    return Err(too_large());
                }
            }
        }
        _ => {}
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments)
}
