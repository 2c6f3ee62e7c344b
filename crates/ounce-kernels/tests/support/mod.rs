//! Random data and slow twins for the kernel tests.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

/// A small generator of reproducible numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in -1..1.
    pub fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }
}

/// `y[t][r] = sum_c w[r][c] x[t][c]` in double precision.
pub fn product(w: &[f32], x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    x.chunks_exact(cols)
        .flat_map(|x| {
            (0..rows).map(move |r| {
                w[r * cols..][..cols].iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum::<f64>()
                    as f32
            })
        })
        .collect()
}

/// The activations as a packed product sees them: symmetric 8 bits per block of 32.
pub fn quantized(x: &[f32]) -> Vec<f32> {
    x.chunks(32)
        .flat_map(|block| {
            let largest = block.iter().fold(0.0f32, |a, x| a.max(x.abs()));
            let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            block.iter().map(move |x| (x * inverse).round_ties_even() * (largest / 127.0))
        })
        .collect()
}

/// Fails unless every element is within `tolerance` of the expected one, relative to the largest expected.
#[track_caller]
pub fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-6f32, |a, x| a.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * scale,
            "{what}: element {i} is {f}, expected {e} (scale {scale})"
        );
    }
}
