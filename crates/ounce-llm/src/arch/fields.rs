//! Typed reading of a model's description, the same for GGUF metadata and `config.json`.

use super::ConfigError;
use ounce_formats::gguf::{Metadata, Value as GgufValue};
use serde_json::{Map, Value};

/// A set of named entries. Every reader gives an error that names the entry; JSON `null` counts as absent.
pub(crate) enum Fields<'a> {
    /// Entries `{prefix}.{key}` of GGUF metadata.
    Gguf { metadata: &'a Metadata, prefix: &'a str },
    /// Entries of a JSON object.
    Json(&'a Map<String, Value>),
}

/// A scalar entry.
enum Scalar<'a> {
    Integer(u64),
    Number(f64),
    Flag(bool),
    Text(&'a str),
    Other(String),
}

impl<'a> Fields<'a> {
    /// The full name of an entry, for messages.
    pub(crate) fn name(&self, key: &str) -> String {
        match self {
            Fields::Gguf { prefix, .. } => format!("{prefix}.{key}"),
            Fields::Json(_) => key.into(),
        }
    }

    fn scalar(&self, key: &str) -> Option<Scalar<'a>> {
        match self {
            Fields::Gguf { metadata, .. } => Some(match metadata.get(&self.name(key))? {
                GgufValue::U8(v) => Scalar::Integer((*v).into()),
                GgufValue::U16(v) => Scalar::Integer((*v).into()),
                GgufValue::U32(v) => Scalar::Integer((*v).into()),
                GgufValue::U64(v) => Scalar::Integer(*v),
                GgufValue::I8(v) => signed((*v).into()),
                GgufValue::I16(v) => signed((*v).into()),
                GgufValue::I32(v) => signed((*v).into()),
                GgufValue::I64(v) => signed(*v),
                GgufValue::F32(v) => Scalar::Number((*v).into()),
                GgufValue::F64(v) => Scalar::Number(*v),
                GgufValue::Bool(v) => Scalar::Flag(*v),
                GgufValue::String(v) => Scalar::Text(v),
                GgufValue::Array(_) => Scalar::Other("an array".into()),
            }),
            Fields::Json(object) => Some(match object.get(key)? {
                Value::Null => return None,
                Value::Bool(v) => Scalar::Flag(*v),
                Value::String(v) => Scalar::Text(v),
                Value::Number(v) => match (v.as_u64(), v.as_f64()) {
                    (Some(v), _) => Scalar::Integer(v),
                    (None, Some(v)) => Scalar::Number(v),
                    (None, None) => Scalar::Other(v.to_string()),
                },
                Value::Array(_) => Scalar::Other("an array".into()),
                Value::Object(_) => Scalar::Other("an object".into()),
            }),
        }
    }

    fn wrong(&self, key: &str, expected: &str, found: Scalar) -> ConfigError {
        let found = match found {
            Scalar::Integer(v) => v.to_string(),
            Scalar::Number(v) => v.to_string(),
            Scalar::Flag(v) => v.to_string(),
            Scalar::Text(v) => format!("{v:?}"),
            Scalar::Other(v) => v,
        };
        ConfigError::Invalid { key: self.name(key), expected: expected.into(), found }
    }

    fn required<T>(&self, key: &str, found: Option<T>) -> Result<T, ConfigError> {
        found.ok_or_else(|| ConfigError::Missing { key: self.name(key) })
    }

    /// A number of something.
    pub(crate) fn optional_size(&self, key: &str) -> Result<Option<usize>, ConfigError> {
        match self.scalar(key) {
            None => Ok(None),
            Some(Scalar::Integer(v)) if usize::try_from(v).is_ok() => Ok(usize::try_from(v).ok()),
            Some(other) => Err(self.wrong(key, "a whole number", other)),
        }
    }

    /// A number of something that must be given.
    pub(crate) fn size(&self, key: &str) -> Result<usize, ConfigError> {
        self.required(key, self.optional_size(key)?)
    }

    /// A number of something, with a default.
    pub(crate) fn size_or(&self, key: &str, default: usize) -> Result<usize, ConfigError> {
        Ok(self.optional_size(key)?.unwrap_or(default))
    }

    /// A real number.
    pub(crate) fn optional_number(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        match self.scalar(key) {
            None => Ok(None),
            Some(Scalar::Integer(v)) => Ok(Some(v as f64)),
            Some(Scalar::Number(v)) => Ok(Some(v)),
            Some(other) => Err(self.wrong(key, "a number", other)),
        }
    }

    /// A real number that must be given.
    pub(crate) fn number(&self, key: &str) -> Result<f64, ConfigError> {
        self.required(key, self.optional_number(key)?)
    }

    /// A real number, with a default.
    pub(crate) fn number_or(&self, key: &str, default: f64) -> Result<f64, ConfigError> {
        Ok(self.optional_number(key)?.unwrap_or(default))
    }

    /// A switch, with a default.
    pub(crate) fn flag_or(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.scalar(key) {
            None => Ok(default),
            Some(Scalar::Flag(v)) => Ok(v),
            Some(other) => Err(self.wrong(key, "true or false", other)),
        }
    }

    /// A word.
    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        match self.scalar(key) {
            None => Ok(None),
            Some(Scalar::Text(v)) => Ok(Some(v)),
            Some(other) => Err(self.wrong(key, "a string", other)),
        }
    }

    /// A nested JSON object; GGUF has none.
    pub(crate) fn object(&self, key: &str) -> Result<Option<Fields<'a>>, ConfigError> {
        let Fields::Json(object) = self else { return Ok(None) };
        match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(inner)) => Ok(Some(Fields::Json(inner))),
            Some(other) => Err(ConfigError::Invalid {
                key: key.into(),
                expected: "an object".into(),
                found: other.to_string().chars().take(40).collect(),
            }),
        }
    }

    /// A JSON array of strings; GGUF descriptions read here have none.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>, ConfigError> {
        let Fields::Json(object) = self else { return Ok(None) };
        let wrong = |found: &Value| ConfigError::Invalid {
            key: key.into(),
            expected: "an array of strings".into(),
            found: found.to_string().chars().take(40).collect(),
        };
        match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().ok_or_else(|| wrong(item)))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(wrong(other)),
        }
    }
}

fn signed(value: i64) -> Scalar<'static> {
    u64::try_from(value).map_or(Scalar::Number(value as f64), Scalar::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_by_type_and_errors_name_them() {
        let json = serde_json::json!({"n": 3, "x": 0.5, "on": true, "s": "a", "none": null, "o": {"n": 4}, "l": ["p"], "m": -1});
        let fields = Fields::Json(json.as_object().unwrap());
        assert_eq!(fields.size("n").unwrap(), 3);
        assert_eq!(fields.number("x").unwrap(), 0.5);
        assert_eq!(fields.number("n").unwrap(), 3.0);
        assert!(fields.flag_or("on", false).unwrap());
        assert_eq!(fields.optional_text("s").unwrap(), Some("a"));
        assert_eq!(fields.size_or("none", 7).unwrap(), 7);
        assert_eq!(fields.object("o").unwrap().unwrap().size("n").unwrap(), 4);
        assert_eq!(fields.texts("l").unwrap().unwrap(), ["p"]);
        assert!(matches!(fields.size("gone"), Err(ConfigError::Missing { key }) if key == "gone"));
        for key in ["x", "m", "s", "on", "o", "l"] {
            assert!(matches!(fields.size(key), Err(ConfigError::Invalid { key: named, .. }) if named == key));
        }
    }
}
