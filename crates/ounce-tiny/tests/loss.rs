//! Loss and its functions: near to double precision, and the same bits everywhere.

mod support;

use support::{Program, Random};

#[test]
fn softmax_and_its_functions_are_accurate_and_the_same_everywhere() {
    let mut program = Program::default();
    let mut random = Random(21);
    let logits: Vec<f32> = random.f32s(1000).into_iter().map(|x| x * 12.0).collect();
    let name = program.constant(&logits);
    let to = program.result::<f32>(logits.len());
    program.call(&format!("ounce_softmax({}, {name}, {to});", logits.len()));
    let expected = softmax(&logits);
    program.expect("softmax", &to, &expected);
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    // The difference to the largest is a float, whose rounding is no matter of the exponential.
    let sum: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
    for (x, p) in logits.iter().zip(&expected) {
        let exact = f64::from(x - most).exp() / sum;
        assert!((f64::from(*p) - exact).abs() <= 1e-6 * exact, "{p} {exact}");
    }
    let positive: Vec<f32> = (0..1000).map(|i| (1e-30 * 1.15f64.powi(i)) as f32).collect();
    let logs: Vec<f32> = positive.iter().map(|x| log(*x)).collect();
    for (x, log) in positive.iter().zip(&logs) {
        let exact = f64::from(*x).ln();
        assert!((f64::from(*log) - exact).abs() <= 2.5e-7 * exact.abs().max(1e-3), "{x} {log} {exact}");
    }
    let name = program.constant(&positive);
    let to_logs = program.result::<f32>(positive.len());
    program.call(&format!("for (int32_t i = 0; i < 1000; i++) {{ {to_logs}[i] = ounce_log({name}[i]); }}"));
    program.expect("logarithm", &to_logs, &logs);

    let few = [1.5f32, -2.0, 0.25, 3.0];
    let mut gradient = softmax(&few);
    gradient[2] -= 1.0;
    let sum = few.iter().fold(0.0f32, |sum, x| sum + exp(x - 3.0));
    let loss = log(sum) - (0.25 - 3.0);
    let log_softmax: Vec<f32> = few.iter().map(|x| (x - 3.0) - log(sum)).collect();
    let [x, y] = [program.variable(&few), program.variable(&few)];
    let to_loss = program.result::<f32>(1);
    program.call(&format!("{to_loss}[0] = ounce_cross_entropy(4, {x}, 2, {x});"));
    program.call(&format!("ounce_log_softmax(4, {y}, {y});"));
    program.expect("loss", &to_loss, &[loss]);
    program.expect("gradient of the loss", &x, &gradient);
    program.expect("logarithm of softmax", &y, &log_softmax);

    // Both ends: no infinity, no subnormal number.
    let ends = [-1000.0f32, -87.5, -86.9, 87.9, 88.5, 1000.0, 0.0];
    let values: Vec<f32> = ends.iter().map(|x| exp(*x)).collect();
    assert!(values.iter().all(|y| y.is_finite() && (*y == 0.0 || y.is_normal())), "{values:?}");
    let name = program.constant(&ends);
    let to_ends = program.result::<f32>(ends.len());
    program.call(&format!(
        "for (int32_t i = 0; i < {}; i++) {{ {to_ends}[i] = ounce_exp({name}[i]); }}",
        ends.len()
    ));
    program.expect("ends of the exponential", &to_ends, &values);
    program.end_case();
    program.run_everywhere();
}

/// The steps of `softmax.c`, as a host executor takes them.
fn exp(x: f32) -> f32 {
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

fn log(x: f32) -> f32 {
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

fn softmax(x: &[f32]) -> Vec<f32> {
    let most = x.iter().copied().fold(f32::MIN, f32::max);
    let exps: Vec<f32> = x.iter().map(|x| exp(x - most)).collect();
    let sum = exps.iter().fold(0.0f32, |sum, e| sum + e);
    exps.into_iter().map(|e| e / sum).collect()
}
