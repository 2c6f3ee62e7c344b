//! Attention of the queries that share a key head, over a run of cached keys and values.

use super::{Bf16, Element, F16, F32, Float, I8, Simd, norm};

/// The most queries of one call.
pub(crate) const QUERIES: usize = 4;

/// Some heads' queries of one token, at most [`QUERIES`].
pub(crate) struct Query<'a> {
    /// `[queries, head_dim]`
    pub(crate) q: &'a [f32],
    /// `[positions, head_dim]` elements of type `element`
    pub(crate) keys: &'a [u8],
    /// `[positions, head_dim]`
    pub(crate) values: &'a [u8],
    pub(crate) element: Element,
    /// `[positions]`: what every key and value is multiplied with; empty for floats
    pub(crate) key_scales: &'a [f32],
    pub(crate) value_scales: &'a [f32],
    pub(crate) scale: f32,
    pub(crate) softcap: Option<f32>,
    /// `[queries]`: what is taken from a score for each position between key and query; may be empty
    pub(crate) slopes: &'a [f32],
    /// Positions between the first key and the queries
    pub(crate) behind: usize,
    /// `[queries, positions]`, scratch
    pub(crate) scores: &'a mut [f32],
    /// Per query, the largest score, the sum of `exp(score - largest)`, and `[head_dim]` sums of the values weighted by it.
    pub(crate) out: &'a mut [f32],
}

/// `cap * tanh(x / cap)`, as Gemma 2 bounds its scores.
#[inline(always)]
pub(crate) fn soft_cap(x: &mut [f32], cap: f32) {
    for x in x {
        *x = cap * (*x / cap).tanh();
    }
}

/// `x[p] -= slope * (behind - p)`: the bias by distance of ALiBi (Press et al. 2022).
#[inline(always)]
pub(crate) fn penalize(x: &mut [f32], slope: f32, behind: usize) {
    for (p, x) in x.iter_mut().enumerate() {
        *x -= slope * (behind as i32 - p as i32) as f32;
    }
}

/// Multiplies every row of `x` with `scales`, if there are any.
#[inline(always)]
fn rescale(x: &mut [f32], scales: &[f32]) {
    if !scales.is_empty() {
        for x in x.chunks_exact_mut(scales.len()) {
            x.iter_mut().zip(scales).for_each(|(x, scale)| *x *= scale);
        }
    }
}

/// Keys of one step.
const KEYS: usize = 2;

/// `scores[g][p] = q[g] . keys[p]` for `R` keys from position `p`.
///
/// # Safety
/// `R` rows of `d` elements are readable from `keys`; `G` rows of `d` floats from `q`.
#[inline(always)]
unsafe fn score<S: Simd, E: Float, const G: usize, const R: usize>(
    s: S,
    q: *const f32,
    keys: *const E::Raw,
    d: usize,
) -> [[f32; R]; G] {
    let mut sums = [[s.splat(0.0); R]; G];
    let mut i = 0;
    // SAFETY: i + LANES <= d in the loop, i < d after it.
    unsafe {
        while i + S::LANES <= d {
            for r in 0..R {
                let key = keys.add(r * d + i);
                s.prefetch(key.wrapping_add(8 * d).cast());
                let key = E::load(s, key);
                for (g, sums) in sums.iter_mut().enumerate() {
                    sums[r] = s.mul_add(key, s.load(q.add(g * d + i)), sums[r]);
                }
            }
            i += S::LANES;
        }
        let mut out = [[0.0; R]; G];
        for g in 0..G {
            for r in 0..R {
                out[g][r] = s.sum(sums[g][r]);
                for i in i..d {
                    out[g][r] += *q.add(g * d + i) * E::widen(*keys.add(r * d + i));
                }
            }
        }
        out
    }
}

/// `out[g] = sum_p weights[g][p] * values[p]` for `V` vectors of columns from `column`.
///
/// # Safety
/// The columns lie inside each of `positions` rows of `d` elements, and inside the rows of `out`, `out_stride` apart.
#[inline(always)]
unsafe fn mix<S: Simd, E: Float, const G: usize, const V: usize>(
    s: S,
    weights: &[f32],
    values: *const E::Raw,
    d: usize,
    out: *mut f32,
    out_stride: usize,
) {
    let positions = weights.len() / G;
    let mut sums = [[s.splat(0.0); V]; G];
    // SAFETY: as the caller promises.
    unsafe {
        for p in 0..positions {
            let row = values.add(p * d);
            s.prefetch(row.wrapping_add(8 * d).cast());
            for v in 0..V {
                let value = E::load(s, row.add(v * S::LANES));
                for (g, sums) in sums.iter_mut().enumerate() {
                    let weight = s.splat(*weights.get_unchecked(g * positions + p));
                    sums[v] = s.mul_add(value, weight, sums[v]);
                }
            }
        }
        for (g, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                s.store(out.add(g * out_stride + v * S::LANES), sum);
            }
        }
    }
}

#[inline(always)]
fn attend_group<S: Simd, E: Float, const G: usize>(s: S, query: Query<'_>, d: usize) {
    let Query { q, scores, out, .. } = query;
    let positions = scores.len() / G;
    let (keys, values) = (query.keys.as_ptr().cast::<E::Raw>(), query.values.as_ptr().cast::<E::Raw>());
    let mut p = 0;
    // SAFETY: `attend` checked that keys and values have `positions` rows of `d` elements, and `q` has `G` rows.
    unsafe {
        while p + KEYS <= positions {
            for (g, pair) in score::<S, E, G, KEYS>(s, q.as_ptr(), keys.add(p * d), d).iter().enumerate() {
                scores[g * positions + p..][..KEYS].copy_from_slice(pair);
            }
            p += KEYS;
        }
        if p < positions {
            for (g, [one]) in score::<S, E, G, 1>(s, q.as_ptr(), keys.add(p * d), d).iter().enumerate() {
                scores[g * positions + p] = *one;
            }
        }
    }
    rescale(scores, query.key_scales);
    norm::scale(s, scores, query.scale);
    if let Some(cap) = query.softcap {
        soft_cap(scores, cap);
    }
    for (scores, &slope) in scores.chunks_exact_mut(positions).zip(query.slopes) {
        penalize(scores, slope, query.behind);
    }
    let out_stride = d + 2;
    for (scores, out) in scores.chunks_exact_mut(positions).zip(out.chunks_exact_mut(out_stride)) {
        out[0] = norm::maximum(s, scores);
        out[1] = norm::exp_sum(s, scores, out[0]);
    }
    rescale(scores, query.value_scales);
    let mut c = 0;
    // SAFETY: columns c..c + 2 * LANES (or + LANES, or c alone) lie inside each of `positions` rows of `d`, and inside `out`.
    unsafe {
        while c + 2 * S::LANES <= d {
            mix::<S, E, G, 2>(s, scores, values.add(c), d, out.as_mut_ptr().add(2 + c), out_stride);
            c += 2 * S::LANES;
        }
        while c + S::LANES <= d {
            mix::<S, E, G, 1>(s, scores, values.add(c), d, out.as_mut_ptr().add(2 + c), out_stride);
            c += S::LANES;
        }
        for c in c..d {
            for g in 0..G {
                let weights = scores[g * positions..][..positions].iter();
                out[g * out_stride + 2 + c] =
                    weights.enumerate().map(|(p, w)| w * E::widen(*values.add(p * d + c))).sum();
            }
        }
    }
}

#[inline(always)]
fn attend_as<S: Simd, E: Float>(s: S, query: Query<'_>, queries: usize, d: usize) {
    match queries {
        1 => attend_group::<S, E, 1>(s, query, d),
        2 => attend_group::<S, E, 2>(s, query, d),
        3 => attend_group::<S, E, 3>(s, query, d),
        _ => attend_group::<S, E, QUERIES>(s, query, d),
    }
}

/// Writes the largest score, the sum of exponentials and the weighted sum of values of every query to `out`.
#[inline(always)]
pub(crate) fn attend<S: Simd>(s: S, query: Query<'_>) {
    let size = query.element.size();
    // q is [queries, d], out [queries, d + 2], so their lengths tell both.
    let queries = (query.out.len() - query.q.len()) / 2;
    assert!((1..=QUERIES).contains(&queries));
    let d = query.q.len() / queries;
    let bytes = query.scores.len() / queries * d * size;
    assert!(query.q.len() == queries * d && query.out.len() == queries * (d + 2));
    assert!(!query.scores.is_empty() && query.scores.len().is_multiple_of(queries));
    assert!(query.keys.len() == bytes && query.values.len() == bytes);
    let scales = if query.element == Element::I8 { query.scores.len() / queries } else { 0 };
    assert!(query.key_scales.len() == scales && query.value_scales.len() == scales);
    assert!(query.slopes.is_empty() || query.slopes.len() == queries);
    match query.element {
        Element::F32 => attend_as::<S, F32>(s, query, queries, d),
        Element::F16 => attend_as::<S, F16>(s, query, queries, d),
        Element::Bf16 => attend_as::<S, Bf16>(s, query, queries, d),
        Element::I8 => attend_as::<S, I8>(s, query, queries, d),
    }
}
