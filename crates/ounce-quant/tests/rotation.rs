//! Statistics and errors of rotated inputs.
#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

use ounce_kernels::ops::{self, Rotation};
use ounce_kernels::{Team, ThreadPool};
use ounce_quant::smoothquant::{self, Activations, Transform};
use ounce_quant::{InputObserver, Inputs, Keep};

/// Numbers between -1 and 1.
fn noise(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i + seed) * 7919 % 1009) as f32 / 504.5 - 1.0).collect()
}

fn observe(team: &mut Team<'_>, x: &[f32], width: usize) -> Inputs {
    let rows = x.len() / width;
    let mut observer =
        InputObserver::new(width, Keep { gram_rows: rows, sample_rows: rows, expected_rows: rows });
    observer.observe(team, x);
    observer.finish(team)
}

#[test]
fn statistics_are_those_of_the_rotated_inputs() {
    for (tokens, width, block) in [(70, 48, 16), (9, 64, 64), (5, 6, 2)] {
        let x = noise(tokens * width, 3);
        let rotation = Rotation::new(width, block).unwrap();
        ThreadPool::new(2).region(|team| {
            let mut rotated = x.clone();
            ops::rotate(team, &mut rotated, width, rotation);
            let expected = observe(team, &rotated, width);
            let found = observe(team, &x, width).rotated(team, rotation);
            let close = |found: &[f32], expected: &[f32]| {
                assert_eq!(found.len(), expected.len());
                assert!(
                    found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5),
                    "{found:?} {expected:?}"
                );
            };
            close(&found.mean_abs, &expected.mean_abs);
            close(&found.max_abs, &expected.max_abs);
            for of in [
                |inputs: &Inputs| inputs.gram.as_ref().unwrap().as_f32().unwrap().to_vec(),
                |inputs: &Inputs| inputs.sample.as_f32().unwrap().to_vec(),
            ] {
                close(&of(&found), &of(&expected));
            }
            assert_eq!((found.rows, found.width), (tokens, width));
        });
    }
}

/// One large value per token, in another channel every time: no scale per channel helps, a rotation does.
#[test]
fn a_rotation_levels_outliers_that_move() {
    let (tokens, width, rows) = (96, 64, 24);
    let mut x = noise(tokens * width, 5);
    x.chunks_exact_mut(width).enumerate().for_each(|(token, x)| x[token * 37 % width] *= 80.0);
    let map = noise(rows * width, 11);
    ThreadPool::new(2).region(|team| {
        let inputs = observe(team, &x, width);
        let mut error = |transform: Transform<'_>| {
            smoothquant::output_error(team, &inputs, &[&map], transform, Activations::PerToken, 1.0)
        };
        let naive = error(Transform::default());
        let scales = smoothquant::scales(&inputs.max_abs, &[&map], 0.5);
        let scaled = error(Transform { scales: Some(&scales), rotation: None });
        let rotation = Some(Rotation::largest(width).unwrap());
        let rotated = error(Transform { scales: None, rotation });
        let both = error(Transform { scales: Some(&scales), rotation });
        // What is left is the error of the weights.
        assert!(rotated < 0.3 * naive && rotated < 0.3 * scaled, "{naive} {scaled} {rotated}");
        assert!(both < 0.3 * naive, "{naive} {both}");
    });
}
