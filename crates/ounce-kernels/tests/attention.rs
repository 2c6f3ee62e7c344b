//! Attention, rotary embedding, norms and activations against textbook formulas in double precision.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{self, Attention, KvLayer, KvType, Norm, RopeStyle, Run};
use ounce_kernels::{Kernels, ThreadPool};
use support::{Random, assert_close};

struct Case {
    heads: usize,
    kv_heads: usize,
    d: usize,
    start: usize,
    n: usize,
    window: Option<usize>,
    softcap: Option<f32>,
    alibi: bool,
}

/// Slopes of ALiBi; any numbers will do.
fn slopes(heads: usize) -> Vec<f32> {
    (0..heads).map(|head| 0.3 / (head + 1) as f32).collect()
}

/// Rows that single and half precision and bytes with a scale hold exactly: multiples of 1/128, the first at the end of the range.
fn exact_rows(random: &mut Random, rows: usize, d: usize) -> Vec<f32> {
    let mut x: Vec<f32> = random.floats(rows * d).iter().map(|x| (x * 126.0).round() / 128.0).collect();
    x.chunks_mut(d).for_each(|row| row[0] = if row[0] < 0.0 { -127.0 } else { 127.0 } / 128.0);
    x
}

/// Attention as the formula says, from all keys and values `[start + n, kv_heads * d]`.
fn reference(c: &Case, q: &[f32], k: &[f32], v: &[f32], scale: f32) -> Vec<f32> {
    let mut out = vec![0.0; c.n * c.heads * c.d];
    let at = |p: usize, h: usize| (p * c.kv_heads + h * c.kv_heads / c.heads) * c.d;
    for t in 0..c.n {
        let position = c.start + t;
        let first = c.window.map_or(0, |w| (position + 1).saturating_sub(w));
        for h in 0..c.heads {
            let q = &q[(t * c.heads + h) * c.d..][..c.d];
            let scores: Vec<f64> = (first..=position)
                .map(|p| {
                    let dot: f64 =
                        q.iter().zip(&k[at(p, h)..]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    let score = dot * f64::from(scale);
                    let score =
                        c.softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh());
                    if c.alibi {
                        score - f64::from(slopes(c.heads)[h]) * (position - p) as f64
                    } else {
                        score
                    }
                })
                .collect();
            let largest = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            let total: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
            for i in 0..c.d {
                let sum: f64 = scores
                    .iter()
                    .zip(first..)
                    .map(|(s, p)| (s - largest).exp() / total * f64::from(v[at(p, h) + i]))
                    .sum();
                out[(t * c.heads + h) * c.d + i] = sum as f32;
            }
        }
    }
    out
}

#[test]
fn attention_equals_the_formula() {
    let mut cases = Vec::new();
    for (heads, kv_heads, d) in
        [(9, 3, 64), (4, 1, 256), (2, 2, 24), (3, 3, 8), (8, 1, 20), (7, 1, 16), (10, 2, 40)]
    {
        for (start, n) in [(0, 1), (5, 1), (300, 1), (700, 2), (0, 5), (3, 6), (0, 40), (61, 70), (0, 150)] {
            for window in [None, Some(1), Some(17), Some(100)] {
                let softcap = if n == 6 { Some(2.0) } else { None };
                let alibi = window == Some(100) || n == 5;
                cases.push(Case { heads, kv_heads, d, start, n, window, softcap, alibi });
            }
        }
    }
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for c in &cases {
            let mut random = Random((c.heads * c.n) as u64);
            let total = c.start + c.n;
            let q: Vec<f32> = random.floats(c.n * c.heads * c.d).iter().map(|x| 3.0 * x).collect();
            let k = exact_rows(&mut random, total * c.kv_heads, c.d);
            let v = exact_rows(&mut random, total * c.kv_heads, c.d);
            let slopes = slopes(c.heads);
            let scale = 1.0 / (c.d as f32).sqrt();
            let expected = reference(c, &q, &k, &v, scale);
            for ty in [KvType::F32, KvType::F16, KvType::Q8] {
                let mut cache = KvLayer::new(c.kv_heads, c.d, total + 3, ty).unwrap();
                let mut out = vec![f32::NAN; expected.len()];
                pool.region(|team| {
                    let split = c.start * c.kv_heads * c.d;
                    cache.store(team, 0, &k[..split], &v[..split]);
                    cache.store(team, c.start, &k[split..], &v[split..]);
                    let run = |start, tokens| Run { cache: &cache, start, tokens };
                    let each: Vec<_> = (c.start..total).map(|position| run(position, 1)).collect();
                    let whole = [run(c.start, c.n)];
                    let (singles, runs): (&[Run<'_>], &[Run<'_>]) =
                        if c.n < 6 { (&each, &[]) } else { (&[], &whole) };
                    let attention = Attention {
                        q: &q,
                        singles,
                        runs,
                        heads: c.heads,
                        scale,
                        window: c.window,
                        softcap: c.softcap,
                        slopes: c.alibi.then_some(&slopes),
                    };
                    ops::attention(team, &attention, &mut out);
                });
                let what = format!(
                    "{kernels:?} {ty:?} heads {}/{} d {} start {} n {} window {:?}",
                    c.heads, c.kv_heads, c.d, c.start, c.n, c.window
                );
                assert_close(&out, &expected, 5e-6, &what);
            }
        }
    }
}

/// Rows of a call with several texts have, bit for bit, what each gets in calls of their own, wherever runs are cut.
#[test]
fn texts_do_not_see_one_another() {
    let (heads, kv_heads, d) = (6, 2, 20);
    let row = heads * d;
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(3, kernels);
        for (window, ty) in [(None, KvType::F16), (Some(70), KvType::F32), (Some(300), KvType::Q8)] {
            let mut random = Random(11);
            let filled = [3, 600, 257, 90];
            let caches = filled.map(|n| {
                let (k, v) = (random.floats(n * kv_heads * d), random.floats(n * kv_heads * d));
                let mut cache = KvLayer::new(kv_heads, d, n, ty).unwrap();
                pool.region(|team| cache.store(team, 0, &k, &v));
                cache
            });
            let run = |text: usize, start, tokens| Run { cache: &caches[text], start, tokens };
            let mut attend = |q: &[f32], singles: &[Run<'_>], runs: &[Run<'_>]| {
                let mut out = vec![f32::NAN; q.len()];
                let (scale, softcap, slopes) = (0.2, Some(30.0), None);
                let a = Attention { q, singles, runs, heads, scale, window, softcap, slopes };
                pool.region(|team| ops::attention(team, &a, &mut out));
                out
            };
            let singles = [run(0, 2, 1), run(1, 599, 1), run(2, 256, 1), run(1, 3, 1)];
            let runs = [run(2, 200, 57), run(3, 0, 90), run(0, 1, 1)];
            let rows = singles.len() + runs.iter().map(|run| run.tokens).sum::<usize>();
            let q = random.floats(rows * row);
            let together = attend(&q, &singles, &runs);
            let mut apart = Vec::new();
            for single in singles {
                apart.extend(attend(&q[apart.len()..][..row], &[single], &[]));
            }
            for Run { cache, start, tokens } in runs {
                for first in (0..tokens).step_by(13) {
                    let run = Run { cache, start: start + first, tokens: 13.min(tokens - first) };
                    apart.extend(attend(&q[apart.len()..][..run.tokens * row], &[], &[run]));
                }
            }
            assert_eq!(together, apart, "{kernels:?} {window:?} {ty:?}");
        }
    }
}

#[test]
fn rope_rotates_pairs_by_their_angle() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for (n, heads, d, rotary) in [(1, 2, 64, 64), (3, 1, 24, 24), (17, 3, 20, 12)] {
            let x = Random(4).floats(n * heads * d);
            let angles: Vec<f32> = (0..n * rotary / 2).map(|i| i as f32 * 0.37).collect();
            let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
            for style in [RopeStyle::Interleaved, RopeStyle::HalfSplit] {
                let mut y = x.clone();
                pool.region(|team| ops::rope(team, &mut y, d, rotary, &cos, &sin, style));
                let mut expected = x.clone();
                for (i, head) in expected.chunks_mut(d).enumerate() {
                    for p in 0..rotary / 2 {
                        let (a, b) = match style {
                            RopeStyle::Interleaved => (2 * p, 2 * p + 1),
                            RopeStyle::HalfSplit => (p, p + rotary / 2),
                        };
                        let angle = angles[i / heads * (rotary / 2) + p];
                        let (u, v) = (head[a], head[b]);
                        head[a] = u * angle.cos() - v * angle.sin();
                        head[b] = u * angle.sin() + v * angle.cos();
                    }
                }
                assert_close(&y, &expected, 1e-6, "rope");
            }
        }
    }
}

#[test]
fn norms_equal_the_formulas() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for (n, d) in [(1, 1), (2, 7), (5, 64), (40, 576)] {
            let mut random = Random(2);
            let (x, weight, bias) = (random.floats(n * d), random.floats(d), random.floats(d));
            for (kind, layer) in [
                (Norm::Rms { weight: &weight, eps: 1e-6 }, false),
                (Norm::Layer { weight: &weight, bias: Some(&bias), eps: 1e-6 }, true),
            ] {
                let expected: Vec<f32> = x
                    .chunks(d)
                    .flat_map(|row| {
                        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                        let mean = if layer { row.iter().sum::<f64>() / d as f64 } else { 0.0 };
                        let square = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / d as f64;
                        let factor = 1.0 / (square + 1e-6).sqrt();
                        let offset = |i: usize| if layer { f64::from(bias[i]) } else { 0.0 };
                        (0..d)
                            .map(|i| ((row[i] - mean) * factor * f64::from(weight[i]) + offset(i)) as f32)
                            .collect::<Vec<_>>()
                    })
                    .collect();
                let (mut out, mut in_place, mut sum) = (vec![0.0; n * d], x.clone(), x.clone());
                pool.region(|team| {
                    ops::norm(team, &kind, &x, &mut out, d);
                    ops::norm_in_place(team, &kind, &mut in_place, d);
                    ops::norm_add(team, &kind, &x, &mut sum, d);
                });
                assert_close(&out, &expected, 2e-6, "norm");
                assert_close(&in_place, &expected, 2e-6, "norm in place");
                let expected: Vec<f32> = expected.iter().zip(&x).map(|(a, b)| a + b).collect();
                assert_close(&sum, &expected, 2e-6, "norm add");
            }
        }
    }
}

#[test]
fn softmax_is_stable_and_exact() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(1, kernels);
        for n in [1, 3, 8, 33, 1000] {
            let x: Vec<f32> = Random(8).floats(n).iter().map(|x| 40.0 * x + 1000.0).collect();
            let largest = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            let total: f64 = x.iter().map(|x| f64::from(x - largest).exp()).sum();
            let expected: Vec<f32> =
                x.iter().map(|x| (f64::from(x - largest).exp() / total) as f32).collect();
            let mut y = x.clone();
            pool.region(|team| ops::softmax(team, &mut y));
            assert_close(&y, &expected, 1e-6, "softmax");
            assert!((y.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn a_cache_that_no_machine_holds_is_refused() {
    for (kv_heads, head_dim, capacity) in
        [(usize::MAX, 2, 2), (1 << 20, 1 << 20, 1 << 20), (1, 1 << 30, 1 << 28)]
    {
        for ty in [KvType::F16, KvType::Q8] {
            assert!(KvLayer::new(kv_heads, head_dim, capacity, ty).is_err());
        }
    }
}
