//! Attention of one query over a run of cached keys and values.

use super::rows::dot;
use super::{Element, F16, F32, Float, Simd, norm};

/// One query of one head.
pub(crate) struct Query<'a> {
    /// `[head_dim]`
    pub(crate) q: &'a [f32],
    /// `[positions, head_dim]` elements of type `element`
    pub(crate) keys: &'a [u8],
    /// `[positions, head_dim]`
    pub(crate) values: &'a [u8],
    pub(crate) element: Element,
    pub(crate) scale: f32,
    pub(crate) softcap: Option<f32>,
    /// `[positions]`, scratch
    pub(crate) scores: &'a mut [f32],
    /// `[head_dim]`
    pub(crate) out: &'a mut [f32],
}

/// `cap * tanh(x / cap)`, as Gemma 2 bounds its scores.
#[inline(always)]
pub(crate) fn soft_cap(x: &mut [f32], cap: f32) {
    for x in x {
        *x = cap * (*x / cap).tanh();
    }
}

#[inline(always)]
fn attend_as<S: Simd, E: Float>(s: S, query: Query<'_>) {
    let d = query.q.len();
    let positions = query.scores.len();
    let (keys, values) = (query.keys.as_ptr().cast::<E::Raw>(), query.values.as_ptr().cast::<E::Raw>());
    let scores = query.scores;
    let mut p = 0;
    // SAFETY: `attend` checked that keys and values have `positions` rows of `d` elements.
    unsafe {
        while p + 4 <= positions {
            scores[p..p + 4].copy_from_slice(&dot::<S, E, 4>(s, keys.add(p * d), d, query.q));
            p += 4;
        }
        while p < positions {
            scores[p] = dot::<S, E, 1>(s, keys.add(p * d), d, query.q)[0];
            p += 1;
        }
    }
    norm::scale(s, scores, query.scale);
    if let Some(cap) = query.softcap {
        soft_cap(scores, cap);
    }
    norm::softmax(s, scores);
    // Columns are summed four vectors at a time, so that the sums stay in registers.
    let mut c = 0;
    // SAFETY: columns c..c + 4 * LANES (or + LANES, or c alone) lie inside each of `positions` rows of `d`, and inside `out`.
    unsafe {
        while c + 4 * S::LANES <= d {
            let mut sums = [s.splat(0.0); 4];
            for (p, &score) in scores.iter().enumerate() {
                let (row, score) = (values.add(p * d + c), s.splat(score));
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = s.mul_add(E::load(s, row.add(v * S::LANES)), score, *sum);
                }
            }
            for (v, &sum) in sums.iter().enumerate() {
                s.store(query.out.as_mut_ptr().add(c + v * S::LANES), sum);
            }
            c += 4 * S::LANES;
        }
        while c + S::LANES <= d {
            let mut sum = s.splat(0.0);
            for (p, &score) in scores.iter().enumerate() {
                sum = s.mul_add(E::load(s, values.add(p * d + c)), s.splat(score), sum);
            }
            s.store(query.out.as_mut_ptr().add(c), sum);
            c += S::LANES;
        }
        for c in c..d {
            query.out[c] =
                scores.iter().enumerate().map(|(p, &w)| w * E::widen(*values.add(p * d + c))).sum();
        }
    }
}

/// Writes softmax(scale q K^T) V to `out`.
#[inline(always)]
pub(crate) fn attend<S: Simd>(s: S, query: Query<'_>) {
    let bytes = query.scores.len() * query.q.len() * query.element.size();
    assert!(query.keys.len() == bytes && query.values.len() == bytes && query.out.len() == query.q.len());
    match query.element {
        Element::F32 => attend_as::<S, F32>(s, query),
        Element::F16 | Element::Bf16 => attend_as::<S, F16>(s, query),
    }
}
