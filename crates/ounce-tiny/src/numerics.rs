//! What the run-time computes by its own means, for executors on a host: the same bits as on the device.

/// `ounce_exp`: e^x within 2 units in the last place, 0 below -87, and e^88 above 88.
pub fn exp(x: f32) -> f32 {
    if x > 88.0 {
        return 1.651_636_3e38;
    }
    if x < -87.0 {
        return 0.0;
    }
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let terms = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
    let p = terms.iter().fold(1.987_569_1e-4f32, |p, term| p * r + term);
    (p * (r * r) + r + 1.0) * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// `ounce_log`: ln x within 2 units in the last place, of a positive and normal number.
pub fn log(x: f32) -> f32 {
    let mut e = (x.to_bits() >> 23) as i32 - 126;
    let mut m = f32::from_bits(x.to_bits() & 0x007f_ffff | 0x3f00_0000);
    if m < std::f32::consts::FRAC_1_SQRT_2 {
        e -= 1;
        m += m;
    }
    let (f, e) = (m - 1.0, e as f32);
    let terms = [
        -1.151_461e-1,
        1.167_699_84e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    let p = terms.iter().fold(7.037_683_6e-2f32, |p, term| p * f + term) * f * (f * f);
    let p = p + e * -2.121_944_4e-4 - 0.5 * (f * f);
    (f + p) + e * 0.693_359_4
}

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
