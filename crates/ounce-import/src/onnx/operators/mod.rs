//! All operators that are supported. A new one is a row in the list of a file here; a new file is a row below.

mod activation;
mod convolution;
mod elementwise;
mod known;
mod layout;
mod matrix;
mod normalization;
mod pieces;
mod pooling;
mod quantization;
mod reduction;
mod resize;

use ounce_formats::onnx::Node;

use super::call::{Attributes, Built, Call};

/// The rows of all files.
const LISTS: [&[Operator]; 12] = [
    activation::OPERATORS,
    convolution::OPERATORS,
    elementwise::OPERATORS,
    known::OPERATORS,
    layout::OPERATORS,
    matrix::OPERATORS,
    normalization::OPERATORS,
    pieces::OPERATORS,
    pooling::OPERATORS,
    quantization::OPERATORS,
    reduction::OPERATORS,
    resize::OPERATORS,
];

/// An operator of ONNX and how it is built from those of a graph.
pub(in crate::onnx) struct Operator {
    /// Its name.
    pub(in crate::onnx) name: &'static str,
    /// The attributes that it may have.
    attributes: &'static [&'static str],
    /// How many of its outputs can be had.
    outputs: usize,
    /// Says what is not supported, from attributes alone.
    check: fn(Attributes<'_>) -> Result<(), String>,
    /// Adds it to the graph.
    pub(in crate::onnx) build: for<'c, 'm> fn(&mut Call<'c, 'm>) -> Built<'m>,
}

impl Operator {
    const fn new(
        name: &'static str,
        attributes: &'static [&'static str],
        build: for<'c, 'm> fn(&mut Call<'c, 'm>) -> Built<'m>,
    ) -> Self {
        Self { name, attributes, outputs: 1, check: |_| Ok(()), build }
    }

    const fn checked(self, check: fn(Attributes<'_>) -> Result<(), String>) -> Self {
        Self { check, ..self }
    }

    const fn outputs(self, outputs: usize) -> Self {
        Self { outputs, ..self }
    }
}

pub(super) fn all() -> impl Iterator<Item = &'static Operator> {
    LISTS.into_iter().flatten()
}

/// The row of a node's operator.
pub(super) fn find(node: &Node<'_>) -> Option<&'static Operator> {
    if !matches!(&*node.domain, "" | "ai.onnx") {
        return None;
    }
    all().find(|operator| operator.name == node.op)
}

/// Whether a node is supported, as far as it alone tells; else what about it is not.
pub(super) fn check(node: &Node<'_>, _opset: i64) -> Result<(), String> {
    let Some(operator) = find(node) else {
        let domain =
            if node.domain.is_empty() { String::new() } else { format!(" of domain {:?}", node.domain) };
        return Err(format!("the operator{domain} is not supported"));
    };
    let unknown: Vec<&str> =
        node.attributes.iter().map(|a| &*a.name).filter(|name| !operator.attributes.contains(name)).collect();
    if !unknown.is_empty() {
        return Err(format!("attributes {} are not supported", unknown.join(", ")));
    }
    if let Some(output) = (operator.outputs..node.outputs.len()).find(|at| !node.outputs[*at].is_empty()) {
        return Err(format!("output {output} is not supported"));
    }
    (operator.check)(Attributes(node))
}

/// The text of an attribute is one of those listed.
fn one_of(attributes: Attributes<'_>, name: &'static str, allowed: &[&str]) -> Result<(), String> {
    let text = attributes.text_or(name, allowed[0]).map_err(|fault| fault.to_string())?;
    if allowed.contains(&text) {
        return Ok(());
    }
    Err(format!("attribute {name} = {text:?} is not supported, only {}", allowed.join(", ")))
}

/// An attribute that is an integer has one of the values listed, or is not given.
fn int_of(attributes: Attributes<'_>, name: &'static str, allowed: &[i64]) -> Result<(), String> {
    match attributes.int(name).map_err(|fault| fault.to_string())? {
        Some(value) if !allowed.contains(&value) => {
            Err(format!("attribute {name} = {value} is not supported"))
        }
        _ => Ok(()),
    }
}
