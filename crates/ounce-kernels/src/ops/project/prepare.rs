//! The input of a product in every form that one of its weights needs.

use super::{Input, MAX_OUTPUTS};
use crate::isa::{WORD_TOKENS, WordKernels};
use crate::matrix::ActivationScale;
use crate::matrix::{Kind, Matrix, TokenForm, W8A8Matrix};
use crate::pool::{Buffers, SharedMut, at_least};
use crate::quantize::{BLOCK, HALF_BLOCK, QuantizedRowMut, QuantizedRows, TokenRows, TokenRowsMut, padded};
use crate::{Kernels, Team};

/// Which forms of quantized activations a call needs.
pub(super) struct Forms {
    /// With a scale per block, for packed weights.
    blocks: bool,
    /// With one scale, for 8-bit weights; those that ask for the same share a form.
    tokens: [Option<TokenForm>; MAX_OUTPUTS],
}

impl Forms {
    pub(super) fn of<'a>(weights: impl Iterator<Item = &'a Matrix>) -> Self {
        let mut forms = Self { blocks: false, tokens: [None; MAX_OUTPUTS] };
        for weight in weights {
            match &weight.kind {
                Kind::Float(_) => {}
                Kind::Packed(_) => forms.blocks = true,
                Kind::W8A8(matrix) => {
                    let wanted = Some(matrix.form);
                    if let Some(place) =
                        forms.tokens.iter_mut().find(|form| form.is_none() || **form == wanted)
                    {
                        *place = wanted;
                    }
                }
            }
        }
        forms
    }

    /// Each form of tokens, with its index.
    fn token_forms(&self) -> impl Iterator<Item = (usize, TokenForm)> {
        self.tokens.iter().enumerate().filter_map(|(i, form)| Some((i, (*form)?)))
    }
}

/// The input as the kernels read it.
pub(super) struct Prepared<'a> {
    /// `[n, d]`, after the norm.
    pub(super) rows: &'a [f32],
    pub(super) quantized: &'a QuantizedRows,
    /// One per form of tokens.
    pub(super) tokens: &'a [TokenRows; MAX_OUTPUTS],
    pub(super) forms: &'a Forms,
    pub(super) n: usize,
    pub(super) d: usize,
}

impl<'a> Prepared<'a> {
    /// The activations in the form that `matrix` asks for.
    pub(super) fn tokens_for(&self, matrix: &W8A8Matrix) -> &'a TokenRows {
        let form = self.forms.token_forms().find(|(_, form)| *form == matrix.form);
        &self.tokens[form.map_or(0, |(i, _)| i)]
    }
}

/// Prepares a single row in a thread's own scratch.
pub(super) fn prepare_one(kernels: Kernels, input: Input<'_>, forms: &Forms, buffers: &mut Buffers) {
    let d = input.x.len();
    let mut x = input.x;
    if let Some(norm) = &input.norm {
        let out = at_least(&mut buffers.rows, d);
        kernels.norm_row(norm, x, out);
        x = out;
    }
    if forms.blocks {
        buffers.quantized.reset(1, d);
        let QuantizedRowMut { quants, scales, sums, half_sums } = buffers.quantized.parts_mut();
        let out = QuantizedRowMut {
            quants: &mut quants[..d],
            scales: &mut scales[..d / BLOCK],
            sums: &mut sums[..d / BLOCK],
            half_sums: &mut half_sums[..d / HALF_BLOCK],
        };
        kernels.quantize_row(x, out);
    }
    for (index, form) in forms.token_forms() {
        let rows = &mut buffers.tokens[index];
        rows.reset(1, d, false);
        let TokenRowsMut { quants, scales, sums, .. } = rows.parts_mut();
        let x = rotated(kernels, x, form, &mut buffers.work);
        (scales[0], sums[0]) = kernels.quantize_token(x, form.scale, &mut quants[..padded(d)]);
    }
}

/// A row of activations, rotated in `work` if the form asks for it.
fn rotated<'a>(kernels: Kernels, x: &'a [f32], form: TokenForm, work: &'a mut Vec<f32>) -> &'a [f32] {
    let Some(rotation) = form.rotation else { return x };
    let out = at_least(work, x.len());
    out.copy_from_slice(x);
    kernels.hadamard(out, rotation.block());
    out
}

/// Prepares all rows in the common scratch, in parallel.
pub(super) fn prepare_all(
    team: &mut Team<'_>,
    input: Input<'_>,
    d: usize,
    forms: &Forms,
    common: &mut Buffers,
) {
    let n = input.x.len() / d;
    let kernels = team.kernels();
    if input.norm.is_none() && !forms.blocks && forms.tokens[0].is_none() {
        return;
    }
    let rows_len = if input.norm.is_some() { n * d } else { 0 };
    let rows = SharedMut::new(at_least(&mut common.rows, rows_len));
    common.quantized.reset(if forms.blocks { n } else { 0 }, d / BLOCK * BLOCK);
    let blocks = SharedBlocks::new(&mut common.quantized, d);
    for (form, _) in forms.token_forms() {
        common.tokens[form].reset(n, d, kernels.w8a8_words().is_some());
    }
    let tokens = common.tokens.each_mut().map(|rows| SharedTokens::new(kernels, rows, d));
    let groups = n.div_ceil(WORD_TOKENS);
    let chunks = team.chunks_for(groups);
    team.run_with_buffers(chunks, |chunk, buffers| {
        let (first, end) =
            (groups * chunk / chunks * WORD_TOKENS, groups * (chunk + 1) / chunks * WORD_TOKENS);
        for t in first..end.min(n) {
            let mut x = &input.x[t * d..][..d];
            if let Some(norm) = &input.norm {
                // SAFETY: rows do not overlap, and each is prepared once; so below.
                let out = unsafe { rows.slice(t * d, d) };
                kernels.norm_row(norm, x, out);
                x = out;
            }
            if forms.blocks {
                // SAFETY: as above.
                kernels.quantize_row(x, unsafe { blocks.row(t) });
            }
            for (index, form) in forms.token_forms() {
                let x = rotated(kernels, x, form, &mut buffers.work);
                // SAFETY: as above.
                unsafe { tokens[index].quantize(t, x, form.scale) };
            }
        }
        if let Some(words) = kernels.w8a8_words() {
            for (form, _) in forms.token_forms() {
                for t in (first..end).step_by(WORD_TOKENS) {
                    // SAFETY: as above, and the group's rows have been quantized.
                    unsafe { tokens[form].widen(t, words) };
                }
            }
        }
    });
}

/// Rows with a scale per block, of which several threads write different ones.
struct SharedBlocks<'a> {
    d: usize,
    quants: SharedMut<'a, i8>,
    scales: SharedMut<'a, f32>,
    sums: SharedMut<'a, f32>,
    half_sums: SharedMut<'a, f32>,
}

impl<'a> SharedBlocks<'a> {
    fn new(rows: &'a mut QuantizedRows, d: usize) -> Self {
        let QuantizedRowMut { quants, scales, sums, half_sums } = rows.parts_mut();
        Self {
            d,
            quants: SharedMut::new(quants),
            scales: SharedMut::new(scales),
            sums: SharedMut::new(sums),
            half_sums: SharedMut::new(half_sums),
        }
    }

    /// # Safety
    /// No two uses of a row overlap in time.
    unsafe fn row(&self, t: usize) -> QuantizedRowMut<'_> {
        let (d, blocks, halves) = (self.d, self.d / BLOCK, self.d / HALF_BLOCK);
        // SAFETY: rows do not overlap, and the caller promises not to use one twice.
        unsafe {
            QuantizedRowMut {
                quants: self.quants.slice(t * d, d),
                scales: self.scales.slice(t * blocks, blocks),
                sums: self.sums.slice(t * blocks, blocks),
                half_sums: self.half_sums.slice(t * halves, halves),
            }
        }
    }
}

/// Rows with one scale each, of which several threads write different ones.
struct SharedTokens<'a> {
    kernels: Kernels,
    width: usize,
    quants: SharedMut<'a, i8>,
    words: SharedMut<'a, i16>,
    scales: SharedMut<'a, f32>,
    sums: SharedMut<'a, i32>,
}

impl<'a> SharedTokens<'a> {
    fn new(kernels: Kernels, rows: &'a mut TokenRows, d: usize) -> Self {
        let TokenRowsMut { quants, words, scales, sums } = rows.parts_mut();
        Self {
            kernels,
            width: padded(d),
            quants: SharedMut::new(quants),
            words: SharedMut::new(words),
            scales: SharedMut::new(scales),
            sums: SharedMut::new(sums),
        }
    }

    /// Quantizes row `t`.
    ///
    /// # Safety
    /// No two uses of a row overlap in time.
    unsafe fn quantize(&self, t: usize, x: &[f32], scale: ActivationScale) {
        // SAFETY: rows do not overlap, and the caller promises not to use one twice.
        let (quants, scales, sums) = unsafe {
            (self.quants.slice(t * self.width, self.width), self.scales.slice(t, 1), self.sums.slice(t, 1))
        };
        (scales[0], sums[0]) = self.kernels.quantize_token(x, scale, quants);
    }

    /// Widens the group of rows from row `t` on.
    ///
    /// # Safety
    /// No two uses of a row overlap in time.
    unsafe fn widen(&self, t: usize, kernels: WordKernels) {
        let len = WORD_TOKENS * self.width;
        // SAFETY: as above.
        let (quants, words, sums) = unsafe {
            (
                self.quants.slice(t * self.width, len),
                self.words.slice(t * self.width, len),
                self.sums.slice(t, WORD_TOKENS),
            )
        };
        sums.copy_from_slice(&kernels.widen_tokens(quants, words));
    }
}
