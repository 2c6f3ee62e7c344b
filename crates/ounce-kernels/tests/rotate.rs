//! Hadamard rotations: against the matrix written out, against themselves, and in front of 8-bit products.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{self, BlockError, Input, Norm, Output, Rotation};
use ounce_kernels::{ActivationScale, Kernels, Matrix, MatrixError, ThreadPool, W8A8Spec};
use support::{Random, assert_close};

/// Rows of `cols` elements times the matrix of Sylvester's construction, whose element `[i, j]` is -1 to the number of ones in `i & j`.
fn slow(x: &[f32], block: usize) -> Vec<f32> {
    let factor = 1.0 / (block as f64).sqrt();
    let element = |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { factor } else { -factor };
    let transform = |x: &[f32]| -> Vec<f32> {
        let column = |j| x.iter().enumerate().map(|(i, &x)| f64::from(x) * element(i, j)).sum::<f64>();
        (0..block).map(|j| column(j) as f32).collect()
    };
    x.chunks(block).flat_map(transform).collect()
}

fn rotate(pool: &mut ThreadPool, x: &[f32], cols: usize, block: usize) -> Vec<f32> {
    let mut out = x.to_vec();
    let rotation = Rotation::new(cols, block).unwrap();
    pool.region(|team| ops::rotate(team, &mut out, cols, rotation));
    out
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn every_table_multiplies_with_the_matrix_and_is_its_own_inverse() {
    for (cols, block) in
        [(2, 2), (12, 4), (24, 8), (48, 16), (96, 32), (64, 64), (640, 128), (1536, 512), (4096, 4096)]
    {
        let x = Random(cols as u64).floats(3 * cols);
        let expected = slow(&x, block);
        let reference = rotate(&mut ThreadPool::with_kernels(1, Kernels::portable()), &x, cols, block);
        for kernels in Kernels::available() {
            let mut pool = ThreadPool::with_kernels(2, kernels);
            let found = rotate(&mut pool, &x, cols, block);
            assert_close(&found, &expected, 1e-6, kernels.name());
            assert_eq!(bits(&found), bits(&reference), "{} {cols} {block}", kernels.name());
            assert_close(&rotate(&mut pool, &found, cols, block), &x, 1e-6, kernels.name());
        }
    }
}

#[test]
fn many_rows_are_rotated_as_one_by_one() {
    let (cols, block) = (96, 32);
    let x = Random(7).floats(401 * cols);
    let mut pool = ThreadPool::new(2);
    let all = rotate(&mut pool, &x, cols, block);
    for (x, all) in x.chunks(cols).zip(all.chunks(cols)) {
        assert_eq!(bits(&rotate(&mut pool, x, cols, block)), bits(all));
    }
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    for (cols, block) in [(96, 0), (96, 1), (96, 3), (96, 64), (33, 2), (0, 2), (64, 128), (64, 1 << 40)] {
        assert_eq!(Rotation::new(cols, block), Err(BlockError { cols, block }));
    }
    let found = [(1536, Some(512)), (2048, Some(2048)), (6, Some(2)), (33, None), (0, None)];
    for (cols, block) in found {
        assert_eq!(Rotation::largest(cols).map(Rotation::block), block, "{cols}");
    }
    // A rotation made for other columns.
    let rotation = Some(Rotation::new(64, 64).unwrap());
    let spec = W8A8Spec { rows: 1, cols: 96, activations: ActivationScale::PerToken, rotation };
    let refused = ThreadPool::new(1).region(|team| Matrix::pack_w8a8(team, spec, |_, _| 1.0)).unwrap_err();
    assert_eq!(refused, MatrixError::Rotation(BlockError { cols: 96, block: 64 }));
}

#[test]
fn products_rotate_their_input_first() {
    let (rows, cols) = (40, 96);
    let weights = Random(1).floats(cols);
    let norm = Norm::Rms { weight: &weights, eps: 1e-5 };
    for kernels in Kernels::available() {
        let mut pool = ThreadPool::with_kernels(2, kernels);
        let mut pack = |rotation| {
            let spec = W8A8Spec { rows, cols, activations: ActivationScale::PerToken, rotation };
            let fill = |row: usize, out: &mut [i8]| {
                let mut random = Random(row as u64);
                out.iter_mut().for_each(|q| *q = random.bits() as i8);
                0.01
            };
            pool.region(|team| Matrix::pack_w8a8(team, spec, fill)).unwrap()
        };
        let plain = pack(None);
        let turned = [32, 4].map(|block| pack(Some(Rotation::new(cols, block).unwrap())));
        assert_eq!(turned[0].layout_name(), "w8a8 rotated 32");
        for n in [1, 2, 3, 13] {
            let x = Random(n as u64).floats(n * cols);
            // All three in one call, which then needs three forms of its input.
            let mut found = [(); 3].map(|()| vec![0.0; n * rows]);
            pool.region(|team| {
                let [a, b, c] = &mut found;
                let mut outputs =
                    [Output::write(&plain, a), Output::write(&turned[0], b), Output::write(&turned[1], c)];
                ops::project(team, Input { x: &x, norm: Some(norm) }, &mut outputs);
            });
            let mut normed = vec![0.0; x.len()];
            pool.region(|team| ops::norm(team, &norm, &x, &mut normed, cols));
            for (found, block) in found.iter().zip([None, Some(32), Some(4)]) {
                let x = block.map_or(normed.clone(), |block| rotate(&mut pool, &normed, cols, block));
                let mut expected = vec![0.0; n * rows];
                pool.region(|team| {
                    let input = Input { x: &x, norm: None };
                    ops::project(team, input, &mut [Output::write(&plain, &mut expected)]);
                });
                assert_eq!(bits(found), bits(&expected), "{} {n} {block:?}", kernels.name());
            }
        }
    }
}

#[test]
fn what_is_not_finite_makes_its_block_meaningless() {
    let mut pool = ThreadPool::new(1);
    let spec = W8A8Spec {
        rows: 3,
        cols: 64,
        activations: ActivationScale::PerToken,
        rotation: Some(Rotation::new(64, 64).unwrap()),
    };
    let matrix = pool.region(|team| Matrix::pack_w8a8(team, spec, |_, _| 1.0)).unwrap();
    for poison in [f32::NAN, f32::INFINITY] {
        let mut x = Random(3).floats(64);
        x[5] = poison;
        let mut y = vec![0.0; 3];
        pool.region(|team| {
            ops::project(team, Input { x: &x, norm: None }, &mut [Output::write(&matrix, &mut y)]);
        });
        assert!(y.iter().all(|y| y.is_nan()), "{y:?}");
    }
}
