//! The parts of an ONNX model. Names and data are borrowed from the file where it was read, or owned where a program made them.

use std::borrow::Cow;

use super::ElementType;
use crate::scalar::Array;

/// A text of a model.
pub type Text<'a> = Cow<'a, str>;

/// A model: `ModelProto`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model<'a> {
    /// Version of the format.
    pub ir_version: i64,
    /// The operator sets that its nodes are taken from.
    pub opsets: Vec<OpsetImport<'a>>,
    /// Program that made the model.
    pub producer_name: Text<'a>,
    /// Version of that program.
    pub producer_version: Text<'a>,
    /// Namespace of the model.
    pub domain: Text<'a>,
    /// Version of the model.
    pub version: i64,
    /// Documentation.
    pub doc: Text<'a>,
    /// The network.
    pub graph: Graph<'a>,
    /// Named texts.
    pub metadata: Vec<(Text<'a>, Text<'a>)>,
}

impl Model<'_> {
    /// Version of the standard operator set (domain "" or "ai.onnx").
    pub fn opset(&self) -> Option<i64> {
        self.opsets.iter().find(|opset| matches!(&*opset.domain, "" | "ai.onnx")).map(|opset| opset.version)
    }
}

/// An operator set: `OperatorSetIdProto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpsetImport<'a> {
    /// Its namespace; "" is the standard one.
    pub domain: Text<'a>,
    /// Its version.
    pub version: i64,
}

/// A network, or the body of a node: `GraphProto`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Documentation.
    pub doc: Text<'a>,
    /// Operators, each after those whose outputs it takes.
    pub nodes: Vec<Node<'a>>,
    /// Constants: weights, and defaults of inputs of the same name.
    pub initializers: Vec<Tensor<'a>>,
    /// Inputs, which in old files include the initializers.
    pub inputs: Vec<ValueInfo<'a>>,
    /// Outputs.
    pub outputs: Vec<ValueInfo<'a>>,
    /// Types of values in between, as far as known.
    pub values: Vec<ValueInfo<'a>>,
}

/// An operator at work: `NodeProto`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node<'a> {
    /// Its name, often empty.
    pub name: Text<'a>,
    /// The operator.
    pub op: Text<'a>,
    /// Namespace of the operator; "" is the standard one.
    pub domain: Text<'a>,
    /// Names of the values it takes; "" where an optional one is left out.
    pub inputs: Vec<Text<'a>>,
    /// Names of the values it makes; "" where an optional one is left out.
    pub outputs: Vec<Text<'a>>,
    /// Attributes.
    pub attributes: Vec<Attribute<'a>>,
    /// Documentation.
    pub doc: Text<'a>,
}

impl<'a> Node<'a> {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &attribute.value)
    }
}

/// A named constant of a node: `AttributeProto`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its value.
    pub value: AttributeValue<'a>,
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants are the kinds of attributes of onnx.proto")]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    Float(f32),
    Int(i64),
    /// Bytes, by convention UTF-8.
    String(Cow<'a, [u8]>),
    Tensor(Box<Tensor<'a>>),
    Graph(Box<Graph<'a>>),
    Type(Box<ValueType<'a>>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Strings(Vec<Cow<'a, [u8]>>),
    Tensors(Vec<Tensor<'a>>),
    Graphs(Vec<Graph<'a>>),
    Types(Vec<ValueType<'a>>),
}

impl AttributeValue<'_> {
    /// What kind of value this is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Float(_) => "a float",
            Self::Int(_) => "an integer",
            Self::String(_) => "a string",
            Self::Tensor(_) => "a tensor",
            Self::Graph(_) => "a graph",
            Self::Type(_) => "a type",
            Self::Floats(_) => "a list of floats",
            Self::Ints(_) => "a list of integers",
            Self::Strings(_) => "a list of strings",
            Self::Tensors(_) => "a list of tensors",
            Self::Graphs(_) => "a list of graphs",
            Self::Types(_) => "a list of types",
        }
    }
}

/// A value with its type: `ValueInfoProto`.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueInfo<'a> {
    /// Name of the value.
    pub name: Text<'a>,
    /// Its type; `None` if the file does not say.
    pub ty: Option<ValueType<'a>>,
}

/// Type of a value: `TypeProto`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ValueType<'a> {
    /// A dense tensor.
    Tensor {
        /// Type of its elements.
        element: ElementType,
        /// Its dimensions; `None` if not even their number is known.
        shape: Option<Vec<Dimension<'a>>>,
    },
    /// A sequence of values of a type.
    Sequence(Box<ValueType<'a>>),
    /// A value or nothing.
    Optional(Box<ValueType<'a>>),
    /// A kind of value that this crate does not look into: its name in onnx.proto.
    Other(&'static str),
}

/// One dimension of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension<'a> {
    /// A length.
    Known(usize),
    /// A name that stands for a length, the same wherever it appears.
    Named(Text<'a>),
    /// Not known.
    Unknown,
}

/// A constant tensor: `TensorProto`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Type of its elements.
    pub element: ElementType,
    /// Outermost dimension first; empty for a single number.
    pub shape: Vec<usize>,
    /// Its elements.
    pub data: TensorData<'a>,
}

/// The elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData<'a> {
    /// Little-endian, row-major, as many bytes as type and shape need; elements of 4 and 2 bits packed into bytes, the first lowest. Whichever of
    /// the fields of `TensorProto` held them.
    Bytes(Cow<'a, [u8]>),
    /// Of a tensor of strings.
    Strings(Vec<Cow<'a, [u8]>>),
    /// In a file beside the model, to be read with [`External::read`](super::External::read).
    External(External<'a>),
}

/// Where a tensor's data lies in another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External<'a> {
    /// Path of the file, relative to the model's folder.
    pub location: Text<'a>,
    /// Byte at which it starts.
    pub offset: u64,
    /// Its length in bytes; `None` if the file does not say.
    pub length: Option<u64>,
    /// Bytes that the tensor's type and shape need.
    pub needed: usize,
}

impl Tensor<'_> {
    /// The tensor as an array; `None` if its elements are no plain numbers or lie in another file.
    pub fn array(&self) -> Option<Array<'_>> {
        match &self.data {
            TensorData::Bytes(bytes) => Some(Array {
                scalar: self.element.scalar()?,
                shape: self.shape.clone(),
                data: Cow::Borrowed(bytes),
            }),
            _ => None,
        }
    }

    /// See [`ScalarType::to_f32s`](crate::scalar::ScalarType::to_f32s).
    pub fn to_f32s(&self) -> Option<Vec<f32>> {
        self.array()?.to_f32s()
    }

    /// See [`ScalarType::to_i64s`](crate::scalar::ScalarType::to_i64s).
    pub fn to_i64s(&self) -> Option<Vec<i64>> {
        self.array()?.to_i64s()
    }
}
