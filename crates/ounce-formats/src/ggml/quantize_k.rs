//! From f32 into the K types with blocks of 256.
//!
//! Reference: `quantize_row_q4_K_ref`, `quantize_row_q4_K_impl` and `quantize_row_q6_K_impl` of `ggml-quants.c`; bit-equal to a build without fused
//! multiply-adds.

use half::f16;

use super::search::{self, Trials, nearest};

/// Appends a block of Q4_K. `importance` has one value per weight.
pub(super) fn q4_k(x: &[f32; 256], importance: Option<&[f32; 256]>, out: &mut Vec<u8>) {
    let groups = x.as_chunks::<32>().0;
    let sum_of_squares = |x: &[f32]| x.iter().fold(0f32, |sum, x| sum + x * x);
    let (mut scales, mut mins, mut sums) = ([0f32; 8], [0f32; 8], [0f32; 8]);
    let mut quants = [[0u8; 32]; 8];
    for (j, group) in groups.iter().enumerate() {
        let (weights, trials) = match importance {
            None => {
                let mean = (sum_of_squares(group) / 32.0).sqrt();
                (group.map(|x| mean + x.abs()), Trials { first: -1.0, step: 0.1, count: 20 })
            }
            Some(importance) => {
                let variance = 2.0 * sum_of_squares(x) / 256.0;
                let weights =
                    std::array::from_fn(|i| importance[32 * j + i] * (variance + group[i] * group[i]).sqrt());
                (weights, Trials { first: -0.9, step: 0.05, count: 36 })
            }
        };
        sums[j] = weights.iter().fold(0f32, |sum, w| sum + w);
        (scales[j], mins[j]) = search::affine(group, 15, &weights, trials, &mut quants[j]);
    }

    let (mut scale_quants, mut min_quants) = ([0u8; 8], [0u8; 8]);
    let (d, dmin) = if importance.is_some() {
        let d = search::positive(&scales, 63, &sums, &mut scale_quants);
        (d, search::positive(&mins, 63, &sums, &mut min_quants))
    } else {
        (six_bits(&scales, &mut scale_quants), six_bits(&mins, &mut min_quants))
    };
    let (d, dmin) = (f16::from_f32(d), f16::from_f32(dmin));
    for (j, (group, quants)) in groups.iter().zip(&mut quants).enumerate() {
        let scale = d.to_f32() * f32::from(scale_quants[j]);
        if scale == 0.0 {
            continue;
        }
        let min = dmin.to_f32() * f32::from(min_quants[j]);
        for (q, &x) in quants.iter_mut().zip(group) {
            *q = nearest((x + min) / scale).clamp(0, 15) as u8;
        }
    }

    out.extend(d.to_le_bytes());
    out.extend(dmin.to_le_bytes());
    let high = |q: u8| (q >> 4) << 6;
    out.extend((0..4).map(|j| scale_quants[j] | high(scale_quants[j + 4])));
    out.extend((0..4).map(|j| min_quants[j] | high(min_quants[j + 4])));
    out.extend((4..8).map(|j| scale_quants[j] & 15 | (min_quants[j] & 15) << 4));
    for [low, high] in quants.as_chunks::<2>().0 {
        out.extend(low.iter().zip(high).map(|(low, high)| low | high << 4));
    }
}

/// Quants in 0..=63 by the largest value; returns the scale.
fn six_bits(x: &[f32; 8], quants: &mut [u8; 8]) -> f32 {
    let max = x.iter().fold(0f32, |max, &x| if x > max { x } else { max });
    let inverse = if max > 0.0 { 63.0 / max } else { 0.0 };
    for (q, &x) in quants.iter_mut().zip(x) {
        *q = (nearest(inverse * x) as u8).min(63);
    }
    max / 63.0
}

/// Appends a block of Q6_K. `importance` has one value per weight.
pub(super) fn q6_k(x: &[f32; 256], importance: Option<&[f32; 256]>, out: &mut Vec<u8>) {
    let groups = x.as_chunks::<16>().0;
    let mut scales = [0f32; 16];
    let mut quants = [[0u8; 16]; 16];
    for (j, group) in groups.iter().enumerate() {
        let weights = importance.map(|importance| &importance.as_chunks::<16>().0[j]);
        scales[j] = search::symmetric(group, 32, weights, &mut quants[j]);
    }
    let largest = scales.iter().fold(0f32, |best, &s| if s.abs() > best.abs() { s } else { best });
    if largest.is_nan() || largest.abs() < 1e-15 {
        out.extend([0; 210]);
        return;
    }
    let inverse = -128.0 / largest;
    let d = f16::from_f32(1.0 / inverse);
    let scale_quants = scales.map(|scale| nearest(inverse * scale).min(127) as i8);
    for ((group, quants), &scale) in groups.iter().zip(&mut quants).zip(&scale_quants) {
        let scale = d.to_f32() * f32::from(scale);
        if scale == 0.0 {
            continue;
        }
        for (q, &x) in quants.iter_mut().zip(group) {
            *q = (nearest(x / scale).clamp(-32, 31) + 32) as u8;
        }
    }

    let quants = quants.as_flattened();
    let halves = quants.as_chunks::<128>().0;
    for half in halves {
        out.extend((0..64).map(|i| half[i] & 15 | half[i + 64] << 4));
    }
    for half in halves {
        let bits = |i: usize, run: usize| (half[i + 32 * run] >> 4) << (2 * run);
        out.extend((0..32).map(|i| bits(i, 0) | bits(i, 1) | bits(i, 2) | bits(i, 3)));
    }
    out.extend(scale_quants.map(|q| q as u8));
    out.extend(d.to_le_bytes());
}
