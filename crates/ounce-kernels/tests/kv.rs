//! Caches that roll against a plain list of positions.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ThreadPool;
use ounce_kernels::ops::{self, Attention, KvLayer, KvType, Run};
use support::Random;

const KV_HEADS: usize = 2;
const D: usize = 12;
const ROW: usize = KV_HEADS * D;

/// What one query gathers from the first `held` positions.
fn gather(pool: &mut ThreadPool, cache: &KvLayer, held: usize) -> Vec<f32> {
    let q: Vec<f32> = (0..4 * D).map(|i| ((i * 7) % 5) as f32 - 2.0).collect();
    let mut out = vec![0.0; 4 * D];
    let attention = Attention {
        q: &q,
        singles: &[Run { cache, start: held - 1, tokens: 1 }],
        runs: &[],
        heads: 4,
        scale: 0.3,
        window: None,
        softcap: None,
        slopes: None,
    };
    pool.region(|team| ops::attention(team, &attention, &mut out));
    out
}

#[test]
fn what_is_kept_is_as_if_nothing_else_had_been_there() {
    let mut pool = ThreadPool::new(2);
    for ty in [KvType::F32, KvType::F16, KvType::Q8] {
        for (sinks, window, chunk, spare) in
            [(4, 12, 1, 5), (0, 7, 3, 3), (3, 300, 16, 100), (5, 6, 2, 0), (9, 4, 1, 40), (1, 2, 7, 7)]
        {
            let capacity = sinks + window + chunk;
            let mut random = Random(3);
            let mut cache = KvLayer::rolling(KV_HEADS, D, capacity, spare, ty).unwrap();
            let (mut k, mut v): (Vec<f32>, Vec<f32>) = (Vec::new(), Vec::new());
            for step in 0..4 * capacity {
                let held = k.len() / ROW;
                if held == capacity {
                    cache.evict(sinks, chunk, held);
                    for list in [&mut k, &mut v] {
                        list.drain(sinks * ROW..(sinks + chunk) * ROW);
                    }
                    let fresh = random.floats(sinks * ROW);
                    pool.region(|team| cache.replace_keys(team, 0, &fresh));
                    k[..sinks * ROW].copy_from_slice(&fresh);
                }
                let (new_k, new_v) = (random.floats(ROW), random.floats(ROW));
                pool.region(|team| cache.store(team, k.len() / ROW, &new_k, &new_v));
                k.extend(new_k);
                v.extend(new_v);
                if step % 5 != 0 && step < 3 * capacity {
                    continue;
                }
                let held = k.len() / ROW;
                let mut plain = KvLayer::new(KV_HEADS, D, held, ty).unwrap();
                pool.region(|team| plain.store(team, 0, &k, &v));
                assert_eq!(
                    gather(&mut pool, &cache, held),
                    gather(&mut pool, &plain, held),
                    "{ty:?} {sinks} {window} {chunk} {spare} step {step}"
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "held <= self.capacity")]
fn more_than_is_held_cannot_be_evicted() {
    KvLayer::new(1, 4, 8, KvType::F32).unwrap().evict(4, 5, 8);
}

#[test]
fn a_copied_beginning_is_the_beginning() {
    let mut pool = ThreadPool::new(2);
    for ty in [KvType::F32, KvType::F16, KvType::Q8] {
        let mut random = Random(8);
        let mut from = KvLayer::rolling(KV_HEADS, D, 20, 6, ty).unwrap();
        let (k, v) = (random.floats(20 * ROW), random.floats(20 * ROW));
        pool.region(|team| from.store(team, 0, &k, &v));
        // Neither cache begins at its first slot, and they differ in size.
        from.evict(2, 3, 20);
        for count in [1, 2, 9, 17] {
            let mut to = KvLayer::rolling(KV_HEADS, D, 30, 9, ty).unwrap();
            pool.region(|team| to.store(team, 0, &v, &k));
            to.evict(0, 4, 20);
            to.copy_from(&from, 0..count / 2);
            to.copy_from(&from, count / 2..count);
            assert_eq!(gather(&mut pool, &to, count), gather(&mut pool, &from, count), "{ty:?} {count}");
        }
    }
}
