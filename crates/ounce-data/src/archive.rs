//! Folders of pictures in a zip archive, which is mapped into memory.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use ounce_formats::mmap::{self, Mapped};
use zip::{CompressionMethod, ZipArchive};

use crate::Fault;
use crate::picture::MAX_BYTES;
use crate::set::{is_hidden, is_picture};

/// An open archive.
#[derive(Debug)]
pub(crate) struct Archive {
    bytes: std::sync::Arc<Mapped>,
}

/// Where a file of an archive lies.
#[derive(Debug)]
pub(crate) struct Entry {
    range: Range<usize>,
    deflated: bool,
    size: u64,
    crc32: u32,
}

impl Archive {
    /// Opens an archive and finds the pictures `inside/CLASS/NAME`: class, name and place of each.
    #[expect(clippy::type_complexity, reason = "what a set of pictures is made from")]
    pub(crate) fn open(path: &Path, inside: &str) -> Result<(Self, Vec<(String, String, Entry)>), Fault> {
        let mapped = mmap::open(path)?;
        let bytes: &[u8] = (*mapped).as_ref();
        let mut archive = ZipArchive::new(Cursor::new(bytes))?;
        let inside = inside.trim_matches('/');
        let mut found = Vec::new();
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index)?;
            let name = file.name()?;
            let Some((class, picture)) = split(&name, inside) else { continue };
            let fail = |what| Err(Fault::Entry { entry: name.to_string(), what });
            if file.encrypted() {
                return fail("it is encrypted");
            }
            let deflated = match file.compression() {
                CompressionMethod::Stored => false,
                CompressionMethod::Deflated => true,
                _ => return fail("it is compressed by a method other than deflate"),
            };
            let start = file.data_start().and_then(|start| usize::try_from(start).ok());
            let len = usize::try_from(file.compressed_size()).ok();
            let range = start.zip(len).and_then(|(start, len)| Some(start..start.checked_add(len)?));
            let Some(range) = range.filter(|range| range.end <= bytes.len()) else {
                return fail("it lies beyond the end of the archive");
            };
            let entry = Entry { range, deflated, size: file.size(), crc32: file.crc32() };
            found.push((class.to_owned(), picture.to_owned(), entry));
        }
        Ok((Self { bytes: mapped }, found))
    }

    /// The bytes of a file, checked against its checksum.
    pub(crate) fn read(&self, entry: &Entry) -> Result<Cow<'_, [u8]>, &'static str> {
        let packed = (*self.bytes).as_ref().get(entry.range.clone()).unwrap_or_default();
        let bytes = if entry.deflated {
            if entry.size > MAX_BYTES {
                return Err("it is too large for a picture");
            }
            let mut bytes = Vec::new();
            let read = DeflateDecoder::new(packed).take(entry.size + 1).read_to_end(&mut bytes);
            read.map_err(|_| "its compressed data is damaged")?;
            Cow::Owned(bytes)
        } else {
            Cow::Borrowed(packed)
        };
        if bytes.len() as u64 != entry.size {
            return Err("it has another length than the archive says");
        }
        let mut crc = Crc::new();
        crc.update(&bytes);
        if crc.sum() == entry.crc32 { Ok(bytes) } else { Err("its checksum is wrong") }
    }
}

/// Class and name of a picture `inside/CLASS/NAME`.
fn split<'n>(name: &'n str, inside: &str) -> Option<(&'n str, &'n str)> {
    let rest = if inside.is_empty() { name } else { name.strip_prefix(inside)?.strip_prefix('/')? };
    let (class, picture) = rest.split_once('/')?;
    (!class.is_empty() && !is_hidden(class) && !picture.contains('/') && is_picture(picture))
        .then_some((class, picture))
}
