//! IDX files, tables and interpolation against what numpy and PyTorch wrote (`conformance/data`).

#![allow(clippy::unwrap_used)]

mod support;

use ounce_data::idx::{self, IdxError, Labelled};
use ounce_data::{Fault, Table, TableError, TableOptions, resize};
use proptest::prelude::*;
use support::{bytes, data, golden};

#[test]
fn idx_files_of_every_type() {
    for name in ["int8", "int16", "int32"] {
        let array = idx::open(&golden(&format!("{name}.idx"))).unwrap();
        assert_eq!((array.scalar.name(), array.to_i64s()), (name, Some(vec![-1, 0, 2])));
    }
    for name in ["float32", "float64"] {
        let array = idx::open(&golden(&format!("{name}.idx"))).unwrap();
        assert_eq!((array.scalar.name(), array.to_f32s()), (name, Some(vec![-1.0, 0.0, 2.0])));
    }
    let set = Labelled::open(&golden("pictures.idx.gz"), &golden("labels.idx")).unwrap();
    assert_eq!((set.height, set.width, set.labels.as_slice()), (3, 4, &[7, 1][..]));
    assert_eq!(set.picture(1).unwrap(), (12..24).collect::<Vec<u8>>());
    assert_eq!(set.picture(2), None);
    let swapped = Labelled::open(&golden("labels.idx"), &golden("pictures.idx.gz")).unwrap_err();
    assert!(matches!(*swapped.fault, Fault::Idx(IdxError::Pair { .. })), "{swapped}");
}

#[test]
fn wrong_idx_files_are_refused() {
    let fault = |bytes: &[u8]| match idx::read(bytes).unwrap_err() {
        Fault::Idx(error) => error,
        other => panic!("{other}"),
    };
    let size = |shape: &[usize], needed, given| IdxError::Size { shape: shape.to_vec(), needed, given };
    assert_eq!(fault(b""), IdxError::Empty);
    assert_eq!(fault(&[0, 0, 10, 1]), IdxError::Magic { found: vec![0, 0, 10, 1] });
    assert_eq!(fault(&[0, 0, 8, 2, 0, 0, 0]), IdxError::Header(7));
    assert_eq!(fault(&[0, 0, 8, 1, 0, 0, 0, 2, 5]), size(&[2], Some(2), 1));
    assert_eq!(fault(&[0, 0, 8, 1, 0, 0, 0, 2, 5, 6, 7]), size(&[2], Some(2), 3));
    assert_eq!(
        fault(&[0, 0, 8, 1, 255, 255, 255, 255]),
        size(&[u32::MAX as usize], Some(u32::MAX as usize), 8)
    );
    let huge = [&[0, 0, 14, 3][..], &[255; 12]].concat();
    assert_eq!(fault(&huge), size(&[u32::MAX as usize; 3], None, 16));
    let mut gz = bytes("pictures.idx.gz");
    gz.truncate(30);
    assert!(matches!(idx::read(&gz).unwrap_err(), Fault::Io(_)));
}

#[test]
fn tables() {
    let text = b"a; b ;kind\n1; 2.5;x\n\n-3;1e3; y\n0;0;x\n";
    let options = TableOptions { delimiter: b';', header: true, label: Some(2), skip: vec![0] };
    let table = Table::parse(text, &options).unwrap();
    assert_eq!((table.names.as_slice(), table.columns, table.rows()), (&["b".to_owned()][..], 1, 3));
    assert_eq!((table.values.as_slice(), table.labels.as_slice()), (&[2.5, 1e3, 0.0][..], &[0, 1, 0][..]));
    assert_eq!(
        (table.classes.as_slice(), table.row(1), table.row(3)),
        (&["x".to_owned(), "y".to_owned()][..], Some(&[1e3][..]), None)
    );
    let numbers =
        Table::parse(b"10\n9\n-1\n", &TableOptions { label: Some(0), ..Default::default() }).unwrap();
    assert_eq!(
        (numbers.classes, numbers.labels),
        (vec!["-1".to_owned(), "9".into(), "10".into()], vec![2, 1, 0])
    );
    let error =
        |text: &[u8], label| Table::parse(text, &TableOptions { label, ..Default::default() }).unwrap_err();
    assert!(matches!(error(b"1,2\n1,x\n", None), TableError::Number { line: 2, column: 1, .. }));
    assert!(matches!(error(b"1,2\n1\n", None), TableError::Csv(_)));
    assert!(matches!(error(b"1,2\n", Some(2)), TableError::Label { label: 2, columns: 2 }));
    assert!(matches!(error(b"\n", None), TableError::Empty));
    assert!(matches!(error(b"1,\xff\n", None), TableError::Csv(_)));
}

/// Deterding's vowels: 990 rows of 10 numbers in 11 classes, 528 of them for training.
#[test]
fn vowels() {
    let Some(path) = data("quantum/vowel-context.data") else { return };
    let options = TableOptions { label: Some(13), skip: vec![0, 1, 2], ..Default::default() };
    let table = Table::open(&path, &options).unwrap();
    assert_eq!((table.rows(), table.columns, table.classes.len()), (990, 10, 11));
    assert_eq!(table.row(0).unwrap()[..2], [-3.639, 0.418]);
    assert_eq!(table.labels[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]);
}

fn floats(value: &serde_json::Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[test]
fn interpolation_is_that_of_torch() {
    let cases: serde_json::Value = serde_json::from_slice(&bytes("resize.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let pair = |name: &str| [0, 1].map(|i| case[name][i].as_u64().unwrap() as usize);
        let resized = resize::bilinear(&floats(&case["planes"]), pair("size"), pair("target"));
        let expected = floats(&case["resized"]);
        assert_eq!(resized.len(), expected.len());
        for (ours, theirs) in resized.iter().zip(&expected) {
            // Two roundings of numbers up to 255 in single precision.
            assert!((ours - theirs).abs() <= 255.0 * 2.0 * f32::EPSILON, "{ours} and {theirs}");
        }
    }
    assert!(resize::bilinear(&[1.0], [1, 1], [0, 3]).is_empty());
    assert!(resize::bilinear(&[1.0; 5], [2, 2], [3, 3]).is_empty());
    assert_eq!(resize::bilinear(&[1.0, 2.0, 3.0, 4.0], [2, 2], [2, 2]), [1.0, 2.0, 3.0, 4.0]);
}

proptest! {
    /// Averages with weights that sum to one: no number leaves the range, and a plain picture stays plain.
    #[test]
    fn interpolation_stays_in_range(size in [1usize..9, 1usize..9], target in [1usize..20, 1usize..20], seed in any::<u32>()) {
        let planes: Vec<f32> = (0..size[0] * size[1]).map(|i| (seed.wrapping_mul(i as u32 + 1) >> 24) as f32).collect();
        let resized = resize::bilinear(&planes, size, target);
        prop_assert_eq!(resized.len(), target[0] * target[1]);
        let (least, most) = planes.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
        prop_assert!(resized.iter().all(|v| (least - 1e-3..=most + 1e-3).contains(v)));
    }
}
