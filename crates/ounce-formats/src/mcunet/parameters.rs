//! Looking parts of a pickle up by name, with errors that say which part; and TinyEngine's parameters.

use std::collections::BTreeMap;

use super::error::NetworkError;
use crate::pickle::{ArrayError, Checkpoint, Value};
use crate::scalar::Array;

/// A value of a pickle and the way to it.
pub(super) struct Part<'p> {
    checkpoint: &'p Checkpoint,
    pub(super) value: Value<'p>,
    pub(super) place: String,
}

impl<'p> Part<'p> {
    pub(super) fn root(checkpoint: &'p Checkpoint, value: Value<'p>) -> Result<Self, NetworkError> {
        let root = Self { checkpoint, value, place: "the network".to_owned() };
        if value.as_entries().is_some() { Ok(root) } else { Err(root.wrong("a dictionary")) }
    }

    fn inner(&self, value: Value<'p>, step: &str) -> Self {
        let place = if self.place == "the network" {
            step.trim_start_matches('.').to_owned()
        } else {
            format!("{}{step}", self.place)
        };
        Self { checkpoint: self.checkpoint, value, place }
    }

    pub(super) fn wrong(&self, expected: &'static str) -> NetworkError {
        NetworkError::Kind { place: self.place.clone(), expected, found: self.value.describe() }
    }

    /// A member of a dictionary; `None` if it is missing or None.
    pub(super) fn optional(&self, name: &str) -> Result<Option<Self>, NetworkError> {
        let entries = self.value.as_entries().ok_or_else(|| self.wrong("a dictionary"))?;
        let value = entries.get(name).filter(|value| !matches!(value, Value::None));
        Ok(value.map(|value| self.inner(value, &format!(".{name}"))))
    }

    /// A member of a dictionary.
    pub(super) fn field(&self, name: &str) -> Result<Self, NetworkError> {
        let found = self.optional(name)?;
        found.ok_or_else(|| self.inner(Value::None, &format!(".{name}")).wrong("a value"))
    }

    /// The members of a list.
    pub(super) fn items(&self) -> Result<Vec<Self>, NetworkError> {
        let items = self.value.as_items().ok_or_else(|| self.wrong("a list"))?;
        Ok(items.iter().enumerate().map(|(i, value)| self.inner(value, &format!("[{i}]"))).collect())
    }

    /// A number of things, at least one.
    pub(super) fn positive(&self) -> Result<usize, NetworkError> {
        self.value.as_usize().filter(|&value| value > 0).ok_or_else(|| self.wrong("a number above 0"))
    }

    fn array(&self) -> Result<Array<'p>, NetworkError> {
        let array = self.checkpoint.array(self.value);
        array.map_err(|source| NetworkError::Array { place: self.place.clone(), source })
    }

    fn elements<T>(
        &self,
        shape: &[usize],
        expected: &'static str,
        convert: impl Fn(&Array<'p>) -> Option<Vec<T>>,
    ) -> Result<Vec<T>, NetworkError> {
        let array = self.array()?;
        if array.shape != shape {
            let (place, needed) = (self.place.clone(), shape.to_vec());
            return Err(NetworkError::Shape { place, needed, found: array.shape });
        }
        convert(&array).ok_or_else(|| {
            let source = ArrayError::Kind { expected, found: format!("an array of {}", array.scalar) };
            NetworkError::Array { place: self.place.clone(), source }
        })
    }

    pub(super) fn i8s(&self, shape: &[usize]) -> Result<Vec<i8>, NetworkError> {
        self.elements(shape, "an array of int8", Array::to_i8s)
    }

    pub(super) fn i32s(&self, shape: &[usize]) -> Result<Vec<i32>, NetworkError> {
        self.elements(shape, "an array of int32", Array::to_i32s)
    }

    pub(super) fn f32s(&self, shape: &[usize]) -> Result<Vec<f32>, NetworkError> {
        self.elements(shape, "an array of floats", Array::to_f32s)
    }
}

/// The parameters of a [`TrainingGraph`](super::TrainingGraph): arrays by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// The arrays.
    pub arrays: BTreeMap<String, Array<'static>>,
}

impl Parameters {
    /// Reads a pickle that is a dictionary of numpy arrays.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, NetworkError> {
        let pickle = checkpoint.pickle()?;
        let root = Part::root(checkpoint, pickle.root())?;
        let entries = root.value.as_entries().ok_or_else(|| root.wrong("a dictionary"))?;
        let mut arrays = BTreeMap::new();
        for (key, value) in entries.iter() {
            let name = key.as_str().ok_or_else(|| root.inner(key, ".(key)").wrong("a text"))?;
            let Array { scalar, shape, data } = root.inner(value, &format!(".{name}")).array()?;
            arrays.insert(name.to_owned(), Array { scalar, shape, data: data.into_owned().into() });
        }
        Ok(Self { arrays })
    }
}

/// Reads TinyEngine's `scale.json`: scales of activations by name.
///
/// # Errors
/// Those of JSON, with line and column.
pub fn scales(json: &[u8]) -> Result<BTreeMap<String, f64>, serde_json::Error> {
    serde_json::from_slice(json)
}
