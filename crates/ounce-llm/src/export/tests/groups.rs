//! Layers whose matrices are groups of integers: what is written, read again, gives the logits of the same weights in floats.

use super::golden;
use crate::arch;
use crate::checkpoint::{Checkpoint, WeightLoader};
use crate::compress::CompressedWeight;
use crate::decoder::load::load_layer;
use crate::decoder::weights::{FeedForward, GatedWeights, Layer, Linear};
use crate::export::convert::floats;
use crate::export::{ExportError, FolderExport, FolderFormat, GgufExport, HeadExport, Origin};
use crate::{KvType, Model, Session, SessionOptions};
use ounce_formats::ggml::GgmlType;
use ounce_formats::quantized::{Activations, LinearFormat, LinearScheme};
use ounce_kernels::ThreadPool;
use ounce_quant::{Granularity, QuantizedMatrix, Scheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Products with integer weights quantize activations to 8 bits; logits span about 6.
const TOLERANCE: f32 = 0.15;
const TOKENS: [u32; 16] = [5, 17, 3, 42, 8, 60, 1, 33, 21, 9, 54, 2, 13, 40, 28, 7];

/// Rounds all maps but the router; `keep` gives the rounded weights in floats.
fn rounded(mut layer: Layer<CompressedWeight>, scheme: Scheme, keep: bool) -> Layer<CompressedWeight> {
    let hidden = layer.attention_norm.weight.len();
    let round = |linear: &mut Linear<CompressedWeight>, cols: usize| {
        let CompressedWeight::Float(values) = &linear.weight else { panic!("floats") };
        let matrix = QuantizedMatrix::nearest(values, cols, scheme).unwrap();
        linear.weight = if keep {
            CompressedWeight::Float(matrix.dequantize())
        } else {
            CompressedWeight::Grouped { matrix, input_scale: None, rotation: None }
        };
    };
    let count = |linear: &Linear<CompressedWeight>| match &linear.weight {
        CompressedWeight::Float(values) => values.len(),
        _ => 0,
    };
    let o_cols = count(&layer.o) / hidden;
    for linear in [&mut layer.q, &mut layer.k, &mut layer.v] {
        round(linear, hidden);
    }
    round(&mut layer.o, o_cols);
    let gated = |ff: &mut GatedWeights<CompressedWeight>| {
        let width = count(&ff.down) / hidden;
        round(&mut ff.gate, hidden);
        round(&mut ff.up, hidden);
        round(&mut ff.down, width);
    };
    match &mut layer.feed_forward {
        FeedForward::Gated(ff) => gated(ff),
        FeedForward::Experts { experts, .. } => experts.iter_mut().for_each(gated),
        FeedForward::Plain { up, down } => {
            let width = count(down) / hidden;
            round(up, hidden);
            round(down, width);
        }
    }
    layer
}

enum Target {
    Folder(FolderFormat),
    Gguf(GgmlType),
}

/// Exports with every layer rounded.
fn export(
    source: &Path,
    target: &Path,
    kind: &Target,
    scheme: Scheme,
    keep: bool,
    head: HeadExport,
) -> Result<u64, ExportError> {
    let checkpoint = Checkpoint::open(source).unwrap();
    let (config, names) = arch::describe(&checkpoint).unwrap();
    let origin = Origin { checkpoint: &checkpoint, config: &config, names };
    let mut pool = ThreadPool::new(1);
    let mut load = |index| {
        let layer = pool.region(|team| {
            let mut ignore = |_| ();
            let mut loader = WeightLoader::new(&checkpoint, team, &mut ignore).in_f32();
            load_layer(&config, names, &mut loader, index)
        });
        rounded(floats(layer.unwrap()), scheme, keep)
    };
    match kind {
        Target::Folder(format) => {
            let mut export = FolderExport::create(target, origin, format.clone(), head)?;
            for index in 0..config.layers.len() {
                export.layer(index, &load(index))?;
            }
            export.finish()
        }
        Target::Gguf(ty) => {
            let mut export = GgufExport::create(target, origin, &|_, _| *ty, head)?;
            for index in 0..config.layers.len() {
                export.layer(index, &load(index))?;
            }
            export.finish()
        }
    }
}

fn logits(path: &Path) -> Vec<f32> {
    let mut pool = ThreadPool::new(1);
    let model = Arc::new(Model::load(path, &mut pool, &mut |_| ()).unwrap());
    let options = SessionOptions { kv: KvType::F32, ..Default::default() };
    let mut session = Session::new(model, pool, options).unwrap();
    let mut all = Vec::new();
    session.feed_all(&TOKENS, &mut |_, logits| all.extend_from_slice(logits)).unwrap();
    all
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |max, d| if d <= max { max } else { d })
}

/// Llama of 64 columns in a GGUF file, the one golden checkpoint whose rows are whole groups.
fn llama() -> PathBuf {
    golden("decoder/llama-quantized-gguf/model.gguf")
}

fn compressed(bits: u8, symmetric: bool, format: LinearFormat, activations: Activations) -> FolderFormat {
    let group = (format == LinearFormat::PackQuantized).then_some(32);
    FolderFormat::CompressedTensors(LinearScheme { format, bits, group, symmetric, activations })
}

#[test]
fn folders_of_groups_give_the_logits_of_their_weights() {
    use Activations::{Float, Int8PerToken};
    use LinearFormat::{IntQuantized, PackQuantized};
    let cases = [
        ("awq", 4, false, FolderFormat::AutoAwq { group: Some(32) }),
        ("w4a16", 4, true, compressed(4, true, PackQuantized, Float)),
        ("w4a16-asymmetric", 4, false, compressed(4, false, PackQuantized, Float)),
        ("w3a16", 3, false, compressed(3, false, PackQuantized, Float)),
        ("w8a8", 8, true, compressed(8, true, IntQuantized, Int8PerToken)),
    ];
    let place = tempfile::tempdir().unwrap();
    for (name, bits, symmetric, format) in cases {
        let granularity = if bits == 8 { Granularity::Channel } else { Granularity::Group(32) };
        let scheme = Scheme { bits, symmetric, granularity };
        let (quantized, plain) = (place.path().join(name), place.path().join(format!("{name}-floats")));
        let target = Target::Folder(format.clone());
        export(&llama(), &quantized, &target, scheme, false, HeadExport::AsIs).unwrap();
        let floats = Target::Folder(FolderFormat::Float(GgmlType::F32));
        export(&llama(), &plain, &floats, scheme, true, HeadExport::AsIs).unwrap();
        let found = difference(&logits(&quantized), &logits(&plain));
        assert!(found < TOLERANCE, "{name}: {found}");
        if matches!(format, FolderFormat::CompressedTensors(_)) {
            let head = place.path().join(format!("{name}-head"));
            export(&llama(), &head, &target, scheme, false, HeadExport::Int8).unwrap();
            let found = difference(&logits(&head), &logits(&plain));
            assert!(found < TOLERANCE, "{name}, head of 8 bits: {found}");
        }
    }
}

#[test]
fn gguf_files_of_groups_give_the_logits_of_their_weights() {
    let place = tempfile::tempdir().unwrap();
    for (ty, bits) in [(GgmlType::Q4_0, 4), (GgmlType::Q8_0, 8)] {
        let scheme = Scheme { bits, symmetric: true, granularity: Granularity::Group(32) };
        let quantized = place.path().join(format!("{ty}.gguf"));
        let plain = place.path().join(format!("{ty}-floats.gguf"));
        export(&llama(), &quantized, &Target::Gguf(ty), scheme, false, HeadExport::Int8).unwrap();
        export(&llama(), &plain, &Target::Gguf(GgmlType::F32), scheme, true, HeadExport::AsIs).unwrap();
        let found = difference(&logits(&quantized), &logits(&plain));
        assert!(found < TOLERANCE, "{ty}: {found}");
    }
}

#[test]
fn rows_that_a_type_does_not_fit_get_the_next() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.gguf");
    let scheme = Scheme { bits: 4, symmetric: true, granularity: Granularity::Group(32) };
    export(&llama(), &path, &Target::Gguf(GgmlType::Q4K), scheme, false, HeadExport::AsIs).unwrap();
    let tensors = Checkpoint::open(&path).unwrap().tensors();
    let matrices = tensors.iter().filter(|tensor| tensor.name.starts_with("blk.") && tensor.shape.len() == 2);
    assert!(matrices.clone().count() == 14 && matrices.clone().all(|tensor| tensor.ty == "Q5_0"));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let scheme = Scheme { bits: 4, symmetric: false, granularity: Granularity::Group(32) };
    let target = place.path().join("model");
    let awq = |group| Target::Folder(FolderFormat::AutoAwq { group });
    let error = export(&llama(), &target, &awq(Some(64)), scheme, false, HeadExport::AsIs).unwrap_err();
    assert!(error.to_string().contains("model.layers.0.self_attn.q_proj"), "{error}");
    assert!(error.to_string().contains("groups of 64"), "{error}");
    let error = export(&llama(), &target, &awq(Some(32)), scheme, false, HeadExport::Int8).unwrap_err();
    assert!(matches!(error, ExportError::Unsupported { .. }), "{error}");
    let floats = Target::Folder(FolderFormat::Float(GgmlType::F16));
    let error = export(&llama(), &target, &floats, scheme, false, HeadExport::AsIs).unwrap_err();
    assert!(matches!(error, ExportError::Weight { .. }), "{error}");
    assert!(!target.exists() && std::fs::read_dir(place.path()).unwrap().next().is_none());
}
