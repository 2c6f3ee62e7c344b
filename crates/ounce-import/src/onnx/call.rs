//! A node that is being imported: its inputs, its attributes, and the graph to add to.

use std::rc::Rc;

use ounce_formats::onnx::{AttributeValue, ElementType, Node};
use ounce_graph::{Graph, Op, ValueId};

use super::constant::{Constant, Numbers, is_float};
use super::error::Fault;
use super::importer::{Importer, Value};

/// The name by which a node is known: its own, or that of its first output.
pub(super) fn node_name<'n>(node: &'n Node<'_>) -> &'n str {
    if node.name.is_empty() { node.outputs.first().map_or("", |name| name) } else { &node.name }
}

/// The attributes of a node.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'n>(pub(super) &'n Node<'n>);

impl<'n> Attributes<'n> {
    fn get<T>(
        self,
        name: &'static str,
        expected: &str,
        convert: impl FnOnce(&'n AttributeValue<'n>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.0.attribute(name) else { return Ok(None) };
        convert(value)
            .map(Some)
            .ok_or_else(|| Fault::attribute(name, format!("must be {expected}, found {}", value.kind())))
    }

    pub(super) fn int(self, name: &'static str) -> Result<Option<i64>, Fault> {
        self.get(name, "an integer", |value| if let AttributeValue::Int(i) = value { Some(*i) } else { None })
    }

    pub(super) fn int_or(self, name: &'static str, default: i64) -> Result<i64, Fault> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    pub(super) fn flag(self, name: &'static str, default: bool) -> Result<bool, Fault> {
        Ok(self.int(name)?.map_or(default, |i| i != 0))
    }

    pub(super) fn float_or(self, name: &'static str, default: f32) -> Result<f32, Fault> {
        let convert = |value: &AttributeValue<'_>| match value {
            AttributeValue::Float(x) => Some(*x),
            _ => None,
        };
        Ok(self.get(name, "a float", convert)?.unwrap_or(default))
    }

    pub(super) fn ints(self, name: &'static str) -> Result<Option<&'n [i64]>, Fault> {
        let convert = |value: &'n AttributeValue<'n>| match value {
            AttributeValue::Ints(ints) => Some(&ints[..]),
            _ => None,
        };
        self.get(name, "a list of integers", convert)
    }

    pub(super) fn floats(self, name: &'static str) -> Result<Option<&'n [f32]>, Fault> {
        let convert = |value: &'n AttributeValue<'n>| match value {
            AttributeValue::Floats(floats) => Some(&floats[..]),
            _ => None,
        };
        self.get(name, "a list of floats", convert)
    }

    pub(super) fn text_or(self, name: &'static str, default: &'n str) -> Result<&'n str, Fault> {
        let convert = |value: &'n AttributeValue<'n>| match value {
            AttributeValue::String(text) => std::str::from_utf8(text).ok(),
            _ => None,
        };
        Ok(self.get(name, "a text", convert)?.unwrap_or(default))
    }
}

/// A node that is being imported.
pub(super) struct Call<'c, 'm> {
    importer: &'c mut Importer<'m>,
    node: &'m Node<'m>,
}

/// What a node gives: a value for each of its outputs, in order.
pub(super) type Built<'m> = Result<Vec<Value<'m>>, Fault>;

impl<'c, 'm> Call<'c, 'm> {
    pub(super) fn new(importer: &'c mut Importer<'m>, node: &'m Node<'m>) -> Self {
        Self { importer, node }
    }

    pub(super) fn opset(&self) -> i64 {
        self.importer.opset
    }

    pub(super) fn attributes(&self) -> Attributes<'m> {
        Attributes(self.node)
    }

    pub(super) fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// Whether output `i` is wanted.
    pub(super) fn wants(&self, i: usize) -> bool {
        self.node.outputs.get(i).is_some_and(|name| !name.is_empty())
    }

    /// How many outputs the node has.
    pub(super) fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    /// Whether input `i` is given.
    pub(super) fn has(&self, i: usize) -> bool {
        self.node.inputs.get(i).is_some_and(|name| !name.is_empty())
    }

    fn name(&self, i: usize) -> Result<&'m str, Fault> {
        self.node
            .inputs
            .get(i)
            .map(|name| &**name)
            .filter(|name| !name.is_empty())
            .ok_or(Fault::MissingInput(i))
    }

    /// Input `i` as it is.
    pub(super) fn input(&self, i: usize) -> Result<Value<'m>, Fault> {
        self.importer.value(self.name(i)?).cloned()
    }

    /// The elements of input `i` if they are known.
    pub(super) fn constant(&self, i: usize) -> Result<Option<Rc<Constant>>, Fault> {
        self.importer.constant(self.name(i)?)
    }

    /// The elements of all inputs, if all are known and there are no more than `most` together.
    pub(super) fn constants(&self, most: usize) -> Result<Option<Vec<Rc<Constant>>>, Fault> {
        let mut elements = 0usize;
        for i in 0..self.inputs() {
            if matches!(self.input(i)?, Value::Graph(..)) {
                return Ok(None);
            }
            elements = self
                .shape(i)?
                .iter()
                .fold(1usize, |n, extent| n.saturating_mul(*extent))
                .saturating_add(elements);
        }
        if elements > most {
            return Ok(None);
        }
        (0..self.inputs()).map(|i| self.constant(i)).collect()
    }

    /// The integers of input `i`, which must be known.
    pub(super) fn ints(&self, i: usize) -> Result<Vec<i64>, Fault> {
        let constant = self.constant(i)?.ok_or(Fault::NotConstant(i))?;
        match &constant.numbers {
            Numbers::Ints(ints) => Ok(ints.clone()),
            Numbers::Floats(_) => Err(self.wrong(i, "integers", constant.element)),
        }
    }

    /// The floats of input `i`, which must be known.
    pub(super) fn floats(&self, i: usize) -> Result<Vec<f32>, Fault> {
        let constant = self.constant(i)?.ok_or(Fault::NotConstant(i))?;
        match &constant.numbers {
            Numbers::Floats(floats) => Ok(floats.clone()),
            Numbers::Ints(_) => Err(self.wrong(i, "floats", constant.element)),
        }
    }

    /// The single float of input `i`, which must be known.
    pub(super) fn float(&self, i: usize) -> Result<f32, Fault> {
        match self.floats(i)?[..] {
            [float] => Ok(float),
            ref floats => Err(Fault::Shape(format!("input {i} must be one number, found {}", floats.len()))),
        }
    }

    fn wrong(&self, input: usize, expected: &'static str, found: ElementType) -> Fault {
        Fault::Element { input, expected, found: format!("{found:?}") }
    }

    pub(super) fn shape(&self, i: usize) -> Result<Vec<usize>, Fault> {
        Ok(self.importer.ty(self.name(i)?)?.0)
    }

    pub(super) fn element(&self, i: usize) -> Result<ElementType, Fault> {
        Ok(self.importer.ty(self.name(i)?)?.1)
    }

    /// Input `i` as a value of the graph.
    pub(super) fn value(&mut self, i: usize) -> Result<ValueId, Fault> {
        Ok(self.importer.graph_value(self.name(i)?)?.0)
    }

    /// Input `i` as a value of the graph that holds floats.
    pub(super) fn real(&mut self, i: usize) -> Result<ValueId, Fault> {
        let element = self.element(i)?;
        if !is_float(element) {
            return Err(self.wrong(i, "floats", element));
        }
        self.value(i)
    }

    /// Input `i` as floats if it is given.
    pub(super) fn optional(&mut self, i: usize) -> Result<Option<ValueId>, Fault> {
        if self.has(i) { self.real(i).map(Some) } else { Ok(None) }
    }

    /// The graph. Whoever adds values of extents that no input has uses [`Call::apply`], which checks them.
    pub(super) fn graph(&mut self) -> &mut Graph {
        &mut self.importer.graph
    }

    /// The shape of a value of the graph.
    pub(super) fn shape_of(&self, id: ValueId) -> Vec<usize> {
        self.importer.graph.shape(id).to_vec()
    }

    /// Appends an operator under the node's name, and checks what it gives against the limits.
    pub(super) fn apply(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, Fault> {
        let name = node_name(self.node).to_owned();
        let value = self.importer.graph.append(name, op.into(), inputs)?;
        self.importer.watch.graph(&self.importer.graph)?;
        Ok(value[0])
    }

    /// A constant of so many elements may be made.
    pub(super) fn reserve(&mut self, shape: &[usize]) -> Result<(), Fault> {
        let elements = shape.iter().fold(1usize, |n, extent| n.saturating_mul(*extent));
        Ok(self.importer.watch.folded(elements.max(1))?)
    }

    /// A tensor in an attribute.
    pub(super) fn tensor(&self, name: &'static str) -> Result<Option<Constant>, Fault> {
        match self.node.attribute(name) {
            None => Ok(None),
            Some(AttributeValue::Tensor(tensor)) => self.importer.read(tensor).map(Some),
            Some(other) => Err(Fault::attribute(name, format!("must be a tensor, found {}", other.kind()))),
        }
    }

    /// One output: a value of the graph whose elements are floats.
    pub(super) fn made(&self, id: ValueId) -> Built<'m> {
        Ok(vec![Value::Graph(id, ElementType::Float)])
    }

    /// One output: a value of the graph whose elements are of the type of input `i`.
    pub(super) fn made_like(&self, id: ValueId, i: usize) -> Built<'m> {
        Ok(vec![Value::Graph(id, self.element(i)?)])
    }

    /// One output: a constant.
    pub(super) fn known(&self, constant: Constant) -> Built<'m> {
        Ok(vec![Value::Constant(Rc::new(constant))])
    }
}

/// A place among `rank` axes, counted from the end where it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let from_front = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let place = from_front.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < rank);
    place.ok_or(Fault::Axis { axis, rank })
}

/// Extents from integers.
pub(super) fn extents(ints: &[i64]) -> Result<Vec<usize>, Fault> {
    ints.iter().map(|i| usize::try_from(*i).map_err(|_| Fault::Shape(format!("{i} is no extent")))).collect()
}
