//! Loss and its functions: near to double precision, and the same bits everywhere.

mod support;

use ounce_tiny::numerics::{exp, log};
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

fn softmax(x: &[f32]) -> Vec<f32> {
    let most = x.iter().copied().fold(f32::MIN, f32::max);
    let exps: Vec<f32> = x.iter().map(|x| exp(x - most)).collect();
    let sum = exps.iter().fold(0.0f32, |sum, e| sum + e);
    exps.into_iter().map(|e| e / sum).collect()
}

#[test]
fn exponential_and_logarithm_are_within_two_units_in_the_last_place() {
    let near = |found: f32, exact: f64, of: f32| {
        let unit = f64::from(found.abs().next_up() - found.abs());
        let error = (f64::from(found) - exact).abs() / unit;
        assert!(error <= 2.0, "{found} instead of {exact} for {of}: {error} units");
    };
    for step in 0..200_000 {
        let x = -87.0 + step as f32 * (175.0 / 200_000.0);
        near(exp(x), f64::from(x).exp(), x);
    }
    for step in 0..200_000 {
        // From 1e-37 to 1e38, and around 1.
        let x = 10f64.powf(-37.0 + f64::from(step) * (75.0 / 200_000.0)) as f32;
        near(log(x), f64::from(x).ln(), x);
        let x = 0.5 + step as f32 * (1.5 / 200_000.0);
        near(log(x), f64::from(x).ln(), x);
    }
}
