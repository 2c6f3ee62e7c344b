//! `tojson` as transformers defines it: Python's `json.dumps(value, ensure_ascii=False)`, nothing escaped for HTML.

use std::fmt::Write as _;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

const MAX_DEPTH: usize = 64;

/// `value` as JSON, on one line or indented by `indent` spaces.
pub(super) fn write(value: &Value, indent: Option<usize>, sort: bool) -> Result<String, Error> {
    let mut writer = Writer { out: String::new(), indent, sort };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    indent: Option<usize>,
    sort: bool,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH || self.out.len() > 64 << 20 {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "tojson: the value is nested too deeply or too large",
            ));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => {
                let _ = write!(self.out, "{value}");
            }
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                self.out.push('[');
                let mut any = false;
                for item in value.try_iter()? {
                    self.separate(std::mem::replace(&mut any, true), depth + 1);
                    self.value(&item, depth + 1)?;
                }
                self.close(']', any, depth);
            }
            ValueKind::Map => {
                self.out.push('{');
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort {
                    keys.sort();
                }
                let any = !keys.is_empty();
                for (i, key) in keys.iter().enumerate() {
                    self.separate(i > 0, depth + 1);
                    self.string(&key.to_string());
                    self.out.push_str(": ");
                    self.value(&value.get_item(key)?, depth + 1)?;
                }
                self.close('}', any, depth);
            }
            other => {
                return Err(Error::new(ErrorKind::InvalidOperation, format!("tojson: {other} is not JSON")));
            }
        }
        Ok(())
    }

    /// Before an item: a comma unless it is the first, and the line break.
    fn separate(&mut self, comma: bool, depth: usize) {
        match self.indent {
            Some(_) => {
                if comma {
                    self.out.push(',');
                }
                self.line(depth);
            }
            None if comma => self.out.push_str(", "),
            None => {}
        }
    }

    fn close(&mut self, bracket: char, any: bool, depth: usize) {
        if any {
            self.line(depth);
        }
        self.out.push(bracket);
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if (c as u32) < 0x20 => {
                    let _ = write!(self.out, "\\u{:04x}", c as u32);
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}
