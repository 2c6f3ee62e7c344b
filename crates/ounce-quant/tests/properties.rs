//! What holds for all weights and inputs.
#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

use ounce_kernels::{Team, ThreadPool};
use ounce_quant::awq::{self, Clipping, Scaled, Search};
use ounce_quant::feedback::Feedback;
use ounce_quant::loss::output_error;
use ounce_quant::smoothquant::{self, Activations, Transform};
use ounce_quant::{
    Granularity, InputObserver, Inputs, Keep, Nearest, QuantizedMatrix, Rounding as _, Scheme,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Weights `[rows, groups * group]`, with a size of its own for each group, and a scheme for them.
#[derive(Debug)]
struct Case {
    weights: Vec<f32>,
    cols: usize,
    group: usize,
    scheme: Scheme,
}

fn cases() -> impl Strategy<Value = Case> {
    (2..=8u8, any::<bool>(), any::<bool>(), 1..4usize, 1..4usize, 1..45usize).prop_flat_map(
        |(bits, symmetric, channel, rows, groups, group)| {
            let (groups, granularity) =
                if channel { (1, Granularity::Channel) } else { (groups, Granularity::Group(group)) };
            let sizes = vec(-4.0..4.0f32, rows * groups);
            (vec(-1.0..1.0f32, rows * groups * group), sizes).prop_map(move |(mut weights, sizes)| {
                for (weights, size) in weights.chunks_exact_mut(group).zip(sizes) {
                    weights.iter_mut().for_each(|w| *w *= size.exp());
                }
                Case { weights, cols: groups * group, group, scheme: Scheme { bits, symmetric, granularity } }
            })
        },
    )
}

proptest! {
    #[test]
    fn errors_stay_within_half_a_step(case in cases()) {
        let found = QuantizedMatrix::nearest(&case.weights, case.cols, case.scheme).unwrap();
        let rounded = found.dequantize();
        // The scale is rounded to 11 bits, which may leave the outermost weights this much farther from the last quant.
        let most = 0.5 + f32::from(case.scheme.top()) / 2048.0 + 1e-3;
        for (index, (weights, rounded)) in
            case.weights.chunks_exact(case.group).zip(rounded.chunks_exact(case.group)).enumerate()
        {
            let zero_inside = weights.iter().any(|w| *w <= 0.0) && weights.iter().any(|w| *w >= 0.0);
            if zero_inside || case.scheme.symmetric {
                for (w, r) in weights.iter().zip(rounded) {
                    prop_assert!((w - r).abs() <= most * found.scales[index], "{w} {r}, step {}", found.scales[index]);
                }
            }
        }
        prop_assert!(found.quants.iter().chain(&found.zeros).all(|q| *q <= case.scheme.top()));
        prop_assert!(found.scales.iter().all(|s| *s > 0.0 && half::f16::from_f32(*s).to_f32() == *s));
    }

    #[test]
    fn what_is_quantized_stays_as_it_is(case in cases()) {
        let found = QuantizedMatrix::nearest(&case.weights, case.cols, case.scheme).unwrap();
        let rounded = found.dequantize();
        let again = QuantizedMatrix::with_affines(&rounded, case.cols, case.scheme, &found.affines()).unwrap();
        prop_assert_eq!(&again, &found);
        // Scales follow from the weights alone where both ends of a range are in use.
        let ends = |quants: &[u8]| {
            let (least, most) = (quants.iter().min().unwrap(), quants.iter().max().unwrap());
            *least == 0 && *most == case.scheme.top()
        };
        if case.scheme.symmetric && case.scheme.bits > 2 || found.quants.chunks_exact(case.group).all(ends) {
            let again = QuantizedMatrix::nearest(&rounded, case.cols, case.scheme).unwrap();
            prop_assert_eq!(&again, &found);
        }
        let nearest = Nearest { scheme: case.scheme, group: case.group };
        for (weights, rounded) in case.weights.chunks_exact(case.cols).zip(rounded.chunks_exact(case.cols)) {
            let mut row = vec![0.0; case.cols];
            nearest.round_row(weights, &mut row);
            prop_assert_eq!(&row[..], rounded);
        }
    }
}

#[test]
fn one_scale_for_a_tensor_is_that_of_its_largest_weight() {
    let weights: Vec<f32> = (0..7 * 33).map(|i| ((i * 31) % 97) as f32 / 40.0 - 1.2).collect();
    let scheme = Scheme { bits: 8, symmetric: true, granularity: Granularity::Tensor };
    let found = QuantizedMatrix::nearest(&weights, 33, scheme).unwrap();
    let row = Scheme { granularity: Granularity::Channel, ..scheme };
    let whole = QuantizedMatrix::nearest(&weights, weights.len(), row).unwrap();
    assert_eq!(found.quants, whole.quants);
    assert_eq!(found.scales, [whole.scales[0]; 7]);
}

#[test]
fn schemes_that_do_not_fit_are_refused() {
    let scheme = |bits, group| Scheme { bits, symmetric: false, granularity: Granularity::Group(group) };
    let refused =
        |scheme: Scheme| QuantizedMatrix::nearest(&[0.0; 576], 576, scheme).unwrap_err().to_string();
    assert!(refused(scheme(1, 64)).contains("1 bits") && refused(scheme(9, 64)).contains("2 to 8"));
    assert!(refused(scheme(4, 128)).contains("96 would"), "{}", refused(scheme(4, 128)));
    assert!(refused(scheme(4, 0)).contains("576"));
}

/// A number between -1 and 1.
fn noise(seed: usize) -> f32 {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 32)) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Inputs `[tokens, width]` with a few large channels that go together.
fn activations(tokens: usize, width: usize) -> Vec<f32> {
    let size = |column: usize| (3.0 * noise(column + 99)).exp();
    (0..tokens * width).map(|i| (noise(i) + 0.5 * noise(i / width + 1_000_000)) * size(i % width)).collect()
}

fn weights(rows: usize, width: usize, seed: usize) -> Vec<f32> {
    (0..rows * width).map(|i| noise(i + seed * 7_000_003)).collect()
}

fn observe(team: &mut Team<'_>, x: &[f32], width: usize, gram: bool) -> Inputs {
    let tokens = x.len() / width;
    let (gram_rows, sample_rows) = if gram { (tokens, 0) } else { (0, tokens) };
    let mut observer = InputObserver::new(width, Keep { gram_rows, sample_rows, expected_rows: tokens });
    observer.observe(team, x);
    observer.finish(team)
}

/// `|x (Q(w s) / s - w)^T|^2 / tokens`, in double precision.
fn slow_error(x: &[f32], weights: &[f32], width: usize, nearest: &Nearest, scales: &[f32]) -> f64 {
    let mut total = 0.0;
    for weights in weights.chunks_exact(width) {
        let scaled: Vec<f32> = weights.iter().zip(scales).map(|(w, s)| w * s).collect();
        let mut rounded = vec![0.0; width];
        nearest.round_row(&scaled, &mut rounded);
        let change = |i: usize| f64::from(rounded[i]) / f64::from(scales[i]) - f64::from(weights[i]);
        for x in x.chunks_exact(width) {
            total += x.iter().enumerate().map(|(i, x)| f64::from(*x) * change(i)).sum::<f64>().powi(2);
        }
    }
    total * width as f64 / x.len() as f64
}

#[test]
fn searches_report_true_errors_and_are_never_worse_than_rounding() {
    for (tokens, width, group, bits) in [(200, 64, 32, 4), (90, 60, 20, 3), (40, 33, 33, 8), (5, 96, 32, 2)] {
        for gram in [true, false] {
            let x = activations(tokens, width);
            let maps = [weights(20, width, 1), weights(7, width, 2)];
            let scheme = Scheme { bits, symmetric: false, granularity: Granularity::Group(group) };
            let nearest = Nearest { scheme, group };
            ThreadPool::new(2).region(|team| {
                let inputs = observe(team, &x, width, gram);
                let linears: Vec<_> =
                    maps.iter().map(|weights| Scaled { weights, inputs: &inputs }).collect();
                let ties: Vec<usize> = (0..width).map(|column| column / 3).collect();
                for ties in [None, Some(&ties[..])] {
                    let search = Search { linears: &linears, ties, group };
                    let found = awq::search(team, &search, &mut |team, scales| {
                        search.rounding_error(team, &nearest, scales)
                    });
                    assert!(found.error <= found.nearest_error);
                    let slow = |scales: &[f32]| -> f64 {
                        maps.iter().map(|map| slow_error(&x, map, width, &nearest, scales)).sum()
                    };
                    for (fast, slow) in
                        [(found.error, slow(&found.scales)), (found.nearest_error, slow(&vec![1.0; width]))]
                    {
                        assert!((fast / slow - 1.0).abs() < 2e-3, "{width} {gram}: {fast} {slow}");
                    }
                    if let Some(ties) = ties {
                        for (a, b) in (1..width).map(|i| (i - 1, i)).filter(|(a, b)| ties[*a] == ties[*b]) {
                            assert_eq!(found.scales[a], found.scales[b]);
                        }
                    }
                }
            });
        }
    }
}

#[test]
fn refined_scales_put_less_noise_into_outputs_and_keep_ties() {
    // Weights large where inputs are small and the other way round, so that no power of the inputs alone fits.
    let (tokens, width) = (120, 50);
    let x: Vec<f32> = activations(tokens, width)
        .chunks_exact(width)
        .flat_map(|x| {
            x.iter().enumerate().map(|(i, x)| x * [1.0, 30.0, 0.2, 4.0, 1.0][i % 5]).collect::<Vec<_>>()
        })
        .collect();
    let map: Vec<f32> = weights(24, width, 5)
        .chunks_exact(width)
        .flat_map(|w| {
            w.iter().enumerate().map(|(i, w)| w * [1.0, 0.5, 20.0, 1.0, 0.1][i % 5]).collect::<Vec<_>>()
        })
        .collect();
    ThreadPool::new(2).region(|team| {
        let inputs = observe(team, &x, width, false);
        let error = |team: &mut _, scales: &[f32]| {
            let share = smoothquant::WEIGHT_SHARE;
            let transform = Transform { scales: Some(scales), rotation: None };
            smoothquant::output_error(team, &inputs, &[&map], transform, Activations::PerToken, share)
        };
        let start = smoothquant::scales(&inputs.max_abs, &[&map], 0.5);
        let maps = [smoothquant::Map { inputs: &inputs, weights: &map }];
        let free = smoothquant::refine(team, &maps, None, &start);
        let (before, after) = (error(team, &start), error(team, &free));
        assert!(after < 0.9 * before, "{before} {after}");

        let ties: Vec<usize> = (0..width).map(|column| column / 2).collect();
        let tied = smoothquant::refine(team, &maps, Some(&ties), &vec![1.0; width]);
        assert!(tied.chunks(2).all(|pair| pair[0] == pair[1]));
        assert!(error(team, &tied) < error(team, &vec![1.0; width]));
    });
}

#[test]
fn the_error_of_what_is_stored_is_that_of_what_is_stored() {
    let (tokens, width, rows) = (60, 48, 6);
    let (x, map) = (activations(tokens, width), weights(rows, width, 3));
    ThreadPool::new(2).region(|team| {
        let inputs = observe(team, &x, width, false);
        let nearest = QuantizedMatrix::nearest(&map, width, smoothquant::WEIGHTS).unwrap();
        let mut error = |shift: f32| {
            let stored = |row: usize, out: &mut [f32]| {
                nearest.dequantize_row(row, out);
                out.iter_mut().for_each(|w| *w += shift);
            };
            smoothquant::stored_error(team, &inputs, &map, stored, Activations::PerToken)
        };
        let (as_rounded, shifted) = (error(0.0), error(0.05));
        assert!(shifted > 2.0 * as_rounded, "{as_rounded} {shifted}");
        let searched = smoothquant::output_error(
            team,
            &inputs,
            &[&map],
            Transform::default(),
            Activations::PerToken,
            1.0,
        );
        assert_eq!(as_rounded, searched);
    });
}

#[test]
fn a_group_fits_all_widths_however_large_it_is_wanted() {
    for (wanted, found) in [(128, Some(96)), (usize::MAX, Some(192)), (64, Some(64)), (31, None), (0, None)] {
        assert_eq!(Scheme::fitting_group(&[576, 1536], wanted), found);
    }
}

#[test]
fn nothing_is_refined_where_nothing_flows() {
    let (tokens, width) = (10, 16);
    ThreadPool::new(1).region(|team| {
        let inputs = observe(team, &vec![0.0; tokens * width], width, false);
        let map = weights(4, width, 3);
        let maps = [smoothquant::Map { inputs: &inputs, weights: &map }];
        assert_eq!(smoothquant::refine(team, &maps, None, &vec![2.0; width]), vec![2.0; width]);
    });
}

#[test]
fn migration_is_never_worse_than_none() {
    let (tokens, width) = (60, 48);
    let x = activations(tokens, width);
    let map = weights(20, width, 3);
    for activations in [Activations::PerToken, Activations::PerTensor] {
        ThreadPool::new(2).region(|team| {
            let inputs = observe(team, &x, width, false);
            let scales = |alpha: f32| smoothquant::scales(&inputs.max_abs, &[&map], alpha);
            let found = smoothquant::search(team, width, &[0.3, 0.5, 0.7], &scales, &mut |team, scales| {
                let transform = Transform { scales, rotation: None };
                smoothquant::output_error(team, &inputs, &[&map], transform, activations, 1.0)
            });
            // Inputs that differ by e^6 are what the method is for.
            assert!(found.alpha.is_some() && found.error < 0.5 * found.naive_error, "{found:?}");
        });
    }
}

#[test]
fn a_narrower_range_is_never_worse_where_a_group_is_the_row() {
    for (tokens, width, bits, symmetric) in
        [(200, 64, 4, false), (90, 33, 3, false), (90, 32, 3, true), (5, 50, 2, false)]
    {
        let (x, map) = (activations(tokens, width), weights(20, width, 5));
        let scheme = Scheme { bits, symmetric, granularity: Granularity::Channel };
        ThreadPool::new(2).region(|team| {
            let inputs = observe(team, &x, width, true);
            let affines = awq::clip(team, &map, &inputs, scheme, width, Clipping::default());
            let narrower = QuantizedMatrix::with_affines(&map, width, scheme, &affines).unwrap();
            let nearest = QuantizedMatrix::nearest(&map, width, scheme).unwrap();
            let mut error = |matrix: &QuantizedMatrix| {
                output_error(team, &inputs, matrix.rows, |row, out| {
                    matrix.dequantize_row(row, out);
                    out.iter_mut().zip(&map[row * width..]).for_each(|(out, w)| *out -= w);
                })
            };
            let (before, after) = (error(&nearest), error(&narrower));
            assert!(after <= before * 1.0001, "{width}: {before} {after}");
        });
    }
}

/// Few tokens, dead channels, all zero, NaN, infinity, overflow of squares: the decomposition exists or is refused, and quants are in range.
#[test]
fn feedback_takes_any_inputs() {
    let width = 70;
    let healthy = activations(100, width);
    let changed = |change: &dyn Fn(usize, f32) -> f32| -> Vec<f32> {
        healthy.iter().enumerate().map(|(i, x)| change(i, *x)).collect()
    };
    let inputs = [
        ("healthy", healthy.clone(), true),
        ("three tokens", healthy[..3 * width].to_vec(), true),
        ("the same token", healthy[..width].repeat(40), true),
        ("dead channels", changed(&|i, x| if i % width < 60 { 0.0 } else { x }), true),
        ("zero", changed(&|_, _| 0.0), false),
        ("NaN", changed(&|i, x| if i == 777 { f32::NAN } else { x }), false),
        ("infinite", changed(&|i, x| if i == 777 { f32::INFINITY } else { x }), false),
        ("overflowing", changed(&|_, x| x * 1e30), false),
    ];
    let map = weights(9, width, 8);
    for (name, x, usable) in inputs {
        for (bits, group) in [(2, 70), (4, 35), (8, 10)] {
            let scheme = Scheme { bits, symmetric: false, granularity: Granularity::Group(group) };
            let nearest = QuantizedMatrix::nearest(&map, width, scheme).unwrap();
            ThreadPool::new(2).region(|team| {
                let inputs = observe(team, &x, width, true);
                let feedback = Feedback::new(team, &inputs);
                assert_eq!(feedback.is_some(), usable, "{name}");
                if let Some(feedback) = feedback {
                    let quants = feedback.round(team, &map, scheme, group, &nearest.affines());
                    assert_eq!(quants.len(), map.len());
                    assert!(quants.iter().all(|q| *q <= scheme.top()), "{name}");
                }
            });
        }
    }
    ThreadPool::new(1).region(|team| {
        let without = observe(team, &healthy, width, false);
        assert!(Feedback::new(team, &without).is_none());
    });
}
