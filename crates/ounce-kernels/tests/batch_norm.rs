//! Batch norm and its gradient against plain loops in double precision, for every table and number of threads.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ounce_kernels::ops::{BatchNorm, batch_norm, batch_norm_gradient};
use ounce_kernels::{Kernels, ThreadPool};
use support::{Random, assert_close};

/// An image with its batch norm by plain loops.
struct Case {
    extents: [usize; 3],
    bounds: Option<[f32; 2]>,
    x: Vec<f32>,
    g: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

const EPS: f32 = 1e-3;

impl Case {
    fn new(extents: [usize; 3], bounds: Option<[f32; 2]>, offset: f32) -> Self {
        let mut random = Random(extents.iter().sum::<usize>() as u64);
        let count = extents.iter().product();
        let x = random.floats(count).into_iter().map(|x| x + offset).collect();
        let (g, weight, bias) = (random.floats(count), random.floats(extents[1]), random.floats(extents[1]));
        Self { extents, bounds, x, g, weight, bias }
    }

    fn norm(&self) -> BatchNorm<'_> {
        let [batch, _, len] = self.extents;
        BatchNorm { batch, len, weight: &self.weight, bias: &self.bias, eps: EPS, bounds: self.bounds }
    }

    /// What comes out: result, mean, variance, and the gradients by image, weight and bias.
    fn expected(&self) -> [Vec<f32>; 6] {
        let [batch, channels, len] = self.extents;
        let mut out = [(); 6].map(|()| Vec::new());
        out[0] = vec![0.0; self.x.len()];
        out[3] = vec![0.0; self.x.len()];
        for c in 0..channels {
            let places: Vec<usize> =
                (0..batch).flat_map(|n| (0..len).map(move |i| (n * channels + c) * len + i)).collect();
            let average =
                |of: &dyn Fn(usize) -> f64| places.iter().map(|i| of(*i)).sum::<f64>() / places.len() as f64;
            let mean = average(&|i| f64::from(self.x[i]));
            let var = average(&|i| (f64::from(self.x[i]) - mean).powi(2));
            let inverse = 1.0 / (var + f64::from(EPS)).sqrt();
            let normal = |i: usize| (f64::from(self.x[i]) - mean) * inverse;
            let free = |i: usize| normal(i) * f64::from(self.weight[c]) + f64::from(self.bias[c]);
            let [low, high] = self.bounds.unwrap_or([f32::NEG_INFINITY, f32::INFINITY]).map(f64::from);
            let passed = |i: usize| {
                if free(i) > low && free(i) < high { f64::from(self.g[i]) } else { 0.0 }
            };
            let (by_bias, by_weight) = (average(&passed), average(&|i| passed(i) * normal(i)));
            for i in &places {
                out[0][*i] = free(*i).clamp(low, high) as f32;
                out[3][*i] = (f64::from(self.weight[c])
                    * inverse
                    * (passed(*i) - by_bias - normal(*i) * by_weight)) as f32;
            }
            out[1].push(mean as f32);
            out[2].push(var as f32);
            out[4].push((by_weight * places.len() as f64) as f32);
            out[5].push((by_bias * places.len() as f64) as f32);
        }
        out
    }

    fn check(&self, tolerance: f32) {
        let expected = self.expected();
        for kernels in Kernels::available() {
            let mut first = None;
            for threads in 1..=3 {
                let mut pool = ThreadPool::with_kernels(threads, kernels);
                let mut found = expected.clone().map(|part| vec![f32::NAN; part.len()]);
                let mut in_place = [self.x.clone(), self.g.clone(), self.x.clone()];
                pool.region(|team| {
                    let [y, mean, var, dx, dweight, dbias] = &mut found;
                    let norm = self.norm();
                    batch_norm(team, &norm, Some(&self.x), y, [mean, var]);
                    let (g, x) = (Some(&self.g[..]), Some(&self.x[..]));
                    batch_norm_gradient(team, &norm, [mean, var], [g, x], dx, [dweight, dbias]);
                    // What overwrites an input gives the same.
                    let [own_y, for_g, for_x] = &mut in_place;
                    let (mut other, mut another) = (mean.clone(), var.clone());
                    batch_norm(team, &norm, None, own_y, [&mut other, &mut another]);
                    let stats = [&mean[..], &var[..]];
                    batch_norm_gradient(team, &norm, stats, [None, x], for_g, [&mut other, &mut another]);
                    batch_norm_gradient(team, &norm, stats, [g, None], for_x, [&mut other, &mut another]);
                });
                assert_eq!(in_place, [&found[0], &found[3], &found[3]].map(Clone::clone), "in place");
                let names = ["y", "mean", "var", "dx", "dweight", "dbias"];
                for ((found, expected), name) in found.iter().zip(&expected).zip(names) {
                    let what = format!("{kernels:?}, {name}, {:?}, {:?}", self.extents, self.bounds);
                    assert_close(found, expected, tolerance, &what);
                }
                assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "threads matter");
            }
        }
    }
}

#[test]
fn batch_norm_and_its_gradient() {
    for extents in
        [[1, 1, 5], [6, 3, 1], [3, 5, 7], [4, 9, 16], [2, 4, 49], [5, 2, 64], [2, 3, 4096], [1, 2, 9001]]
    {
        for bounds in [None, Some([0.0, 6.0]), Some([-0.25, 0.5]), Some([0.0, f32::INFINITY])] {
            Case::new(extents, bounds, 0.25).check(2e-5);
        }
    }
}

#[test]
fn a_mean_far_from_zero_costs_the_digits_that_it_takes_alone() {
    // Floats near 1000 are 6e-5 apart.
    Case::new([4, 3, 5000], None, 1000.0).check(2e-4);
}

#[test]
fn nothing_gives_nothing() {
    let mut pool = ThreadPool::new(2);
    let norm = BatchNorm { batch: 0, len: 4, weight: &[1.0; 2], bias: &[0.0; 2], eps: EPS, bounds: None };
    let (mut dweight, mut dbias) = ([f32::NAN; 2], [f32::NAN; 2]);
    pool.region(|team| {
        batch_norm(team, &norm, Some(&[]), &mut [], [&mut [0.0; 2], &mut [0.0; 2]]);
        let (stats, inputs) = ([&[0.0; 2][..], &[1.0; 2]], [Some(&[][..]), Some(&[])]);
        batch_norm_gradient(team, &norm, stats, inputs, &mut [], [&mut dweight, &mut dbias]);
    });
    assert_eq!((dweight, dbias), ([0.0; 2], [0.0; 2]));
}
