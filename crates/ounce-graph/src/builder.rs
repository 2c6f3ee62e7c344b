//! Methods of [`Graph`] under the names that PyTorch and ONNX have for common operators and their compositions.

use crate::error::{GraphError, OpError};
use crate::graph::{Graph, ValueId};
use crate::ops::{
    BatchNorm, BatchNormTraining, Binary, BinaryKind, Clip, Concat, Conv2d, ConvTranspose2d, Crop,
    CrossEntropy, Gather, MatMul, Normalize, Op, Pool2d, PoolKind, Reduce, ReduceKind, Reshape, Softmax,
    Transpose, Unary, UnaryKind, Window,
};

type Result = std::result::Result<ValueId, GraphError>;

macro_rules! unary {
    ($($name:ident, $kind:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// If the input is not f32.
        pub fn $name(&mut self, x: ValueId) -> Result {
            self.apply(Unary { kind: UnaryKind::$kind }, &[x])
        }
    )*};
}

macro_rules! binary {
    ($($name:ident, $kind:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// If the inputs are not f32 or do not broadcast.
        pub fn $name(&mut self, a: ValueId, b: ValueId) -> Result {
            self.apply(Binary { kind: BinaryKind::$kind }, &[a, b])
        }
    )*};
}

impl Graph {
    unary! {
        neg, Neg, "`-x`.";
        exp, Exp, "`e^x`.";
        log, Log, "Natural logarithm.";
        sqrt, Sqrt, "Square root.";
        erf, Erf, "The error function.";
        sigmoid, Sigmoid, "`1 / (1 + e^-x)`.";
        tanh, Tanh, "Hyperbolic tangent.";
        gelu, Gelu, "GELU by the error function.";
        gelu_tanh, GeluTanh, "GELU by its tanh approximation.";
        silu, Silu, "`x sigmoid(x)`, also called swish.";
        hard_swish, HardSwish, "`x min(max(x + 3, 0), 6) / 6`.";
        square, Square, "`x x`.";
    }

    binary! {
        add, Add, "`a + b` with broadcasting.";
        sub, Sub, "`a - b` with broadcasting.";
        mul, Mul, "`a b` with broadcasting.";
        div, Div, "`a / b` with broadcasting.";
        pow, Pow, "`a^b` with broadcasting.";
    }

    /// `max(x, 0)`.
    ///
    /// # Errors
    /// If the input is not f32.
    pub fn relu(&mut self, x: ValueId) -> Result {
        self.apply(Clip::RELU, &[x])
    }

    /// `min(max(x, 0), 6)`.
    ///
    /// # Errors
    /// If the input is not f32.
    pub fn relu6(&mut self, x: ValueId) -> Result {
        self.apply(Clip::RELU6, &[x])
    }

    /// Convolution, see [`Conv2d`].
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn conv2d(
        &mut self,
        x: ValueId,
        w: ValueId,
        bias: Option<ValueId>,
        window: Window,
        groups: usize,
    ) -> Result {
        self.apply(Conv2d::new(window).grouped(groups), &with_bias(x, w, bias))
    }

    /// Transposed convolution as PyTorch's `ConvTranspose2d`, with its rule for the output's extents.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn conv_transpose2d(
        &mut self,
        x: ValueId,
        w: ValueId,
        bias: Option<ValueId>,
        window: Window,
        groups: usize,
        output_padding: [usize; 2],
    ) -> Result {
        let extents = |shape: &[usize]| Some([*shape.get(2)?, *shape.get(3)?]);
        let (image, kernel) = (extents(self.shape(x)), extents(self.shape(w)));
        let (Some(image), Some(kernel)) = (image, kernel) else {
            let input = usize::from(image.is_some());
            let found = self.ty(if input == 0 { x } else { w });
            return Err(self.failed("conv_transpose2d", OpError::shape(input, "of 4 axes", found)));
        };
        let op = ConvTranspose2d::with_output_padding(window, groups, image, kernel, output_padding)
            .map_err(|error| self.failed("conv_transpose2d", error))?;
        self.apply(op, &with_bias(x, w, bias))
    }

    /// `x w^T + bias` for a weight `[out, in]`, as PyTorch's `Linear`.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn linear(&mut self, x: ValueId, w: ValueId, bias: Option<ValueId>) -> Result {
        let y = self.apply(MatMul { transpose_a: false, transpose_b: true }, &[x, w])?;
        bias.map_or(Ok(y), |bias| self.add(y, bias))
    }

    /// Product of matrices, batched over leading axes.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn matmul(&mut self, a: ValueId, b: ValueId) -> Result {
        self.apply(MatMul::default(), &[a, b])
    }

    /// Maximum over windows.
    ///
    /// # Errors
    /// If the input is not `[N, C, H, W]` or the window does not fit.
    pub fn max_pool2d(&mut self, x: ValueId, kernel: [usize; 2], window: Window) -> Result {
        self.apply(Pool2d { kind: PoolKind::Max, kernel, window }, &[x])
    }

    /// Mean over windows, padding counted as zeros.
    ///
    /// # Errors
    /// If the input is not `[N, C, H, W]` or the window does not fit.
    pub fn avg_pool2d(&mut self, x: ValueId, kernel: [usize; 2], window: Window) -> Result {
        self.apply(Pool2d { kind: PoolKind::Average, kernel, window }, &[x])
    }

    /// The mean of every channel: `[N, C, H, W]` to `[N, C, 1, 1]`.
    ///
    /// # Errors
    /// If the input is not of four axes.
    pub fn global_avg_pool(&mut self, x: ValueId) -> Result {
        self.apply(Reduce { kind: ReduceKind::Mean, axes: vec![2, 3], keep_dims: true }, &[x])
    }

    /// The maximum of every channel: `[N, C, H, W]` to `[N, C, 1, 1]`.
    ///
    /// # Errors
    /// If the input is not of four axes.
    pub fn global_max_pool(&mut self, x: ValueId) -> Result {
        self.apply(Reduce { kind: ReduceKind::Max, axes: vec![2, 3], keep_dims: true }, &[x])
    }

    /// Batch norm at inference: `stats` are weight, bias, mean and variance.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn batch_norm(&mut self, x: ValueId, stats: [ValueId; 4], eps: f32) -> Result {
        let [weight, bias, mean, var] = stats;
        self.apply(BatchNorm { eps }, &[x, weight, bias, mean, var])
    }

    /// Batch norm in training: normalises with the mean and variance of the batch, and updates the running ones as PyTorch does. `stats` are weight, bias,
    /// and the running mean and variance, which are parameters; `momentum` is the share of the new.
    ///
    /// # Errors
    /// If shapes do not fit, or mean or variance are no parameters.
    pub fn batch_norm_training(
        &mut self,
        x: ValueId,
        stats: [ValueId; 4],
        eps: f32,
        momentum: f32,
    ) -> Result {
        let [weight, bias, mean, var] = stats;
        let outputs = self.apply_all(BatchNormTraining { eps, activation: None }, &[x, weight, bias])?;
        let [y, batch_mean, batch_var] = [0, 1, 2].map(|o| outputs[o]);
        // The running variance is that of a sample.
        let shape = self.shape(x);
        let count = shape[0] * shape[2..].iter().product::<usize>();
        let unbiased = count as f32 / count.saturating_sub(1).max(1) as f32;
        for (running, batch, share) in [(mean, batch_mean, momentum), (var, batch_var, momentum * unbiased)] {
            let (kept, share) = (self.scalar(1.0 - momentum), self.scalar(share));
            let (old, new) = (self.mul(running, kept)?, self.mul(batch, share)?);
            let new = self.add(old, new)?;
            self.update(running, new)?;
        }
        Ok(y)
    }

    /// Layer norm over the axes of the weight, which are the last of `x`.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn layer_norm(&mut self, x: ValueId, weight: ValueId, bias: Option<ValueId>, eps: f32) -> Result {
        let axes = self.shape(weight).len();
        let y = self.apply(Normalize { axes, eps }, &[x])?;
        let y = self.mul(y, weight)?;
        bias.map_or(Ok(y), |bias| self.add(y, bias))
    }

    /// Group norm of `x [N, C, ..]` with `groups` groups of channels, and weight and bias `[C]`.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn group_norm(
        &mut self,
        x: ValueId,
        groups: usize,
        weight: ValueId,
        bias: ValueId,
        eps: f32,
    ) -> Result {
        let shape = self.shape(x).to_vec();
        if shape.len() < 2 || groups == 0 || !shape[1].is_multiple_of(groups) {
            let error =
                OpError::attribute("groups", format!("{groups} does not divide the channels of {shape:?}"));
            return Err(self.failed("group_norm", error));
        }
        let rows = vec![shape[0], groups, shape[1..].iter().product::<usize>() / groups];
        let y = self.reshape(x, &rows)?;
        let y = self.apply(Normalize { axes: 1, eps }, &[y])?;
        let y = self.reshape(y, &shape)?;
        let mut channel = vec![1; shape.len() - 1];
        channel[0] = shape[1];
        let (weight, bias) = (self.reshape(weight, &channel)?, self.reshape(bias, &channel)?);
        let y = self.mul(y, weight)?;
        self.add(y, bias)
    }

    /// Softmax along an axis.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn softmax(&mut self, x: ValueId, axis: usize) -> Result {
        self.apply(Softmax { axis, log: false }, &[x])
    }

    /// The logarithm of softmax along an axis.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn log_softmax(&mut self, x: ValueId, axis: usize) -> Result {
        self.apply(Softmax { axis, log: true }, &[x])
    }

    /// Mean cross entropy of logits `[N, C]` and labels `[N]`.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn cross_entropy(&mut self, logits: ValueId, labels: ValueId) -> Result {
        self.apply(CrossEntropy, &[logits, labels])
    }

    /// The mean of the squared differences.
    ///
    /// # Errors
    /// If shapes do not broadcast.
    pub fn mse(&mut self, a: ValueId, b: ValueId) -> Result {
        let difference = self.sub(a, b)?;
        let square = self.square(difference)?;
        self.mean_all(square)
    }

    /// The mean of all elements.
    ///
    /// # Errors
    /// If the input is not f32.
    pub fn mean_all(&mut self, x: ValueId) -> Result {
        let axes = (0..self.shape(x).len()).collect();
        self.reduce(x, ReduceKind::Mean, axes, false)
    }

    /// The sum of all elements.
    ///
    /// # Errors
    /// If the input is not f32.
    pub fn sum_all(&mut self, x: ValueId) -> Result {
        let axes = (0..self.shape(x).len()).collect();
        self.reduce(x, ReduceKind::Sum, axes, false)
    }

    /// Sum, mean or maximum along axes.
    ///
    /// # Errors
    /// If an axis is not there.
    pub fn reduce(&mut self, x: ValueId, kind: ReduceKind, axes: Vec<usize>, keep_dims: bool) -> Result {
        self.apply(Reduce { kind, axes, keep_dims }, &[x])
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// If the number of elements differs.
    pub fn reshape(&mut self, x: ValueId, shape: &[usize]) -> Result {
        self.apply(Reshape { shape: shape.to_vec() }, &[x])
    }

    /// All axes from `axis` on as one.
    ///
    /// # Errors
    /// If `axis` is above the rank.
    pub fn flatten(&mut self, x: ValueId, axis: usize) -> Result {
        let shape = self.shape(x);
        if axis > shape.len() {
            return Err(self.failed("flatten", OpError::Axis { axis, rank: shape.len() }));
        }
        let mut flat = shape[..axis].to_vec();
        flat.push(shape[axis..].iter().product());
        self.reshape(x, &flat)
    }

    /// Takes out an axis of extent 1.
    ///
    /// # Errors
    /// If it has another extent.
    pub fn squeeze(&mut self, x: ValueId, axis: usize) -> Result {
        let mut shape = self.shape(x).to_vec();
        if axis >= shape.len() {
            return Err(self.failed("squeeze", OpError::Axis { axis, rank: shape.len() }));
        }
        shape.remove(axis);
        self.reshape(x, &shape)
    }

    /// Puts in an axis of extent 1.
    ///
    /// # Errors
    /// If `axis` is above the rank.
    pub fn unsqueeze(&mut self, x: ValueId, axis: usize) -> Result {
        let mut shape = self.shape(x).to_vec();
        if axis > shape.len() {
            return Err(self.failed("unsqueeze", OpError::Axis { axis, rank: shape.len() }));
        }
        shape.insert(axis, 1);
        self.reshape(x, &shape)
    }

    /// Permutes the axes.
    ///
    /// # Errors
    /// If `axes` is no permutation.
    pub fn transpose(&mut self, x: ValueId, axes: &[usize]) -> Result {
        self.apply(Transpose { axes: axes.to_vec() }, &[x])
    }

    /// Joins along an axis.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn concat(&mut self, inputs: &[ValueId], axis: usize) -> Result {
        self.apply(Concat { axis }, inputs)
    }

    /// `size` elements from `start` on along an axis.
    ///
    /// # Errors
    /// If they are not there.
    pub fn slice(&mut self, x: ValueId, axis: usize, start: usize, size: usize) -> Result {
        let rank = self.shape(x).len();
        if axis >= rank {
            return Err(self.failed("slice", OpError::Axis { axis, rank }));
        }
        self.apply(Crop::along(self.shape(x), axis, start, size), &[x])
    }

    /// Cuts an axis into parts of the given sizes.
    ///
    /// # Errors
    /// If the sizes do not sum to the axis' extent.
    pub fn split(
        &mut self,
        x: ValueId,
        axis: usize,
        sizes: &[usize],
    ) -> std::result::Result<Vec<ValueId>, GraphError> {
        let extent = self.shape(x).get(axis).copied();
        if extent != sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) {
            let problem = format!("{sizes:?} do not sum to the extent of axis {axis} of {}", self.ty(x));
            return Err(self.failed("split", OpError::attribute("sizes", problem)));
        }
        let mut start = 0;
        sizes
            .iter()
            .map(|size| {
                start += size;
                self.slice(x, axis, start - size, *size)
            })
            .collect()
    }

    /// Rows of a table `[rows, d]` by index.
    ///
    /// # Errors
    /// If the indices are not i32.
    pub fn embedding(&mut self, table: ValueId, indices: ValueId) -> Result {
        self.apply(Gather { axis: 0 }, &[table, indices])
    }

    fn failed(&self, operator: &'static str, error: OpError) -> GraphError {
        GraphError::Operator { node: format!("{operator}_{}", self.nodes().len()), operator, error }
    }
}

fn with_bias(x: ValueId, w: ValueId, bias: Option<ValueId>) -> Vec<ValueId> {
    [Some(x), Some(w), bias].into_iter().flatten().collect()
}

impl From<UnaryKind> for Op {
    fn from(kind: UnaryKind) -> Self {
        Unary { kind }.into()
    }
}

impl From<BinaryKind> for Op {
    fn from(kind: BinaryKind) -> Self {
        Binary { kind }.into()
    }
}
