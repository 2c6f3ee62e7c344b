//! The metadata of a GGUF file: keys and values in file order.

use std::borrow::Cow;

use super::error::GgufError;
use super::value::{Array, Value};

/// Metadata entries in file order, found by key.
///
/// The typed getters return `Ok(None)` for a key that is absent and an error for a value of another kind, so that a file that says
/// something unexpected is never taken for one that says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    /// Indices into `entries`, sorted by key.
    by_key: Vec<u32>,
}

impl Metadata {
    /// Collects entries.
    ///
    /// # Errors
    /// [`GgufError::DuplicateKey`].
    pub fn new(entries: Vec<(String, Value)>) -> Result<Self, GgufError> {
        let mut by_key: Vec<u32> = (0..entries.len() as u32).collect();
        by_key.sort_unstable_by(|&a, &b| entries[a as usize].0.cmp(&entries[b as usize].0));
        match by_key.windows(2).find(|pair| entries[pair[0] as usize].0 == entries[pair[1] as usize].0) {
            Some(pair) => Err(GgufError::DuplicateKey { key: entries[pair[0] as usize].0.clone() }),
            None => Ok(Self { entries, by_key }),
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key, whatever its kind.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let found = self.by_key.binary_search_by(|&i| self.entries[i as usize].0.as_str().cmp(key)).ok()?;
        Some(&self.entries[self.by_key[found] as usize].1)
    }

    /// A string.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn string(&self, key: &str) -> Result<Option<&str>, GgufError> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// An integer of any kind that is not negative.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn u64(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.typed(key, "an integer, not negative", Value::as_u64)
    }

    /// A number of any kind.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn f64(&self, key: &str) -> Result<Option<f64>, GgufError> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// A bool.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "a bool", |value| match value {
            Value::Bool(v) => Some(*v),
            _ => None,
        })
    }

    /// An array of strings.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>, GgufError> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::String(items)) => Some(items.as_slice()),
            _ => None,
        })
    }

    /// An array of f32.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn f32s(&self, key: &str) -> Result<Option<&[f32]>, GgufError> {
        self.typed(key, "an array of f32", |value| match value {
            Value::Array(Array::F32(items)) => Some(items.as_slice()),
            _ => None,
        })
    }

    /// An array of integers that fit i32; borrowed if that is their kind.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn i32s(&self, key: &str) -> Result<Option<Cow<'_, [i32]>>, GgufError> {
        self.typed(key, "an array of i32", |value| match value {
            Value::Array(Array::I32(items)) => Some(Cow::Borrowed(items.as_slice())),
            Value::Array(Array::I8(items)) => Some(items.iter().map(|&v| v.into()).collect()),
            Value::Array(Array::I16(items)) => Some(items.iter().map(|&v| v.into()).collect()),
            Value::Array(Array::I64(items)) => items.iter().map(|&v| v.try_into().ok()).collect(),
            Value::Array(array) => array.as_u64s()?.into_iter().map(|v| v.try_into().ok()).collect(),
            _ => None,
        })
    }

    /// An array of integers that are not negative. A single integer is an array of one: several keys are a number for models whose layers
    /// are alike and an array for others.
    ///
    /// # Errors
    /// [`GgufError::Kind`].
    pub fn u64s(&self, key: &str) -> Result<Option<Vec<u64>>, GgufError> {
        self.typed(key, "an array of integers, not negative", |value| match value {
            Value::Array(array) => array.as_u64s(),
            number => number.as_u64().map(|v| vec![v]),
        })
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || GgufError::Kind { key: key.to_owned(), expected, found: value.describe() };
        convert(value).map(Some).ok_or_else(wrong)
    }
}
