//! Convolution of images.

use ounce_kernels::Team;

use super::{Clip, Conv2dWeightGradient, ConvTranspose2d, Op, Reduce, ReduceKind, Window};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::graph::ValueId;
use crate::host::conv;
use crate::io::Io;
use crate::operator::{
    Cost, Operator, expect_dtype, expect_dtypes, expect_inputs_between, expect_rank, expect_shape,
};
use crate::types::{DType, TensorType};

/// `y[n, o] = clip(sum_c x[n, c] * w[o, c] + bias[o])`, a correlation as in every framework. Inputs: `x [N, C, H, W]`, `w [O, C / groups, kh, kw]`
/// in f32 or i8, and optionally `bias [O]`. Depthwise convolution has as many groups as channels, pointwise a 1 x 1 kernel.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Conv2d {
    /// How the kernel slides.
    pub window: Window,
    /// Channels are cut into so many groups, each convolved by itself. 0 is taken for 1.
    pub groups: usize,
    /// Applied to the result.
    pub activation: Option<Clip>,
}

impl Conv2d {
    /// One group and no activation.
    pub fn new(window: Window) -> Self {
        Self { window, groups: 1, activation: None }
    }

    /// The same with another number of groups.
    pub fn grouped(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

/// The extents of a convolution, found and checked from the types of image and kernel.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Channels of the image.
    pub channels: usize,
    /// Height and width of the image.
    pub image: [usize; 2],
    /// Channels of the result.
    pub outputs: usize,
    /// Height and width of the result.
    pub places: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Groups.
    pub groups: usize,
    /// How the kernel slides.
    pub window: Window,
}

impl ConvShape {
    /// Of an image `[N, C, H, W]` and a kernel `[O, C / groups, kh, kw]`.
    ///
    /// # Errors
    /// If channels do not fit or the window does not.
    pub fn of(x: &[usize], w: &[usize], groups: usize, window: Window) -> Result<Self, OpError> {
        let groups = groups.max(1);
        let (channels, outputs) = (x[1], w[0]);
        if channels % groups != 0 || outputs % groups != 0 || w[1] != channels / groups {
            let problem = format!(
                "{groups} groups of an image of {channels} channels take a kernel [O, {}, kh, kw] with O a multiple of {groups}, found {w:?}",
                channels / groups
            );
            return Err(OpError::attribute("groups", problem));
        }
        if channels == 0 || outputs == 0 {
            return Err(OpError::attribute(
                "groups",
                "a convolution has at least one channel on either side",
            ));
        }
        let (image, kernel) = ([x[2], x[3]], [w[2], w[3]]);
        let places = window.output(image, kernel)?;
        Ok(Self { batch: x[0], channels, image, outputs, places, kernel, groups, window })
    }

    /// Channels of the image in a group.
    pub fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// Channels of the result in a group.
    pub fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Elements of an image's channel.
    pub fn image_len(&self) -> usize {
        self.image[0] * self.image[1]
    }

    /// Elements of a result's channel.
    pub fn places_len(&self) -> usize {
        self.places[0] * self.places[1]
    }

    /// Elements of a kernel's channel.
    pub fn kernel_len(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether every channel is a group with one output.
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.channels && self.outputs == self.channels
    }

    /// Whether an element of the result is made of the image's at the same place alone.
    pub fn is_pointwise(&self) -> bool {
        let window = &self.window;
        self.kernel == [1, 1]
            && window.stride == [1, 1]
            && window.before == [0, 0]
            && self.places == self.image
    }

    /// Multiplications.
    pub fn macs(&self) -> usize {
        self.batch * self.outputs * self.places_len() * self.group_channels() * self.kernel_len()
    }

    /// Calls `visit(x, w, y)` with the offsets of every product of the convolution, in the order in which a result is summed.
    pub(crate) fn for_each_product(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let (cg, og) = (self.group_channels(), self.group_outputs());
        for n in 0..self.batch {
            for o in 0..self.outputs {
                for (i, j) in pairs(self.places) {
                    let y = ((n * self.outputs + o) * self.places[0] + i) * self.places[1] + j;
                    for c in 0..cg {
                        let channel = n * self.channels + o / og * cg + c;
                        for (a, b) in pairs(self.kernel) {
                            let row = self.window.place(0, i, a, self.image[0]);
                            let column = self.window.place(1, j, b, self.image[1]);
                            if let (Some(row), Some(column)) = (row, column) {
                                let x = (channel * self.image[0] + row) * self.image[1] + column;
                                let w = ((o * cg + c) * self.kernel[0] + a) * self.kernel[1] + b;
                                visit(x, w, y);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All index pairs below the extents.
fn pairs(extents: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..extents[0]).flat_map(move |i| (0..extents[1]).map(move |j| (i, j)))
}

impl Conv2d {
    fn extents(&self, inputs: &[TensorType]) -> Result<ConvShape, OpError> {
        ConvShape::of(&inputs[0].shape, &inputs[1].shape, self.groups, self.window)
    }

    /// The extents for inputs that the shape rule has accepted.
    #[allow(clippy::expect_used)]
    fn checked(&self, inputs: &[TensorType]) -> ConvShape {
        self.extents(inputs).expect("the shape rule accepted these inputs")
    }
}

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs_between(inputs, 2, 3)?;
        expect_dtype(inputs, 0, DType::F32)?;
        expect_dtypes(inputs, 1, &[DType::F32, DType::I8])?;
        expect_rank(inputs, 0, 4)?;
        expect_rank(inputs, 1, 4)?;
        let shape = self.extents(inputs)?;
        if inputs.len() == 3 {
            expect_dtype(inputs, 2, DType::F32)?;
            expect_shape(inputs, 2, &[shape.outputs])?;
        }
        Ok(vec![TensorType::f32(&[shape.batch, shape.outputs, shape.places[0], shape.places[1]])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        let y = io.take_f32(0);
        let x = io.f32(0);
        conv::fill_channels(shape.batch, shape.outputs, (io.inputs() == 3).then(|| io.f32(2)), y);
        crate::tensor::with_elements!(io.input(1), w => {
            shape.for_each_product(|xi, wi, yi| y[yi] += x[xi] * crate::tensor::Element::real(w[wi]));
        });
        if let Some(clip) = self.activation {
            y.iter_mut().for_each(|y| *y = clip.apply(*y));
        }
    }

    fn execute(&self, team: &mut Team<'_>, scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        if !conv::fits(&shape) {
            return self.reference(io);
        }
        let y = io.take_f32(0);
        let w = conv::as_floats(team, io.input(1), scratch);
        let bias = (io.inputs() == 3).then(|| io.f32(2));
        conv::forward(team, &shape, io.f32(0), w, bias, y);
        if let Some(clip) = self.activation {
            crate::host::map(team, y, |y| clip.apply(y));
        }
    }

    fn scratch(&self, inputs: &[TensorType], _outputs: &[TensorType]) -> usize {
        if inputs[1].dtype == DType::F32 { 0 } else { inputs[1].elements() }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let mut upstream = gradient.upstream_first()?;
        if let Some(clip) = self.activation {
            let y = gradient.output(0);
            upstream = gradient.apply(clip.gradient_op(), &[upstream, y])?;
        }
        input_gradients(gradient, upstream, self.window, self.groups, 0)?;
        if gradient.inputs() == 3 && gradient.needs(2) {
            let bias = gradient.apply(bias_sum(), &[upstream])?;
            gradient.add(2, bias)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(self.checked(inputs).macs(), inputs, outputs)
    }
}

/// The sum over batch and places: the gradient of a bias.
pub(crate) fn bias_sum() -> Op {
    Reduce { kind: ReduceKind::Sum, axes: vec![0, 2, 3], keep_dims: false }.into()
}

/// Appends the gradients by image (input 0) and kernel (input 1) of a convolution whose result has gradient `upstream`, as far as they are wanted.
/// An image in bytes has zero point `x_zero`.
pub(crate) fn input_gradients(
    gradient: &mut Gradient<'_>,
    upstream: ValueId,
    window: Window,
    groups: usize,
    x_zero: i32,
) -> Result<(), GraphError> {
    let (x, w) = (gradient.input(0), gradient.input(1));
    if gradient.needs(1) {
        let kernel = gradient.shape(1);
        let kernel = [kernel[2], kernel[3]];
        let op = Conv2dWeightGradient { window, groups, kernel, x_zero };
        let dw = gradient.apply(op, &[x, upstream])?;
        gradient.add(1, dw)?;
    }
    if gradient.needs(0) {
        let image = gradient.shape(0);
        let op = ConvTranspose2d { window, groups, output: [image[2], image[3]] };
        let dx = gradient.apply(op, &[upstream, w])?;
        gradient.add(0, dx)?;
    }
    Ok(())
}
