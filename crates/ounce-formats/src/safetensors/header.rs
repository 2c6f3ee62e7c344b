//! The JSON header of a safetensors file.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{SafetensorsError, SafetensorsType};

/// The bound that the format's own crate sets.
pub(super) const MAX_BYTES: usize = 100_000_000;

pub(super) const METADATA_KEY: &str = "__metadata__";

pub(super) struct Header {
    pub(super) metadata: Vec<(String, String)>,
    /// Sorted by name.
    pub(super) tensors: Vec<TensorInfo>,
}

/// A tensor's entry in the header, checked against the file.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    pub(super) name: String,
    pub(super) dtype: SafetensorsType,
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

/// Reads the header of a whole file and checks that its tensors are the data.
pub(super) fn read(bytes: &[u8]) -> Result<Header, SafetensorsError> {
    let Some((len, rest)) = bytes.split_first_chunk() else {
        return Err(SafetensorsError::Truncated { header: 0, remaining: 0 });
    };
    let len = u64::from_le_bytes(*len);
    let split = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
    let Some((json, data)) = split else {
        return Err(SafetensorsError::Truncated { header: len, remaining: rest.len() });
    };
    if json.len() > MAX_BYTES {
        return Err(SafetensorsError::HeaderTooLong { found: json.len() });
    }
    let Json { metadata, mut tensors } = serde_json::from_slice(json).map_err(SafetensorsError::Json)?;

    tensors.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(pair) = tensors.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(SafetensorsError::Duplicate { tensor: pair[0].0.clone() });
    }
    tensors.sort_unstable_by_key(|(_, entry)| entry.data_offsets);
    let start = 8 + json.len();
    let mut end = 0;
    let mut checked = Vec::with_capacity(tensors.len());
    for (name, entry) in tensors {
        checked.push(check(name, entry, start, &mut end)?);
    }
    if end != data.len() {
        return Err(SafetensorsError::Length { tensors: end, data: data.len() });
    }
    checked.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Header { metadata, tensors: checked })
}

/// Checks one tensor; `end` is where the tensor before it ended and becomes its own end. It cannot be beyond the data without the last tensor
/// being so too, which the caller sees.
fn check(
    name: String,
    entry: Entry<'_>,
    start: usize,
    end: &mut usize,
) -> Result<TensorInfo, SafetensorsError> {
    let Some(dtype) = SafetensorsType::from_name(&entry.dtype) else {
        return Err(SafetensorsError::Type { tensor: name, found: entry.dtype.into_owned() });
    };
    let (begin, expected) = (entry.data_offsets.0, *end);
    *end = entry.data_offsets.1;
    if begin != expected || *end < begin {
        return Err(SafetensorsError::Offsets { tensor: name, begin, end: *end, expected });
    }
    let (needed, given) = (dtype.bytes_of_shape(&entry.shape), *end - begin);
    if needed != Some(given) {
        return Err(SafetensorsError::Size { tensor: name, dtype, shape: entry.shape, needed, given });
    }
    // Offsets that would overflow lie beyond the file; the range is then empty and the caller reports the length.
    let range = match (start.checked_add(begin), start.checked_add(*end)) {
        (Some(begin), Some(end)) => begin..end,
        _ => 0..0,
    };
    Ok(TensorInfo { name, dtype, shape: entry.shape, range })
}

/// The JSON object, entries in file order.
struct Json<'a> {
    metadata: Vec<(String, String)>,
    tensors: Vec<(String, Entry<'a>)>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    dtype: Cow<'a, str>,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Json<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object that maps tensor names to dtype, shape and data_offsets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut metadata, mut tensors) = (None, Vec::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA_KEY {
                        if metadata.is_some() {
                            return Err(A::Error::duplicate_field(METADATA_KEY));
                        }
                        metadata =
                            Some(map.next_value::<Option<Pairs>>()?.map_or_else(Vec::new, |pairs| pairs.0));
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Json { metadata: metadata.unwrap_or_default(), tensors })
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A JSON object of strings, entries in file order.
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
