//! The block types and the GGUF reader and writer against files made by the `gguf` Python package (`conformance/formats/make_golden.py`) and by
//! ggml itself (`make_ggml.py`).

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::{Array, Gguf, Value, Writer};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/formats").join(name)
}

fn floats(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(golden(name)).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

#[test]
fn dequantize_is_bit_equal() {
    for ty in GgmlType::ALL {
        let blocks = std::fs::read(golden(&format!("{ty}.blocks"))).unwrap();
        let expected = floats(&format!("{ty}.f32"));
        let mut found = vec![0.0; blocks.len() / ty.block_bytes() * ty.block_len()];
        ty.dequantize(&blocks, &mut found);
        assert_eq!(found.len(), expected.len(), "{ty}");
        for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(f.to_bits(), e.to_bits(), "{ty}, weight {i}: {f} found, {e} expected");
        }
    }
}

#[test]
fn quantize_is_bit_equal() {
    let weights = floats("weights.f32");
    for ty in GgmlType::ALL {
        let mut found = Vec::new();
        match ty.quantize(&weights, &mut found) {
            Ok(()) if ty == GgmlType::F32 => assert_eq!(found, std::fs::read(golden("weights.f32")).unwrap()),
            Ok(()) => {
                let expected = std::fs::read(golden(&format!("{ty}.quantized"))).unwrap();
                assert_blocks(ty, &found, &expected);
            }
            Err(error) => assert!(error.to_string().contains(ty.name()) && !ty.can_quantize(), "{error}"),
        }
    }
}

#[test]
fn quantize_weighted_is_bit_equal() {
    let (weights, importance) = (floats("weights.f32"), floats("importance.f32"));
    for ty in GgmlType::ALL {
        let path = golden(&format!("{ty}.weighted"));
        let mut found = Vec::new();
        match ty.quantize_weighted(&weights, Some(&importance), &mut found) {
            Ok(()) if path.exists() => assert_blocks(ty, &found, &std::fs::read(path).unwrap()),
            Ok(()) => {
                let mut plain = Vec::new();
                ty.quantize_weighted(&weights, None, &mut plain).unwrap();
                assert_eq!(found, plain, "{ty}");
            }
            Err(_) => assert!(!ty.can_quantize()),
        }
    }
}

/// What cannot be quantized leaves no trace, and what should not be quantized does not panic.
#[test]
fn quantize_survives_odd_input() {
    let mut out = Vec::new();
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, -0.0, 1e-30];
    let weights: Vec<f32> = (0..512).map(|i| odd[i * i % odd.len()] * (1.0 + i as f32)).collect();
    for ty in GgmlType::ALL.into_iter().filter(|ty| ty.can_quantize()) {
        for importance in [None, Some(&weights[..]), Some(&[0.0; 256][..])] {
            out.clear();
            ty.quantize_weighted(&weights, importance, &mut out).unwrap();
            assert_eq!(Some(out.len()), ty.row_bytes(512));
        }
        out.clear();
        for cols in [0, 96, 384, 1024] {
            assert!(ty.quantize_weighted(&weights, Some(&vec![1.0; cols]), &mut out).is_err());
        }
        assert!(out.is_empty());
    }
}

#[track_caller]
fn assert_blocks(ty: GgmlType, found: &[u8], expected: &[u8]) {
    let blocks = found.chunks(ty.block_bytes()).zip(expected.chunks(ty.block_bytes()));
    for (i, (found, expected)) in blocks.enumerate() {
        assert_eq!(found, expected, "{ty}, weights from {}", ty.block_len() * i);
    }
    assert_eq!(found.len(), expected.len(), "{ty}");
}

/// Quants stay within the bounds that the kernels rely on, and mean the same as the dequantized weights.
#[test]
fn unpacked_rows_keep_their_promise() {
    for ty in GgmlType::ALL {
        let Some(form) = ty.unpacking() else { continue };
        let blocks = std::fs::read(golden(&format!("{ty}.blocks"))).unwrap();
        let expected = floats(&format!("{ty}.f32"));
        let groups = expected.len() / form.group;
        let (mut quants, mut scales) = (vec![0; expected.len()], vec![0.0; groups]);
        let mut mins = vec![0.0; if form.mins { groups } else { 0 }];
        ty.unpack_row(&blocks, &mut quants, &mut scales, &mut mins);
        for (i, &q) in quants.iter().enumerate() {
            if form.four_bit {
                assert!((0..=15).contains(&q), "{ty}: {q}");
            }
            assert!(q.unsigned_abs() <= form.max_abs, "{ty}: {q}");
            let (scale, min) =
                (f64::from(scales[i / form.group]), mins.get(i / form.group).copied().unwrap_or(0.0));
            let min = if form.symmetric { -8.0 * scale } else { f64::from(min) };
            let w = scale * f64::from(q) + min;
            assert!((w - f64::from(expected[i])).abs() <= 1e-6 * w.abs().max(min.abs()), "{ty}, weight {i}");
        }
    }
}

#[test]
fn reads_the_file_of_the_package() {
    let file = Gguf::open(&golden("package.gguf")).unwrap();
    let meta = file.metadata();
    assert_eq!(file.version(), 3);
    assert_eq!(meta.string("general.architecture").unwrap(), Some("llama"));
    assert_eq!(meta.get("test.u8"), Some(&Value::U8(255)));
    assert_eq!(meta.get("test.i8"), Some(&Value::I8(-128)));
    assert_eq!(meta.get("test.i16"), Some(&Value::I16(i16::MIN)));
    assert_eq!(meta.u64("test.u16").unwrap(), Some(65535));
    assert_eq!(meta.u64("test.u32").unwrap(), Some(u32::MAX.into()));
    assert_eq!(meta.u64("test.u64").unwrap(), Some(u64::MAX));
    assert_eq!(meta.get("test.i32"), Some(&Value::I32(i32::MIN)));
    assert_eq!(meta.get("test.i64"), Some(&Value::I64(i64::MIN)));
    assert_eq!(meta.f64("test.f32").unwrap(), Some(f64::from(0.1f32)));
    assert_eq!(meta.f64("test.f64").unwrap(), Some(0.1));
    assert_eq!(meta.bool("test.bool").unwrap(), Some(true));
    assert_eq!(meta.string("test.string").unwrap(), Some("Unze ünce 盎司 🜚"));
    assert_eq!(meta.strings("test.strings").unwrap().unwrap(), ["a", "", "ß", "\0x"]);
    assert_eq!(*meta.i32s("test.i32s").unwrap().unwrap(), [1, -2, 3]);
    assert_eq!(meta.f32s("test.f32s").unwrap().unwrap(), [0.5, -0.25]);
    assert_eq!(meta.get("test.bools"), Some(&Value::Array(Array::Bool(vec![true, false]))));
    let nested = [vec![1, 2], vec![3], vec![4, 5, 6]].map(Array::I32).to_vec();
    assert_eq!(meta.get("test.nested"), Some(&Value::Array(Array::Array(nested))));
    assert_eq!(meta.u64("absent").unwrap(), None);
    let error = meta.u64("test.string").unwrap_err().to_string();
    assert!(error.contains("test.string") && error.contains("string"), "{error}");

    let weights = floats("weights.f32");
    for (name, ty, rows) in [
        ("w.f32", GgmlType::F32, 3),
        ("w.q8_0", GgmlType::Q8_0, 5),
        ("w.q4_1", GgmlType::Q4_1, 7),
        ("w.bf16", GgmlType::BF16, 1),
    ] {
        let tensor = file.tensor(name).unwrap();
        assert_eq!((tensor.ty, tensor.shape.as_slice()), (ty, [rows, 32].as_slice()));
        let mut expected = Vec::new();
        ty.quantize(&weights[..32 * rows], &mut expected).unwrap();
        assert_eq!(file.data(tensor), expected, "{name}");
        let owner = file.owner(tensor);
        assert_eq!((*owner).as_ref()[file.data_range(tensor)], expected);
    }
}

#[test]
fn writes_what_the_package_writes() {
    let file = Gguf::open(&golden("package.gguf")).unwrap();
    let mut writer = Writer::new();
    for (key, value) in file.metadata().iter() {
        writer.metadata(key, value.clone()).unwrap();
    }
    for tensor in file.tensors() {
        writer.tensor(&tensor.name, &tensor.shape, tensor.ty).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.gguf");
    let mut stream = writer.create(&path).unwrap();
    for tensor in file.tensors() {
        for piece in file.data(tensor).chunks(50) {
            stream.write(piece).unwrap();
        }
    }
    assert!(!path.exists());
    stream.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(golden("package.gguf")).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A model as people download it. Its folder is named by OUNCE_TEST_MODELS.
#[test]
fn reads_a_real_model() {
    let Some(path) = std::env::var_os("OUNCE_TEST_MODELS")
        .map(|f| PathBuf::from(f).join("SmolLM2-135M-Instruct.Q4_1.gguf"))
    else {
        return eprintln!("skipped: OUNCE_TEST_MODELS is not set");
    };
    if !path.exists() {
        return eprintln!("skipped: {} is absent", path.display());
    }
    let file = Gguf::open(&path).unwrap();
    assert_eq!(file.metadata().string("general.architecture").unwrap(), Some("llama"));
    assert_eq!(file.metadata().strings("tokenizer.ggml.tokens").unwrap().unwrap().len(), 49152);
    assert_eq!(file.tensor("token_embd.weight").unwrap().shape, [49152, 576]);
    for tensor in file.tensors() {
        let cols = *tensor.shape.last().unwrap();
        let mut row = vec![0.0; cols];
        for bytes in file.data(tensor).chunks(tensor.ty.row_bytes(cols).unwrap()) {
            tensor.ty.dequantize(bytes, &mut row);
            assert!(row.iter().all(|w| w.is_finite() && w.abs() < 100.0), "{}", tensor.name);
        }
    }
}
