//! Products of 8-bit weights and activations: the tables against one another bit for bit, and against sums in double precision.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{self, Activation, Input, Norm, Output};
use ounce_kernels::{
    ActivationScale, FloatType, Kernels, Matrix, MatrixError, PackSpec, Quants, SharedBytes, ThreadPool,
    W8A8Spec,
};
use support::{Random, assert_close, product};

const SCALES: [ActivationScale; 2] = [ActivationScale::PerToken, ActivationScale::Fixed(0.004)];

fn pack(
    pool: &mut ThreadPool,
    rows: usize,
    cols: usize,
    activations: ActivationScale,
    quant: impl Fn(usize, usize) -> i8 + Sync,
    scale: impl Fn(usize) -> f32 + Sync,
) -> Matrix {
    let spec = W8A8Spec { rows, cols, activations, rotation: None };
    let fill = |row: usize, quants: &mut [i8]| {
        assert_eq!(quants.len(), cols);
        quants.iter_mut().enumerate().for_each(|(col, q)| *q = quant(row, col));
        scale(row)
    };
    pool.region(|team| Matrix::pack_w8a8(team, spec, fill)).unwrap()
}

fn noise(row: usize, col: usize) -> i8 {
    Random((row * 7919 + col) as u64).bits() as i8
}

fn row_scale(row: usize) -> f32 {
    0.003 + 0.0001 * (row % 31) as f32
}

fn project(pool: &mut ThreadPool, matrix: &Matrix, x: &[f32]) -> Vec<f32> {
    let mut y = vec![f32::NAN; x.len() / matrix.cols() * matrix.rows()];
    pool.region(|team| {
        ops::project(team, Input { x, norm: None }, &mut [Output::write(matrix, &mut y)]);
    });
    y
}

/// The quants of one token, and their scale.
fn quantized(x: &[f32], activations: ActivationScale) -> (Vec<f64>, f32) {
    let largest = x.iter().fold(0.0f32, |a, x| a.max(x.abs()));
    let (scale, inverse) = match activations {
        ActivationScale::PerToken => (largest / 127.0, 127.0 / largest),
        ActivationScale::Fixed(scale) => (scale, 1.0 / scale),
    };
    let quants = x.iter().map(|x| f64::from((x * inverse).clamp(-127.0, 127.0).round_ties_even()));
    (quants.collect(), scale)
}

fn bits(y: &[f32]) -> Vec<u32> {
    y.iter().map(|y| y.to_bits()).collect()
}

#[test]
fn products_are_exact_sums_times_both_scales() {
    for kernels in Kernels::available() {
        for activations in SCALES {
            for (rows, cols) in [(1, 1), (15, 31), (16, 33), (17, 100), (40, 576), (33, 1536)] {
                let mut pool = ThreadPool::with_kernels(2, kernels);
                let matrix = pack(&mut pool, rows, cols, activations, noise, row_scale);
                for n in [1, 2, 3, 5, 7, 13] {
                    let x = Random(n as u64).floats(n * cols);
                    let y = project(&mut pool, &matrix, &x);
                    for (x, y) in x.chunks(cols).zip(y.chunks(rows)) {
                        let (quants, scale) = quantized(x, activations);
                        for (row, &y) in y.iter().enumerate() {
                            let sum: f64 =
                                quants.iter().enumerate().map(|(c, x)| x * f64::from(noise(row, c))).sum();
                            let expected = sum as f32 * (scale * row_scale(row));
                            assert_eq!(
                                y, expected,
                                "{kernels:?} {activations:?} {rows}x{cols} n {n} row {row}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_table_gives_the_bits_of_the_portable_one() {
    let mut portable = ThreadPool::with_kernels(1, Kernels::portable());
    for activations in SCALES {
        for rows in [1, 15, 16, 17, 50] {
            for cols in [1, 31, 32, 33, 100, 576] {
                let reference = pack(&mut portable, rows, cols, activations, noise, row_scale);
                for n in [1, 2, 3, 5, 7, 13] {
                    let x = Random((cols + n) as u64).floats(n * cols);
                    let expected = bits(&project(&mut portable, &reference, &x));
                    for kernels in Kernels::available() {
                        for threads in 1..=3 {
                            let mut pool = ThreadPool::with_kernels(threads, kernels);
                            let matrix = pack(&mut pool, rows, cols, activations, noise, row_scale);
                            let found = bits(&project(&mut pool, &matrix, &x));
                            assert_eq!(found, expected, "{kernels:?} {threads} threads {rows}x{cols} n {n}");
                            let one_by_one = x.chunks(cols).flat_map(|x| project(&mut pool, &matrix, x));
                            let one_by_one = bits(&one_by_one.collect::<Vec<_>>());
                            assert_eq!(one_by_one, expected, "{kernels:?} {rows}x{cols} one token at a time");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn extreme_quants_do_not_overflow() {
    let cols = 1 << 17;
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(1, kernels);
        for weight in [-128, -127, 127] {
            let matrix = pack(&mut pool, 1, cols, ActivationScale::Fixed(1.0), |_, _| weight, |_| 1.0);
            for x in [1e9f32, -127.0] {
                for n in [1, 6] {
                    let y = project(&mut pool, &matrix, &vec![x; n * cols]);
                    let expected = cols as f32 * f32::from(weight) * x.clamp(-127.0, 127.0);
                    assert_eq!(y, vec![expected; n], "{kernels:?} {weight} {x} n {n}");
                }
            }
        }
    }
}

#[test]
fn meaningless_activations_spoil_their_own_token_only() {
    let (rows, cols) = (20, 45);
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for activations in SCALES {
            let matrix = pack(&mut pool, rows, cols, activations, noise, row_scale);
            let clean = Random(3).floats(3 * cols);
            let expected = project(&mut pool, &matrix, &clean);
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in [0, 7, cols - 1] {
                    let mut x = clean.clone();
                    x[cols + at] = bad;
                    let y = project(&mut pool, &matrix, &x);
                    assert_eq!(y[..rows], expected[..rows]);
                    assert!(y[rows..2 * rows].iter().all(|y| y.is_nan()), "{kernels:?} {bad} at {at}");
                    assert_eq!(y[2 * rows..], expected[2 * rows..]);
                    let alone = project(&mut pool, &matrix, &x[cols..2 * cols]);
                    assert!(alone.iter().all(|y| y.is_nan()));
                }
            }
            for tiny in [0.0, f32::MIN_POSITIVE * f32::EPSILON, 1e-38] {
                let y = project(&mut pool, &matrix, &vec![tiny; 2 * cols]);
                assert!(y.iter().all(|y| y.abs() < 1e-30), "{kernels:?} {tiny}");
            }
        }
    }
}

#[test]
fn layouts_mix_in_one_call() {
    let (cols, rows) = (64, [20, 33, 7, 16]);
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        let spec = PackSpec { rows: rows[1], cols, group: 32, quants: Quants::U4 { symmetric: true } };
        let matrices = [
            pack(&mut pool, rows[0], cols, ActivationScale::PerToken, noise, row_scale),
            pool.region(|team| {
                Matrix::pack(team, spec, |row, out| {
                    out.quants.iter_mut().enumerate().for_each(|(col, q)| *q = noise(row, col) & 15);
                    out.scales.fill(0.01);
                })
            })
            .unwrap(),
            pack(&mut pool, rows[2], cols, ActivationScale::Fixed(0.01), noise, row_scale),
            Matrix::from_float(
                FloatType::F32,
                rows[3],
                cols,
                SharedBytes::from_vec(
                    Random(8).floats(rows[3] * cols).iter().flat_map(|w| w.to_le_bytes()).collect(),
                ),
            )
            .unwrap(),
        ];
        let weight = vec![1.5; cols];
        let norm = Some(Norm::Rms { weight: &weight, eps: 1e-6 });
        let bias = Random(2).floats(rows[0]);
        for n in [1, 2, 9] {
            let x = Random(5).floats(n * cols);
            let alone: Vec<Vec<f32>> = matrices
                .iter()
                .map(|matrix| {
                    let mut y = vec![0.0; n * matrix.rows()];
                    pool.region(|team| {
                        ops::project(team, Input { x: &x, norm }, &mut [Output::write(matrix, &mut y)]);
                    });
                    y
                })
                .collect();
            let mut together: Vec<Vec<f32>> = rows.iter().map(|rows| vec![1.0; n * rows]).collect();
            pool.region(|team| {
                let [first, second, third, fourth] = &mut together[..] else { return };
                let mut outputs = [
                    Output {
                        activation: Some(Activation::Relu),
                        ..Output::accumulate(&matrices[0], first).with_bias(Some(&bias))
                    },
                    Output::write(&matrices[1], second),
                    Output::write(&matrices[2], third),
                    Output::write(&matrices[3], fourth),
                ];
                ops::project(team, Input { x: &x, norm }, &mut outputs);
            });
            let first: Vec<f32> =
                alone[0].iter().enumerate().map(|(i, y)| 1.0 + (y + bias[i % rows[0]]).max(0.0)).collect();
            assert_eq!(together[0], first, "{kernels:?} n {n}");
            assert_eq!(together[1..], alone[1..], "{kernels:?} n {n}");
        }
    }
}

#[test]
fn gates_take_two_forms_of_activations() {
    let (rows, cols) = (35, 50);
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        let gate = pack(&mut pool, rows, cols, ActivationScale::PerToken, noise, row_scale);
        let up =
            pack(&mut pool, rows, cols, ActivationScale::Fixed(0.02), |r, c| noise(r + 99, c), row_scale);
        for n in [1, 8] {
            let x = Random(6).floats(n * cols);
            let mut y = vec![0.0; n * rows];
            pool.region(|team| {
                let input = Input { x: &x, norm: None };
                ops::project_gated(team, input, &gate, &up, Activation::Relu, &mut y);
            });
            let expected: Vec<f32> = project(&mut pool, &gate, &x)
                .iter()
                .zip(project(&mut pool, &up, &x))
                .map(|(gate, up)| gate.max(0.0) * up)
                .collect();
            assert_eq!(y, expected, "{kernels:?} n {n}");
        }
    }
}

#[test]
fn quantization_costs_little_accuracy() {
    let (rows, cols, n) = (48, 576, 4);
    let mut pool = ThreadPool::new(2);
    let matrix = pack(&mut pool, rows, cols, ActivationScale::PerToken, noise, row_scale);
    let weights: Vec<f32> =
        (0..rows * cols).map(|i| row_scale(i / cols) * f32::from(noise(i / cols, i % cols))).collect();
    let x = Random(1).floats(n * cols);
    assert_close(&project(&mut pool, &matrix, &x), &product(&weights, &x, rows, cols), 0.01, "8 bits");
}

#[test]
fn sizes_and_names() {
    let mut pool = ThreadPool::new(1);
    let matrix = pack(&mut pool, 17, 33, ActivationScale::PerToken, noise, row_scale);
    assert_eq!((matrix.rows(), matrix.cols()), (17, 33));
    // Two tiles of 16 rows of 64 columns, and as many scales.
    assert_eq!(matrix.bytes(), 32 * (64 + 4));
    assert_eq!(matrix.layout_name(), "w8a8");
    assert!(matrix.as_f32().is_none());
    let matrix = pack(&mut pool, 0, 33, ActivationScale::Fixed(1.0), noise, row_scale);
    assert_eq!((matrix.rows(), matrix.bytes(), matrix.layout_name()), (0, 0, "w8a8 static".into()));
    let mut refuse = |cols, activations| {
        let spec = W8A8Spec { rows: 1, cols, activations, rotation: None };
        pool.region(|team| Matrix::pack_w8a8(team, spec, |_, _| 1.0)).unwrap_err()
    };
    let wide = (1 << 17) + 1;
    let error = refuse(wide, ActivationScale::PerToken);
    assert_eq!(error, MatrixError::Width { cols: wide, most: 1 << 17 });
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = refuse(8, ActivationScale::Fixed(scale));
        assert!(matches!(error, MatrixError::FixedScale { .. }), "{error}");
    }
}
