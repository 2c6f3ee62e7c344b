//! Building the graph, node by node.

use std::collections::HashMap;
use std::rc::Rc;

use ounce_formats::onnx::{self, Dimension, ElementType, TensorData, ValueInfo, ValueType};
use ounce_graph::{DType, Graph, TensorType, ValueId};

use super::call::{Call, node_name};
use super::constant::{Constant, is_float};
use super::error::{Fault, OnnxImportError};
use super::{Imported, Options, Port, operators};
use crate::limits::Watch;

/// A value of the model.
#[derive(Clone)]
pub(super) enum Value<'m> {
    /// A tensor of the file.
    Stored(&'m onnx::Tensor<'m>),
    /// A tensor that was computed.
    Constant(Rc<Constant>),
    /// A value of the graph, and the type that it has in the model.
    Graph(ValueId, ElementType),
}

/// A model on its way into a graph.
pub(super) struct Importer<'m> {
    pub(super) opset: i64,
    pub(super) graph: Graph,
    pub(super) watch: Watch,
    options: &'m Options,
    values: HashMap<&'m str, Value<'m>>,
    /// Graph values of constants that were needed as such.
    made: HashMap<&'m str, ValueId>,
}

/// The type that elements have in a graph.
pub(super) fn dtype(element: ElementType) -> Option<DType> {
    use ElementType as E;
    Some(match element {
        element if is_float(element) => DType::F32,
        E::Bool => DType::F32,
        E::Int8 | E::Uint8 => DType::I8,
        E::Int16 | E::Int32 | E::Int64 | E::Uint16 | E::Uint32 | E::Uint64 => DType::I32,
        _ => return None,
    })
}

impl<'m> Importer<'m> {
    pub(super) fn new(opset: i64, options: &'m Options) -> Self {
        let (values, made) = (HashMap::new(), HashMap::new());
        Self { opset, graph: Graph::new(), watch: Watch::new(options.limits), options, values, made }
    }

    pub(super) fn model(mut self, model: &'m onnx::Graph<'m>) -> Result<Imported, OnnxImportError> {
        for tensor in &model.initializers {
            self.values.insert(&tensor.name, Value::Stored(tensor));
        }
        let mut inputs = Vec::new();
        for info in &model.inputs {
            // Old models list weights among the inputs.
            if !self.values.contains_key(&*info.name) {
                inputs.push(self.input(info)?);
            }
        }
        for node in &model.nodes {
            self.node(node).map_err(|fault| OnnxImportError::Node {
                node: node_name(node).to_owned(),
                operator: node.op.to_string(),
                fault: Box::new(fault),
            })?;
        }
        let mut outputs = Vec::new();
        for info in &model.outputs {
            let fail = |fault: Fault| OnnxImportError::Value {
                name: info.name.to_string(),
                problem: fault.to_string(),
            };
            let (id, element) = self.graph_value(&info.name).map_err(fail)?;
            self.graph.output(&info.name, id)?;
            outputs.push(Port { name: info.name.to_string(), element, ty: self.graph.ty(id).clone() });
        }
        Ok(Imported { graph: self.graph, inputs, outputs })
    }

    fn input(&mut self, info: &'m ValueInfo<'m>) -> Result<Port, OnnxImportError> {
        let fail = |problem: String| OnnxImportError::Value { name: info.name.to_string(), problem };
        let Some(ValueType::Tensor { element, shape }) = &info.ty else {
            return Err(fail("it is no tensor, which alone a graph has".to_owned()));
        };
        let dtype =
            dtype(*element).ok_or_else(|| fail(format!("elements of type {element:?} are not supported")))?;
        let shape = match (self.options.shapes.get(&*info.name), shape) {
            (Some(shape), _) => shape.clone(),
            (None, None) => return Err(fail("the model does not say its shape: give it".to_owned())),
            (None, Some(dimensions)) => {
                let extents = dimensions.iter().enumerate().map(|(at, dimension)| self.extent(at, dimension));
                extents.collect::<Result<Vec<_>, _>>().map_err(fail)?
            }
        };
        let ty = TensorType::new(dtype, &shape);
        self.watch.value(&ty)?;
        let id = self.graph.input(&info.name, ty.clone())?;
        self.watch.graph(&self.graph)?;
        self.values.insert(&info.name, Value::Graph(id, *element));
        Ok(Port { name: info.name.to_string(), element: *element, ty })
    }

    fn extent(&self, at: usize, dimension: &Dimension<'_>) -> Result<usize, String> {
        let batch = if at == 0 { self.options.batch } else { None };
        match dimension {
            Dimension::Known(extent) => Ok(*extent),
            Dimension::Named(name) => self
                .options
                .dimensions
                .get(&**name)
                .copied()
                .or(batch)
                .ok_or_else(|| format!("dimension {at} is called {name:?}: give its extent")),
            Dimension::Unknown => {
                batch.ok_or_else(|| format!("the extent of dimension {at} is not known: give the shape"))
            }
        }
    }

    fn node(&mut self, node: &'m onnx::Node<'m>) -> Result<(), Fault> {
        let Some(operator) = operators::find(node) else { return Ok(()) };
        let mut call = Call::new(self, node);
        let values = (operator.build)(&mut call)?;
        self.watch.graph(&self.graph)?;
        for (name, value) in node.outputs.iter().zip(values) {
            if !name.is_empty() {
                self.made.remove(&**name);
                self.values.insert(name, value);
            }
        }
        Ok(())
    }

    pub(super) fn value(&self, name: &str) -> Result<&Value<'m>, Fault> {
        self.values.get(name).ok_or_else(|| Fault::UnknownValue(name.to_owned()))
    }

    /// The elements of a value that is known; `None` if the graph computes it.
    pub(super) fn constant(&self, name: &str) -> Result<Option<Rc<Constant>>, Fault> {
        match self.value(name)? {
            Value::Graph(..) => Ok(None),
            Value::Constant(constant) => Ok(Some(Rc::clone(constant))),
            Value::Stored(tensor) => self.read(tensor).map(|constant| Some(Rc::new(constant))),
        }
    }

    /// The shape and element type of a value.
    pub(super) fn ty(&self, name: &str) -> Result<(Vec<usize>, ElementType), Fault> {
        Ok(match self.value(name)? {
            Value::Graph(id, element) => (self.graph.shape(*id).to_vec(), *element),
            Value::Constant(constant) => (constant.shape.clone(), constant.element),
            Value::Stored(tensor) => (tensor.shape.clone(), tensor.element),
        })
    }

    /// A value as one of the graph: a parameter for floats of the file, a constant for other known tensors.
    pub(super) fn graph_value(&mut self, name: &str) -> Result<(ValueId, ElementType), Fault> {
        let (key, value) =
            self.values.get_key_value(name).ok_or_else(|| Fault::UnknownValue(name.to_owned()))?;
        let (key, value) = (*key, value.clone());
        let (tensor, element, stored) = match value {
            Value::Graph(id, element) => return Ok((id, element)),
            Value::Constant(constant) => (constant, self.ty(name)?.1, false),
            Value::Stored(tensor) => {
                if let Some(id) = self.made.get(name) {
                    return Ok((*id, tensor.element));
                }
                (Rc::new(self.read(tensor)?), tensor.element, true)
            }
        };
        if let Some(id) = self.made.get(name) {
            return Ok((*id, element));
        }
        let tensor = tensor.tensor()?;
        let is_weight = stored && is_float(element) && !tensor.shape().is_empty();
        let id = if is_weight && self.graph.named(name).is_none() {
            self.graph.parameter(name, tensor)?
        } else {
            self.graph.constant(tensor)
        };
        self.watch.graph(&self.graph)?;
        self.made.insert(key, id);
        Ok((id, element))
    }

    pub(super) fn read(&self, tensor: &onnx::Tensor<'_>) -> Result<Constant, Fault> {
        let (element, shape) = (tensor.element, &tensor.shape);
        let constant = match &tensor.data {
            TensorData::Bytes(bytes) => Constant::from_bytes(element, shape, bytes),
            TensorData::Strings(_) => None,
            TensorData::External(external) => {
                let folder = self.options.folder.as_deref().ok_or(Fault::NoFolder)?;
                Constant::from_bytes(element, shape, external.read(folder)?.bytes())
            }
        };
        constant.ok_or(Fault::Type(element))
    }
}
