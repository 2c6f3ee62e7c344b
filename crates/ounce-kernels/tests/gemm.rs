//! General products of float matrices against sums in double precision, for every table and number of threads.
#![allow(missing_docs)]

mod support;

use ounce_kernels::ops::{Gemm, PANEL, gemm};
use ounce_kernels::{Kernels, ThreadPool};
use support::Random;

#[test]
fn every_table_gives_the_product() {
    for kernels in Kernels::available() {
        for (m, depth, n) in [(1, 1, 1), (3, 5, 17), (12, 64, 16), (13, 7, 33), (100, 31, 5), (25, 0, 3)] {
            let mut random = Random(1);
            let (a, b) = (random.floats(m * (depth + 2)), random.floats(depth * n));
            let turned: Vec<f32> = (0..depth * (m + 1))
                .map(|i| if i % (m + 1) < m { a[i % (m + 1) * (depth + 2) + i / (m + 1)] } else { f32::NAN })
                .collect();
            let start = random.floats(m * (n + 3));
            let mut first: Option<Vec<f32>> = None;
            for threads in 1..=3 {
                for (accumulate, transposed) in [(false, false), (true, false), (false, true), (true, true)] {
                    let mut out = start.clone();
                    let product = Gemm {
                        rows: if transposed { &turned } else { &a },
                        row_stride: if transposed { m + 1 } else { depth + 2 },
                        transposed,
                        m,
                        depth,
                        n,
                        out: &mut out,
                        out_stride: n + 3,
                        accumulate,
                    };
                    ThreadPool::with_kernels(threads, kernels).region(|team| {
                        gemm(team, product, |first, width, panel| {
                            for (row, panel) in panel.chunks_exact_mut(PANEL).enumerate() {
                                panel.fill(f32::NAN);
                                panel[..width].copy_from_slice(&b[row * n + first..][..width]);
                            }
                        });
                    });
                    for (i, out) in out.iter().enumerate() {
                        let (row, column) = (i / (n + 3), i % (n + 3));
                        let sum = (0..depth).map(|k| {
                            f64::from(a[row * (depth + 2) + k]) * f64::from(b[k * n + column.min(n - 1)])
                        });
                        let expected = match column < n {
                            true => sum.sum::<f64>() + if accumulate { f64::from(start[i]) } else { 0.0 },
                            false => f64::from(start[i]),
                        };
                        let error = (f64::from(*out) - expected).abs();
                        assert!(
                            error < 1e-4,
                            "{kernels:?} {m} x {depth} x {n} at {i}: {out}, expected {expected}"
                        );
                    }
                    if !accumulate {
                        assert_eq!(first.get_or_insert_with(|| out.clone()), &out, "threads matter");
                    }
                }
            }
        }
    }
}
