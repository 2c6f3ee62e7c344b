//! Search for scales that leave a small weighted squared error, as ggml does it for the K types and with an importance matrix.
//!
//! Reference: `make_qx_quants`, `make_qkx3_quants` and `make_qp_quants` of `ggml-quants.c`, with the order of floating-point operations kept, so
//! that results are bit-equal to a build of it without contraction into fused multiply-adds.

/// Magnitudes below count as zero.
const EPSILON: f32 = 1e-15;

/// Nearest integer, halves to even, by the mantissa of a large float. Meaningless, but defined, beyond 2^22.
pub(super) fn nearest(x: f32) -> i32 {
    ((x + 12_582_912.0).to_bits() & 0x007f_ffff) as i32 - 0x0040_0000
}

/// `x ~ scale * (q - zero)` with quants in `0..2 * zero`, errors weighted with `weights`, or with the squares of `x` if there are none. Tries
/// scales that put the value of the largest magnitude near the lowest quant.
pub(super) fn symmetric<const N: usize>(
    x: &[f32; N],
    zero: i32,
    weights: Option<&[f32; N]>,
    quants: &mut [u8; N],
) -> f32 {
    let largest = x.iter().fold(0f32, |best, &x| if x.abs() > best.abs() { x } else { best });
    quants.fill(0);
    // Not a number counts as zero too.
    if largest.is_nan() || largest.abs() < EPSILON {
        return 0.0;
    }
    let level = |inverse: f32, x: f32| nearest(inverse * x).clamp(-zero, zero - 1);
    let sums = |inverse: f32| {
        let (mut xl, mut ll) = (0f32, 0f32);
        for (i, &x) in x.iter().enumerate() {
            let l = level(inverse, x) as f32;
            let w = weights.map_or(x * x, |weights| weights[i]);
            xl += w * x * l;
            ll += w * l * l;
        }
        (xl, ll)
    };
    let mut inverse = -(zero as f32) / largest;
    let (xl, ll) = sums(inverse);
    let mut scale = if ll == 0.0 { 0.0 } else { xl / ll };
    let mut best = scale * xl;
    for step in (-9..=9).filter(|&step| step != 0) {
        let tried = -(zero as f32 + 0.1 * step as f32) / largest;
        let (xl, ll) = sums(tried);
        if ll > 0.0 && xl * xl > best * ll {
            inverse = tried;
            scale = xl / ll;
            best = scale * xl;
        }
    }
    for (q, &x) in quants.iter_mut().zip(x) {
        *q = (level(inverse, x) + zero) as u8;
    }
    scale
}

/// Which scales [`affine`] tries: `(first + step * i + top) / (max - min)` is the inverse of the `i`th, for `i` in `0..=count`, where `min` is
/// that of the best trial so far.
#[derive(Clone, Copy)]
pub(super) struct Trials {
    pub(super) first: f32,
    pub(super) step: f32,
    pub(super) count: u8,
}

/// `x ~ scale * q - min` with quants in `0..=top` and `min >= 0`: returns `(scale, min)`. Each trial rounds with a scale and then solves for the
/// best scale and minimum of those quants.
pub(super) fn affine(
    x: &[f32; 32],
    top: i32,
    weights: &[f32; 32],
    trials: Trials,
    quants: &mut [u8; 32],
) -> (f32, f32) {
    let (mut low, mut max) = (x[0], x[0]);
    let mut sum_w = weights[0];
    let mut sum_x = sum_w * x[0];
    for (&x, &w) in x.iter().zip(weights).skip(1) {
        low = if x < low { x } else { low };
        max = if x > max { x } else { max };
        sum_w += w;
        sum_x += w * x;
    }
    let low = if low > 0.0 { 0.0 } else { low };
    quants.fill(0);
    if max <= low {
        return (0.0, -low);
    }
    let mut tried = [0u8; 32];
    let round = |inverse: f32, min: f32, quants: &mut [u8; 32]| {
        for (q, &x) in quants.iter_mut().zip(x) {
            *q = nearest(inverse * (x - min)).clamp(0, top) as u8;
        }
    };
    let error = |scale: f32, min: f32, quants: &[u8; 32]| {
        let terms = quants.iter().zip(x).zip(weights);
        terms.fold(0f32, |sum, ((&q, &x), &w)| {
            let difference = scale * f32::from(q) + min - x;
            sum + w * (difference * difference)
        })
    };
    let inverse = top as f32 / (max - low);
    let (mut scale, mut min) = (1.0 / inverse, low);
    round(inverse, min, quants);
    let mut best = error(scale, min, quants);
    for i in 0..=trials.count {
        let inverse = (trials.first + trials.step * f32::from(i) + top as f32) / (max - min);
        round(inverse, min, &mut tried);
        let (mut sum_l, mut sum_ll, mut sum_xl) = (0f32, 0f32, 0f32);
        for ((&q, &x), &w) in tried.iter().zip(x).zip(weights) {
            let l = f32::from(q);
            sum_l += w * l;
            sum_ll += w * l * l;
            sum_xl += w * l * x;
        }
        let determinant = sum_w * sum_ll - sum_l * sum_l;
        if determinant > 0.0 {
            let mut this_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
            let mut this_min = (sum_ll * sum_x - sum_l * sum_xl) / determinant;
            if this_min > 0.0 {
                this_min = 0.0;
                this_scale = sum_xl / sum_ll;
            }
            let this_error = error(this_scale, this_min, &tried);
            if this_error < best {
                *quants = tried;
                (best, scale, min) = (this_error, this_scale, this_min);
            }
        }
    }
    (scale, -min)
}

/// `x ~ scale * q` for values that are not negative, quants in `0..=top`. After a search like that of the others, single quants are moved as
/// long as that helps.
pub(super) fn positive<const N: usize>(
    x: &[f32; N],
    top: i32,
    weights: &[f32; N],
    quants: &mut [u8; N],
) -> f32 {
    let max = x.iter().fold(0f32, |max, &x| if max > x { max } else { x });
    quants.fill(0);
    if max.is_nan() || max < EPSILON {
        return 0.0;
    }
    let error = |inverse: f32, most: i32| {
        let scale = 1.0 / inverse;
        x.iter().zip(weights).fold(0f32, |sum, (&x, &w)| {
            let difference = x - scale * nearest(inverse * x).min(most) as f32;
            sum + w * difference * difference
        })
    };
    let mut inverse = top as f32 / max;
    let mut best = error(inverse, i32::MAX);
    for step in (-4..=4).filter(|&step| step != 0) {
        let tried = (0.1 * step as f32 + top as f32) / max;
        let this_error = error(tried, top);
        if this_error < best {
            (best, inverse) = (this_error, tried);
        }
    }
    let (mut sum_xl, mut sum_ll) = (0f32, 0f32);
    for ((q, &x), &w) in quants.iter_mut().zip(x).zip(weights) {
        *q = nearest(inverse * x).min(top) as u8;
        let l = f32::from(*q);
        sum_xl += w * x * l;
        sum_ll += w * l * l;
    }
    for _ in 0..5 {
        let mut changed = false;
        for ((q, &x), &w) in quants.iter_mut().zip(x).zip(weights) {
            let l = f32::from(*q);
            let mut xl = sum_xl - w * x * l;
            let mut ll = sum_ll - w * l * l;
            if xl > 0.0 && ll > 0.0 {
                let new = nearest(x * ll / xl).min(top);
                if new != i32::from(*q) {
                    xl += w * x * new as f32;
                    ll += w * new as f32 * new as f32;
                    if xl * xl * sum_ll > sum_xl * sum_xl * ll {
                        *q = new as u8;
                        (sum_xl, sum_ll) = (xl, ll);
                        changed = true;
                    }
                }
            }
        }
        if !changed {
            break;
        }
    }
    if sum_ll > 0.0 { sum_xl / sum_ll } else { 0.0 }
}
