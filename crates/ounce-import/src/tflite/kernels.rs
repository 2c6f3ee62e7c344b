//! Operators with the integer arithmetic of TensorFlow Lite's reference kernels, which the graph has no equivalent of.

use ounce_graph::ops::{
    ApplyMask, BinaryKind, ChannelsLastMean, Expand, FixedScale, MeanRounding, Pool2d, Pool2dGradient,
    PoolKind, Reshape, Window,
};
use ounce_graph::{Custom, DType, Gradient, GraphError, Io, Op, OpError, Operator, TensorType, set_bits};
use ounce_kernels::Team;
use ounce_kernels::ops::{Int8FixedAdd, int8_fixed_add};

/// Bounds of a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The least result.
    pub low: i8,
    /// The largest result.
    pub high: i8,
}

impl Bounds {
    fn clamp(self, x: i32) -> i8 {
        x.clamp(self.low.into(), self.high.into()) as i8
    }
}

fn bytes(inputs: &[TensorType], count: usize) -> Result<(), OpError> {
    if inputs.len() != count {
        return Err(OpError::InputCount { expected: count.to_string(), found: inputs.len() });
    }
    match inputs.iter().position(|ty| ty.dtype != DType::I8) {
        None => Ok(()),
        Some(input) => Err(OpError::DType { input, expected: "i8".to_owned(), found: inputs[input].dtype }),
    }
}

/// The sum of two inputs in i8 of equal shape: both are scaled to a common scale with 20 more bits, added, and scaled to the result's. With `save_mask`, output 1 has a bit for each element
/// that was not clamped, which the gradient needs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FixedAdd {
    /// Zero points of the inputs.
    pub zeros: [i32; 2],
    /// From inputs with 20 more bits to the common scale.
    pub scales: [FixedScale; 2],
    /// Zero point of the result.
    pub y_zero: i32,
    /// From the common scale to the result's.
    pub y_scale: FixedScale,
    /// Bounds of the result.
    pub bounds: Bounds,
    /// Save which results were not clamped.
    pub save_mask: bool,
}

/// How many bits inputs of an addition are shifted up.
const ADD_SHIFT: i32 = Int8FixedAdd::SHIFT;

impl FixedAdd {
    /// An addition for given scales and zero points of inputs and result, for inference.
    ///
    /// # Errors
    /// If a scale is not positive and finite.
    pub fn new(
        scales: [f32; 2],
        zeros: [i32; 2],
        y_scale: f32,
        y_zero: i32,
        bounds: Bounds,
    ) -> Result<Self, OpError> {
        let common = 2.0 * f64::from(scales[0].max(scales[1]));
        let [a, b] = scales.map(|scale| FixedScale::new(f64::from(scale) / common));
        let y_scale = FixedScale::new(common / (f64::from(1 << ADD_SHIFT) * f64::from(y_scale)))?;
        Ok(Self { zeros, scales: [a?, b?], y_zero, y_scale, bounds, save_mask: false })
    }
}

impl FixedAdd {
    /// The sum of two bytes, not clamped.
    fn sum(&self, a: i8, b: i8) -> i32 {
        let scaled = |x: i8, i: usize| self.scales[i].apply((i32::from(x) - self.zeros[i]) << ADD_SHIFT);
        self.y_scale.apply(scaled(a, 0).wrapping_add(scaled(b, 1))).wrapping_add(self.y_zero)
    }
}

impl Operator for FixedAdd {
    fn name(&self) -> &'static str {
        "fixed_add"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        bytes(inputs, 2)?;
        if inputs[0] != inputs[1] {
            return Err(OpError::shape(1, format!("{:?}", inputs[0].shape), &inputs[1]));
        }
        let mut types = vec![inputs[0].clone()];
        if self.save_mask {
            types.push(TensorType::new(DType::Bits, &inputs[0].shape));
        }
        Ok(types)
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (y, a, b) = (io.take_i8(0), io.i8(0), io.i8(1));
        for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
            *y = self.bounds.clamp(self.sum(*a, *b));
        }
        if self.save_mask {
            let range = self.bounds.low.into()..=self.bounds.high.into();
            set_bits(io.take_bits(1), a.len(), |at| range.contains(&self.sum(a[at], b[at])));
        }
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        if self.save_mask {
            return self.reference(io);
        }
        let parts = |scale: FixedScale| [scale.multiplier, scale.shift];
        let byte = |zero: i32| i8::try_from(zero).ok();
        let bounds = [self.bounds.low, self.bounds.high];
        let zeros = [self.zeros[0], self.zeros[1], self.y_zero].map(byte);
        let [Some(a), Some(b), Some(y_zero)] = zeros else { return self.reference(io) };
        match Int8FixedAdd::new([a, b], self.scales.map(parts), parts(self.y_scale), y_zero, bounds) {
            Some(add) => int8_fixed_add(team, &add, [io.i8(0), io.i8(1)], io.take_i8(0)),
            None => self.reference(io),
        }
    }

    fn channels_last(&self, _inputs: &[TensorType]) -> Option<Op> {
        (!self.save_mask).then(|| (*self).into())
    }

    /// As of a sum of numbers, where it was not clamped.
    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        if !self.save_mask {
            return Err(gradient.refuse("which results were clamped is not known: build it with save_mask"));
        }
        let (g, mask) = (gradient.upstream_first()?, gradient.output(1));
        let g = gradient.apply(ApplyMask, &[g, mask])?;
        for i in (0..2).filter(|i| gradient.needs(*i)).collect::<Vec<_>>() {
            let factor = self.scales[i].factor() * f64::from(1 << ADD_SHIFT) * self.y_scale.factor();
            let factor = gradient.graph().scalar(factor as f32);
            let dx = gradient.binary(BinaryKind::Mul, g, factor)?;
            gradient.add(i, dx)?;
        }
        Ok(())
    }

    fn without_unused(&self, used: &[bool]) -> Option<Op> {
        (used == [true, false]).then(|| Self { save_mask: false, ..*self }.into())
    }
}

impl From<FixedAdd> for Op {
    fn from(op: FixedAdd) -> Self {
        Custom::new(op).into()
    }
}

/// The mean over windows of `x [N, C, H, W]` in i8, of what lies inside the image, ties away from zero.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FixedAveragePool {
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// How the window slides.
    pub window: Window,
    /// Bounds of the result.
    pub bounds: Bounds,
}

impl Operator for FixedAveragePool {
    fn name(&self) -> &'static str {
        "fixed_average_pool"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        bytes(inputs, 1)?;
        let [n, c, h, w] = inputs[0].shape[..] else {
            return Err(OpError::shape(0, "of 4 axes", &inputs[0]));
        };
        let [height, width] = self.window.output([h, w], self.kernel)?;
        if (0..2).any(|axis| self.window.before[axis].max(self.window.after[axis]) >= self.kernel[axis]) {
            return Err(OpError::attribute(
                "window",
                "a padding as wide as the window leaves places with nothing inside",
            ));
        }
        Ok(vec![TensorType::new(DType::I8, &[n, c, height, width])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (image, places) =
            ([io.shape(0)[2], io.shape(0)[3]], [io.output_shape(0)[2], io.output_shape(0)[3]]);
        let (y, x) = (io.take_i8(0), io.i8(0));
        let (len, area) = (image[0] * image[1], places[0] * places[1]);
        for (i, y) in y.iter_mut().enumerate() {
            let (plane, at) = (&x[i / area * len..][..len], [i % area / places[1], i % area % places[1]]);
            let (mut sum, mut count) = (0i32, 0i32);
            for row in (0..self.kernel[0]).filter_map(|tap| self.window.place(0, at[0], tap, image[0])) {
                for column in (0..self.kernel[1]).filter_map(|tap| self.window.place(1, at[1], tap, image[1]))
                {
                    sum = sum.wrapping_add(plane[row * image[1] + column].into());
                    count += 1;
                }
            }
            let half = count / 2;
            *y = self.bounds.clamp(
                (if sum > 0 { sum.wrapping_add(half) } else { sum.wrapping_sub(half) }) / count.max(1),
            );
        }
    }

    fn channels_last(&self, inputs: &[TensorType]) -> Option<Op> {
        let whole = self.kernel == inputs[0].shape[2..] && self.window == Window::default();
        let bounds = [self.bounds.low, self.bounds.high];
        whole.then(|| ChannelsLastMean { rounding: MeanRounding::TiesAway, bounds }.into())
    }

    /// As of a mean that is not rounded. It passes where the mean was clamped, too.
    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let shape = gradient.shape(0);
        let g = gradient.upstream_first()?;
        let image = [shape[2], shape[3]];
        let inside = self.window.before == [0, 0] && self.window.after == [0, 0];
        let dx = if self.kernel == image && inside {
            let factor = gradient.graph().scalar(1.0 / (image[0] * image[1]) as f32);
            let g = gradient.binary(BinaryKind::Mul, g, factor)?;
            gradient.apply(Expand { shape }, &[g])?
        } else {
            let pool = Pool2d { kind: PoolKind::AverageInside, kernel: self.kernel, window: self.window };
            gradient.apply(Pool2dGradient { pool, image }, &[g])?
        };
        gradient.add(0, dx)
    }
}

impl From<FixedAveragePool> for Op {
    fn from(op: FixedAveragePool) -> Self {
        Custom::new(op).into()
    }
}

/// The mean over trailing axes of an input in i8, scaled.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FixedMean {
    /// How many trailing axes become one number.
    pub axes: usize,
    /// Zero point of the input.
    pub x_zero: i32,
    /// Zero point of the result.
    pub y_zero: i32,
    /// From sums to the result: the ratio of the scales, divided by the number of elements.
    pub scale: FixedScale,
}

impl FixedMean {
    /// A mean of `count` elements for given scales and zero points of input and result.
    ///
    /// # Errors
    /// If there is nothing to reduce, or the scales make no sense.
    pub fn new(axes: usize, count: usize, scales: [f32; 2], zeros: [i32; 2]) -> Result<Self, OpError> {
        let ratio = FixedScale::new(f64::from(scales[0]) / f64::from(scales[1]))?;
        let count = i64::try_from(count).ok().filter(|n| *n > 0);
        let count = count.ok_or_else(|| OpError::attribute("axes", "must have something to reduce"))?;
        let shift = (63 - count.leading_zeros() as i32).min(32).min(31 + ratio.shift);
        let multiplier = ((i64::from(ratio.multiplier) << shift) / count) as i32;
        let scale = FixedScale { multiplier, shift: ratio.shift - shift };
        Ok(Self { axes, x_zero: zeros[0], y_zero: zeros[1], scale })
    }
}

impl Operator for FixedMean {
    fn name(&self) -> &'static str {
        "fixed_mean"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        bytes(inputs, 1)?;
        let shape = &inputs[0].shape;
        let kept =
            shape.len().checked_sub(self.axes).filter(|kept| shape[*kept..].iter().all(|extent| *extent > 0));
        let kept = kept.ok_or_else(|| OpError::shape(0, "with something to reduce", &inputs[0]))?;
        Ok(vec![TensorType::new(DType::I8, &shape[..kept])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let shape = io.shape(0);
        let len = shape[shape.len() - self.axes..].iter().product();
        let (y, x) = (io.take_i8(0), io.i8(0));
        for (y, row) in y.iter_mut().zip(x.chunks_exact(len)) {
            let sum = row.iter().fold(0i32, |sum, x| sum.wrapping_add(i32::from(*x) - self.x_zero));
            *y = self.scale.apply(sum).wrapping_add(self.y_zero).clamp(-128, 127) as i8;
        }
    }

    /// As of a mean that is neither rounded nor clamped.
    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let shape = gradient.shape(0);
        let g = gradient.upstream_first()?;
        let factor = gradient.graph().scalar(self.scale.factor() as f32);
        let g = gradient.binary(BinaryKind::Mul, g, factor)?;
        let kept = shape.len() - self.axes;
        let ones = shape.iter().enumerate().map(|(axis, extent)| if axis < kept { *extent } else { 1 });
        let g = gradient.apply(Reshape { shape: ones.collect() }, &[g])?;
        let dx = gradient.apply(Expand { shape }, &[g])?;
        gradient.add(0, dx)
    }
}

impl From<FixedMean> for Op {
    fn from(op: FixedMean) -> Self {
        Custom::new(op).into()
    }
}
