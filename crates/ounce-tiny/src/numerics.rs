//! What the run-time computes by its own means, for executors on a host: the same bits as on the device.

pub use ounce_graph::portable::{exp, log};

/// `ounce_philox`: Philox 2x32 with 10 rounds (Salmon et al., 2011).
pub fn philox(mut counter: [u32; 2], mut key: u32) -> [u32; 2] {
    for _ in 0..10 {
        let product = u64::from(counter[0]) * 0xD256_D193;
        counter = [(product >> 32) as u32 ^ key ^ counter[1], product as u32];
        key = key.wrapping_add(0x9E37_79B9);
    }
    counter
}

/// `ounce_uniform`: the number in [0, 1) that weight `element` of a tensor with its own `seed` is rounded by at training step `step`.
pub fn uniform(seed: u32, step: u32, element: u32) -> f32 {
    let words = philox([element >> 1, step], seed);
    (words[(element & 1) as usize] >> 8) as f32 / 16_777_216.0
}
