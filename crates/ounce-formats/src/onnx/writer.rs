//! Writing a model: the messages of `reader`, from the outside in. Data of tensors goes into `raw_data`.

use super::model::{
    Attribute, AttributeValue, Dimension, Graph, Model, Node, Tensor, TensorData, ValueInfo, ValueType,
};
use super::wire::Encoder;

pub(super) fn model(model: &Model<'_>) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let e = &mut encoder;
    e.int(1, model.ir_version);
    e.text(2, &model.producer_name);
    e.text(3, &model.producer_version);
    e.text(4, &model.domain);
    if model.version != 0 {
        e.int(5, model.version);
    }
    e.text(6, &model.doc);
    e.message(7, |e| graph(e, &model.graph));
    for opset in &model.opsets {
        e.message(8, |e| {
            e.text(1, &opset.domain);
            e.int(2, opset.version);
        });
    }
    for (key, value) in &model.metadata {
        e.message(14, |e| key_value(e, key, value));
    }
    encoder.into_bytes()
}

fn key_value(e: &mut Encoder, key: &str, value: &str) {
    e.text(1, key);
    e.text(2, value);
}

fn graph(e: &mut Encoder, graph: &Graph<'_>) {
    for n in &graph.nodes {
        e.message(1, |e| node(e, n));
    }
    e.text(2, &graph.name);
    for t in &graph.initializers {
        e.message(5, |e| tensor(e, t));
    }
    e.text(10, &graph.doc);
    for (field, values) in [(11, &graph.inputs), (12, &graph.outputs), (13, &graph.values)] {
        for value in values {
            e.message(field, |e| value_info(e, value));
        }
    }
}

fn node(e: &mut Encoder, node: &Node<'_>) {
    // Empty names mean inputs and outputs that are left out.
    node.inputs.iter().for_each(|name| e.bytes(1, name.as_bytes()));
    node.outputs.iter().for_each(|name| e.bytes(2, name.as_bytes()));
    e.text(3, &node.name);
    e.text(4, &node.op);
    for a in &node.attributes {
        e.message(5, |e| attribute(e, a));
    }
    e.text(6, &node.doc);
    e.text(7, &node.domain);
}

fn attribute(e: &mut Encoder, attribute: &Attribute<'_>) {
    use AttributeValue as V;
    e.text(1, &attribute.name);
    let ty = match &attribute.value {
        V::Float(value) => {
            e.float(2, *value);
            1
        }
        V::Int(value) => {
            e.int(3, *value);
            2
        }
        V::String(value) => {
            e.bytes(4, value);
            3
        }
        V::Tensor(value) => {
            e.message(5, |e| tensor(e, value));
            4
        }
        V::Graph(value) => {
            e.message(6, |e| graph(e, value));
            5
        }
        V::Floats(values) => {
            values.iter().for_each(|&value| e.float(7, value));
            6
        }
        V::Ints(values) => {
            values.iter().for_each(|&value| e.int(8, value));
            7
        }
        V::Strings(values) => {
            values.iter().for_each(|value| e.bytes(9, value));
            8
        }
        V::Tensors(values) => {
            values.iter().for_each(|value| e.message(10, |e| tensor(e, value)));
            9
        }
        V::Graphs(values) => {
            values.iter().for_each(|value| e.message(11, |e| graph(e, value)));
            10
        }
        V::Type(value) => {
            e.message(14, |e| value_type(e, value));
            13
        }
        V::Types(values) => {
            values.iter().for_each(|value| e.message(15, |e| value_type(e, value)));
            14
        }
    };
    e.int(20, ty);
}

fn tensor(e: &mut Encoder, tensor: &Tensor<'_>) {
    tensor.shape.iter().for_each(|&dimension| e.int(1, dimension as i64));
    e.int(2, tensor.element.number().into());
    if let TensorData::Strings(strings) = &tensor.data {
        strings.iter().for_each(|string| e.bytes(6, string));
    }
    e.text(8, &tensor.name);
    match &tensor.data {
        TensorData::Bytes(bytes) => e.bytes(9, bytes),
        TensorData::Strings(_) => {}
        TensorData::External(external) => {
            e.message(13, |e| key_value(e, "location", &external.location));
            e.message(13, |e| key_value(e, "offset", &external.offset.to_string()));
            if let Some(length) = external.length {
                e.message(13, |e| key_value(e, "length", &length.to_string()));
            }
            e.int(14, 1);
        }
    }
}

fn value_info(e: &mut Encoder, info: &ValueInfo<'_>) {
    e.text(1, &info.name);
    if let Some(ty) = &info.ty {
        e.message(2, |e| value_type(e, ty));
    }
}

fn value_type(e: &mut Encoder, ty: &ValueType<'_>) {
    match ty {
        ValueType::Tensor { element, shape } => e.message(1, |e| {
            e.int(1, element.number().into());
            if let Some(shape) = shape {
                e.message(2, |e| shape.iter().for_each(|d| e.message(1, |e| dimension(e, d))));
            }
        }),
        ValueType::Sequence(inner) => e.message(4, |e| e.message(1, |e| value_type(e, inner))),
        ValueType::Optional(inner) => e.message(9, |e| e.message(1, |e| value_type(e, inner))),
        ValueType::Other(name) => {
            let field = match *name {
                "map_type" => 5,
                "opaque_type" => 7,
                _ => 8,
            };
            e.message(field, |_| {});
        }
    }
}

fn dimension(e: &mut Encoder, dimension: &Dimension<'_>) {
    match dimension {
        Dimension::Known(length) => e.int(1, *length as i64),
        Dimension::Named(name) => e.bytes(2, name.as_bytes()),
        Dimension::Unknown => {}
    }
}
