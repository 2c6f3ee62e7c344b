//! Each way in which a GGUF file can lie, and that the error says where.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use ounce_formats::gguf::{Fault, Gguf, GgufError, Place};

/// Builds a GGUF file piece by piece.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn header(version: u32, tensors: u64, metadata: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(version).u64(tensors).u64(metadata)
    }

    fn u32(mut self, v: u32) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }

    fn u64(mut self, v: u64) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }

    fn text(mut self, text: &[u8]) -> Self {
        self = self.u64(text.len() as u64);
        self.0.extend(text);
        self
    }

    /// A tensor entry, dimensions innermost first.
    fn tensor(self, name: &str, dimensions: &[u64], ty: u32, offset: u64) -> Self {
        let start = self.text(name.as_bytes()).u32(dimensions.len() as u32);
        dimensions.iter().fold(start, |bytes, &d| bytes.u64(d)).u32(ty).u64(offset)
    }

    fn data(mut self, len: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(32) + len, 0);
        self
    }

    fn read(self) -> Result<Gguf, GgufError> {
        Gguf::from_bytes(Arc::new(self.0))
    }

    fn error(self) -> GgufError {
        self.read().unwrap_err()
    }

    fn fault(self) -> (Place, usize, Fault) {
        match self.error() {
            GgufError::Malformed { place, offset, fault } => (place, offset, fault),
            other => panic!("{other:?}"),
        }
    }
}

const F32: u32 = 0;
const Q8_0: u32 = 8;

#[test]
fn reads_versions_2_and_3() {
    for version in [2, 3] {
        let file = Bytes::header(version, 1, 0).tensor("w", &[8, 2], F32, 0).data(64).read().unwrap();
        assert_eq!(file.version(), version);
        assert_eq!(file.tensors()[0].shape, [2, 8]);
        assert_eq!(file.data(&file.tensors()[0]).len(), 64);
    }
}

#[test]
fn names_what_is_no_gguf() {
    assert!(matches!(Bytes(b"PK\x03\x04....".to_vec()).error(), GgufError::Magic { .. }));
    assert!(matches!(Bytes(b"GG".to_vec()).error(), GgufError::Magic { found } if found == b"GG"));
    assert!(matches!(Bytes(vec![]).error(), GgufError::Magic { found } if found.is_empty()));
    assert!(matches!(Bytes::header(1, 0, 0).error(), GgufError::Version { found: 1 }));
    assert!(matches!(Bytes::header(4, 0, 0).error(), GgufError::Version { found: 4 }));
    assert!(matches!(Bytes::header(3u32.swap_bytes(), 0, 0).error(), GgufError::BigEndian));
}

#[test]
fn refuses_absurd_counts() {
    for count in [1, 1000, u64::from(u32::MAX), u64::MAX] {
        let (place, offset, fault) = Bytes::header(3, count, 0).fault();
        assert_eq!((place, offset), (Place::Header, 8));
        assert!(matches!(fault, Fault::Count { count: found, .. } if found == count));
        let (_, offset, _) = Bytes::header(3, 0, count).fault();
        assert_eq!(offset, 16);
        let strings = Bytes::header(3, 0, 1).text(b"key").u32(9).u32(8).u64(count);
        let (place, _, fault) = strings.fault();
        assert_eq!(place, Place::Value("key".into()));
        assert!(matches!(fault, Fault::Count { count: found, .. } if found == count));
    }
    let (_, _, fault) = Bytes::header(3, 0, 1).text(b"key").u32(8).u64(u64::MAX).fault();
    assert!(matches!(fault, Fault::Truncated { needed: u64::MAX, remaining: 0 }));
    let (place, ..) = Bytes::header(3, 0, 1).u64(1 << 40).u64(0).fault();
    assert_eq!(place, Place::Key(0));
}

#[test]
fn refuses_bad_values() {
    let value = |kind: u32| Bytes::header(3, 0, 1).text(b"key").u32(kind);
    assert_eq!(value(13).u64(0).fault(), (Place::Value("key".into()), 35, Fault::ValueKind(13)));
    assert_eq!(value(9).u32(99).u64(0).fault().2, Fault::ValueKind(99));
    let mut bytes = value(7);
    bytes.0.push(2);
    assert_eq!(bytes.fault().2, Fault::Bool(2));
    assert_eq!(value(8).text(b"\xff\xfe").fault().2, Fault::NotUtf8);
    assert_eq!(Bytes::header(3, 0, 1).text(b"\xff").u32(0).u64(0).fault().0, Place::Key(0));
    let deep = (0..5).fold(value(9), |bytes, _| bytes.u32(9).u64(1));
    assert_eq!(deep.u32(0).u64(0).fault().2, Fault::Depth(4));
    let twice = Bytes::header(3, 0, 2).text(b"a").u32(4).u32(0).text(b"a").u32(4).u32(0);
    assert!(matches!(twice.error(), GgufError::DuplicateKey { key } if key == "a"));
}

#[test]
fn refuses_bad_alignment() {
    for found in [0u32, 3, 33] {
        let bytes = Bytes::header(3, 0, 1).text(b"general.alignment").u32(4).u32(found);
        assert!(matches!(bytes.error(), GgufError::Alignment { found: f } if f == u64::from(found)));
    }
    let bytes = Bytes::header(3, 0, 1).text(b"general.alignment").u32(8).text(b"32");
    assert!(matches!(bytes.error(), GgufError::Kind { key, .. } if key == "general.alignment"));
}

#[test]
fn refuses_bad_tensors() {
    let one = |dimensions: &[u64], ty, offset| {
        Bytes::header(3, 1, 0).tensor("w", dimensions, ty, offset).data(64).error()
    };
    for dimensions in [&[0, 4][..], &[u64::MAX, 2], &[1 << 32, 1 << 32], &[1 << 62, 1, 1, 4]] {
        assert!(
            matches!(one(dimensions, F32, 0), GgufError::Shape { tensor, .. } if tensor == "w"),
            "{dimensions:?}"
        );
    }
    assert!(matches!(one(&[33], Q8_0, 0), GgufError::Shape { .. }));
    assert!(matches!(one(&[], Q8_0, 0), GgufError::Shape { .. }));
    assert!(matches!(one(&[4], 4, 0), GgufError::Type { id: 4, .. }));
    assert!(one(&[256], 23, 0).to_string().contains("IQ4_XS"));
    assert!(matches!(one(&[17], F32, 0), GgufError::OutOfRange { len: 68, available: 64, .. }));
    assert!(matches!(one(&[4], F32, 64), GgufError::OutOfRange { .. }));
    assert!(matches!(one(&[4], F32, u64::MAX - 31), GgufError::OutOfRange { .. }));
    assert!(matches!(one(&[4], F32, 8), GgufError::Misaligned { offset: 8, .. }));
    let (place, _, fault) = Bytes::header(3, 1, 0).tensor("w", &[1; 5], F32, 0).fault();
    assert_eq!((place, fault), (Place::Tensor("w".into()), Fault::Dimensions(5)));
}

#[test]
fn refuses_tensors_that_share() {
    let two = |second: &str, offset| {
        Bytes::header(3, 2, 0).tensor("a", &[16], F32, 0).tensor(second, &[8], F32, offset).data(128)
    };
    assert!(two("b", 64).read().is_ok());
    assert!(
        matches!(two("b", 32).error(), GgufError::Overlap { first, second } if first == "a" && second == "b")
    );
    assert!(matches!(two("b", 0).error(), GgufError::Overlap { .. }));
    assert!(matches!(two("a", 64).error(), GgufError::DuplicateTensor { name } if name == "a"));
}

#[test]
fn every_truncation_is_an_error() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/formats/package.gguf");
    let whole = std::fs::read(golden).unwrap();
    let file = Gguf::from_bytes(Arc::new(whole.clone())).unwrap();
    let end = file.tensors().iter().map(|t| file.data_range(t).end).max().unwrap();
    for len in 0..end {
        let error = Gguf::from_bytes(Arc::new(whole[..len].to_vec())).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    assert!(Gguf::from_bytes(Arc::new(whole[..end].to_vec())).is_ok());
}

#[test]
fn errors_of_files_name_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.gguf");
    assert!(Gguf::open(&path).unwrap_err().to_string().contains("absent.gguf"));
    assert!(Gguf::open(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    std::fs::write(&path, b"").unwrap();
    assert!(Gguf::open(&path).unwrap_err().to_string().contains("not a GGUF file"));
}
