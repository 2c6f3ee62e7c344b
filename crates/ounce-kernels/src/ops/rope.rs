//! Rotary position embedding (Su et al. 2021).

use crate::Team;

/// Which elements of a head form the pairs that are rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RopeStyle {
    /// `(2i, 2i + 1)`, as in the paper and in GGUF files of the Llama family.
    Interleaved,
    /// `(i, i + rotary_dim / 2)`, as in GPT-NeoX and Hugging Face checkpoints.
    HalfSplit,
}

/// Rotates the first `rotary_dim` elements of every head of `x` (`[n, heads * head_dim]`) by the angles of its token, given as
/// `cos` and `sin` (`[n, rotary_dim / 2]`).
pub fn rope(
    team: &mut Team<'_>,
    x: &mut [f32],
    head_dim: usize,
    rotary_dim: usize,
    cos: &[f32],
    sin: &[f32],
    style: RopeStyle,
) {
    let half = rotary_dim / 2;
    if half == 0 || cos.is_empty() {
        return;
    }
    let n = cos.len() / half;
    assert!(cos.len() == n * half && sin.len() == cos.len() && rotary_dim <= head_dim);
    assert!(x.len().is_multiple_of(n * head_dim));
    let kernels = team.kernels();
    let row = x.len() / n;
    let rotate = |token: usize, x: &mut [f32]| {
        let angles = token * half..(token + 1) * half;
        for head in x.chunks_exact_mut(head_dim) {
            let interleaved = style == RopeStyle::Interleaved;
            kernels.rotate(&mut head[..rotary_dim], &cos[angles.clone()], &sin[angles.clone()], interleaved);
        }
    };
    if n < 8 {
        x.chunks_exact_mut(row).enumerate().for_each(|(token, x)| rotate(token, x));
    } else {
        team.for_each_chunk_mut(x, row, rotate);
    }
}
