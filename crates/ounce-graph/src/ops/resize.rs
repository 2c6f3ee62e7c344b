//! Resizing of images.

use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_floats, expect_rank};
use crate::types::TensorType;

/// How the elements between samples are made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResizeMode {
    /// The sample at the coordinate rounded down (PyTorch's `nearest`, ONNX's `floor`).
    NearestFloor,
    /// The sample nearest to the coordinate, the lower of two (ONNX's `round_prefer_floor`).
    NearestRound,
    /// The sample nearest to the coordinate, the upper of two (PyTorch's `nearest-exact`, ONNX's `round_prefer_ceil`).
    NearestRoundUp,
    /// The sample at the coordinate rounded up (ONNX's `ceil`).
    NearestCeil,
    /// Linear along both axes.
    Bilinear,
}

/// Which coordinate of the input an element of the output stands for. The names are ONNX's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Coordinates {
    /// `(i + 0.5) / scale - 0.5`: PyTorch's `align_corners=False`.
    HalfPixel,
    /// As [`Coordinates::HalfPixel`], and 0 where the output has one element.
    PytorchHalfPixel,
    /// `i (in - 1) / (out - 1)`: PyTorch's `align_corners=True`.
    AlignCorners,
    /// `i / scale`: PyTorch's `nearest`.
    Asymmetric,
}

/// Resizes the last two axes of `x [N, C, H, W]` in f32.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Resize {
    /// How the elements between samples are made.
    pub mode: ResizeMode,
    /// What coordinates mean.
    pub coordinates: Coordinates,
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Output extent over input extent where it is not the quotient of the extents, as when a scale factor was given.
    pub scale: Option<[f32; 2]>,
}

impl Resize {
    /// The two samples along an axis that an element is made of, and the weight of the second.
    fn samples(&self, axis: usize, at: usize, extent: usize) -> (usize, usize, f32) {
        let out = self.output[axis];
        let ratio = match self.scale {
            Some(scale) => 1.0 / scale[axis],
            None => extent as f32 / out as f32,
        };
        let x = at as f32;
        let x = match self.coordinates {
            Coordinates::HalfPixel => (x + 0.5) * ratio - 0.5,
            Coordinates::PytorchHalfPixel if out > 1 => (x + 0.5) * ratio - 0.5,
            Coordinates::PytorchHalfPixel => 0.0,
            Coordinates::AlignCorners if out > 1 => x * ((extent - 1) as f32 / (out - 1) as f32),
            Coordinates::AlignCorners => 0.0,
            Coordinates::Asymmetric => x * ratio,
        };
        let last = extent - 1;
        let clamp = |x: f32| (x.max(0.0) as usize).min(last);
        match self.mode {
            ResizeMode::NearestFloor => (clamp(x.floor()), 0, 0.0),
            ResizeMode::NearestRound => (clamp((x - 0.5).ceil()), 0, 0.0),
            ResizeMode::NearestRoundUp => (clamp((x + 0.5).floor()), 0, 0.0),
            ResizeMode::NearestCeil => (clamp(x.ceil()), 0, 0.0),
            ResizeMode::Bilinear => {
                let x = x.clamp(0.0, last as f32);
                let low = clamp(x.floor());
                (low, (low + 1).min(last), x - low as f32)
            }
        }
    }

    /// Calls `visit(place, source, weight)` for every contribution to every element of a plane.
    fn for_each_weight(&self, image: [usize; 2], mut visit: impl FnMut(usize, usize, f32)) {
        for i in 0..self.output[0] {
            let (top, bottom, down) = self.samples(0, i, image[0]);
            for j in 0..self.output[1] {
                let (left, right, across) = self.samples(1, j, image[1]);
                let place = i * self.output[1] + j;
                for (row, column, weight) in [
                    (top, left, (1.0 - down) * (1.0 - across)),
                    (top, right, (1.0 - down) * across),
                    (bottom, left, down * (1.0 - across)),
                    (bottom, right, down * across),
                ] {
                    if weight != 0.0 {
                        visit(place, row * image[1] + column, weight);
                    }
                }
            }
        }
    }

    fn check(&self, image: [usize; 2]) -> Result<(), OpError> {
        let sound = self.scale.is_none_or(|scale| scale.iter().all(|s| *s > 0.0 && s.is_finite()));
        if image.contains(&0) || self.output.contains(&0) || !sound {
            return Err(OpError::attribute("output", "extents and scales must be above 0"));
        }
        Ok(())
    }
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        expect_rank(inputs, 0, 4)?;
        let x = &inputs[0].shape;
        self.check([x[2], x[3]])?;
        Ok(vec![TensorType::f32(&[x[0], x[1], self.output[0], self.output[1]])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let image = [io.shape(0)[2], io.shape(0)[3]];
        let (y, x) = (io.take_f32(0), io.f32(0));
        y.fill(0.0);
        let planes = x.chunks_exact(image[0] * image[1]);
        for (y, x) in y.chunks_exact_mut(self.output[0] * self.output[1]).zip(planes) {
            self.for_each_weight(image, |place, source, weight| y[place] += x[source] * weight);
        }
    }

    fn execute(&self, team: &mut ounce_kernels::Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let image = [io.shape(0)[2], io.shape(0)[3]];
        let (y, x) = (io.take_f32(0), io.f32(0));
        let len = image[0] * image[1];
        crate::host::rows(team, y, self.output[0] * self.output[1], |plane, y| {
            y.fill(0.0);
            let x = &x[plane * len..][..len];
            self.for_each_weight(image, |place, source, weight| y[place] += x[source] * weight);
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let x = gradient.shape(0);
        let dx = gradient.apply(ResizeGradient { resize: *self, image: [x[2], x[3]] }, &[g])?;
        gradient.add(0, dx)
    }
}

/// The transpose of [`Resize`], of the gradient of its output.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ResizeGradient {
    /// The resizing.
    pub resize: Resize,
    /// Height and width of its input.
    pub image: [usize; 2],
}

impl Operator for ResizeGradient {
    fn name(&self) -> &'static str {
        "resize_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        expect_rank(inputs, 0, 4)?;
        self.resize.check(self.image)?;
        let g = &inputs[0].shape;
        if g[2..] != self.resize.output {
            return Err(OpError::shape(0, format!("[N, C, {:?}]", self.resize.output), &inputs[0]));
        }
        Ok(vec![TensorType::f32(&[g[0], g[1], self.image[0], self.image[1]])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (dx, g) = (io.take_f32(0), io.f32(0));
        dx.fill(0.0);
        let planes = g.chunks_exact(self.resize.output[0] * self.resize.output[1]);
        for (dx, g) in dx.chunks_exact_mut(self.image[0] * self.image[1]).zip(planes) {
            self.resize.for_each_weight(self.image, |place, source, weight| dx[source] += g[place] * weight);
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let dg = gradient.apply(self.resize, &[g])?;
        gradient.add(0, dg)
    }
}
