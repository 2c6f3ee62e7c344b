//! Pointwise convolutions and their transposes against sums in double precision, for every table and number of threads.
#![allow(missing_docs)]

mod support;

use ounce_kernels::ops::{Pointwise, pointwise};
use ounce_kernels::{Kernels, ThreadPool};
use support::{Random, assert_close};

#[test]
fn every_table_gives_the_product() {
    let shapes = [
        [1, 1, 1, 1],
        [3, 5, 7, 49],
        [2, 13, 12, 16],
        [4, 8, 48, 100],
        [1, 48, 8, 1024],
        [2, 31, 25, 65],
        [5, 3, 1, 130],
        [1, 1100, 13, 40],
        [2, 0, 3, 20],
        [0, 2, 3, 20],
        [2, 3, 0, 20],
        [2, 3, 4, 0],
    ];
    for [batch, depth, outputs, len] in shapes {
        let mut random = Random(len as u64);
        let (w, x) = (random.floats(outputs * depth), random.floats(batch * depth * len));
        let turned: Vec<f32> = (0..w.len()).map(|i| w[i % outputs * depth + i / outputs]).collect();
        let bias = random.floats(outputs);
        for kernels in Kernels::available() {
            for (transposed, bias) in [(false, Some(&bias[..])), (true, None), (true, Some(&bias[..]))] {
                let expected: Vec<f32> = (0..batch * outputs * len)
                    .map(|i| {
                        let (image, row, column) = (i / len / outputs, i / len % outputs, i % len);
                        let product = |k: usize| {
                            f64::from(w[row * depth + k]) * f64::from(x[(image * depth + k) * len + column])
                        };
                        (bias.map_or(0.0, |bias| f64::from(bias[row])) + (0..depth).map(product).sum::<f64>())
                            as f32
                    })
                    .collect();
                let mut first = None;
                for threads in 1..=3 {
                    let mut out = vec![f32::NAN; expected.len()];
                    let rows = if transposed { &turned[..] } else { &w[..] };
                    let job = Pointwise {
                        batch,
                        len,
                        depth,
                        outputs,
                        rows,
                        transposed,
                        bias,
                        x: &x,
                        out: &mut out,
                    };
                    ThreadPool::with_kernels(threads, kernels).region(|team| pointwise(team, job));
                    assert_close(
                        &out,
                        &expected,
                        1e-5,
                        &format!("{kernels:?} {batch} {depth} {outputs} {len}"),
                    );
                    assert_eq!(first.get_or_insert_with(|| out.clone()), &out, "threads matter");
                }
            }
        }
    }
}
