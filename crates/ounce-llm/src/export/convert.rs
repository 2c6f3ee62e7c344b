//! A model in another container, unquantized or with types of GGUF.

use super::{ExportError, FolderExport, FolderFormat, GgufExport, HeadExport, Origin};
use crate::arch;
use crate::checkpoint::{Checkpoint, WeightLoader};
use crate::compress::CompressedWeight;
use crate::decoder::load::load_layer;
use crate::decoder::weights::{FeedForward, GatedWeights, Layer, Linear};
use ounce_formats::ggml::GgmlType;
use ounce_kernels::{Matrix, ThreadPool};
use std::path::Path;

/// What a model is to be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A Hugging Face folder with all weights in this float type: F32, F16 or BF16.
    Folder(GgmlType),
    /// A GGUF file with the matrices of the layers in this type, by rounding to nearest; embedding and head stay as they are.
    Gguf(GgmlType),
}

/// Writes the model at `source` (a GGUF file or a folder) to `target` in another container. One layer at a time is in memory, in f32.
/// `progress` hears of layers done and layers in all. Returns the bytes written.
///
/// # Errors
/// A source that cannot be read, a target that exists or that cannot express the model, a type that is no float for a folder.
pub fn convert(
    source: &Path,
    target: &Path,
    container: Container,
    pool: &mut ThreadPool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<u64, ExportError> {
    let checkpoint = Checkpoint::open(source)?;
    let (config, names) = arch::describe(&checkpoint)?;
    let origin = Origin { checkpoint: &checkpoint, config: &config, names };
    let layers = config.layers.len();
    let mut load = |index: usize| -> Result<Layer<CompressedWeight>, ExportError> {
        let layer = pool.region(|team| {
            let mut ignore = |_| ();
            let mut loader = WeightLoader::new(&checkpoint, team, &mut ignore).in_f32();
            load_layer(&config, names, &mut loader, index)
        })?;
        Ok(floats(layer))
    };
    match container {
        Container::Folder(ty) => {
            if !matches!(ty, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16) {
                return Err(ExportError::Unsupported {
                    what: format!("the type {ty}"),
                    target: "a folder of floats",
                    advice: "choose F32, F16 or BF16",
                });
            }
            let format = FolderFormat::Float(ty);
            let mut export = FolderExport::create(target, origin, format, HeadExport::AsIs)?;
            for index in 0..layers {
                export.layer(index, &load(index)?)?;
                progress(index + 1, layers);
            }
            export.finish()
        }
        Container::Gguf(ty) => {
            let mut export = GgufExport::create(target, origin, &|_, _| ty, HeadExport::AsIs)?;
            for index in 0..layers {
                export.layer(index, &load(index)?)?;
                progress(index + 1, layers);
            }
            export.finish()
        }
    }
}

/// A layer of matrices that were loaded in single precision.
pub(super) fn floats(layer: Layer) -> Layer<CompressedWeight> {
    let linear = |linear: Linear<Matrix>| Linear {
        weight: CompressedWeight::Float(linear.weight.as_f32().unwrap_or_default().to_vec()),
        bias: linear.bias,
    };
    let gated = |ff: GatedWeights<Matrix>| GatedWeights {
        gate: linear(ff.gate),
        up: linear(ff.up),
        down: linear(ff.down),
    };
    Layer {
        attention_norm: layer.attention_norm,
        q: linear(layer.q),
        k: linear(layer.k),
        v: linear(layer.v),
        o: linear(layer.o),
        qk_norms: layer.qk_norms,
        post_attention_norm: layer.post_attention_norm,
        feed_forward_norm: layer.feed_forward_norm,
        feed_forward: match layer.feed_forward {
            FeedForward::Gated(ff) => FeedForward::Gated(gated(ff)),
            FeedForward::Plain { up, down } => FeedForward::Plain { up: linear(up), down: linear(down) },
            FeedForward::Experts { router, experts } => FeedForward::Experts {
                router: linear(router),
                experts: experts.into_iter().map(gated).collect(),
            },
        },
        post_feed_forward_norm: layer.post_feed_forward_norm,
    }
}
