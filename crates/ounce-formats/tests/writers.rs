//! The writers of safetensors files and model folders: what they write, the reader and the format's own crate read; what they refuse; what they
//! leave behind when they are dropped.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use ounce_formats::hugging_face::{Folder, FolderWriteError, FolderWriter};
use ounce_formats::quantized::{
    Activations, GroupQuantized, LinearFormat, LinearScheme, OwnedTensor, QuantizedLinear, pack_as,
};
use ounce_formats::safetensors::{Safetensors, SafetensorsType, WriteError, Writer};
use proptest::prelude::*;

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// `count` tensors of three bytes each; with many of them the header outgrows the room that is left for it.
fn write_many(path: &Path, count: usize) {
    let mut writer = Writer::create(path).unwrap();
    writer.metadata("format", "pt");
    for i in 0..count {
        let bytes = [i as u8, (i >> 8) as u8, (i >> 16) as u8];
        writer.tensor(&format!("tensor {i} \"ü\""), SafetensorsType::U8, &[3, 1], &bytes).unwrap();
    }
    assert!(!path.exists());
    writer.finish().unwrap();
}

#[test]
fn any_number_of_tensors() {
    let folder = tempfile::tempdir().unwrap();
    for count in [0, 1, 1000, 20_000] {
        let path = folder.path().join("model.safetensors");
        std::fs::remove_file(&path).ok();
        write_many(&path, count);
        assert_eq!(files(folder.path()), ["model.safetensors"]);
        let bytes = std::fs::read(&path).unwrap();
        let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let ours = Safetensors::open(&path).unwrap();
        assert_eq!((theirs.len(), ours.tensors().len()), (count, count));
        assert_eq!(ours.metadata(), [("format".to_owned(), "pt".to_owned())]);
        for i in (0..count).step_by(97) {
            let name = format!("tensor {i} \"ü\"");
            let (theirs, ours) = (theirs.tensor(&name).unwrap(), ours.tensor(&name).unwrap());
            assert_eq!((theirs.shape(), ours.shape()), (&[3, 1][..], &[3, 1][..]));
            assert_eq!(ours.bytes(), [i as u8, (i >> 8) as u8, (i >> 16) as u8]);
            assert_eq!(theirs.data(), ours.bytes());
        }
    }
}

#[test]
fn a_writer_refuses_and_vanishes() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&folder.path().join("model.safetensors")).unwrap();
    writer.tensor("a", SafetensorsType::F16, &[2], &[0; 4]).unwrap();
    let size = writer.tensor("b", SafetensorsType::F16, &[2, 3], &[0; 11]).unwrap_err();
    assert!(matches!(&size, WriteError::Size { given: 11, .. }), "{size}");
    assert!(writer.tensor("b", SafetensorsType::F16, &[usize::MAX, 3], &[]).is_err());
    for name in ["a", "__metadata__"] {
        let error = writer.tensor(name, SafetensorsType::U8, &[1], &[0]).unwrap_err();
        assert!(error.to_string().contains("two tensors"), "{error}");
    }
    assert_eq!(writer.data_bytes(), 4);
    drop(writer);
    assert!(files(folder.path()).is_empty());
    assert!(matches!(Writer::create(&folder.path().join("absent/x")), Err(WriteError::Io { .. })));
}

fn tensor(name: &str, len: usize) -> OwnedTensor {
    let bytes = (0..len).map(|i| (i + name.len()) as u8).collect();
    OwnedTensor { name: name.to_owned(), dtype: SafetensorsType::U8, shape: vec![len], bytes }
}

#[test]
fn a_folder_in_one_file_or_in_shards() {
    for (shard_bytes, expected) in [
        (1000, vec!["model.safetensors"]),
        (
            25,
            vec![
                "model-00001-of-00003.safetensors",
                "model-00002-of-00003.safetensors",
                "model-00003-of-00003.safetensors",
                "model.safetensors.index.json",
            ],
        ),
    ] {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("tokenizer.json"), "{\"t\":1}").unwrap();
        let target = place.path().join("model");
        let mut writer = FolderWriter::create(&target).unwrap();
        writer.shard_bytes(shard_bytes);
        writer.add_file("config.json", b"{\"model_type\":\"llama\"}").unwrap();
        writer.copy_file(&place.path().join("tokenizer.json")).unwrap();
        // The second fits beside the first, the third is larger than a shard.
        for (name, len) in [("b", 20), ("a", 5), ("c", 40), ("d", 1)] {
            writer.tensor(&tensor(name, len)).unwrap();
        }
        assert!(matches!(writer.tensor(&tensor("c", 1)), Err(FolderWriteError::Duplicate(_))));
        assert!(!target.exists());
        writer.finish().unwrap();
        assert_eq!(files(place.path()), ["model", "tokenizer.json"]);
        assert_eq!(files(&target), [&["config.json"], &expected[..], &["tokenizer.json"]].concat());
        let folder = Folder::open(&target).unwrap();
        assert_eq!(folder.names().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        for (name, len) in [("b", 20), ("a", 5), ("c", 40), ("d", 1)] {
            assert_eq!(folder.tensor(name).unwrap().bytes(), tensor(name, len).bytes);
        }
    }
}

#[test]
fn a_folder_is_whole_or_not_there() {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("model");
    let mut writer = FolderWriter::create(&target).unwrap();
    writer.tensor(&tensor("a", 3)).unwrap();
    for name in
        ["../x", "", "a/b", "model.safetensors", "shard-1.safetensors", "model.safetensors.index.json"]
    {
        assert!(matches!(writer.add_file(name, b""), Err(FolderWriteError::FileName(_))), "{name}");
    }
    assert!(matches!(writer.copy_file(Path::new("/absent")), Err(FolderWriteError::Io { .. })));
    drop(writer);
    assert!(files(place.path()).is_empty());

    // An empty folder is as good as none; one that is filled meanwhile is not.
    std::fs::create_dir(&target).unwrap();
    FolderWriter::create(&target).unwrap().finish().unwrap();
    let writer = FolderWriter::create(&target).unwrap();
    std::fs::write(target.join("mine"), "").unwrap();
    let error = writer.finish().unwrap_err();
    assert!(matches!(error, FolderWriteError::Exists { .. }), "{error}");
    assert!(matches!(FolderWriter::create(&target), Err(FolderWriteError::Exists { .. })));
    assert!(matches!(FolderWriter::create(&target.join("mine")), Err(FolderWriteError::Exists { .. })));
    assert_eq!(files(place.path()), ["model"]);
    assert_eq!(files(&target), ["mine"]);
}

/// Arrays and a format that holds them.
#[derive(Clone, Debug)]
struct Linear {
    scheme: LinearScheme,
    rows: usize,
    cols: usize,
    quants: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<u8>,
}

fn linear() -> impl Strategy<Value = Linear> {
    let formats = [
        LinearFormat::AwqGemm,
        LinearFormat::AwqGemv,
        LinearFormat::Gptq,
        LinearFormat::GptqV2,
        LinearFormat::PackQuantized,
        LinearFormat::IntQuantized,
    ];
    let shape = (
        proptest::sample::select(formats.to_vec()),
        1..=8u8,
        1..6usize,
        1..6usize,
        1..40usize,
        any::<bool>(),
    );
    let scheme = shape.prop_map(|(format, bits, rows, groups, group, symmetric)| {
        let (bits, rows, group) = match format {
            LinearFormat::AwqGemm => (4, 8 * rows, group),
            LinearFormat::AwqGemv => (4, 8 * rows, if group % 2 == 0 { 32 } else { 64 }),
            LinearFormat::Gptq | LinearFormat::GptqV2 => ([2, 3, 4, 8][bits as usize % 4], 32 * rows, 32),
            _ => (bits, rows * 7, group),
        };
        let activations = match (format, rows % 2) {
            (LinearFormat::IntQuantized, 0) => Activations::Int8PerTensor,
            _ => Activations::Float,
        };
        let group_size = (groups > 1).then_some(group);
        (
            LinearScheme { format, bits, group: group_size, symmetric, activations },
            rows,
            groups * group,
            groups,
        )
    });
    scheme.prop_flat_map(|(scheme, rows, cols, groups)| {
        let top = u8::MAX >> (8 - scheme.bits);
        let zeros = if scheme.symmetric { (top / 2 + 1)..=(top / 2 + 1) } else { 0..=top };
        let arrays = (
            proptest::collection::vec(0..=top, rows * cols),
            proptest::collection::vec(-1f32..1.0, rows * groups),
            proptest::collection::vec(zeros, rows * groups),
        );
        arrays.prop_map(move |(quants, scales, zeros)| {
            let scales = scales.iter().map(|&scale| half::f16::from_f32(scale).to_f32()).collect();
            Linear { scheme: scheme.clone(), rows, cols, quants, scales, zeros }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..Default::default() })]

    #[test]
    fn a_quantized_folder_loses_nothing(linear in linear(), first in 0..32usize) {
        let Linear { scheme, rows, cols, quants, scales, zeros } = linear;
        let group = scheme.group.unwrap_or(cols);
        // Without zeros at times, if they say nothing.
        let given = if scheme.symmetric && first % 2 == 0 { &[][..] } else { &zeros[..] };
        let weight = GroupQuantized {
            rows, cols, group, bits: scheme.bits, symmetric: scheme.symmetric, quants: &quants, scales: &scales, zeros: given,
        };
        let input_scale = (scheme.activations == Activations::Int8PerTensor).then_some(0.125);
        let tensors = pack_as("m", &weight, scheme.format, SafetensorsType::F16, input_scale).unwrap();
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("model");
        let mut writer = FolderWriter::create(&target).unwrap();
        writer.add_file("config.json", b"{}").unwrap();
        for tensor in &tensors {
            writer.tensor(tensor).unwrap();
        }
        writer.finish().unwrap();

        let folder = Folder::open(&target).unwrap();
        let linear = QuantizedLinear::open(&folder, "m", &scheme).unwrap().unwrap();
        prop_assert_eq!((linear.rows(), linear.cols(), linear.group()), (rows, cols, group));
        prop_assert_eq!((linear.bits(), linear.symmetric()), (scheme.bits, scheme.symmetric));
        prop_assert_eq!((linear.activations(), linear.input_scale()), (scheme.activations, input_scale));
        prop_assert!(linear.bytes() >= rows * cols * usize::from(scheme.bits) / 8);
        let first = first % rows;
        let (n, groups) = (rows - first, cols / group);
        let (mut found, mut found_zeros) = (vec![0; n * cols], vec![0; n * groups]);
        let mut found_scales = vec![0.0; n * groups];
        linear.unpack_rows(first, &mut found, &mut found_scales, &mut found_zeros);
        prop_assert_eq!(&found, &quants[first * cols..]);
        prop_assert_eq!(&found_scales, &scales[first * groups..]);
        prop_assert_eq!(&found_zeros, &zeros[first * groups..]);
    }
}
