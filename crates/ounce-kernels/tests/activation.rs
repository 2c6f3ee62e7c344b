//! Activation functions against their definitions.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{self, Activation, Input, Output};
use ounce_kernels::{FloatType, Kernels, Matrix, SharedBytes, ThreadPool};
use support::assert_close;

/// The error function by its Maclaurin series, or its limit where that is below double precision.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn activations_equal_their_definitions() {
    let x: Vec<f32> = (-400..=400).map(|i| i as f32 * 0.05).collect();
    let n = x.len();
    // Products with a one: the activation of x itself.
    let one =
        Matrix::from_float(FloatType::F32, 1, 1, SharedBytes::from_vec(1f32.to_le_bytes().into())).unwrap();
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(1, kernels);
        for kind in [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            let expected: Vec<f32> = x
                .iter()
                .map(|&x| {
                    let x = f64::from(x);
                    let y = match kind {
                        Activation::Silu => x / (1.0 + (-x).exp()),
                        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
                        Activation::GeluTanh => {
                            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                            0.5 * x * (1.0 + u.tanh())
                        }
                        Activation::Relu => x.max(0.0),
                    };
                    y as f32
                })
                .collect();
            let mut y = vec![0.0; n];
            pool.region(|team| {
                let output = Output { activation: Some(kind), ..Output::write(&one, &mut y) };
                ops::project(team, Input { x: &x, norm: None }, &mut [output]);
            });
            assert_close(&y, &expected, 1e-6, &format!("{kernels:?} {kind:?}"));
        }
    }
}
