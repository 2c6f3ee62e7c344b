//! How a linear map is stored.

/// Layout of the tensors of a quantized linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinearFormat {
    /// AutoAWQ `gemm`: `qweight` i32 `[cols, rows / 8]`, `qzeros` i32 `[groups, rows / 8]`, both with the eight rows of a word in the order
    /// 0, 2, 4, 6, 1, 3, 5, 7, and `scales` f16 `[groups, rows]`. 4 bits.
    AwqGemm,
    /// AutoAWQ `gemv`: `qweight` i32 `[rows, cols / 8]`, `qzeros` i32 `[rows, width]`, `scales` f16 `[rows, 8 * width]`. 4 bits.
    AwqGemv,
    /// GPTQ: `qweight` i32 `[cols * bits / 32, rows]`, `qzeros` i32 `[groups, rows * bits / 32]` which hold the zero less one,
    /// `scales` f16 `[groups, rows]`, `g_idx` i32 `[cols]`.
    Gptq,
    /// As [`Gptq`](Self::Gptq), with the zeros as they are (`checkpoint_format` `gptq_v2`).
    GptqV2,
    /// compressed-tensors `pack-quantized`: `weight_packed` i32 `[rows, words]`, `weight_scale` `[rows, groups]`, `weight_shape` i64 `[2]`
    /// and, unless symmetric, `weight_zero_point` i32 `[words, groups]`. 1 to 8 bits.
    PackQuantized,
    /// compressed-tensors `int-quantized`: `weight` i8 `[rows, cols]`, `weight_scale` `[rows, groups]`, and `input_scale` `[1]` if
    /// activations have a fixed scale. At most 8 bits.
    IntQuantized,
}

/// How the inputs of a linear map are to be quantized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activations {
    /// Not at all.
    #[default]
    Float,
    /// Symmetric int8 with a scale per token, found when it runs.
    Int8PerToken,
    /// Symmetric int8 with one fixed scale, stored as `input_scale`.
    Int8PerTensor,
}

/// How the linear maps of a checkpoint, or some of them, are stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinearScheme {
    /// Layout of the tensors.
    pub format: LinearFormat,
    /// Bits of a quant, at most 8.
    pub bits: u8,
    /// Columns that share a scale; `None` for one scale per row (or for the whole matrix).
    pub group: Option<usize>,
    /// All zeros are `2^(bits - 1)`.
    pub symmetric: bool,
    /// What becomes of the inputs.
    pub activations: Activations,
}
