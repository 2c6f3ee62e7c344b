//! Products in every layout, on every instruction set of this CPU, against double-precision sums.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{self, Activation, Input, Norm, Output};
use ounce_kernels::{FloatType, Kernels, Matrix, PackSpec, Quants, SharedBytes, ThreadPool};
use support::{Random, assert_close, product, quantized};

/// A packed matrix with its weights as floats.
fn packed(pool: &mut ThreadPool, spec: PackSpec, seed: u64) -> (Matrix, Vec<f32>) {
    let PackSpec { rows, cols, group, quants } = spec;
    let mut random = Random(seed);
    let q: Vec<i8> = (0..rows * cols)
        .map(|_| match quants {
            Quants::U4 { .. } => random.below(16) as i8,
            Quants::I8 { lowest, highest, .. } => {
                let span = i64::from(highest) - i64::from(lowest) + 1;
                (random.below(span as u64) as i64 + i64::from(lowest)) as i8
            }
        })
        .collect();
    let half = |x: f32| half::f16::from_f32(x).to_f32();
    let scales: Vec<f32> = (0..rows * cols / group).map(|_| half(random.float() * 0.01)).collect();
    let mins: Vec<f32> = match quants {
        Quants::U4 { symmetric: true } => scales.iter().map(|s| -8.0 * s).collect(),
        Quants::U4 { symmetric: false } | Quants::I8 { mins: true, .. } => {
            scales.iter().map(|_| half(random.float() * 0.05)).collect()
        }
        Quants::I8 { mins: false, .. } => vec![0.0; scales.len()],
    };
    let groups = cols / group;
    let weights = (0..rows * cols).map(|i| {
        let g = i / cols * groups + i % cols / group;
        scales[g] * f32::from(q[i]) + mins[g]
    });
    let weights = weights.collect();
    let matrix = pool.region(|team| {
        Matrix::pack(team, spec, |row, out| {
            out.quants.copy_from_slice(&q[row * cols..][..cols]);
            out.scales.copy_from_slice(&scales[row * groups..][..groups]);
            if !out.mins.is_empty() {
                out.mins.copy_from_slice(&mins[row * groups..][..groups]);
            }
        })
    });
    (matrix.unwrap(), weights)
}

fn layouts() -> impl Iterator<Item = (Quants, usize)> {
    let mut kinds = vec![Quants::U4 { symmetric: true }, Quants::U4 { symmetric: false }];
    for mins in [false, true] {
        let ranges =
            [(-16, 15), (0, 31), (-31, 31), (-32, 31), (-32, 32), (-127, 127), (-128, 127), (1, 100)];
        kinds.extend(ranges.map(|(lowest, highest)| Quants::I8 { mins, lowest, highest }));
    }
    kinds.into_iter().flat_map(|kind| [16, 32, 64, 96].map(move |group| (kind, group)))
}

#[test]
fn packed_products_equal_the_sums_of_quantized_activations() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for (quants, group) in layouts() {
            for (rows, cols, n) in
                [(1, 192, 1), (17, 192, 1), (40, 384, 3), (33, 192, 4), (16, 192, 29), (50, 576, 14)]
            {
                let spec = PackSpec { rows, cols, group, quants };
                let (matrix, weights) = packed(&mut pool, spec, (rows * n) as u64);
                assert_eq!((matrix.rows(), matrix.cols()), (rows, cols));
                let x = Random(7).floats(n * cols);
                let mut y = vec![f32::NAN; n * rows];
                pool.region(|team| {
                    ops::project(team, Input { x: &x, norm: None }, &mut [Output::write(&matrix, &mut y)]);
                });
                let expected = product(&weights, &quantized(&x), rows, cols);
                // Rounding is relative to the terms of a sum, which may cancel.
                let magnitudes = |x: &[f32]| x.iter().map(|x| x.abs()).collect::<Vec<_>>();
                let terms = product(&magnitudes(&weights), &magnitudes(&x), rows, cols);
                for ((y, expected), terms) in y.iter().zip(&expected).zip(&terms) {
                    let error = (y - expected).abs();
                    assert!(error <= 1e-6 * terms, "{kernels:?} {spec:?} n {n}: {y}, expected {expected}");
                }
            }
        }
    }
}

#[test]
fn extreme_quants_do_not_overflow() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(1, kernels);
        for (quants, extreme) in [
            (Quants::U4 { symmetric: true }, 15i8),
            (Quants::U4 { symmetric: false }, 15),
            (Quants::I8 { mins: true, lowest: 0, highest: 31 }, 31),
            (Quants::I8 { mins: false, lowest: -16, highest: 15 }, 15),
            (Quants::I8 { mins: false, lowest: -16, highest: 15 }, -16),
            (Quants::I8 { mins: false, lowest: -32, highest: 32 }, 32),
            (Quants::I8 { mins: false, lowest: -32, highest: 31 }, 31),
            (Quants::I8 { mins: false, lowest: -32, highest: 31 }, -32),
            (Quants::I8 { mins: false, lowest: -128, highest: 127 }, -128),
            (Quants::I8 { mins: false, lowest: -128, highest: 127 }, 127),
        ] {
            for group in [16, 32] {
                let (rows, cols) = (16, 64);
                let spec = PackSpec { rows, cols, group, quants };
                let matrix = pool.region(|team| {
                    Matrix::pack(team, spec, |_, out| {
                        out.quants.fill(extreme);
                        out.scales.fill(1.0);
                    })
                });
                let matrix = matrix.unwrap();
                let offset = if quants == (Quants::U4 { symmetric: true }) { 8.0 } else { 0.0 };
                for sign in [1.0, -1.0] {
                    let x = vec![sign; 5 * cols];
                    let mut y = vec![0.0; 5 * rows];
                    pool.region(|team| {
                        ops::project(
                            team,
                            Input { x: &x, norm: None },
                            &mut [Output::write(&matrix, &mut y)],
                        );
                    });
                    let expected = vec![sign * cols as f32 * (f32::from(extreme) - offset); 5 * rows];
                    assert_close(&y, &expected, 1e-5, &format!("{kernels:?} {spec:?} {extreme}"));
                }
            }
        }
    }
}

fn float_matrix(ty: FloatType, rows: usize, cols: usize, seed: u64, misaligned: bool) -> (Matrix, Vec<f32>) {
    let weights = Random(seed).floats(rows * cols);
    let mut bytes = if misaligned { vec![0u8] } else { vec![] };
    let mut rounded = Vec::new();
    for w in weights {
        match ty {
            FloatType::F32 => {
                bytes.extend(w.to_le_bytes());
                rounded.push(w);
            }
            FloatType::F16 => {
                let w = half::f16::from_f32(w);
                bytes.extend(w.to_le_bytes());
                rounded.push(w.to_f32());
            }
            FloatType::BF16 => {
                let w = half::bf16::from_f32(w);
                bytes.extend(w.to_le_bytes());
                rounded.push(w.to_f32());
            }
        }
    }
    let range = usize::from(misaligned)..bytes.len();
    let bytes = SharedBytes::new(std::sync::Arc::new(bytes), range).unwrap();
    (Matrix::from_float(ty, rows, cols, bytes).unwrap(), rounded)
}

#[test]
fn float_products_equal_double_precision_sums() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for ty in [FloatType::F32, FloatType::F16, FloatType::BF16] {
            for (rows, cols, n) in
                [(1, 1, 1), (5, 7, 1), (33, 65, 1), (16, 172, 2), (19, 100, 13), (64, 130, 25)]
            {
                for misaligned in [false, true] {
                    let (matrix, weights) = float_matrix(ty, rows, cols, 3, misaligned);
                    let x = Random(9).floats(n * cols);
                    let mut y = vec![f32::NAN; n * rows];
                    pool.region(|team| {
                        ops::project(
                            team,
                            Input { x: &x, norm: None },
                            &mut [Output::write(&matrix, &mut y)],
                        );
                    });
                    let expected = product(&weights, &x, rows, cols);
                    assert_close(&y, &expected, 2e-6, &format!("{kernels:?} {ty:?} {rows}x{cols} n {n}"));
                }
            }
        }
    }
}

#[test]
fn norm_bias_activation_residual_and_gate_are_fused_in_that_order() {
    let (rows, cols) = (37, 64);
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for n in [1, 2, 9] {
            let (a, wa) = float_matrix(FloatType::F32, rows, cols, 1, false);
            let (b, wb) = float_matrix(FloatType::F32, rows, cols, 2, false);
            let mut random = Random(11);
            let (x, weight, bias) = (random.floats(n * cols), random.floats(cols), random.floats(rows));
            let residual = random.floats(n * rows);
            let normed: Vec<f32> = x
                .chunks(cols)
                .flat_map(|row| {
                    let mean = row.iter().map(|x| x * x).sum::<f32>() / cols as f32;
                    row.iter().zip(&weight).map(move |(x, w)| x / (mean + 1e-5).sqrt() * w)
                })
                .collect();
            let silu = |x: f32| x / (1.0 + (-x).exp());
            let (pa, pb) = (product(&wa, &normed, rows, cols), product(&wb, &normed, rows, cols));

            let norm = Some(Norm::Rms { weight: &weight, eps: 1e-5 });
            let (mut first, mut second, mut gated) =
                (residual.clone(), vec![0.0; n * rows], vec![0.0; n * rows]);
            pool.region(|team| {
                let input = Input { x: &x, norm };
                let mut outputs = [
                    Output {
                        activation: Some(Activation::Silu),
                        ..Output::accumulate(&a, &mut first).with_bias(Some(&bias))
                    },
                    Output::write(&b, &mut second),
                ];
                ops::project(team, input, &mut outputs);
                ops::project_gated(team, input, &a, &b, Activation::Silu, &mut gated);
            });
            let expected: Vec<f32> =
                pa.iter().enumerate().map(|(i, p)| residual[i] + silu(p + bias[i % rows])).collect();
            assert_close(&first, &expected, 2e-6, "bias, activation, residual");
            assert_close(&second, &pb, 2e-6, "second output");
            let expected: Vec<f32> = pa.iter().zip(&pb).map(|(a, b)| silu(*a) * b).collect();
            assert_close(&gated, &expected, 2e-6, "gate");
        }
    }
}

#[test]
fn results_do_not_depend_on_threads_or_on_how_tokens_are_grouped() {
    let (rows, cols, n) = (50, 96, 23);
    for kernels in Kernels::available() {
        let mut one = ThreadPool::with_kernels(1, kernels);
        let mut three = ThreadPool::with_kernels(3, kernels);
        for quants in [Quants::U4 { symmetric: false }, Quants::I8 { mins: false, lowest: -16, highest: 15 }]
        {
            let (matrix, _) = packed(&mut one, PackSpec { rows, cols, group: 32, quants }, 5);
            let x = Random(1).floats(n * cols);
            let run = |pool: &mut ThreadPool, step: usize| {
                let mut y = vec![0.0; n * rows];
                for (x, y) in x.chunks(step * cols).zip(y.chunks_mut(step * rows)) {
                    pool.region(|team| {
                        ops::project(team, Input { x, norm: None }, &mut [Output::write(&matrix, y)]);
                    });
                }
                y
            };
            let reference = run(&mut one, n);
            assert_eq!(reference, run(&mut three, n));
            assert_eq!(reference, run(&mut three, 1));
            assert_eq!(reference, run(&mut one, 5));
        }
    }
}

#[test]
fn single_precision_matrices_give_their_elements_back() {
    let values = Random(4).floats(15);
    let owned = Matrix::from_f32(5, 3, values.clone()).unwrap();
    assert_eq!((owned.rows(), owned.cols(), owned.bytes()), (5, 3, 60));
    assert_eq!(owned.layout_name(), "f32");
    assert_eq!(owned.as_f32(), Some(&values[..]));
    for misaligned in [false, true] {
        let (matrix, expected) = float_matrix(FloatType::F32, 5, 3, 8, misaligned);
        assert_eq!(matrix.as_f32(), Some(&expected[..]));
        assert_eq!(float_matrix(FloatType::F16, 5, 3, 8, misaligned).0.as_f32(), None);
    }
    assert!(Matrix::from_f32(2, 2, vec![0.0; 5]).is_err());
    assert!(Matrix::from_f32(usize::MAX, 2, vec![]).is_err());
}

#[test]
fn wrong_sizes_are_refused() {
    let bytes = SharedBytes::from_vec(vec![0; 15]);
    assert!(Matrix::from_float(FloatType::F32, 2, 2, bytes.clone()).is_err());
    assert!(Matrix::from_float(FloatType::F32, usize::MAX, 2, bytes).is_err());
    let mut pool = ThreadPool::new(1);
    for (cols, group) in [(64, 8), (64, 0), (64, 48), (48, 16), (96, 64), (64, 33)] {
        let spec = PackSpec { rows: 1, cols, group, quants: Quants::U4 { symmetric: true } };
        assert!(pool.region(|team| Matrix::pack(team, spec, |_, _| {})).is_err(), "{cols} {group}");
    }
}
