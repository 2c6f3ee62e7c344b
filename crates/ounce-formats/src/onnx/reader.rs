//! Reading the messages of a model, from the outside in.

use std::borrow::Cow;

use super::error::{Broken, Fault, Parsed};
use super::model::{
    Attribute, AttributeValue, Dimension, Graph, Model, Node, OpsetImport, Text, ValueInfo, ValueType,
};
use super::wire::{Field, Fixed, Message};
use super::{ElementType, MAX_DEPTH, tensor};

/// Reads a model.
pub(super) fn model(bytes: &[u8]) -> Parsed<Model<'_>> {
    let mut message = Message::new(bytes, 0);
    let mut model = Model::default();
    let mut has_graph = false;
    while let Some(field) = message.next()? {
        match field.number {
            1 => model.ir_version = field.int()?,
            2 => model.producer_name = text(&field)?,
            3 => model.producer_version = text(&field)?,
            4 => model.domain = text(&field)?,
            5 => model.version = field.int()?,
            6 => model.doc = text(&field)?,
            7 if has_graph => return Err(Broken::new(field.offset, Fault::Twice("the graph"))),
            7 => {
                model.graph = graph(field.message()?, 0)?;
                has_graph = true;
            }
            8 => model.opsets.push(opset(field.message()?)?),
            14 => {
                let (key, value) = key_value(field.message()?)?;
                model.metadata.push((Text::Borrowed(key), Text::Borrowed(value)));
            }
            20 => return Err(unsupported(&field, "training graphs".to_owned(), "export for inference")),
            25 => {
                let name = function_name(field.message()?)?;
                let what = format!("functions of a model (here {name})");
                return Err(unsupported(&field, what, "inline them (onnx.inliner.inline_local_functions)"));
            }
            _ => {}
        }
    }
    if !has_graph {
        return Err(Broken::new(0, Fault::Missing("the graph")));
    }
    Ok(model)
}

fn text<'a>(field: &Field<'a>) -> Parsed<Text<'a>> {
    Ok(Cow::Borrowed(field.text()?))
}

fn unsupported(field: &Field<'_>, what: String, remedy: &'static str) -> Broken {
    Broken::new(field.offset, Fault::Unsupported { what, remedy })
}

fn opset(mut message: Message<'_>) -> Parsed<OpsetImport<'_>> {
    let mut opset = OpsetImport::default();
    while let Some(field) = message.next()? {
        match field.number {
            1 => opset.domain = text(&field)?,
            2 => opset.version = field.int()?,
            _ => {}
        }
    }
    Ok(opset)
}

/// A `StringStringEntryProto`.
pub(super) fn key_value(mut message: Message<'_>) -> Parsed<(&str, &str)> {
    let (mut key, mut value) = ("", "");
    while let Some(field) = message.next()? {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn function_name(mut message: Message<'_>) -> Parsed<String> {
    let (mut name, mut domain) = ("", "");
    while let Some(field) = message.next()? {
        match field.number {
            1 => name = field.text()?,
            10 => domain = field.text()?,
            _ => {}
        }
    }
    Ok(format!("\"{domain}::{name}\""))
}

fn deeper(message: &Message<'_>, depth: usize) -> Parsed<usize> {
    if depth == MAX_DEPTH {
        return Err(Broken::new(message.start(), Fault::Depth(MAX_DEPTH)));
    }
    Ok(depth + 1)
}

fn graph(mut message: Message<'_>, depth: usize) -> Parsed<Graph<'_>> {
    let depth = deeper(&message, depth)?;
    let mut graph = Graph::default();
    let filled = fill_graph(&mut message, depth, &mut graph);
    filled.map_err(|broken| broken.within(|| format!("graph \"{}\"", graph.name)))?;
    Ok(graph)
}

fn fill_graph<'a>(message: &mut Message<'a>, depth: usize, graph: &mut Graph<'a>) -> Parsed<()> {
    reserve(*message, graph)?;
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let number = graph.nodes.len();
                graph.nodes.push(node(field.message()?, depth, number)?);
            }
            2 => graph.name = text(&field)?,
            5 => graph.initializers.push(tensor::read(field.message()?)?),
            10 => graph.doc = text(&field)?,
            11 => graph.inputs.push(value_info(field.message()?)?),
            12 => graph.outputs.push(value_info(field.message()?)?),
            13 => graph.values.push(value_info(field.message()?)?),
            15 => {
                let what = "sparse initializers".to_owned();
                return Err(unsupported(&field, what, "store them as dense tensors"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes room for exactly what the graph holds: each of these takes far more memory than the few bytes it may have in the file.
fn reserve(message: Message<'_>, graph: &mut Graph<'_>) -> Parsed<()> {
    let [nodes, initializers, inputs, outputs, values] = message.count([1, 5, 11, 12, 13])?;
    graph.nodes.reserve_exact(nodes);
    graph.initializers.reserve_exact(initializers);
    graph.inputs.reserve_exact(inputs);
    graph.outputs.reserve_exact(outputs);
    graph.values.reserve_exact(values);
    Ok(())
}

fn node(mut message: Message<'_>, depth: usize, number: usize) -> Parsed<Node<'_>> {
    let mut node = Node::default();
    let offset = message.start();
    let filled = fill_node(&mut message, depth, &mut node).and_then(|()| {
        if node.op.is_empty() { Err(Broken::new(offset, Fault::Missing("op_type"))) } else { Ok(()) }
    });
    filled.map_err(|broken| broken.within(|| format!("node {number} ({} \"{}\")", node.op, node.name)))?;
    Ok(node)
}

fn fill_node<'a>(message: &mut Message<'a>, depth: usize, node: &mut Node<'a>) -> Parsed<()> {
    while let Some(field) = message.next()? {
        match field.number {
            1 => node.inputs.push(text(&field)?),
            2 => node.outputs.push(text(&field)?),
            3 => node.name = text(&field)?,
            4 => node.op = text(&field)?,
            5 => node.attributes.push(attribute(field.message()?, depth)?),
            6 => node.doc = text(&field)?,
            7 => node.domain = text(&field)?,
            _ => {}
        }
    }
    Ok(())
}

/// The fields of an attribute, of which one is its value.
#[derive(Default)]
struct RawAttribute<'a> {
    name: &'a str,
    ty: i64,
    float: Option<f32>,
    int: Option<i64>,
    string: Option<&'a [u8]>,
    tensor: Option<super::Tensor<'a>>,
    graph: Option<Graph<'a>>,
    value_type: Option<ValueType<'a>>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    strings: Vec<Cow<'a, [u8]>>,
    tensors: Vec<super::Tensor<'a>>,
    graphs: Vec<Graph<'a>>,
    types: Vec<ValueType<'a>>,
}

fn attribute(mut message: Message<'_>, depth: usize) -> Parsed<Attribute<'_>> {
    let offset = message.start();
    let mut raw = RawAttribute::default();
    let filled = fill_attribute(&mut message, depth, &mut raw);
    let name = raw.name;
    let value = filled.and_then(|()| attribute_value(raw).map_err(|fault| Broken::new(offset, fault)));
    let value = value.map_err(|broken| broken.within(|| format!("attribute \"{name}\"")))?;
    Ok(Attribute { name: Cow::Borrowed(name), value })
}

fn fill_attribute<'a>(message: &mut Message<'a>, depth: usize, raw: &mut RawAttribute<'a>) -> Parsed<()> {
    let [tensors, graphs] = message.count([10, 11])?;
    raw.tensors.reserve_exact(tensors);
    raw.graphs.reserve_exact(graphs);
    while let Some(field) = message.next()? {
        match field.number {
            1 => raw.name = field.text()?,
            2 => raw.float = Some(field.float()?),
            3 => raw.int = Some(field.int()?),
            4 => raw.string = Some(field.bytes()?),
            5 => raw.tensor = Some(tensor::read(field.message()?)?),
            6 => raw.graph = Some(graph(field.message()?, depth)?),
            7 => match field.fixed::<4>()? {
                Fixed::Packed(bytes) => {
                    raw.floats.reserve(bytes.len() / 4);
                    raw.floats.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)));
                }
                Fixed::One32(bytes) => raw.floats.push(f32::from_le_bytes(bytes)),
                Fixed::One64(_) => {}
            },
            8 => field.ints(&mut raw.ints)?,
            9 => raw.strings.push(Cow::Borrowed(field.bytes()?)),
            10 => raw.tensors.push(tensor::read(field.message()?)?),
            11 => raw.graphs.push(graph(field.message()?, depth)?),
            14 => raw.value_type = Some(value_type(field.message()?, depth)?),
            15 => raw.types.push(value_type(field.message()?, depth)?),
            20 => raw.ty = field.int()?,
            21 => {
                let what = "references to attributes of functions".to_owned();
                return Err(unsupported(&field, what, "inline the functions of the model"));
            }
            22 | 23 => {
                let what = "sparse tensors".to_owned();
                return Err(unsupported(&field, what, "store them as dense tensors"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn attribute_value(raw: RawAttribute<'_>) -> Result<AttributeValue<'_>, Fault> {
    use AttributeValue as V;
    // Files before version 3 of the format do not say the type.
    let ty = match raw.ty {
        0 if raw.float.is_some() => 1,
        0 if raw.int.is_some() => 2,
        0 if raw.string.is_some() => 3,
        0 if raw.tensor.is_some() => 4,
        0 if raw.graph.is_some() => 5,
        0 if !raw.floats.is_empty() => 6,
        0 if !raw.ints.is_empty() => 7,
        0 if !raw.strings.is_empty() => 8,
        0 if !raw.tensors.is_empty() => 9,
        0 if !raw.graphs.is_empty() => 10,
        ty => ty,
    };
    Ok(match ty {
        0 => return Err(Fault::Missing("the type of the attribute")),
        // A number or text that is the default need not stand in the file.
        1 => V::Float(raw.float.unwrap_or(0.0)),
        2 => V::Int(raw.int.unwrap_or(0)),
        3 => V::String(Cow::Borrowed(raw.string.unwrap_or_default())),
        4 => V::Tensor(Box::new(raw.tensor.ok_or(Fault::Missing("the tensor of the attribute"))?)),
        5 => V::Graph(Box::new(raw.graph.ok_or(Fault::Missing("the graph of the attribute"))?)),
        6 => V::Floats(raw.floats),
        7 => V::Ints(raw.ints),
        8 => V::Strings(raw.strings),
        9 => V::Tensors(raw.tensors),
        10 => V::Graphs(raw.graphs),
        11 | 12 => {
            let what = "sparse tensors".to_owned();
            return Err(Fault::Unsupported { what, remedy: "store them as dense tensors" });
        }
        13 => V::Type(Box::new(raw.value_type.ok_or(Fault::Missing("the type in the attribute"))?)),
        14 => V::Types(raw.types),
        other => return Err(Fault::AttributeType(other)),
    })
}

fn value_info(mut message: Message<'_>) -> Parsed<ValueInfo<'_>> {
    let mut info = ValueInfo { name: Cow::Borrowed(""), ty: None };
    let filled = (|| {
        while let Some(field) = message.next()? {
            match field.number {
                1 => info.name = text(&field)?,
                2 => info.ty = Some(value_type(field.message()?, 0)?),
                _ => {}
            }
        }
        Ok(())
    })();
    filled.map_err(|broken: Broken| broken.within(|| format!("value \"{}\"", info.name)))?;
    Ok(info)
}

fn value_type(mut message: Message<'_>, depth: usize) -> Parsed<ValueType<'_>> {
    let depth = deeper(&message, depth)?;
    let mut ty = None;
    while let Some(field) = message.next()? {
        ty = Some(match field.number {
            1 => tensor_type(field.message()?)?,
            4 => ValueType::Sequence(Box::new(inner_type(field.message()?, depth)?)),
            9 => ValueType::Optional(Box::new(inner_type(field.message()?, depth)?)),
            5 => ValueType::Other("map_type"),
            7 => ValueType::Other("opaque_type"),
            8 => ValueType::Other("sparse_tensor_type"),
            _ => continue,
        });
    }
    ty.ok_or_else(|| Broken::new(message.start(), Fault::Missing("the kind of a type")))
}

fn inner_type(mut message: Message<'_>, depth: usize) -> Parsed<ValueType<'_>> {
    let mut ty = None;
    while let Some(field) = message.next()? {
        if field.number == 1 {
            ty = Some(value_type(field.message()?, depth)?);
        }
    }
    ty.ok_or_else(|| Broken::new(message.start(), Fault::Missing("the type of elements")))
}

fn tensor_type(mut message: Message<'_>) -> Parsed<ValueType<'_>> {
    let (mut number, mut shape) = (0, None);
    while let Some(field) = message.next()? {
        match field.number {
            1 => number = field.int()?,
            2 => shape = Some(dimensions(field.message()?)?),
            _ => {}
        }
    }
    let fail = |fault| Broken::new(message.start(), fault);
    match number {
        0 => Err(fail(Fault::Missing("elem_type"))),
        _ => {
            let element = ElementType::from_number(number).ok_or_else(|| fail(Fault::Element(number)))?;
            Ok(ValueType::Tensor { element, shape })
        }
    }
}

fn dimensions(mut message: Message<'_>) -> Parsed<Vec<Dimension<'_>>> {
    let mut dimensions = Vec::new();
    while let Some(field) = message.next()? {
        if field.number == 1 {
            dimensions.push(dimension(field.message()?)?);
        }
    }
    Ok(dimensions)
}

fn dimension(mut message: Message<'_>) -> Parsed<Dimension<'_>> {
    let mut dimension = Dimension::Unknown;
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let value = field.int()?;
                let known = usize::try_from(value);
                let known = known.map_err(|_| Broken::new(field.offset, Fault::Dimension(value)))?;
                dimension = Dimension::Known(known);
            }
            2 => dimension = Dimension::Named(text(&field)?),
            _ => {}
        }
    }
    Ok(dimension)
}
