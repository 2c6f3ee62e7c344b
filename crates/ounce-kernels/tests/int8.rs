//! Convolutions and additions of bytes against plain loops, bit for bit, for every table and number of threads.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{
    ConvGeometry, Int8Add, Int8ChannelsLast, Int8Conv, Int8FixedAdd, Int8Output, Scale, Term, int8_add,
    int8_clamp, int8_conv, int8_conv_scratch, int8_fixed_add, int8_quantize, int8_widen,
};
use ounce_kernels::{Kernels, ThreadPool};
use support::Random;

fn bytes(random: &mut Random, n: usize) -> Vec<i8> {
    // The ends of the range are where sums would overflow.
    (0..n).map(|_| [random.bits() as i8, -128, 127][random.below(6).saturating_sub(3) as usize]).collect()
}

fn geometry(
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    before: [usize; 2],
    after: [usize; 2],
) -> ConvGeometry {
    with_dilation(image, kernel, stride, before, after, [1, 1])
}

fn with_dilation(
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    before: [usize; 2],
    after: [usize; 2],
    dilation: [usize; 2],
) -> ConvGeometry {
    let places = [0, 1].map(|axis| {
        (image[axis] + before[axis] + after[axis] - (kernel[axis] - 1) * dilation[axis] - 1) / stride[axis]
            + 1
    });
    ConvGeometry {
        batch: 1,
        channels: 1,
        image,
        outputs: 1,
        places,
        kernel,
        groups: 1,
        stride,
        before,
        dilation,
    }
}

/// TensorFlow Lite's multiplication, in 64 bits and by its own words: doubling high product, then a rounding shift.
fn fixed(sum: i32, multiplier: i32, shift: i32) -> i64 {
    let product = i64::from(sum.wrapping_shl(shift.max(0) as u32)) * i64::from(multiplier);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    let high = (product + nudge) / (1 << 31);
    let divisor = 1i64 << -shift.min(0);
    let (whole, rest) = (high.div_euclid(divisor), high.rem_euclid(divisor));
    let up = if high < 0 { 2 * rest > divisor } else { 2 * rest >= divisor && divisor > 1 };
    whole + i64::from(up)
}

fn scaled(sum: i32, scale: Scale) -> i64 {
    match scale {
        Scale::Nearest(factor) => (sum as f32 * factor).round_ties_even() as i64,
        Scale::Truncated(factor) => (sum as f32 * factor) as i64,
        Scale::Fixed { multiplier, shift } => fixed(sum, multiplier, shift),
    }
}

/// Results before they are cut to bytes.
fn expected(conv: &Int8Conv<'_>, scale: impl Fn(usize) -> Scale) -> Vec<i64> {
    let g = &conv.geometry;
    let (cg, og) = (g.channels / g.groups, g.outputs / g.groups);
    let mut y = Vec::new();
    for n in 0..g.batch {
        for o in 0..g.outputs {
            for i in 0..g.places[0] {
                for j in 0..g.places[1] {
                    let mut sum = conv.bias[o];
                    for c in 0..cg {
                        for a in 0..g.kernel[0] {
                            for b in 0..g.kernel[1] {
                                let row = (i * g.stride[0] + a * g.dilation[0]).wrapping_sub(g.before[0]);
                                let column = (j * g.stride[1] + b * g.dilation[1]).wrapping_sub(g.before[1]);
                                if row < g.image[0] && column < g.image[1] {
                                    let plane = n * g.channels + o / og * cg + c;
                                    let x = conv.x[(plane * g.image[0] + row) * g.image[1] + column];
                                    let w = conv.w[((o * cg + c) * g.kernel[0] + a) * g.kernel[1] + b];
                                    sum += (i32::from(x) - conv.x_zero) * i32::from(w);
                                }
                            }
                        }
                    }
                    y.push(scaled(sum, scale(o)) + i64::from(conv.y_zero));
                }
            }
        }
    }
    y
}

/// Images `[batch, channels, ...]` as `[batch, ..., channels]`.
fn channels_last(x: &[i8], batch: usize, channels: usize) -> Vec<i8> {
    let places = x.len() / (batch * channels);
    let at = |i: usize| {
        let (n, place, c) = (i / (places * channels), i / channels % places, i % channels);
        x[(n * channels + c) * places + place]
    };
    (0..x.len()).map(at).collect()
}

fn check(g: ConvGeometry, seed: u64) {
    let mut random = Random(seed);
    let depth = g.channels / g.groups * g.kernel[0] * g.kernel[1];
    let x = bytes(&mut random, g.batch * g.channels * g.image[0] * g.image[1]);
    let w = bytes(&mut random, g.outputs * depth);
    let bias: Vec<i32> = (0..g.outputs).map(|_| random.bits() as i32 >> 12).collect();
    let conv = Int8Conv {
        geometry: g,
        x: &x,
        x_zero: (random.bits() as i8).into(),
        w: &w,
        bias: &bias,
        y_zero: (random.bits() as i8).into(),
    };
    // Some results lie within bytes, some beyond; the last factor is one by which sums are halved, which gives ties.
    let factor = 0.02 / (depth as f32).sqrt();
    let scales: [&(dyn Fn(usize) -> Scale + Sync); 5] = [
        &|o| Scale::Nearest(factor * (1.0 + o as f32 * 0.1)),
        &|o| Scale::Truncated(factor * (1.0 + o as f32 * 0.1)),
        &|o| Scale::Fixed { multiplier: 1_234_567_890 + o as i32, shift: -7 - (o % 5) as i32 },
        &|o| Scale::Fixed { multiplier: 1 << 30, shift: [-8, -31, 1, 0, 3][o % 5] },
        &|_| Scale::Nearest(1.0 / 256.0),
    ];
    let bounds = [-100, 90];
    let threads = 1 + (seed % 3) as usize;
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(threads, kernels);
        let mut scratch = vec![f32::NAN; int8_conv_scratch(&g).unwrap()];
        for (s, scale) in scales.iter().enumerate() {
            let expected = expected(&conv, scale);
            let mut y = vec![0i8; expected.len()];
            let mut words = vec![0i16; expected.len()];
            let (mut clamped, mut mask) = (y.clone(), vec![0xaa; y.len().div_ceil(8)]);
            pool.region(|team| {
                int8_conv(team, &conv, scale, Int8Output::Bytes(&mut y, bounds), &mut scratch);
                int8_conv(team, &conv, scale, Int8Output::Words(&mut words), &mut scratch);
                int8_clamp(team, &words, bounds, &mut clamped, &mut mask);
            });
            let what = format!("{kernels:?}, {threads} threads, scale {s}, {g:?}");
            for (i, expected) in expected.into_iter().enumerate() {
                let byte = expected.clamp(bounds[0].into(), bounds[1].into());
                assert_eq!(i64::from(y[i]), byte, "{what}: byte {i}");
                assert_eq!(i64::from(clamped[i]), byte, "{what}: word {i}");
                let within = byte == expected;
                assert_eq!(mask[i / 8] >> (i % 8) & 1 == 1, within, "{what}: bit {i}");
            }
            let beyond = y.len() % 8;
            assert!(beyond == 0 || mask[y.len() / 8] >> beyond == 0, "{what}: bits beyond the last");
            let depthwise = g.groups == g.channels && g.outputs == g.channels;
            for planes in [false, true].into_iter().take(if g.groups == 1 && g.channels <= 4 { 2 } else { 1 })
            {
                let packed = Int8ChannelsLast::new(&conv, scale, bounds, planes);
                let taken = (g.groups == 1 || depthwise) && (s != 3 || g.outputs <= 2);
                assert_eq!(packed.is_some(), taken, "{what}: taken with channels last");
                let Some(packed) = packed else { continue };
                let x = if planes { x.clone() } else { channels_last(&x, g.batch, g.channels) };
                let mut last = vec![0x55; y.len()];
                let mut scratch = vec![f32::NAN; packed.scratch()];
                pool.region(|team| packed.run(team, &x, &mut last, &mut scratch));
                let same = last == channels_last(&y, g.batch, g.outputs);
                assert!(same, "{what}: channels last, planes {planes}");
            }
        }
    }
}

#[test]
fn pointwise() {
    let sizes = [
        [1, 1],
        [1, 3],
        [2, 2],
        [4, 4],
        [7, 7],
        [5, 13],
        [8, 8],
        [14, 14],
        [1, 63],
        [13, 5],
        [3, 43],
        [17, 19],
    ];
    for (i, image) in sizes.into_iter().enumerate() {
        for (channels, outputs) in [(1, 1), (3, 5), (8, 6), (33, 19), (64, 13), (130, 24), (4, 7)] {
            let g = geometry(image, [1, 1], [1, 1], [0, 0], [0, 0]);
            check(ConvGeometry { batch: 1 + i % 2, channels, outputs, ..g }, i as u64);
        }
    }
}

#[test]
fn depthwise() {
    let kernels = [[3, 3], [5, 5], [7, 7], [1, 1], [2, 4], [1, 9], [11, 9], [13, 13]];
    let images = [[1, 1], [2, 3], [4, 4], [7, 7], [8, 8], [9, 16], [14, 14], [33, 31], [5, 64], [6, 70]];
    let mut seed = 0;
    for kernel in kernels {
        for image in images {
            for stride in [[1, 1], [2, 2], [1, 2], [3, 3]] {
                let pad = [kernel[0] / 2, kernel[1] / 2];
                let after = [pad[0] + seed as usize % 2, pad[1]];
                let g = geometry(image, kernel, stride, pad, after);
                let channels = 1 + seed as usize % 5;
                check(ConvGeometry { batch: 2, channels, outputs: channels, groups: channels, ..g }, seed);
                seed += 1;
            }
        }
    }
    for (i, channels) in [6, 8, 15, 16, 17, 24, 33, 64, 72].into_iter().enumerate() {
        let kernel = kernels[i % 5];
        let g =
            geometry(images[i % 9], kernel, [1 + i % 2, 1 + i % 2], [kernel[0] / 2, 1], [1, kernel[1] / 2]);
        check(ConvGeometry { batch: 2, channels, outputs: channels, groups: channels, ..g }, seed);
    }
    // Nothing of the image under any window, with rows of two quads.
    let beyond = ConvGeometry { places: [9, 1], ..geometry([9, 1], [5, 3], [1, 1], [2, 5], [2, 5]) };
    let beyond = ConvGeometry { stride: [1, 4], ..beyond };
    for channels in [2, 33] {
        check(ConvGeometry { channels, outputs: channels, groups: channels, ..beyond }, 7);
    }
    // Padding beyond the window, and none; a dilated window.
    check(geometry([5, 5], [3, 3], [1, 1], [4, 3], [0, 5]), 1);
    check(geometry([9, 9], [3, 3], [2, 2], [0, 0], [0, 0]), 2);
    // Nothing but padding.
    check(geometry([0, 3], [3, 3], [1, 1], [2, 1], [2, 1]), 5);
    check(ConvGeometry { channels: 2, ..geometry([3, 0], [3, 3], [1, 1], [1, 2], [1, 2]) }, 6);
    check(with_dilation([9, 12], [3, 3], [1, 1], [2, 2], [2, 2], [2, 2]), 3);
    check(with_dilation([9, 12], [3, 3], [2, 1], [2, 2], [2, 2], [3, 1]), 4);
}

#[test]
fn general() {
    let mut seed = 0;
    for kernel in [[3, 3], [1, 1], [1, 5], [4, 2], [7, 7]] {
        for image in [[7, 7], [8, 8], [12, 35], [9, 70], [20, 20]] {
            for (stride, dilation) in [([1, 1], [1, 1]), ([2, 2], [1, 1]), ([3, 1], [1, 2]), ([2, 3], [2, 1])]
            {
                let pad = [kernel[0] / 2 * dilation[0], kernel[1] / 2 * dilation[1]];
                let after = [pad[0], pad[1] + seed as usize % 3];
                let fits = (0..2).all(|i| image[i] + pad[i] + after[i] > (kernel[i] - 1) * dilation[i]);
                if !fits {
                    continue;
                }
                let g = with_dilation(image, kernel, stride, pad, after, dilation);
                let (channels, outputs, groups) =
                    [(3, 16, 1), (4, 6, 2), (2, 4, 2), (6, 9, 3), (5, 2, 1)][seed as usize % 5];
                check(ConvGeometry { channels, outputs, groups, batch: 1 + seed as usize % 2, ..g }, seed);
                seed += 1;
            }
        }
    }
}

#[test]
fn long_sums_do_not_overflow() {
    let g = ConvGeometry { channels: 1 << 15, ..geometry([1, 2], [1, 1], [1, 1], [0, 0], [0, 0]) };
    for image in [[1, 1], [1, 2], [1, 64]] {
        let places = image;
        let g = ConvGeometry { image, places, ..g };
        let (x, w) = (vec![-128i8; image[1] << 15], vec![-128i8; 1 << 15]);
        let conv = Int8Conv { geometry: g, x: &x, x_zero: -127, w: &w, bias: &[0], y_zero: 0 };
        for kernels in Kernels::available() {
            let mut y = vec![0; image[1]];
            let mut scratch = vec![0.0; int8_conv_scratch(&g).unwrap()];
            let scale = |_: usize| Scale::Nearest(2f32.powi(-17));
            ThreadPool::with_kernels(1, kernels).region(|team| {
                int8_conv(team, &conv, &scale, Int8Output::Bytes(&mut y, [-128, 127]), &mut scratch);
            });
            assert!(y.iter().all(|y| *y == 32), "{kernels:?}: {y:?}");
        }
    }
}

#[test]
fn windows_far_beyond_the_image_are_refused() {
    let g = geometry([2, 2], [2, 2], [1, 1], [0, 0], [1 << 20, 1 << 20]);
    assert!(
        int8_conv_scratch(&with_dilation(
            [2, 2],
            [2, 2],
            [1, 1],
            [1 << 30, 1 << 30],
            [1, 1],
            [1 << 30, 1 << 30]
        ))
        .is_none()
    );
    assert!(int8_conv_scratch(&ConvGeometry { places: [0, 1], ..g }).is_none());
}

#[test]
fn additions() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for len in [0, 1, 7, 16, 33, 100, 20_000] {
            let mut random = Random(len as u64);
            let (a, b) = (bytes(&mut random, len), bytes(&mut random, len));
            let add = Int8Add { scales: [0.031, 0.027], zeros: [-3.0, 12.0], y_scale: 0.05, y_zero: -7.0 };
            let expected: Vec<i8> = a
                .iter()
                .zip(&b)
                .map(|(a, b)| {
                    let a = (i32::from(*a) + 3) as f32 * 0.031;
                    let b = (i32::from(*b) - 12) as f32 * 0.027;
                    (((a + b) / 0.05).round_ties_even() - 7.0) as i8
                })
                .collect();
            for terms in [
                [Term::Of(&a), Term::Of(&b)],
                [Term::Overwritten, Term::Of(&b)],
                [Term::Of(&a), Term::Overwritten],
            ] {
                let mut y = match terms {
                    [Term::Overwritten, _] => a.clone(),
                    [_, Term::Overwritten] => b.clone(),
                    _ => vec![0; len],
                };
                pool.region(|team| int8_add(team, add, terms, &mut y));
                assert_eq!(y, expected, "{kernels:?}, {len}");
            }
        }
    }
}

#[test]
fn additions_in_integers() {
    let (zeros, y_zero, bounds) = ([-128, 7], 4, [-120, 110]);
    // One half, as the larger scale has it; the least factor; others.
    let factors = [[1 << 30, 0], [1_932_735_283, -1], [1_234_567_890, -9], [1 << 30, -31], [0, -1]];
    for (first, second) in [(0, 1), (1, 0), (0, 0), (2, 1), (3, 2), (4, 1)] {
        for y_factor in [[1_717_986_918, -18], [1 << 30, -19], [2_000_000_000, -1], [1_100_000_000, -31]] {
            let terms = [factors[first], factors[second]];
            let add = Int8FixedAdd::new(zeros, terms, y_factor, y_zero, bounds).unwrap();
            for kernels in Kernels::available() {
                let mut pool = ThreadPool::with_kernels(2, kernels);
                for len in [0, 1, 15, 64, 100, 9000] {
                    let mut random = Random(len as u64);
                    let (a, b) = (bytes(&mut random, len), bytes(&mut random, len));
                    let mut y = vec![0; len];
                    pool.region(|team| int8_fixed_add(team, &add, [&a, &b], &mut y));
                    for (i, y) in y.iter().enumerate() {
                        let up = |x: i8, term: usize| {
                            let [multiplier, shift] = terms[term];
                            fixed((i32::from(x) - i32::from(zeros[term])) << 20, multiplier, shift)
                        };
                        let sum = (up(a[i], 0) + up(b[i], 1)) as i32;
                        let expected = (fixed(sum, y_factor[0], y_factor[1]) + 4).clamp(-120, 110);
                        assert_eq!(
                            i64::from(*y),
                            expected,
                            "{kernels:?}, {terms:?}, {y_factor:?}, {len}, {i}"
                        );
                    }
                }
            }
        }
    }
    for (terms, y) in [
        ([[1 << 30, 1]; 2], [1, -1]),
        ([[5, 0]; 2], [1, -1]),
        ([[5, -1]; 2], [1, 0]),
        ([[-1, -1]; 2], [1, -1]),
    ] {
        assert!(Int8FixedAdd::new(zeros, terms, y, y_zero, bounds).is_none());
    }
}

#[test]
fn between_floats_and_bytes() {
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        for len in [0, 1, 17, 20_000] {
            let mut random = Random(len as u64);
            let mut x: Vec<f32> = random.floats(len).into_iter().map(|x| x * 20.0).collect();
            let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.05, -0.05, 0.15, f32::MAX, 1e-40];
            x.iter_mut().zip(odd).for_each(|(x, odd)| *x = odd);
            let (mut y, mut back) = (vec![1; len], vec![1.0; len]);
            pool.region(|team| {
                int8_quantize(team, &x, 0.1, -7, &mut y);
                int8_widen(team, &y, &mut back);
            });
            for (i, x) in x.iter().enumerate() {
                let expected = ((x / 0.1).round_ties_even() - 7.0) as i8;
                assert_eq!(y[i], expected, "{kernels:?}, {len}, {i}: {x}");
                assert_eq!(back[i], f32::from(expected), "{kernels:?}, {len}, {i}");
            }
        }
    }
}
