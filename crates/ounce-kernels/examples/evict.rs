//! What streaming costs, by where the rotation is: per token and layer of SmolLM2-135M, with 4 sinks and a window of 1020.
//!
//! `cargo run --release -p ounce-kernels --example evict`
#![allow(clippy::unwrap_used, reason = "an example")]

use ounce_kernels::ThreadPool;
use ounce_kernels::ops::{self, Attention, KvLayer, KvType, RopeStyle, Run};
use std::hint::black_box;
use std::time::Instant;

const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const D: usize = 64;
const ROW: usize = KV_HEADS * D;
const SINKS: usize = 4;
const WINDOW: usize = 1020;

/// The least time of many runs, in microseconds.
fn least(mut run: impl FnMut()) -> f64 {
    (0..300).fold(f64::INFINITY, |least, _| {
        let start = Instant::now();
        run();
        least.min(start.elapsed().as_secs_f64() * 1e6)
    })
}

fn main() {
    let mut pool = ThreadPool::new(1);
    let kept = SINKS + WINDOW;
    let keys: Vec<f32> = (0..kept * ROW).map(|i| (i % 17) as f32 * 0.1 - 0.8).collect();
    let angles: Vec<f32> = (0..kept * D / 2).map(|i| i as f32 * 0.01).collect();
    let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
    let (style, half) = (RopeStyle::Interleaved, D / 2);
    for style in [style, RopeStyle::HalfSplit] {
        let mut cache = KvLayer::new(KV_HEADS, D, kept, KvType::F16).unwrap();
        pool.region(|team| cache.store(team, 0, &keys, &keys));
        let q = vec![0.1; HEADS * D];
        let mut out = q.clone();
        let attend = pool.region(|team| {
            let attention = Attention {
                q: &q,
                singles: &[Run { cache: &cache, start: kept - 1, tokens: 1 }],
                runs: &[],
                heads: HEADS,
                scale: 0.125,
                window: None,
                softcap: None,
                slopes: None,
            };
            least(|| ops::attention(team, &attention, black_box(&mut out)))
        });
        let mut turned = keys.clone();
        let rotate =
            pool.region(|team| least(|| ops::rope(team, black_box(&mut turned), D, D, &cos, &sin, style)));
        let rewrite = pool.region(|team| least(|| cache.replace_keys(team, 0, black_box(&turned))));
        println!("{style:?}: attention of one token {attend:.1} us");
        println!("  keys cached before the rotation: {rotate:.1} us for every token to rotate all of them");
        println!(
            "  all keys rotated at an eviction: {:.1} us, in addition to a move of all",
            rotate + rewrite
        );
        for chunk in [1, 16, 64, 128, 256] {
            let spare = ((kept + chunk) / 4).max(chunk);
            let mut rolling = KvLayer::rolling(KV_HEADS, D, kept + chunk, spare, KvType::F16).unwrap();
            let mut sinks = keys[..SINKS * ROW].to_vec();
            let angles = (&cos[..SINKS * half], &sin[..SINKS * half]);
            let evictions = 8 * spare.div_ceil(chunk);
            let time = pool.region(|team| {
                let start = Instant::now();
                for _ in 0..evictions {
                    rolling.evict(SINKS, chunk, kept + chunk);
                    ops::rope(team, &mut sinks, D, D, angles.0, angles.1, style);
                    rolling.replace_keys(team, 0, &sinks);
                }
                start.elapsed().as_secs_f64() * 1e6 / (evictions * chunk) as f64
            });
            println!("  sinks rotated at an eviction of {chunk}: {time:.3} us a token, moves included");
        }
    }
}
