//! Depthwise convolution of floats and its gradients, and inner products, against plain loops, for every table and number of threads.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{
    ConvGeometry, Elements, depthwise, depthwise_fits, depthwise_transposed, depthwise_weight_gradient,
    inner_products,
};
use ounce_kernels::{Kernels, ThreadPool};
use support::{Random, assert_close};

/// Calls `visit(x, w, y)` with the offsets of every product.
fn for_each_product(g: &ConvGeometry, mut visit: impl FnMut(usize, usize, usize)) {
    for plane in 0..g.batch * g.channels {
        for i in 0..g.places[0] {
            for j in 0..g.places[1] {
                for a in 0..g.kernel[0] {
                    for b in 0..g.kernel[1] {
                        let row = (i * g.stride[0] + a * g.dilation[0]).wrapping_sub(g.before[0]);
                        let column = (j * g.stride[1] + b * g.dilation[1]).wrapping_sub(g.before[1]);
                        if row < g.image[0] && column < g.image[1] {
                            visit(
                                (plane * g.image[0] + row) * g.image[1] + column,
                                (plane % g.channels * g.kernel[0] + a) * g.kernel[1] + b,
                                (plane * g.places[0] + i) * g.places[1] + j,
                            );
                        }
                    }
                }
            }
        }
    }
}

fn check(g: ConvGeometry, seed: u64) {
    assert!(depthwise_fits(&g), "{g:?}");
    let mut random = Random(seed);
    let planes = g.batch * g.channels;
    let (image, places) = (g.image[0] * g.image[1], g.places[0] * g.places[1]);
    let (x, dy) = (random.floats(planes * image), random.floats(planes * places));
    let bytes: Vec<i8> = (0..x.len()).map(|_| random.bits() as i8).collect();
    let (w, bias) = (random.floats(g.channels * g.kernel[0] * g.kernel[1]), random.floats(g.channels));
    let mut y: Vec<f32> = (0..dy.len()).map(|i| bias[i / places % g.channels]).collect();
    let mut dx: Vec<f32> = (0..x.len()).map(|i| bias[i / image % g.channels]).collect();
    let (mut dw, mut from_bytes) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    for_each_product(&g, |xi, wi, yi| {
        y[yi] += x[xi] * w[wi];
        dx[xi] += dy[yi] * w[wi];
        dw[wi] += dy[yi] * x[xi];
        from_bytes[wi] += dy[yi] * (f32::from(bytes[xi]) - 3.0);
    });
    for kernels in Kernels::available() {
        let mut first = None;
        for threads in 1..=2 {
            let mut found = [
                vec![f32::NAN; y.len()],
                vec![f32::NAN; dx.len()],
                vec![f32::NAN; dw.len()],
                vec![f32::NAN; dw.len()],
            ];
            let [fy, fdx, fdw, fb] = &mut found;
            ThreadPool::with_kernels(threads, kernels).region(|team| {
                depthwise(team, &g, &x, &w, Some(&bias), fy);
                depthwise_transposed(team, &g, &dy, &w, Some(&bias), fdx);
                depthwise_weight_gradient(team, &g, Elements::Floats(&x), &dy, fdw);
                depthwise_weight_gradient(team, &g, Elements::Bytes(&bytes, 3.0), &dy, fb);
            });
            for (found, (expected, name)) in
                found.iter().zip([(&y, "y"), (&dx, "dx"), (&dw, "dw"), (&from_bytes, "dw of bytes")])
            {
                assert_close(found, expected, 1e-5, &format!("{kernels:?}, {name}, {g:?}"));
            }
            assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "threads matter");
        }
    }
}

#[test]
fn depthwise_and_its_gradients() {
    let mut seed = 0;
    for kernel in [[3, 3], [5, 5], [7, 7], [1, 1], [2, 4]] {
        for image in [[1, 1], [2, 3], [4, 4], [7, 7], [8, 9], [33, 31], [5, 70]] {
            for (stride, dilation) in [([1, 1], [1, 1]), ([2, 2], [1, 1]), ([1, 3], [2, 1]), ([3, 2], [1, 2])]
            {
                let before = [(kernel[0] - 1) * dilation[0] / 2, (kernel[1] - 1) * dilation[1] / 2];
                let span = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
                let padded = [0, 1].map(|axis| image[axis] + 2 * before[axis] + seed as usize % 2);
                if padded[0] < span[0] || padded[1] < span[1] {
                    continue;
                }
                let places = [0, 1].map(|axis| (padded[axis] - span[axis]) / stride[axis] + 1);
                let channels = 1 + seed as usize % 4;
                let g = ConvGeometry {
                    batch: 1 + seed as usize % 3,
                    channels,
                    image,
                    outputs: channels,
                    places,
                    kernel,
                    groups: channels,
                    stride,
                    before,
                    dilation,
                };
                check(g, seed);
                // A transposed convolution may leave out places.
                check(ConvGeometry { places: [places[0], places[1].div_ceil(2)], ..g }, seed);
                seed += 1;
            }
        }
    }
}

#[test]
fn many_planes_of_a_channel_leave_no_traces_in_the_next() {
    // More planes than are convolved together, and no multiple of that.
    for (image, places, stride) in [([33, 31], [33, 31], [1, 1]), ([33, 31], [17, 16], [2, 2])] {
        check(
            ConvGeometry {
                batch: 5,
                channels: 3,
                image,
                outputs: 3,
                places,
                kernel: [3, 3],
                groups: 3,
                stride,
                before: [1, 1],
                dilation: [1, 1],
            },
            1,
        );
    }
}

#[test]
fn windows_far_beyond_the_image_are_refused() {
    let one = ConvGeometry {
        batch: 1,
        channels: 1,
        image: [2, 2],
        outputs: 1,
        places: [1, 1],
        kernel: [2, 2],
        groups: 1,
        stride: [1, 1],
        before: [0, 0],
        dilation: [1, 1],
    };
    assert!(depthwise_fits(&one));
    assert!(!depthwise_fits(&ConvGeometry {
        dilation: [1 << 30, 1 << 30],
        before: [1 << 30, 1 << 30],
        ..one
    }));
    assert!(!depthwise_fits(&ConvGeometry { kernel: [13, 13], image: [13, 13], ..one }));
    assert!(!depthwise_fits(&ConvGeometry { places: [0, 1], ..one }));
}

#[test]
fn products_of_rows() {
    for kernels in Kernels::available() {
        for [batch, rows, columns, len] in [
            [1, 1, 1, 1],
            [2, 5, 6, 7],
            [3, 4, 9, 49],
            [40, 8, 4, 64],
            [2, 3, 5, 2000],
            [1, 2, 2, 0],
            [0, 2, 2, 3],
        ] {
            let mut random = Random(7);
            let (a, b) = (random.floats(batch * rows * len), random.floats(batch * columns * len));
            let mut expected = vec![0.0f64; rows * columns];
            for n in 0..batch {
                for (i, out) in expected.iter_mut().enumerate() {
                    let a = &a[(n * rows + i / columns) * len..][..len];
                    let b = &b[(n * columns + i % columns) * len..][..len];
                    *out += a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
                }
            }
            let expected: Vec<f32> = expected.into_iter().map(|x| x as f32).collect();
            for threads in 1..=2 {
                let mut out = vec![f32::NAN; expected.len()];
                ThreadPool::with_kernels(threads, kernels)
                    .region(|team| inner_products(team, [batch, rows, columns, len], &a, &b, &mut out));
                assert_close(&out, &expected, 1e-4, &format!("{kernels:?}, {batch} {rows} {columns} {len}"));
            }
        }
    }
}
