//! Typed access to a JSON object, with errors that tell the way to the value.

use serde_json::{Map, Value};

use super::QuantizedError;

/// An object and the keys that lead to it.
pub(super) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The configuration itself.
    pub(super) fn root(value: &'a Value) -> Result<Self, QuantizedError> {
        Self::new(String::new(), value)
    }

    fn new(path: String, value: &'a Value) -> Result<Self, QuantizedError> {
        match value {
            Value::Object(object) => Ok(Self { path, object }),
            other => {
                Err(QuantizedError::Config { key: path, expected: "an object", found: describe(Some(other)) })
            }
        }
    }

    /// The value, if it is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// All keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.object.keys()
    }

    pub(super) fn expected(
        &self,
        key: &str,
        expected: &'static str,
        found: Option<&Value>,
    ) -> QuantizedError {
        QuantizedError::Config { key: self.key(key), expected, found: describe(found) }
    }

    fn key(&self, key: &str) -> String {
        let key = shortened(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, QuantizedError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.expected(key, expected, Some(value)))
    }

    pub(super) fn string(&self, key: &str) -> Result<Option<&'a str>, QuantizedError> {
        self.typed(key, "a string", Value::as_str)
    }

    pub(super) fn bool(&self, key: &str) -> Result<Option<bool>, QuantizedError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// Bits of a quant.
    pub(super) fn bits(&self, key: &str) -> Result<Option<u8>, QuantizedError> {
        self.typed(key, "a number of bits", |value| u8::try_from(value.as_u64()?).ok())
    }

    /// A group size, where -1 stands for whole rows: `Some(None)` then.
    pub(super) fn group(&self, key: &str) -> Result<Option<Option<usize>>, QuantizedError> {
        self.typed(key, "a positive number, or -1 for whole rows", |value| match value.as_i64()? {
            -1 => Some(None),
            size if size > 0 => Some(Some(usize::try_from(size).ok()?)),
            _ => None,
        })
    }

    /// Strings; none if the key is not there.
    pub(super) fn strings(&self, key: &str) -> Result<Vec<&'a str>, QuantizedError> {
        let read = |value: &'a Value| value.as_array()?.iter().map(Value::as_str).collect();
        Ok(self.typed(key, "an array of strings", read)?.unwrap_or_default())
    }

    /// The object under a key.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>, QuantizedError> {
        self.get(key).map(|value| Self::new(self.key(key), value)).transpose()
    }

    /// The objects of an array; none if the key is not there.
    pub(super) fn objects(&self, key: &str) -> Result<Vec<Self>, QuantizedError> {
        let values = self.typed(key, "an array of objects", Value::as_array)?;
        let element = |(index, value)| Self::new(format!("{}.{index}", self.key(key)), value);
        values.into_iter().flatten().enumerate().map(element).collect()
    }

    /// The value under a key that must be there.
    pub(super) fn need<T>(
        &self,
        key: &str,
        expected: &'static str,
        found: Option<T>,
    ) -> Result<T, QuantizedError> {
        found.ok_or_else(|| self.expected(key, expected, None))
    }
}

fn describe(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Array(_)) => "an array".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(Value::String(text)) => format!("\"{}\"", shortened(text)),
        Some(other) => other.to_string(),
    }
}

/// The beginning of a text from a file, for a message.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
