//! What is exported, and how.

use crate::arch::names::Names;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use ounce_formats::ggml::GgmlType;
use ounce_formats::quantized::LinearScheme;

/// The model that an export starts from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    /// As [`arch::describe`](crate::arch::describe) reads it from the checkpoint.
    pub(crate) config: &'a Config,
    /// What the checkpoint calls its tensors.
    pub(crate) names: &'static Names,
}

/// How the linear maps of the layers are stored in a Hugging Face folder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FolderFormat {
    /// As floats of this type: F32, F16 or BF16.
    Float(GgmlType),
    /// AutoAWQ `gemm`: 4 bits with zero points, this group (`None`: one per row) in all maps. Others than grouped weights are floats.
    AutoAwq { group: Option<usize> },
    /// compressed-tensors: all maps under this scheme, `pack-quantized` or `int-quantized`. Others than grouped weights are floats.
    CompressedTensors(LinearScheme),
}

/// What becomes of the matrix that makes logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeadExport {
    /// It stays as it is in the source, or as near as the target's types allow.
    #[default]
    AsIs,
    /// 8 bits: Q8_0 in GGUF (also of the embedding, where that is the head), groups of 8 bits in compressed-tensors. AutoAWQ has none.
    Int8,
}

/// The linear maps of a layer. In a mixture `Gate`, `Up` and `Down` are those of the experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LinearKind {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
    Router,
}
