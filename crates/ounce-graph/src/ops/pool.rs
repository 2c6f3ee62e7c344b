//! Pooling: the maximum or mean of what a window covers.

use super::Window;
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{
    Cost, Operator, expect_dtype, expect_dtypes, expect_floats, expect_inputs, expect_rank, expect_shape,
};
use crate::tensor::with_elements;
use crate::types::{DType, TensorType};

/// What is made of the elements under the window.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PoolKind {
    /// The largest. Padding never is. The first of equals gets the gradient, as in PyTorch.
    Max,
    /// The mean over the window, padding counted as zeros (PyTorch's default).
    Average,
    /// The mean over what lies inside the image.
    AverageInside,
}

/// Pools `x [N, C, H, W]` in f32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool2d {
    /// What is made of the elements under the window.
    pub kind: PoolKind,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// How the window slides.
    pub window: Window,
}

impl Pool2d {
    fn output(&self, x: &TensorType) -> Result<Vec<usize>, OpError> {
        let [h, w] = self.window.output([x.shape[2], x.shape[3]], self.kernel)?;
        self.window.check_inside(self.kernel)?;
        Ok(vec![x.shape[0], x.shape[1], h, w])
    }

    /// The offsets inside an image that the window covers at a place.
    fn cells(&self, image: [usize; 2], at: [usize; 2]) -> impl Iterator<Item = usize> {
        (0..self.kernel[0] * self.kernel[1]).filter_map(move |tap| {
            let row = self.window.place(0, at[0], tap / self.kernel[1], image[0])?;
            let column = self.window.place(1, at[1], tap % self.kernel[1], image[1])?;
            Some(row * image[1] + column)
        })
    }

    fn divisor(&self, inside: usize) -> f32 {
        let count = if self.kind == PoolKind::Average { self.kernel[0] * self.kernel[1] } else { inside };
        count as f32
    }
}

/// The index of the first largest element, what is no number counting as largest.
fn argmax<T: PartialOrd + Copy>(plane: &[T], cells: impl Iterator<Item = usize>) -> Option<usize> {
    let mut best: Option<usize> = None;
    for cell in cells {
        let is_number = plane[cell].partial_cmp(&plane[cell]).is_some();
        if best.is_none_or(|best| plane[cell] > plane[best] || !is_number) {
            best = Some(cell);
        }
    }
    best
}

impl Operator for Pool2d {
    fn name(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "max_pool2d",
            PoolKind::Average | PoolKind::AverageInside => "avg_pool2d",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        expect_rank(inputs, 0, 4)?;
        Ok(vec![TensorType::f32(&self.output(&inputs[0])?)])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (y, x) = (io.take_f32(0), io.f32(0));
        let (image, places) = (plane_extents(io.shape(0)), plane_extents(io.output_shape(0)));
        for (y, x) in planes_mut(y, places).zip(planes(x, image)) {
            self.plane(x, image, y, places);
        }
    }

    fn execute(&self, team: &mut ounce_kernels::Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let (y, x) = (io.take_f32(0), io.f32(0));
        let (image, places) = (plane_extents(io.shape(0)), plane_extents(io.output_shape(0)));
        let len = image[0] * image[1];
        crate::host::rows(team, y, places[0] * places[1], |plane, y| {
            let x = &x[plane * len..][..len];
            self.plane(x, image, y, places);
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let shape = gradient.shape(0);
        let op = Pool2dGradient { pool: *self, image: [shape[2], shape[3]] };
        let x = gradient.input(0);
        let inputs = if self.kind == PoolKind::Max { vec![g, x] } else { vec![g] };
        let dx = gradient.apply(op, &inputs)?;
        gradient.add(0, dx)
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(0, inputs, outputs)
    }
}

impl Pool2d {
    fn plane(&self, x: &[f32], image: [usize; 2], y: &mut [f32], places: [usize; 2]) {
        for (place, y) in y.iter_mut().enumerate() {
            let cells = self.cells(image, [place / places[1], place % places[1]]);
            *y = match self.kind {
                PoolKind::Max => argmax(x, cells).map_or(f32::NEG_INFINITY, |cell| x[cell]),
                _ => {
                    let (sum, inside) = cells.fold((0.0f32, 0), |(sum, n), cell| (sum + x[cell], n + 1));
                    sum / self.divisor(inside)
                }
            };
        }
    }
}

fn plane_extents(shape: &[usize]) -> [usize; 2] {
    [shape[2], shape[3]]
}

fn planes(data: &[f32], extents: [usize; 2]) -> std::slice::ChunksExact<'_, f32> {
    data.chunks_exact((extents[0] * extents[1]).max(1))
}

fn planes_mut(data: &mut [f32], extents: [usize; 2]) -> std::slice::ChunksExactMut<'_, f32> {
    data.chunks_exact_mut((extents[0] * extents[1]).max(1))
}

/// The gradient of pooling by its input, in f32. Inputs: the gradient of the result and, for the maximum, `x` in f32 or i8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool2dGradient {
    /// The pooling.
    pub pool: Pool2d,
    /// Height and width of `x`.
    pub image: [usize; 2],
}

impl Operator for Pool2dGradient {
    fn name(&self) -> &'static str {
        "pool2d_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        let max = self.pool.kind == PoolKind::Max;
        expect_inputs(inputs, if max { 2 } else { 1 })?;
        expect_dtype(inputs, 0, DType::F32)?;
        expect_rank(inputs, 0, 4)?;
        let g = &inputs[0].shape;
        let x = TensorType::new(DType::F32, &[g[0], g[1], self.image[0], self.image[1]]);
        let expected = self.pool.output(&x)?;
        expect_shape(inputs, 0, &expected)?;
        if max {
            expect_dtypes(inputs, 1, &[DType::F32, DType::I8])?;
            expect_shape(inputs, 1, &x.shape)?;
        }
        Ok(vec![x])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (dx, g) = (io.take_f32(0), io.f32(0));
        let places = plane_extents(io.shape(0));
        let x = (self.pool.kind == PoolKind::Max).then(|| io.input(1));
        dx.fill(0.0);
        let len = self.image[0] * self.image[1];
        for (plane, (dx, g)) in planes_mut(dx, self.image).zip(planes(g, places)).enumerate() {
            for place in 0..places[0] * places[1] {
                let at = [place / places[1], place % places[1]];
                match x {
                    Some(x) => {
                        let cells = self.pool.cells(self.image, at);
                        let cell = with_elements!(x, x => argmax(&x[plane * len..][..len], cells));
                        cell.into_iter().for_each(|cell| dx[cell] += g[place]);
                    }
                    None => {
                        let inside = self.pool.cells(self.image, at).count();
                        let share = g[place] / self.pool.divisor(inside);
                        self.pool.cells(self.image, at).for_each(|cell| dx[cell] += share);
                    }
                }
            }
        }
    }
}
