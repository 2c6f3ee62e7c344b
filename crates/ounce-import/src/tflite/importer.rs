//! Building the graph, operator by operator.

use std::collections::HashMap;

use ounce_formats::tflite::{Model, Operator, Subgraph, Tensor, TensorType as Element};
use ounce_graph::ops::{Reshape, Transpose};
use ounce_graph::{DType, Graph, Op, TensorType, ValueId};

use super::error::{Fault, TfliteImportError};
use super::{Imported, Port, Value, operators};
use crate::ConvSite;
use crate::limits::{Limits, Watch};

/// A network on its way into a graph.
pub(super) struct Importer<'m> {
    pub(super) model: &'m Model<'m>,
    pub(super) subgraph: &'m Subgraph<'m>,
    pub(super) graph: Graph,
    watch: Watch,
    values: Vec<Option<Value>>,
    /// Parameters of constants that several operators share.
    parameters: HashMap<usize, ValueId>,
    pub(super) convs: Vec<ConvSite>,
}

/// The order of axes that moves the channels of an image to the front, and back.
pub(super) const TO_IMAGE: [usize; 4] = [0, 3, 1, 2];
const FROM_IMAGE: [usize; 4] = [0, 2, 3, 1];

impl<'m> Importer<'m> {
    pub(super) fn new(model: &'m Model<'m>, subgraph: &'m Subgraph<'m>, limits: Limits) -> Self {
        let values = vec![None; subgraph.tensors.len()];
        let (graph, parameters) = (Graph::new(), HashMap::new());
        Self { model, subgraph, graph, watch: Watch::new(limits), values, parameters, convs: Vec::new() }
    }

    pub(super) fn run(mut self) -> Result<Imported, TfliteImportError> {
        let subgraph = self.subgraph;
        let mut inputs = Vec::new();
        for at in subgraph.inputs.iter().flatten() {
            let name = subgraph.tensors[at].name;
            let fail = |fault| TfliteImportError::Tensor { name: name.to_owned(), fault: Box::new(fault) };
            self.input(at).map_err(fail)?;
            inputs.extend(self.port(at));
        }
        for (at, operator) in subgraph.operators.iter().enumerate() {
            self.operator(operator).map_err(|fault| TfliteImportError::Operator {
                at,
                operator: operators::name(self.model, operator).to_owned(),
                fault: Box::new(fault),
            })?;
        }
        let mut outputs = Vec::new();
        for at in subgraph.outputs.iter().flatten() {
            let name = subgraph.tensors[at].name;
            let fail = |fault| TfliteImportError::Tensor { name: name.to_owned(), fault: Box::new(fault) };
            let value = self.value(at).map_err(fail)?;
            self.graph.output(name, value.id).map_err(|error| fail(error.into()))?;
            outputs.extend(self.port(at));
        }
        Ok(Imported { graph: self.graph, inputs, outputs, values: self.values, convs: self.convs })
    }

    fn port(&self, at: usize) -> Option<Port> {
        let (tensor, value) = (&self.subgraph.tensors[at], self.values[at]?);
        let quantization = quantization(tensor).ok();
        let ty = self.graph.ty(value.id).clone();
        Some(Port { name: tensor.name.to_owned(), ty, is_image: value.is_image, quantization })
    }

    fn input(&mut self, at: usize) -> Result<(), Fault> {
        let tensor = &self.subgraph.tensors[at];
        let dtype = match tensor.ty {
            Element::Int8 => DType::I8,
            Element::Float32 => DType::F32,
            other => return Err(Fault::Type(tensor.name.to_owned(), format!("{other:?}"))),
        };
        let shape = tensor.dimensions();
        let is_image = shape.len() == 4;
        let shape = if is_image { TO_IMAGE.map(|axis| shape[axis]).to_vec() } else { shape };
        let ty = TensorType::new(dtype, &shape);
        self.watch.value(&ty)?;
        let id = self.graph.input(tensor.name, ty)?;
        self.watch.graph(&self.graph)?;
        self.values[at] = Some(Value { id, is_image });
        Ok(())
    }

    fn operator(&mut self, operator: &'m Operator<'m>) -> Result<(), Fault> {
        let value = operators::build(self, operator)?;
        let at = operator.outputs.get(0).ok_or_else(|| Fault::Shape("it has no output".to_owned()))?;
        let tensor = &self.subgraph.tensors[at];
        let mut shape = self.graph.shape(value.id).to_vec();
        if value.is_image && shape.len() == 4 {
            shape = FROM_IMAGE.map(|axis| shape[axis]).to_vec();
        }
        if shape != tensor.dimensions() {
            return Err(Fault::Shape(format!(
                "it gives {shape:?}, the model says {:?}",
                tensor.dimensions()
            )));
        }
        self.values[at] = Some(value);
        Ok(())
    }

    fn value(&self, at: usize) -> Result<Value, Fault> {
        self.values[at].ok_or_else(|| Fault::UnknownValue(self.subgraph.tensors[at].name.to_owned()))
    }

    /// The value of an operand.
    pub(super) fn operand(&self, operator: &Operator<'_>, i: usize) -> Result<Value, Fault> {
        self.value(operator.inputs.get(i).ok_or(Fault::MissingInput(i))?)
    }

    /// The tensor of an operand.
    pub(super) fn tensor(&self, operator: &Operator<'_>, i: usize) -> Result<&'m Tensor<'m>, Fault> {
        let at = operator.inputs.get(i).ok_or(Fault::MissingInput(i))?;
        Ok(&self.subgraph.tensors[at])
    }

    /// The tensor of the result.
    pub(super) fn result(&self, operator: &Operator<'_>) -> Result<&'m Tensor<'m>, Fault> {
        let at = operator.outputs.get(0).ok_or_else(|| Fault::Shape("it has no output".to_owned()))?;
        Ok(&self.subgraph.tensors[at])
    }

    /// The integers of an operand that is constant.
    pub(super) fn ints(&self, operator: &Operator<'_>, i: usize) -> Result<Vec<i64>, Fault> {
        let array = self.model.array(self.tensor(operator, i)?);
        array.and_then(|array| array.to_i64s()).ok_or(Fault::NotConstant(i))
    }

    /// Appends a node.
    pub(super) fn apply(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, Fault> {
        let id = self.graph.apply(op, inputs)?;
        self.watch.graph(&self.graph)?;
        Ok(id)
    }

    /// An operand with channels before height and width.
    pub(super) fn image(&mut self, operator: &Operator<'_>, i: usize) -> Result<ValueId, Fault> {
        let value = self.operand(operator, i)?;
        self.moved(value, true)
    }

    /// An operand with its axes as in the model.
    pub(super) fn plain(&mut self, operator: &Operator<'_>, i: usize) -> Result<ValueId, Fault> {
        let value = self.operand(operator, i)?;
        self.moved(value, false)
    }

    fn moved(&mut self, value: Value, to_image: bool) -> Result<ValueId, Fault> {
        let shape = self.graph.shape(value.id).to_vec();
        if value.is_image == to_image || shape.len() != 4 {
            return Ok(value.id);
        }
        let axes = if to_image { TO_IMAGE } else { FROM_IMAGE };
        let target = axes.map(|axis| shape[axis]).to_vec();
        let (channels, places) =
            if to_image { (shape[3], shape[1] * shape[2]) } else { (shape[1], shape[2] * shape[3]) };
        if channels == 1 || places == 1 {
            return self.apply(Reshape { shape: target }, &[value.id]);
        }
        self.apply(Transpose { axes: axes.to_vec() }, &[value.id])
    }

    /// A constant as a parameter under the name of its tensor, made at its first use.
    pub(super) fn parameter(
        &mut self,
        operator: &Operator<'_>,
        i: usize,
        make: impl FnOnce() -> Result<ounce_graph::Tensor, Fault>,
    ) -> Result<ValueId, Fault> {
        let at = operator.inputs.get(i).ok_or(Fault::MissingInput(i))?;
        let tensor = make()?;
        if let Some(id) = self.parameters.get(&at).filter(|id| self.graph.ty(**id) == tensor.ty()) {
            return Ok(*id);
        }
        let name = self.subgraph.tensors[at].name;
        let id = if name.is_empty() || self.graph.named(name).is_some() {
            self.graph.parameter(&format!("{name}#{at}.{}", self.graph.values().len()), tensor)?
        } else {
            self.graph.parameter(name, tensor)?
        };
        self.watch.graph(&self.graph)?;
        self.parameters.insert(at, id);
        Ok(id)
    }
}

/// Scale and zero point of a tensor of bytes with one of each.
pub(super) fn quantization(tensor: &Tensor<'_>) -> Result<(f32, i32), Fault> {
    let wrong = || Fault::Quantization(tensor.name.to_owned());
    let quantization = tensor.quantization.filter(|q| q.scales.len() == 1).ok_or_else(wrong)?;
    let (scale, zero) = quantization.at(0);
    match i8::try_from(zero) {
        Ok(zero) if scale > 0.0 && scale.is_finite() => Ok((scale, zero.into())),
        _ => Err(wrong()),
    }
}
