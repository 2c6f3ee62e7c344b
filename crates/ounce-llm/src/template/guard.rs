//! What is checked around the Jinja library, whose parser and formatter descend as deep as a template makes them.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// The longest template. The longest of well-known models has about 20 KiB.
const MAX_SOURCE: usize = 256 << 10;
/// The most operators, filters, attributes and brackets in one tag.
const MAX_STEPS: usize = 1000;
/// How deep lists and dicts may stand in one another.
const MAX_DEPTH: usize = 64;
/// The most items that a value may have, at all depths together.
const MAX_ITEMS: usize = 1 << 20;
/// The most bytes that a list or dict may be as text.
const MAX_BYTES: usize = 16 << 20;

/// The name of the filter that `bounded_assignments` writes into templates; no identifier that a template would have.
pub(super) const FILTER: &str = "ounce_bounded";

/// Whether the parser can take `source`; else the line and what is wrong.
pub(super) fn check_source(source: &str) -> Result<(), (usize, String)> {
    if source.len() > MAX_SOURCE {
        return Err((1, format!("it has {} bytes, and at most {MAX_SOURCE} are taken", source.len())));
    }
    for tag in tags(source) {
        let steps = steps(&source[tag.start..tag.end]);
        if steps > MAX_STEPS {
            let line = 1 + source[..tag.start].matches('\n').count();
            return Err((
                line,
                format!(
                    "a tag has {steps} operators, filters and attributes, and at most {MAX_STEPS} are taken"
                ),
            ));
        }
    }
    Ok(())
}

/// The template with each `{% set name = value %}` made `{% set name = (value)|ounce_bounded %}`, so that no variable grows beyond the bounds: the library
/// would descend into it whenever it is written, compared, or dropped.
pub(super) fn bounded_assignments(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut copied = 0;
    for tag in tags(source) {
        let inner = &source[tag.start..tag.end];
        if let Some(at) = assigned(inner) {
            let value = inner[at..].trim_end().trim_end_matches(['-', '+']);
            let end = tag.start + at + value.len();
            out.push_str(&source[copied..tag.start + at]);
            out.push_str(" (");
            out.push_str(value);
            out.push_str(")|");
            out.push_str(FILTER);
            out.push_str(if inner[..at].contains('.') { "(true) " } else { " " });
            copied = end;
        }
    }
    out.push_str(&source[copied..]);
    out
}

/// Where the value begins, in a tag that is `set names = value`.
fn assigned(tag: &str) -> Option<usize> {
    let names = tag.trim_start_matches(['-', '+']).trim_start().strip_prefix("set")?;
    let is_name = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.,()".contains(c);
    let rest = names.trim_start_matches(is_name).strip_prefix('=')?;
    let spaced = names.starts_with(|c: char| c.is_whitespace() || c == '(');
    (spaced && !rest.starts_with('=') && !rest.trim().is_empty()).then(|| tag.len() - rest.len())
}

/// The inside of a `{{ }}` or `{% %}`, as bytes of the source.
struct Tag {
    start: usize,
    end: usize,
}

fn tags(source: &str) -> Vec<Tag> {
    let bytes = source.as_bytes();
    let mut tags = Vec::new();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"{#" => at = source[at..].find("#}").map_or(bytes.len(), |n| at + n + 2),
            open @ (b"{{" | b"{%") => {
                let start = at + 2;
                let end = end_of_tag(bytes, start, open == b"{%");
                let inner = &source[start..end];
                tags.push(Tag { start, end });
                at = end + 2;
                if open == b"{%" && inner.trim_matches(['-', '+']).trim() == "raw" {
                    at = source.get(at..).and_then(|s| s.find("endraw")).map_or(bytes.len(), |n| at + n);
                }
            }
            _ => at += 1,
        }
    }
    tags
}

/// Where the tag whose inside begins at `start` closes: outside strings and brackets.
fn end_of_tag(bytes: &[u8], start: usize, block: bool) -> usize {
    let close = if block { b"%}" } else { b"}}" };
    let mut braces = 0usize;
    let mut at = start;
    while at < bytes.len() {
        if braces == 0 && bytes[at..].starts_with(close) {
            return at;
        }
        match bytes[at] {
            quote @ (b'"' | b'\'') => at = end_of_string(bytes, at + 1, quote),
            b'{' => braces += 1,
            b'}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The index of the quote that ends a string, or the end of all.
fn end_of_string(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// How many operators, filters, attributes and brackets a tag has, each of which may be one more level of the parser.
fn steps(tag: &str) -> usize {
    let bytes = tag.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let (mut steps, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => at = end_of_string(bytes, at + 1, quote),
            b'+' | b'-' | b'~' | b'*' | b'/' | b'%' | b'.' | b'|' | b'(' | b'[' | b'{' | b'<' | b'>'
            | b'=' => steps += 1,
            b if is_word(b) => {
                let length = bytes[at..].iter().take_while(|&&b| is_word(b)).count();
                if matches!(
                    &bytes[at..at + length],
                    b"not" | b"and" | b"or" | b"if" | b"is" | b"in" | b"else"
                ) {
                    steps += 1;
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    steps
}

/// [`check_value`] for what is assigned. A namespace can be changed later, so with `attribute` it may not be assigned to an attribute: it could come to
/// contain itself.
pub(super) fn check_assigned(state: &State<'_, '_>, value: &Value, attribute: bool) -> Result<(), Error> {
    let is_namespace =
        |value: &Value| value.as_object().is_some_and(|o| o.type_name().ends_with("::Namespace"));
    if attribute && is_namespace(value) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "a namespace is assigned to an attribute of a namespace",
        ));
    }
    check_value(state, value)
}

/// Fails if a list or dict is nested too deeply or is too large to be written; pays with fuel for the look.
pub(super) fn check_value(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mut size = Size { items: 0, bytes: 0 };
    size.add(value, 0)?;
    state.consume_fuel(size.items as u64 / 16)
}

struct Size {
    items: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.items += 1;
        self.bytes += value.as_str().map_or(8, str::len);
        // A text of any length may stand alone: fuel has paid for it.
        if depth > MAX_DEPTH || self.items > MAX_ITEMS || (depth > 0 && self.bytes > MAX_BYTES) {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a list or dict is nested too deeply or is too large",
            ));
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()? {
                    self.add(&item, depth + 1)?;
                }
            }
            ValueKind::Map => {
                for key in value.try_iter()? {
                    self.add(&key, depth + 1)?;
                    self.add(&value.get_item(&key)?, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
