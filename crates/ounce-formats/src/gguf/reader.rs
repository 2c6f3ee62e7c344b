//! The header of one GGUF file.

use super::cursor::{Cursor, Fell};
use super::error::{Fault, GgufError, Place};
use super::value::{RESERVE, Value};
use super::{DEFAULT_ALIGNMENT, MAGIC, Metadata, TensorInfo};
use crate::ggml::GgmlType;

/// The least that entries take: a key of no bytes and a u8; a name of no bytes, no dimensions, type and offset.
const METADATA_ENTRY_BYTES: usize = 8 + 4 + 1;
const TENSOR_ENTRY_BYTES: usize = 8 + 4 + 4 + 8;
const MAX_DIMENSIONS: u32 = 4;

pub(super) struct Header {
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<TensorInfo>,
}

/// A tensor entry as it stands in the file.
struct Entry {
    name: String,
    /// Outermost first.
    shape: Vec<u64>,
    type_id: u32,
    offset: u64,
}

/// Reads and checks everything before the data, and that every tensor lies in the data.
pub(super) fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    let cursor = &mut Cursor::new(bytes);
    if !bytes.starts_with(&MAGIC) {
        return Err(GgufError::Magic { found: bytes[..bytes.len().min(4)].to_vec() });
    }
    let in_header = |fell: Fell| fell.at(Place::Header);
    cursor.take(4).map_err(in_header)?;
    let version = cursor.u32().map_err(in_header)?;
    match version {
        2 | 3 => {}
        _ if matches!(version.swap_bytes(), 1..=3) => return Err(GgufError::BigEndian),
        found => return Err(GgufError::Version { found }),
    }
    let tensor_count = cursor.count(TENSOR_ENTRY_BYTES).map_err(in_header)?;
    let metadata_count = cursor.count(METADATA_ENTRY_BYTES).map_err(in_header)?;
    // Entries are numbered with u32.
    for count in [tensor_count, metadata_count] {
        if u32::try_from(count).is_err() {
            let fault = Fault::Count {
                count: count as u64,
                item_bytes: METADATA_ENTRY_BYTES,
                remaining: cursor.remaining(),
            };
            return Err(GgufError::Malformed { place: Place::Header, offset: 8, fault });
        }
    }

    let mut entries = Vec::with_capacity(metadata_count.min(RESERVE));
    for index in 0..metadata_count as u64 {
        let key = cursor.string().map_err(|fell| fell.at(Place::Key(index)))?.to_owned();
        match Value::read(cursor) {
            Ok(value) => entries.push((key, value)),
            Err(fell) => return Err(fell.at(Place::Value(key))),
        }
    }
    let metadata = Metadata::new(entries)?;
    let alignment = alignment(&metadata)?;

    let mut entries = Vec::with_capacity(tensor_count.min(RESERVE));
    for index in 0..tensor_count as u64 {
        entries.push(tensor_entry(cursor, index)?);
    }
    let start = cursor.offset().next_multiple_of(alignment as usize);
    let available = bytes.len().saturating_sub(start);
    let tensors = entries
        .into_iter()
        .map(|entry| tensor(entry, start, available, alignment))
        .collect::<Result<Vec<_>, _>>()?;
    check_overlap(&tensors)?;
    Ok(Header { version, metadata, tensors })
}

fn alignment(metadata: &Metadata) -> Result<u32, GgufError> {
    match metadata.u64("general.alignment")? {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(found) => {
            u32::try_from(found).ok().filter(|a| a.is_power_of_two()).ok_or(GgufError::Alignment { found })
        }
    }
}

fn tensor_entry(cursor: &mut Cursor<'_>, index: u64) -> Result<Entry, GgufError> {
    let name = cursor.string().map_err(|fell| fell.at(Place::TensorName(index)))?.to_owned();
    let mut rest = || {
        let offset = cursor.offset();
        let dimensions = cursor.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return cursor.fail(offset, Fault::Dimensions(dimensions));
        }
        let mut shape = Vec::with_capacity(dimensions as usize);
        for _ in 0..dimensions {
            shape.push(cursor.u64()?);
        }
        shape.reverse();
        Ok((shape, cursor.u32()?, cursor.u64()?))
    };
    match rest() {
        Ok((shape, type_id, offset)) => Ok(Entry { name, shape, type_id, offset }),
        Err(fell) => Err(fell.at(Place::Tensor(name))),
    }
}

/// Checks type, shape and place. `start` and `available` are offset and length of the data section.
fn tensor(entry: Entry, start: usize, available: usize, alignment: u32) -> Result<TensorInfo, GgufError> {
    let Entry { name, shape, type_id, offset } = entry;
    let Some(ty) = GgmlType::from_id(type_id) else {
        return Err(GgufError::Type { tensor: name, id: type_id });
    };
    let Some((dimensions, len)) = dimensions_and_bytes(&shape, ty) else {
        return Err(GgufError::Shape { tensor: name, ty: ty.name(), shape });
    };
    if !offset.is_multiple_of(alignment.into()) {
        return Err(GgufError::Misaligned { tensor: name, offset, alignment });
    }
    match usize::try_from(offset) {
        Ok(at) if at <= available && len <= available - at => {
            let range = start + at..start + at + len;
            Ok(TensorInfo { name, shape: dimensions, ty, range, part: 0 })
        }
        _ => Err(GgufError::OutOfRange { tensor: name, offset, len, available }),
    }
}

/// The shape in machine integers and the bytes of the data; `None` if a dimension is 0, the innermost is no whole number of blocks, or
/// anything overflows.
fn dimensions_and_bytes(shape: &[u64], ty: GgmlType) -> Option<(Vec<usize>, usize)> {
    let shape =
        shape.iter().map(|&d| usize::try_from(d).ok().filter(|&d| d > 0)).collect::<Option<Vec<_>>>()?;
    let bytes = bytes_of_shape(&shape, ty)?;
    Some((shape, bytes))
}

/// Bytes of a tensor, or `None` if the shape has no elements, does not divide into blocks, or overflows.
pub(super) fn bytes_of_shape(shape: &[usize], ty: GgmlType) -> Option<usize> {
    let (&cols, outer) = shape.split_last().unwrap_or((&1, &[]));
    let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    if elements == 0 {
        return None;
    }
    outer.iter().try_fold(ty.row_bytes(cols)?, |bytes, &d| bytes.checked_mul(d))
}

fn check_overlap(tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let mut by_start: Vec<u32> = (0..tensors.len() as u32).collect();
    by_start.sort_unstable_by_key(|&i| tensors[i as usize].range.start);
    for pair in by_start.windows(2) {
        let (first, second) = (&tensors[pair[0] as usize], &tensors[pair[1] as usize]);
        if first.range.end > second.range.start {
            return Err(GgufError::Overlap { first: first.name.clone(), second: second.name.clone() });
        }
    }
    Ok(())
}
