//! Small models of ONNX.

use ounce_formats::onnx::{
    Attribute, AttributeValue, Dimension, ElementType, Graph, Model, Node, OpsetImport, Tensor, TensorData,
    ValueInfo, ValueType,
};

/// A node without attributes.
pub(crate) fn node(op: &'static str, inputs: &[&'static str], outputs: &[&'static str]) -> Node<'static> {
    let texts = |names: &[&'static str]| names.iter().map(|name| (*name).into()).collect();
    Node { op: op.into(), inputs: texts(inputs), outputs: texts(outputs), ..Node::default() }
}

/// The same node with a further attribute.
pub(crate) fn with(
    mut node: Node<'static>,
    name: &'static str,
    value: AttributeValue<'static>,
) -> Node<'static> {
    node.attributes.push(Attribute { name: name.into(), value });
    node
}

/// A tensor of equal floats.
pub(crate) fn floats(name: &'static str, shape: &[usize], value: f32) -> Tensor<'static> {
    let data = value.to_le_bytes().repeat(shape.iter().product());
    Tensor {
        name: name.into(),
        element: ElementType::Float,
        shape: shape.to_vec(),
        data: TensorData::Bytes(data.into()),
    }
}

/// A tensor of integers.
pub(crate) fn ints(name: &'static str, shape: &[usize], ints: &[i64]) -> Tensor<'static> {
    let data: Vec<u8> = ints.iter().flat_map(|i| i.to_le_bytes()).collect();
    Tensor {
        name: name.into(),
        element: ElementType::Int64,
        shape: shape.to_vec(),
        data: TensorData::Bytes(data.into()),
    }
}

/// A model.
pub(crate) fn model(
    opset: i64,
    nodes: Vec<Node<'static>>,
    initializers: Vec<Tensor<'static>>,
    inputs: Vec<(&'static str, ElementType, Vec<Dimension<'static>>)>,
    outputs: &[&'static str],
) -> Model<'static> {
    let info = |(name, element, shape): (&'static str, ElementType, Vec<Dimension<'static>>)| ValueInfo {
        name: name.into(),
        ty: Some(ValueType::Tensor { element, shape: Some(shape) }),
    };
    let inputs = inputs.into_iter().map(info).collect();
    let outputs = outputs.iter().map(|name| ValueInfo { name: (*name).into(), ty: None }).collect();
    let graph = Graph { nodes, initializers, inputs, outputs, ..Graph::default() };
    let opsets = vec![OpsetImport { domain: "".into(), version: opset }];
    Model { ir_version: 8, opsets, graph, ..Model::default() }
}
