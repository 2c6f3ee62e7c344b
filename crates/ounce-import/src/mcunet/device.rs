//! TinyEngine's training graph, as it runs on the device.
//!
//! What is imported is the forward part, up to the logits: gradients and updates are derived anew from it. Its kernels round otherwise than the simulation: scaled sums of convolutions
//! are truncated towards zero, sums of images are rounded with ties away from zero ([`DeviceAdd`]), and so is the mean. Some biases lie at the ends of 32 bits, where sums wrap around.

use std::collections::{BTreeMap, HashMap};

use ounce_formats::mcunet::{Operator, Parameters, Quantization, TrainingGraph};
use ounce_formats::scalar::Array;
use ounce_graph::ops::{QuantizedAdd, QuantizedConv2d, Requantize, Window};
use ounce_graph::{DType, Graph, Tensor, TensorType, ValueId};

use super::{DeviceAdd, Imported, McunetError};
use crate::ConvSite;
use crate::limits::{Limits, Watch};
use crate::tflite::kernels::{Bounds, FixedAveragePool};

const BYTES: Bounds = Bounds { low: i8::MIN, high: i8::MAX };

/// A training graph with what it names.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// The operators (`49kb-int8-graph.json`).
    pub graph: &'a TrainingGraph,
    /// Weights, biases, zero points and factors (`full-int8-params.pkl`).
    pub parameters: &'a Parameters,
    /// Scales of activations (`scale.json`).
    pub scales: &'a BTreeMap<String, f64>,
}

struct Builder<'a> {
    published: Published<'a>,
    graph: Graph,
    watch: Watch,
    save_masks: bool,
    values: HashMap<&'a str, ValueId>,
    convs: Vec<ConvSite>,
    /// Of what was computed last.
    quantization: Option<Quantization>,
    features: Option<(ValueId, Quantization)>,
}

/// Turns the forward part of a training graph into a graph, with parameters named as [`import`](super::import) names them. `save_masks` is that of
/// [`Options`](super::Options).
///
/// # Errors
/// If an operator is none of those of TinyEngine's graphs, a parameter is missing or of another type, or parts do not fit.
pub fn import_device<'a>(
    published: Published<'a>,
    save_masks: bool,
    limits: Limits,
) -> Result<Imported, McunetError> {
    let mut builder = Builder {
        published,
        graph: Graph::new(),
        watch: Watch::new(limits),
        save_masks,
        values: HashMap::new(),
        convs: Vec::new(),
        quantization: None,
        features: None,
    };
    let operators = &published.graph.operators;
    // Logits become floats where the loss begins.
    let forward = operators.iter().take_while(|operator| operator.op != "cast");
    for operator in forward {
        builder.operator(operator)?;
    }
    let missing = McunetError::Device {
        operator: "the whole graph".to_owned(),
        problem: "it has no mean with a classifier behind it".to_owned(),
    };
    let (Some((features, quantization)), Some(classifier)) = (builder.features, builder.convs.pop()) else {
        return Err(missing);
    };
    let mut graph = builder.graph;
    graph.output("features", features)?;
    graph.output("logits", classifier.output)?;
    builder.watch.graph(&graph)?;
    Ok(Imported { graph, convs: builder.convs, features, quantization, classifier })
}

/// The problem of an operator.
fn wrong(operator: &Operator, problem: impl Into<String>) -> McunetError {
    McunetError::Device { operator: operator.name.clone(), problem: problem.into() }
}

impl<'a> Builder<'a> {
    fn operator(&mut self, operator: &'a Operator) -> Result<(), McunetError> {
        let output = operator.outputs.first().ok_or_else(|| wrong(operator, "it has no output"))?;
        let id = match operator.op.as_str() {
            "nn.mcuconv2d" => self.conv(operator)?,
            "nn.mcuadd" => self.add(operator)?,
            "mcumean" => self.mean(operator)?,
            // Convolutions and sums clamp their results themselves.
            "nn.mcutruncate" => {
                if (operator.attrs.min, operator.attrs.max) != (Some(-128), Some(127)) {
                    return Err(wrong(operator, "it clamps to something else than -128..=127"));
                }
                self.value(operator, 0)?
            }
            "reshape" => self.value(operator, 0)?,
            other => return Err(wrong(operator, format!("{other} is no operator of a forward pass"))),
        };
        self.watch.graph(&self.graph)?;
        self.values.insert(&output.name, id);
        Ok(())
    }

    /// An activation; the graph's own input at its first use.
    fn value(&mut self, operator: &'a Operator, i: usize) -> Result<ValueId, McunetError> {
        let variable = operator.inputs.get(i).ok_or_else(|| wrong(operator, "an input is missing"))?;
        if let Some(id) = self.values.get(variable.name.as_str()) {
            return Ok(*id);
        }
        if !self.values.is_empty() || variable.dtype != "int8" || variable.shape.len() != 4 {
            return Err(wrong(operator, format!("{} is no image that was computed before", variable.name)));
        }
        let ty = TensorType::new(DType::I8, &variable.shape);
        self.watch.value(&ty)?;
        let id = self.graph.input("image", ty)?;
        self.values.insert(&variable.name, id);
        Ok(id)
    }

    fn array(&self, operator: &'a Operator, i: usize) -> Result<(&'a Array<'static>, &'a str), McunetError> {
        let name = operator.inputs.get(i).map_or("an input", |variable| variable.name.as_str());
        let array = self.published.parameters.arrays.get(name);
        Ok((array.ok_or_else(|| wrong(operator, format!("there is no parameter {name}")))?, name))
    }

    fn bytes(&self, operator: &'a Operator, i: usize) -> Result<Vec<i8>, McunetError> {
        let (array, name) = self.array(operator, i)?;
        array.to_i8s().ok_or_else(|| wrong(operator, format!("{name} must be of int8")))
    }

    fn floats(&self, operator: &'a Operator, i: usize) -> Result<Vec<f32>, McunetError> {
        let (array, name) = self.array(operator, i)?;
        array.to_f32s().ok_or_else(|| wrong(operator, format!("{name} must be of float32")))
    }

    /// The only element.
    fn single<T: Copy>(&self, operator: &'a Operator, elements: &[T]) -> Result<T, McunetError> {
        match elements {
            [element] => Ok(*element),
            _ => Err(wrong(operator, "a scale or zero point must be a single number")),
        }
    }

    fn zero(&self, operator: &'a Operator, i: usize) -> Result<i8, McunetError> {
        self.single(operator, &self.bytes(operator, i)?)
    }

    fn activation_scale(&self, operator: &'a Operator, base: &str, which: &str) -> Result<f64, McunetError> {
        let name = format!("{base}_{which}_scale");
        let scale = self.published.scales.get(&name).copied().filter(|scale| *scale > 0.0);
        scale.ok_or_else(|| wrong(operator, format!("there is no scale {name} above 0")))
    }

    fn conv(&mut self, operator: &'a Operator) -> Result<ValueId, McunetError> {
        let x = self.value(operator, 0)?;
        let (weight, name) = self.array(operator, 1)?;
        let base = name.strip_suffix("_weight").unwrap_or(name);
        let shape = weight.shape.clone();
        let weight = self.bytes(operator, 1)?;
        let (bias, bias_name) = self.array(operator, 2)?;
        let bias = bias.to_i32s().ok_or_else(|| wrong(operator, format!("{bias_name} must be of int32")))?;
        let (x_zero, y_zero) = (self.zero(operator, 3)?, self.zero(operator, 4)?);
        let factors = self.floats(operator, 5)?;
        let pair = |values: &Option<Vec<i64>>| match values.as_deref() {
            Some([height, width]) => [*height, *width].map(|n| usize::try_from(n).ok()),
            _ => [None; 2],
        };
        let ([Some(down), Some(across)], [Some(1), Some(1)]) =
            (pair(&operator.attrs.strides), pair(&operator.attrs.dilation))
        else {
            return Err(wrong(operator, "it must have two strides, and no dilation"));
        };
        let padding: Option<Vec<usize>> = operator
            .attrs
            .padding
            .as_ref()
            .and_then(|sides| sides.iter().map(|n| usize::try_from(*n).ok()).collect());
        let Some([top, left, bottom, right]) = padding.as_deref() else {
            return Err(wrong(operator, "it must have a padding for each of four sides"));
        };
        let window = Window {
            stride: [down, across],
            before: [*top, *left],
            after: [*bottom, *right],
            dilation: [1, 1],
        };
        let groups = operator.attrs.groups.and_then(|groups| usize::try_from(groups).ok()).unwrap_or(1);
        let (x_scale, y_scale) =
            (self.activation_scale(operator, base, "x")?, self.activation_scale(operator, base, "y")?);
        let weight_scales = factors.iter().map(|f| (f64::from(*f) * y_scale / x_scale) as f32).collect();
        let at = self.convs.len();
        let bias = Tensor::i32(&[bias.len()], bias)?;
        let weight = self.graph.parameter(&format!("conv{at}.weight"), Tensor::i8(&shape, weight)?)?;
        let bias = self.graph.parameter(&format!("conv{at}.bias"), bias)?;
        let op = QuantizedConv2d {
            window,
            groups,
            x_zero: x_zero.into(),
            y_zero: y_zero.into(),
            requantize: Requantize::FloatTruncated(factors),
            low: i8::MIN,
            high: i8::MAX,
            save_mask: self.save_masks,
        };
        let output = self.graph.append(format!("conv{at}"), op.into(), &[x, weight, bias])?[0];
        let input = Quantization { scale: x_scale, zero: x_zero };
        let quantization = Quantization { scale: y_scale, zero: y_zero };
        self.quantization = Some(quantization);
        self.convs.push(ConvSite { weight, bias, output, weight_scales, input, quantization });
        Ok(output)
    }

    fn add(&mut self, operator: &'a Operator) -> Result<ValueId, McunetError> {
        let (a, b) = (self.value(operator, 0)?, self.value(operator, 1)?);
        let scale = |i| self.single(operator, &self.floats(operator, i)?);
        let y_zero = self.zero(operator, 6)?;
        let op = QuantizedAdd {
            scales: [scale(4)?, scale(5)?],
            zeros: [self.zero(operator, 2)?.into(), self.zero(operator, 3)?.into()],
            y_scale: scale(7)?,
            y_zero: y_zero.into(),
            save_mask: false,
        };
        self.quantization = Some(Quantization { scale: op.y_scale.into(), zero: y_zero });
        Ok(self.graph.apply(DeviceAdd(op), &[a, b])?)
    }

    fn mean(&mut self, operator: &'a Operator) -> Result<ValueId, McunetError> {
        let x = self.value(operator, 0)?;
        let [_, _, height, width] = self.graph.shape(x)[..] else {
            return Err(wrong(operator, "it takes images"));
        };
        let op = FixedAveragePool { kernel: [height, width], window: Window::default(), bounds: BYTES };
        let features = self.graph.apply(op, &[x])?;
        let quantization = self.quantization.ok_or_else(|| wrong(operator, "nothing comes before it"))?;
        self.features = Some((features, quantization));
        Ok(features)
    }
}
