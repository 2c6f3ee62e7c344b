//! Exponential and logarithm with the same bits on every machine, which the C library's are not: compiled networks compute them by the same operations. The polynomials are those of
//! Cephes (S. Moshier), single precision.

/// e^x within 2 units in the last place, 0 below -87, and e^88 above 88.
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

/// ln x within 2 units in the last place, of a positive and normal number.
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

#[cfg(test)]
mod tests {
    use super::{exp, log};

    #[test]
    fn errors_are_below_two_units_in_the_last_place() {
        for i in -8700..=8800 {
            let x = i as f32 * 0.01;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 2.4e-7, "exp({x}) = {found}, not {expected}");
        }
        for i in 1..4000 {
            let x = (i as f32 * 0.02 - 40.0).exp();
            let (found, expected) = (f64::from(log(x)), f64::from(x).ln());
            assert!(
                (found - expected).abs() <= 2.4e-7 * expected.abs().max(0.3),
                "ln({x}) = {found}, not {expected}"
            );
        }
        assert_eq!((exp(f32::NEG_INFINITY), exp(-88.0), exp(0.0), log(1.0)), (0.0, 0.0, 1.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }
}
