//! The operators that are supported, and how each is built from those of a graph.

use ounce_formats::mcunet::Quantization;
use ounce_formats::tflite::{
    Activation, Model, Operation, Operator, Padding, Pool2d, Subgraph, TensorType as Element,
};
use ounce_graph::ops::{
    Concat, Dequantize, FixedScale, Pad, PoolKind, Quantize, QuantizedConv2d, QuantizedPool2d, Requantize,
    Reshape, Scaling, Softmax, Transpose, Window,
};
use ounce_graph::{DType, Tensor, ValueId};

use super::Value;
use super::error::{Fault, Unsupported};
use super::importer::{Importer, TO_IMAGE, quantization};
use super::kernels::{Bounds, FixedAdd, FixedAveragePool, FixedMean};
use crate::ConvSite;

/// An operator's name.
pub(super) fn name<'m>(model: &Model<'m>, operator: &Operator<'_>) -> &'m str {
    model.operator_codes.get(operator.code).map_or("an unknown operator", |code| code.name())
}

/// What of a network is not supported, in the order of its operators.
pub(super) fn unsupported(model: &Model<'_>, subgraph: &Subgraph<'_>) -> Vec<Unsupported> {
    let check = |(at, operator): (usize, &Operator<'_>)| {
        let reason = check(subgraph, operator).err()?;
        Some(Unsupported { at, operator: name(model, operator).to_owned(), reason })
    };
    subgraph.operators.iter().enumerate().filter_map(check).collect()
}

fn check(subgraph: &Subgraph<'_>, operator: &Operator<'_>) -> Result<(), String> {
    use Operation as O;
    let activation = match operator.operation {
        O::Conv2d { activation, .. } | O::DepthwiseConv2d { activation, .. } => activation,
        O::FullyConnected { activation, .. } | O::Add { activation } => activation,
        O::AveragePool2d(Pool2d { activation, .. }) | O::MaxPool2d(Pool2d { activation, .. }) => activation,
        O::Concatenation { activation, .. } => activation,
        O::Mean { .. } | O::Reshape { .. } | O::Softmax { .. } | O::Pad | O::Transpose => Activation::None,
        O::Quantize | O::Dequantize => Activation::None,
        _ => return Err("the operator is not supported".to_owned()),
    };
    if matches!(activation, Activation::Tanh | Activation::SignBit) {
        return Err(format!("the activation {activation:?} is not supported"));
    }
    let is_conversion = matches!(operator.operation, O::Quantize | O::Dequantize);
    let first = operator.inputs.get(0).into_iter().chain(operator.outputs.get(0));
    for tensor in first.filter_map(|at| subgraph.tensors.get(at)) {
        let allowed = tensor.ty == Element::Int8 || (is_conversion && tensor.ty == Element::Float32);
        if !allowed {
            return Err(format!(
                "tensor {:?} of type {:?} is not supported, only int8",
                tensor.name, tensor.ty
            ));
        }
    }
    Ok(())
}

/// Adds an operator to the graph.
pub(super) fn build<'m>(importer: &mut Importer<'m>, operator: &'m Operator<'m>) -> Result<Value, Fault> {
    use Operation as O;
    match operator.operation {
        O::Conv2d { padding, strides, dilations, activation } => {
            conv(importer, operator, false, (padding, strides, dilations), activation)
        }
        O::DepthwiseConv2d { padding, strides, dilations, activation } => {
            conv(importer, operator, true, (padding, strides, dilations), activation)
        }
        O::FullyConnected { activation, .. } => dense(importer, operator, activation),
        O::Add { activation } => add(importer, operator, activation),
        O::AveragePool2d(pool) => average_pool(importer, operator, &pool),
        O::MaxPool2d(pool) => max_pool(importer, operator, &pool),
        O::Concatenation { axis, activation } => concatenation(importer, operator, axis, activation),
        O::Mean { keep_dims } => mean(importer, operator, keep_dims),
        O::Reshape { .. } => reshape(importer, operator),
        O::Softmax { beta } => softmax(importer, operator, beta),
        O::Pad => pad(importer, operator),
        O::Transpose => transpose(importer, operator),
        O::Quantize => quantize(importer, operator),
        O::Dequantize => dequantize(importer, operator),
        _ => Err(Fault::Shape("the operator is not supported".to_owned())),
    }
}

/// The bounds that an activation puts on bytes.
fn bounds(activation: Activation, (scale, zero): (f32, i32)) -> Bounds {
    let quantized = |x: f32| ((x / scale).round() as i32).saturating_add(zero).clamp(-128, 127) as i8;
    let (low, high) = match activation {
        Activation::Relu => (quantized(0.0), 127),
        Activation::Relu6 => (quantized(0.0), quantized(6.0)),
        Activation::ReluN1To1 => (quantized(-1.0), quantized(1.0)),
        _ => (-128, 127),
    };
    Bounds { low, high }
}

fn window(
    padding: Padding,
    stride: [usize; 2],
    dilation: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
) -> Result<Window, Fault> {
    let mut window = Window { stride, dilation, ..Window::default() };
    if stride.contains(&0) {
        return Err(Fault::Shape("strides must be at least 1".to_owned()));
    }
    if padding == Padding::Same {
        for axis in 0..2 {
            let span = kernel[axis].saturating_sub(1).saturating_mul(dilation[axis]).saturating_add(1);
            let reach = image[axis].div_ceil(stride[axis]).saturating_sub(1).saturating_mul(stride[axis]);
            let total = reach.saturating_add(span).saturating_sub(image[axis]);
            (window.before[axis], window.after[axis]) = (total / 2, total - total / 2);
        }
    }
    Ok(window)
}

/// The bytes of a constant operand, and its shape of so many axes.
fn weights<const N: usize>(
    importer: &Importer<'_>,
    operator: &Operator<'_>,
    i: usize,
) -> Result<(Vec<i8>, [usize; N]), Fault> {
    let tensor = importer.tensor(operator, i)?;
    let array = importer.model.array(tensor).and_then(|array| Some((array.to_i8s()?, array.shape)));
    let (bytes, shape) = array.ok_or(Fault::NotConstant(i))?;
    let problem = || Fault::Shape(format!("input {i} must have {N} axes, found {shape:?}"));
    let shape: [usize; N] = shape.clone().try_into().map_err(|_| problem())?;
    if bytes.len() != shape.iter().product::<usize>() {
        return Err(problem());
    }
    Ok((bytes, shape))
}

/// The bias, zeros where there is none.
fn bias(importer: &mut Importer<'_>, operator: &Operator<'_>, outputs: usize) -> Result<ValueId, Fault> {
    if operator.inputs.get(2).is_none() {
        return Ok(importer.graph.constant(Tensor::i32(&[outputs], vec![0; outputs])?));
    }
    let array = importer.model.array(importer.tensor(operator, 2)?);
    let ints = array.and_then(|array| array.to_i32s()).ok_or(Fault::NotConstant(2))?;
    importer.parameter(operator, 2, || Ok(Tensor::i32(&[outputs], ints)?))
}

/// Scales of the weights: one, or one for each output channel.
fn weight_scales(
    importer: &Importer<'_>,
    operator: &Operator<'_>,
    outputs: usize,
) -> Result<Vec<f32>, Fault> {
    let tensor = importer.tensor(operator, 1)?;
    let wrong = || Fault::Quantization(tensor.name.to_owned());
    let quantization = tensor.quantization.ok_or_else(wrong)?;
    let count = quantization.scales.len();
    let is_symmetric = quantization.zero_points.iter().all(|zero| zero == 0);
    if !is_symmetric || (count != 1 && count != outputs) {
        return Err(Fault::Shape(format!(
            "the weights must be symmetric, with one scale or {outputs}; found {count} scales"
        )));
    }
    Ok(quantization.scales.iter().collect())
}

type Slide = (Padding, [usize; 2], [usize; 2]);

fn conv(
    importer: &mut Importer<'_>,
    operator: &Operator<'_>,
    is_depthwise: bool,
    (padding, strides, dilations): Slide,
    activation: Activation,
) -> Result<Value, Fault> {
    let x = importer.image(operator, 0)?;
    let [_, channels, height, width] = importer.graph.shape(x)[..] else {
        return Err(Fault::Shape(format!("input 0 must have 4 axes, found {:?}", importer.graph.shape(x))));
    };
    let (bytes, [first, kh, kw, last]) = weights::<4>(importer, operator, 1)?;
    // Depthwise kernels are [1, kh, kw, O], others [O, kh, kw, C / groups].
    let (outputs, inner, groups) = if is_depthwise {
        (last, 1, channels)
    } else {
        (first, last, channels.checked_div(last).unwrap_or(0))
    };
    if is_depthwise && first != 1 {
        return Err(Fault::Shape(format!("a depthwise kernel must be [1, kh, kw, O], found {first} first")));
    }
    let taps = kh * kw;
    let weight = importer.parameter(operator, 1, || {
        let place = |o: usize, c: usize, tap: usize| {
            if is_depthwise { tap * last + o } else { (o * taps + tap) * last + c }
        };
        let moved = (0..outputs)
            .flat_map(|o| (0..inner).flat_map(move |c| (0..taps).map(move |tap| place(o, c, tap))));
        Ok(Tensor::i8(&[outputs, inner, kh, kw], moved.map(|at| bytes[at]).collect())?)
    })?;
    let bias = bias(importer, operator, outputs)?;
    let (x_scale, x_zero) = quantization(importer.tensor(operator, 0)?)?;
    let (y_scale, y_zero) = quantization(importer.result(operator)?)?;
    let factor = |scale: &f32| FixedScale::new(f64::from(x_scale) * f64::from(*scale) / f64::from(y_scale));
    let scales = weight_scales(importer, operator, outputs)?;
    let factors = scales.iter().map(factor).collect::<Result<_, _>>()?;
    let Bounds { low, high } = bounds(activation, (y_scale, y_zero));
    let op = QuantizedConv2d {
        window: window(padding, strides, dilations, [height, width], [kh, kw])?,
        groups,
        x_zero,
        y_zero,
        requantize: Requantize::Fixed(factors),
        low,
        high,
        save_mask: false,
    };
    let id = importer.apply(op, &[x, weight, bias])?;
    importer.convs.push(site([weight, bias, id], &scales, outputs, [(x_scale, x_zero), (y_scale, y_zero)]));
    Ok(Value { id, is_image: true })
}

/// A convolution as the graph has it, by its weight, bias and result, and the quantizations of image and result.
fn site(ids: [ValueId; 3], scales: &[f32], outputs: usize, quantizations: [(f32, i32); 2]) -> ConvSite {
    let [weight, bias, output] = ids;
    // Zero points are bytes: `quantization` has looked.
    let [input, quantization] =
        quantizations.map(|(scale, zero)| Quantization { scale: scale.into(), zero: zero as i8 });
    let weight_scales = (0..outputs).map(|at| scales[if scales.len() == 1 { 0 } else { at }]).collect();
    ConvSite { weight, bias, output, weight_scales, input, quantization }
}

/// A map of all elements, as a convolution of an image of one place.
fn dense(
    importer: &mut Importer<'_>,
    operator: &Operator<'_>,
    activation: Activation,
) -> Result<Value, Fault> {
    let x = importer.plain(operator, 0)?;
    let (bytes, [outputs, inputs]) = weights::<2>(importer, operator, 1)?;
    let shape = importer.graph.shape(x).to_vec();
    let rows = shape.iter().product::<usize>().checked_div(inputs).unwrap_or(0);
    let x = importer.apply(Reshape { shape: vec![rows, inputs, 1, 1] }, &[x])?;
    let weight = importer.parameter(operator, 1, || Ok(Tensor::i8(&[outputs, inputs, 1, 1], bytes)?))?;
    let bias = bias(importer, operator, outputs)?;
    let (x_scale, x_zero) = quantization(importer.tensor(operator, 0)?)?;
    let (y_scale, y_zero) = quantization(importer.result(operator)?)?;
    let scales = weight_scales(importer, operator, outputs)?;
    // One scale is multiplied in single precision, as TensorFlow Lite does for this operator.
    let product = |scale: f32| {
        if scales.len() == 1 { f64::from(x_scale * scale) } else { f64::from(x_scale) * f64::from(scale) }
    };
    let factors = scales.iter().map(|scale| FixedScale::new(product(*scale) / f64::from(y_scale)));
    let factors = factors.collect::<Result<_, _>>()?;
    let Bounds { low, high } = bounds(activation, (y_scale, y_zero));
    let requantize = Requantize::Fixed(factors);
    let (window, groups, save_mask) = (Window::default(), 1, false);
    let op = QuantizedConv2d { window, groups, x_zero, y_zero, requantize, low, high, save_mask };
    let y = importer.apply(op, &[x, weight, bias])?;
    importer.convs.push(site([weight, bias, y], &scales, outputs, [(x_scale, x_zero), (y_scale, y_zero)]));
    let shape = importer.result(operator)?.dimensions();
    let id = importer.apply(Reshape { shape }, &[y])?;
    Ok(Value { id, is_image: false })
}

fn add(importer: &mut Importer<'_>, operator: &Operator<'_>, activation: Activation) -> Result<Value, Fault> {
    let is_image = importer.operand(operator, 0)?.is_image;
    let inputs =
        [0, 1].map(|i| if is_image { importer.image(operator, i) } else { importer.plain(operator, i) });
    let [a, b] = inputs;
    let quantizations =
        [quantization(importer.tensor(operator, 0)?)?, quantization(importer.tensor(operator, 1)?)?];
    let result = quantization(importer.result(operator)?)?;
    let (scales, zeros) = (quantizations.map(|q| q.0), quantizations.map(|q| q.1));
    let op = FixedAdd::new(scales, zeros, result.0, result.1, bounds(activation, result))?;
    let id = importer.apply(op, &[a?, b?])?;
    Ok(Value { id, is_image })
}

fn average_pool(importer: &mut Importer<'_>, operator: &Operator<'_>, pool: &Pool2d) -> Result<Value, Fault> {
    let x = importer.image(operator, 0)?;
    let [_, _, height, width] = importer.graph.shape(x)[..] else {
        return Err(Fault::Shape(format!("input 0 must have 4 axes, found {:?}", importer.graph.shape(x))));
    };
    let window = window(pool.padding, pool.strides, [1; 2], [height, width], pool.window)?;
    let bounds = bounds(pool.activation, quantization(importer.result(operator)?)?);
    let id = importer.apply(FixedAveragePool { kernel: pool.window, window, bounds }, &[x])?;
    Ok(Value { id, is_image: true })
}

/// The result has the quantization of the input.
fn same_quantization(
    importer: &Importer<'_>,
    operator: &Operator<'_>,
    i: usize,
) -> Result<(f32, i32), Fault> {
    let result = quantization(importer.result(operator)?)?;
    if quantization(importer.tensor(operator, i)?)? != result {
        return Err(Fault::Shape(format!("input {i} must have the scale and zero point of the result")));
    }
    Ok(result)
}

fn max_pool(importer: &mut Importer<'_>, operator: &Operator<'_>, pool: &Pool2d) -> Result<Value, Fault> {
    let x = importer.image(operator, 0)?;
    let [_, _, height, width] = importer.graph.shape(x)[..] else {
        return Err(Fault::Shape(format!("input 0 must have 4 axes, found {:?}", importer.graph.shape(x))));
    };
    let quantization = same_quantization(importer, operator, 0)?;
    unbounded(pool.activation, quantization)?;
    let window = window(pool.padding, pool.strides, [1; 2], [height, width], pool.window)?;
    let op = QuantizedPool2d { kind: PoolKind::Max, kernel: pool.window, window };
    let id = importer.apply(op, &[x])?;
    Ok(Value { id, is_image: true })
}

/// An activation that changes no byte.
fn unbounded(activation: Activation, quantization: (f32, i32)) -> Result<(), Fault> {
    let Bounds { low, high } = bounds(activation, quantization);
    if (low, high) == (i8::MIN, i8::MAX) {
        return Ok(());
    }
    Err(Fault::Shape(format!(
        "the activation {activation:?} bounds bytes to {low}..={high}, which is not supported"
    )))
}

/// Joins inputs of equal scales along an axis.
fn concatenation(
    importer: &mut Importer<'_>,
    operator: &Operator<'_>,
    along: i32,
    activation: Activation,
) -> Result<Value, Fault> {
    let count = operator.inputs.len();
    let is_image = importer.operand(operator, 0)?.is_image;
    let mut inputs = Vec::with_capacity(count);
    for i in 0..count {
        unbounded(activation, same_quantization(importer, operator, i)?)?;
        inputs.push(if is_image { importer.image(operator, i)? } else { importer.plain(operator, i)? });
    }
    let rank = importer.graph.shape(inputs[0]).len();
    let place = axis(along.into(), rank)?;
    let is_moved = is_image && rank == 4;
    let axis =
        if is_moved { TO_IMAGE.iter().position(|from| *from == place).unwrap_or(place) } else { place };
    let id = importer.apply(Concat { axis }, &inputs)?;
    Ok(Value { id, is_image })
}

fn axis(at: i64, rank: usize) -> Result<usize, Fault> {
    let place = if at < 0 { at.saturating_add(rank as i64) } else { at };
    usize::try_from(place)
        .ok()
        .filter(|place| *place < rank)
        .ok_or_else(|| Fault::Shape(format!("axis {at} of {rank} axes")))
}

fn mean(importer: &mut Importer<'_>, operator: &Operator<'_>, keep_dims: bool) -> Result<Value, Fault> {
    let x = importer.plain(operator, 0)?;
    let shape = importer.graph.shape(x).to_vec();
    let axes = importer
        .ints(operator, 1)?
        .into_iter()
        .map(|at| axis(at, shape.len()))
        .collect::<Result<Vec<_>, _>>()?;
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..shape.len()).partition(|at| axes.contains(at));
    let order: Vec<usize> = kept.iter().chain(&reduced).copied().collect();
    let x = if order.is_sorted() { x } else { importer.apply(Transpose { axes: order }, &[x])? };
    let count = reduced.iter().map(|at| shape[*at]).product();
    let (x_quantization, y_quantization) =
        (quantization(importer.tensor(operator, 0)?)?, quantization(importer.result(operator)?)?);
    let scales = [x_quantization.0, y_quantization.0];
    let op = FixedMean::new(reduced.len(), count, scales, [x_quantization.1, y_quantization.1])?;
    let mut id = importer.apply(op, &[x])?;
    if keep_dims {
        let shape = (0..shape.len()).map(|at| if axes.contains(&at) { 1 } else { shape[at] }).collect();
        id = importer.apply(Reshape { shape }, &[id])?;
    }
    Ok(Value { id, is_image: false })
}

fn reshape(importer: &mut Importer<'_>, operator: &Operator<'_>) -> Result<Value, Fault> {
    let x = importer.plain(operator, 0)?;
    let shape = importer.result(operator)?.dimensions();
    let id = importer.apply(Reshape { shape }, &[x])?;
    Ok(Value { id, is_image: false })
}

fn transpose(importer: &mut Importer<'_>, operator: &Operator<'_>) -> Result<Value, Fault> {
    let value = importer.operand(operator, 0)?;
    let rank = importer.graph.shape(value.id).len();
    let axes =
        importer.ints(operator, 1)?.into_iter().map(|at| axis(at, rank)).collect::<Result<Vec<_>, _>>()?;
    if value.is_image && axes == TO_IMAGE {
        // The channels stand first already.
        return Ok(Value { is_image: false, ..value });
    }
    let x = importer.plain(operator, 0)?;
    let id = importer.apply(Transpose { axes }, &[x])?;
    Ok(Value { id, is_image: false })
}

fn pad(importer: &mut Importer<'_>, operator: &Operator<'_>) -> Result<Value, Fault> {
    let value = importer.operand(operator, 0)?;
    let rank = importer.graph.shape(value.id).len();
    let pads = importer.ints(operator, 1)?.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
    let pads = pads.ok().filter(|pads| pads.len() == 2 * rank);
    let pads =
        pads.ok_or_else(|| Fault::Shape(format!("{rank} pairs of paddings of at least 0 are needed")))?;
    let order: Vec<usize> = if value.is_image && rank == 4 { TO_IMAGE.to_vec() } else { (0..rank).collect() };
    let (before, after) = order.iter().map(|axis| (pads[2 * axis], pads[2 * axis + 1])).unzip();
    let (_, zero) = quantization(importer.result(operator)?)?;
    let op = Pad { before, after, between: vec![0; rank], value: zero as f32 };
    let id = importer.apply(op, &[value.id])?;
    Ok(Value { id, ..value })
}

/// In floats; TensorFlow Lite's own integers may differ by one.
fn softmax(importer: &mut Importer<'_>, operator: &Operator<'_>, beta: f32) -> Result<Value, Fault> {
    let x = importer.plain(operator, 0)?;
    let last = importer.graph.shape(x).len().checked_sub(1);
    let axis = last.ok_or_else(|| Fault::Shape("a single number has no axis".to_owned()))?;
    let ((scale, zero), (y_scale, y_zero)) =
        (quantization(importer.tensor(operator, 0)?)?, quantization(importer.result(operator)?)?);
    let scaling = Scaling::per_tensor(scale * beta, zero);
    let floats = importer.apply(Dequantize { scaling }, &[x])?;
    let y = importer.apply(Softmax { axis, log: false }, &[floats])?;
    let id =
        importer.apply(Quantize { scaling: Scaling::per_tensor(y_scale, y_zero), to: DType::I8 }, &[y])?;
    Ok(Value { id, is_image: false })
}

fn quantize(importer: &mut Importer<'_>, operator: &Operator<'_>) -> Result<Value, Fault> {
    let value = importer.operand(operator, 0)?;
    let (scale, zero) = quantization(importer.result(operator)?)?;
    let mut x = value.id;
    if importer.tensor(operator, 0)?.ty != Element::Float32 {
        let (scale, zero) = quantization(importer.tensor(operator, 0)?)?;
        x = importer.apply(Dequantize { scaling: Scaling::per_tensor(scale, zero) }, &[x])?;
    }
    let id = importer.apply(Quantize { scaling: Scaling::per_tensor(scale, zero), to: DType::I8 }, &[x])?;
    Ok(Value { id, ..value })
}

fn dequantize(importer: &mut Importer<'_>, operator: &Operator<'_>) -> Result<Value, Fault> {
    let value = importer.operand(operator, 0)?;
    let (scale, zero) = quantization(importer.tensor(operator, 0)?)?;
    let id = importer.apply(Dequantize { scaling: Scaling::per_tensor(scale, zero) }, &[value.id])?;
    Ok(Value { id, ..value })
}
