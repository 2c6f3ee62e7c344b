//! ONNX models as graphs.
//!
//! [`import`] turns a model of operator sets 7 to 22 into a [`Graph`]. Shapes in a graph are static: symbolic dimensions get their extents from
//! [`Options::dimensions`], and what a model computes from shapes is computed while it is imported. Weights become parameters under their names, so
//! that the graph can be trained; [`Graph::freeze_all`] makes them constants.
//!
//! Element types: float16, bfloat16 and double are computed in single precision; int8 stays; uint8 is kept as i8, 128 less ([`Port::element`] tells);
//! truth values are 0.0 and 1.0; all other integers are i32. Indices that are computed by the graph count from the front.
//!
//! What is not supported is found before anything is built, and named in one error with all nodes it concerns. [`operators`] lists what is.

mod call;
mod constant;
mod error;
mod fold;
mod importer;
mod operators;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use error::{Fault, OnnxImportError, Unsupported};
use ounce_formats::onnx::{self, ElementType, Model};
use ounce_graph::{Graph, Tensor, TensorType};

use crate::Limits;

/// The first and the last version of the operators that are supported.
pub const OPSETS: (i64, i64) = (7, 22);

/// How a model is imported.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Extents of dimensions that the model names, by name, as `("batch", 1)`.
    pub dimensions: BTreeMap<String, usize>,
    /// Extent of the first dimension of every input where it is neither given nor named in `dimensions`.
    pub batch: Option<usize>,
    /// Shapes of inputs by name, in place of what the model says.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// The folder of the model, where data in other files is looked for.
    pub folder: Option<PathBuf>,
    /// How large the graph may be.
    pub limits: Limits,
}

/// An input or output of a graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Port {
    /// Its name, the same in model and graph.
    pub name: String,
    /// The type of its elements in the model.
    pub element: ElementType,
    /// Its type in the graph.
    pub ty: TensorType,
}

/// What came of a model.
#[derive(Clone, PartialEq, Debug)]
pub struct Imported {
    /// The network.
    pub graph: Graph,
    /// Its inputs in the model's order.
    pub inputs: Vec<Port>,
    /// Its outputs in the model's order.
    pub outputs: Vec<Port>,
}

/// Turns a model into a graph.
///
/// # Errors
/// [`OnnxImportError::Unsupported`] with all that is not supported; otherwise what does not fit, and where.
pub fn import(model: &Model<'_>, options: &Options) -> Result<Imported, OnnxImportError> {
    let opset = model.opset().unwrap_or(0);
    if !(OPSETS.0..=OPSETS.1).contains(&opset) {
        return Err(OnnxImportError::Opset { found: opset, supported: OPSETS });
    }
    let unsupported = unsupported(model);
    if !unsupported.is_empty() {
        return Err(OnnxImportError::Unsupported(unsupported));
    }
    importer::Importer::new(opset, options).model(&model.graph)
}

/// A tensor of a file as the graph of a model takes and gives it: what [`Port::element`] becomes. Data in other files is not looked for.
///
/// # Errors
/// If its elements are no numbers, lie in another file, or do not fit the graph's type.
pub fn tensor(tensor: &onnx::Tensor<'_>) -> Result<Tensor, Fault> {
    let options = Options::default();
    importer::Importer::new(OPSETS.1, &options).read(tensor)?.tensor()
}

/// What of a model is not supported, in the order of its nodes.
pub fn unsupported(model: &Model<'_>) -> Vec<Unsupported> {
    let opset = model.opset().unwrap_or(0);
    let problem = |node| Some((node, operators::check(node, opset).err()?));
    let unsupported = model.graph.nodes.iter().filter_map(problem).map(|(node, reason)| Unsupported {
        node: call::node_name(node).to_owned(),
        operator: node.op.to_string(),
        reason,
    });
    unsupported.collect()
}

/// The operators that are supported, by name, sorted.
pub fn operators() -> Vec<&'static str> {
    let mut names: Vec<&str> = operators::all().map(|operator| operator.name).collect();
    names.sort_unstable();
    names
}
