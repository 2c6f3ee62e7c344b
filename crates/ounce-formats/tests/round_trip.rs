//! What the GGUF writer writes, the reader reads; and what the writer refuses.

#![allow(clippy::unwrap_used)]

use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::{Array, Gguf, GgufError, Value, WriteError, Writer};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

fn array() -> impl Strategy<Value = Array> {
    let flat = prop_oneof![
        vec(any::<u8>(), 0..9).prop_map(Array::U8),
        vec(any::<i8>(), 0..9).prop_map(Array::I8),
        vec(any::<u16>(), 0..9).prop_map(Array::U16),
        vec(any::<i16>(), 0..9).prop_map(Array::I16),
        vec(any::<u32>(), 0..9).prop_map(Array::U32),
        vec(any::<i32>(), 0..9).prop_map(Array::I32),
        vec(any::<f32>(), 0..9).prop_map(Array::F32),
        vec(any::<bool>(), 0..9).prop_map(Array::Bool),
        vec(any::<String>(), 0..200).prop_map(Array::String),
        vec(any::<u64>(), 0..9).prop_map(Array::U64),
        vec(any::<i64>(), 0..9).prop_map(Array::I64),
        vec(any::<f64>(), 0..9).prop_map(Array::F64),
    ];
    flat.prop_recursive(3, 16, 4, |inner| vec(inner, 0..4).prop_map(Array::Array))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        any::<f32>().prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::String),
        array().prop_map(Value::Array),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_map(Value::F64),
    ]
}

/// Type and shape; the innermost dimension in blocks.
fn tensor() -> impl Strategy<Value = (GgmlType, Vec<usize>)> {
    (select(&GgmlType::ALL[..]), vec(1..4usize, 1..=4)).prop_map(|(ty, mut shape)| {
        *shape.last_mut().unwrap() *= ty.block_len();
        (ty, shape)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..Default::default() })]

    #[test]
    fn reads_what_was_written(
        metadata in btree_map(any::<String>(), value(), 0..8),
        tensors in btree_map(any::<String>(), tensor(), 0..6),
        alignment in select(&[1u32, 8, 32, 64, 4096][..]),
        piece in 1..300usize,
    ) {
        let mut writer = Writer::new();
        writer.alignment(alignment).unwrap();
        for (key, value) in &metadata {
            writer.metadata(key, value.clone()).unwrap();
        }
        for (name, (ty, shape)) in &tensors {
            writer.tensor(name, shape, *ty).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let mut stream = writer.create(&path).unwrap();
        let bytes = |name: &str, ty: GgmlType, shape: &[usize]| -> Vec<u8> {
            let len = shape.iter().product::<usize>() / ty.block_len() * ty.block_bytes();
            (0..len).map(|i| (i * 31 + name.len()) as u8).collect()
        };
        for (name, (ty, shape)) in &tensors {
            prop_assert_eq!(stream.current(), Some((name.as_str(), shape.as_slice(), *ty)));
            for piece in bytes(name, *ty, shape).chunks(piece) {
                stream.write(piece).unwrap();
            }
        }
        stream.finish().unwrap();

        let file = Gguf::open(&path).unwrap();
        let own = usize::from(alignment != 32);
        prop_assert_eq!(file.metadata().len(), metadata.len() + own);
        for ((key, value), (other, found)) in metadata.iter().zip(file.metadata().iter().skip(own)) {
            prop_assert_eq!(key, other);
            // By text, since NaN differs from itself.
            prop_assert_eq!(format!("{value:?}"), format!("{found:?}"));
        }
        for ((name, (ty, shape)), found) in tensors.iter().zip(file.tensors()) {
            prop_assert_eq!((name, ty, shape), (&found.name, &found.ty, &found.shape));
            prop_assert_eq!(file.data(found), bytes(name, *ty, shape));
            prop_assert_eq!(file.data_range(found).start % alignment as usize, 0);
        }
    }

    /// Quantizing what was dequantized changes no weight of the types without rounding.
    #[test]
    fn floats_survive(weights in vec(-1e4f32..1e4, 64)) {
        for ty in [GgmlType::F32, GgmlType::F16, GgmlType::BF16] {
            let (mut bytes, mut again, mut out) = (vec![], vec![], vec![0.0; 64]);
            ty.quantize(&weights, &mut bytes).unwrap();
            ty.dequantize(&bytes, &mut out);
            ty.quantize(&out, &mut again).unwrap();
            prop_assert_eq!(&bytes, &again);
        }
    }

    /// Rounding errs by half a step at most; a full step where the grid ends one step short of the largest weight.
    #[test]
    fn quantization_error_is_bounded(weights in vec(-10f32..10.0, 32)) {
        for (ty, steps) in [
            (GgmlType::Q8_0, 254.0), (GgmlType::Q5_1, 31.0), (GgmlType::Q5_0, 16.0), (GgmlType::Q4_1, 15.0), (GgmlType::Q4_0, 8.0),
        ] {
            let (mut bytes, mut out) = (vec![], vec![0.0; 32]);
            ty.quantize(&weights, &mut bytes).unwrap();
            ty.dequantize(&bytes, &mut out);
            let bound = 20.0 / steps * 0.51 + 0.01;
            for (w, q) in weights.iter().zip(&out) {
                prop_assert!((w - q).abs() <= bound, "{}: {} became {}", ty, w, q);
            }
        }
    }

    #[test]
    fn quantize_never_panics(bits in vec(any::<u32>(), 64)) {
        let weights: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        for ty in GgmlType::ALL {
            let mut bytes = vec![];
            if ty.quantize(&weights, &mut bytes).is_ok() {
                prop_assert_eq!(Some(bytes.len()), ty.row_bytes(64));
            }
        }
    }
}

#[test]
fn writer_refuses_what_is_wrong() {
    let mut writer = Writer::new();
    writer.metadata("a", Value::U8(1)).unwrap();
    assert!(matches!(writer.metadata("a", Value::U8(1)), Err(WriteError::Duplicate(_))));
    assert!(matches!(writer.metadata("general.alignment", Value::U32(64)), Err(WriteError::Alignment)));
    assert!(matches!(writer.alignment(48), Err(WriteError::Alignment)));
    let deep = (0..4).fold(Array::U8(vec![]), |inner, _| Array::Array(vec![inner]));
    assert!(matches!(writer.metadata("b", Value::Array(deep)), Err(WriteError::Depth { .. })));
    writer.tensor("w", &[2, 32], GgmlType::Q4_0).unwrap();
    assert!(matches!(writer.tensor("w", &[32], GgmlType::Q4_0), Err(WriteError::Duplicate(_))));
    for shape in [&[33][..], &[0, 32], &[1, 1, 1, 1, 32], &[usize::MAX, 32]] {
        assert!(
            matches!(writer.tensor("v", shape, GgmlType::Q4_0), Err(WriteError::Shape { .. })),
            "{shape:?}"
        );
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut stream = writer.create(&path).unwrap();
    assert!(matches!(stream.write(&[0; 37]), Err(WriteError::TooMuchData { expected: 36, given: 37, .. })));
    assert!(matches!(stream.quantize(&[0.0; 31]), Err(WriteError::Quantize { .. })));
    stream.write(&[0; 35]).unwrap();
    assert!(matches!(stream.finish(), Err(WriteError::TooLittleData { missing: 1, .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing may be left behind");

    let absent = folder.path().join("absent").join("model.gguf");
    let error = Writer::new().create(&absent).unwrap_err().to_string();
    assert!(error.contains("absent"), "{error}");
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, "old").unwrap();
    let mut writer = Writer::new();
    writer.tensor("w", &[32], GgmlType::F32).unwrap();
    drop(writer.create(&path).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

fn part(number: u16, count: u16, total: i32, tensor: &str) -> Writer {
    let mut writer = Writer::new();
    writer.metadata("split.no", Value::U16(number)).unwrap();
    writer.metadata("split.count", Value::U16(count)).unwrap();
    writer.metadata("split.tensors.count", Value::I32(total)).unwrap();
    writer.tensor(tensor, &[4], GgmlType::F32).unwrap();
    writer
}

#[test]
fn opens_all_parts_of_a_split_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = |i: usize| folder.path().join(format!("model-{i:05}-of-00003.gguf"));
    for i in 0..3u16 {
        let mut stream = part(i, 3, 3, &format!("w{i}")).create(&path(usize::from(i) + 1)).unwrap();
        stream.quantize(&[f32::from(i); 4]).unwrap();
        stream.finish().unwrap();
    }
    // From whichever part is named.
    for i in 1..=3 {
        let model = Gguf::open(&path(i)).unwrap();
        assert_eq!(model.tensors().len(), 3);
        for (i, value) in [0f32, 1.0, 2.0].into_iter().enumerate() {
            let tensor = model.tensor(&format!("w{i}")).unwrap();
            assert_eq!(model.data(tensor), [value; 4].map(f32::to_le_bytes).concat());
            assert_eq!((*model.owner(tensor)).as_ref()[model.data_range(tensor)], *model.data(tensor));
        }
    }
    let replace = |writer: Writer| {
        let mut stream = writer.create(&path(3)).unwrap();
        stream.quantize(&[0.0; 4]).unwrap();
        stream.finish().unwrap();
        Gguf::open(&path(1)).unwrap_err()
    };
    assert!(matches!(replace(part(1, 3, 3, "w2")), GgufError::Split { .. }));
    assert!(matches!(replace(part(2, 4, 3, "w2")), GgufError::Split { .. }));
    assert!(matches!(replace(part(2, 3, 3, "w1")), GgufError::DuplicateTensor { .. }));
    std::fs::remove_file(path(3)).unwrap();
    assert!(Gguf::open(&path(1)).unwrap_err().to_string().contains("00003-of-00003"));
}
