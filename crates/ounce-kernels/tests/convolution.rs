//! General convolutions against plain loops in double precision, for every table and number of threads.
#![allow(missing_docs)]

mod support;

use ounce_kernels::ops::{ConvGeometry, convolution, convolution_fits};
use ounce_kernels::{Kernels, ThreadPool};
use support::{Random, assert_close};

/// The result of a convolution.
fn expected(g: &ConvGeometry, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let mut y = Vec::new();
    for n in 0..g.batch {
        for o in 0..g.outputs {
            for place in 0..g.places[0] * g.places[1] {
                let (i, j) = (place / g.places[1], place % g.places[1]);
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[o]));
                for c in 0..g.channels {
                    for tap in 0..g.kernel[0] * g.kernel[1] {
                        let (a, b) = (tap / g.kernel[1], tap % g.kernel[1]);
                        let row = (i * g.stride[0] + a * g.dilation[0]).wrapping_sub(g.before[0]);
                        let column = (j * g.stride[1] + b * g.dilation[1]).wrapping_sub(g.before[1]);
                        if row < g.image[0] && column < g.image[1] {
                            let at = ((n * g.channels + c) * g.image[0] + row) * g.image[1] + column;
                            let weight = (o * g.channels + c) * g.kernel[0] * g.kernel[1] + tap;
                            sum += f64::from(x[at]) * f64::from(w[weight]);
                        }
                    }
                }
                y.push(sum as f32);
            }
        }
    }
    y
}

#[test]
fn windows_of_every_kind() {
    let mut seed = 0;
    for kernel in [[3, 3], [1, 1], [2, 4], [5, 5]] {
        for image in [[1, 1], [4, 5], [9, 8], [33, 31], [6, 70], [70, 3], [3, 0], [0, 3]] {
            for (stride, dilation) in [([1, 1], [1, 1]), ([2, 2], [1, 1]), ([1, 3], [2, 1]), ([3, 2], [1, 2])]
            {
                let before = [(kernel[0] - 1) * dilation[0] / 2, (kernel[1] - 1) * dilation[1] / 2 + 1];
                let span = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
                let padded = [0, 1].map(|axis| image[axis] + 2 * before[axis]);
                if padded[0] < span[0] || padded[1] < span[1] {
                    continue;
                }
                seed += 1;
                let g = ConvGeometry {
                    batch: 1 + seed as usize % 2,
                    channels: 1 + seed as usize % 3,
                    image,
                    outputs: [1, 7, 16][seed as usize % 3],
                    places: [0, 1].map(|axis| (padded[axis] - span[axis]) / stride[axis] + 1),
                    kernel,
                    groups: 1,
                    stride,
                    before,
                    dilation,
                };
                assert!(convolution_fits(&g), "{g:?}");
                let mut random = Random(seed);
                let x = random.floats(g.batch * g.channels * image[0] * image[1]);
                let w = random.floats(g.outputs * g.channels * kernel[0] * kernel[1]);
                let bias = random.floats(g.outputs);
                let bias = (seed % 2 == 0).then_some(&bias[..]);
                let expected = expected(&g, &x, &w, bias);
                for kernels in Kernels::available() {
                    let mut first = None;
                    for threads in 1..=2 {
                        let mut y = vec![f32::NAN; expected.len()];
                        ThreadPool::with_kernels(threads, kernels)
                            .region(|team| convolution(team, &g, &x, &w, bias, &mut y));
                        assert_close(&y, &expected, 1e-5, &format!("{kernels:?}, {g:?}"));
                        assert_eq!(first.get_or_insert_with(|| y.clone()), &y, "threads matter");
                    }
                }
            }
        }
    }
}

#[test]
fn others_are_refused() {
    let one = ConvGeometry {
        batch: 1,
        channels: 2,
        image: [2, 2],
        outputs: 2,
        places: [1, 1],
        kernel: [2, 2],
        groups: 1,
        stride: [1, 1],
        before: [0, 0],
        dilation: [1, 1],
    };
    assert!(convolution_fits(&one));
    assert!(!convolution_fits(&ConvGeometry { groups: 2, ..one }));
    assert!(!convolution_fits(&ConvGeometry { channels: 200, ..one }));
    assert!(!convolution_fits(&ConvGeometry {
        dilation: [1 << 30, 1 << 30],
        before: [1 << 30, 1 << 30],
        ..one
    }));
    assert!(!convolution_fits(&ConvGeometry { places: [0, 1], ..one }));
}
