//! Quantized networks of TensorFlow Lite as graphs.
//!
//! [`import`] turns a model whose values are int8 into a graph of quantized operators with TensorFlow Lite's fixed-point arithmetic: the results are those
//! of its reference kernels, bit for bit, but for softmax, which is computed in floats. Images are `[N, C, H, W]` in graphs, so values of four axes have
//! their channels moved: [`Value::is_image`] tells. Weights and biases are parameters under the names of their tensors.
//!
//! What is not supported is found before anything is built, and named in one error.

mod error;
mod importer;
pub mod kernels;
mod operators;

use ounce_formats::tflite::Model;
use ounce_graph::{Graph, TensorType, ValueId};

pub use error::{Fault, TfliteImportError, Unsupported};

use crate::{ConvSite, Limits};

/// A value of a model in a graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value {
    /// The value.
    pub id: ValueId,
    /// Whether its channels, last in the model, stand before height and width.
    pub is_image: bool,
}

/// An input or output of a graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Port {
    /// Its name, the same in model and graph.
    pub name: String,
    /// Its type in the graph.
    pub ty: TensorType,
    /// Whether its channels, last in the model, stand before height and width.
    pub is_image: bool,
    /// Scale and zero point of its integers.
    pub quantization: Option<(f32, i32)>,
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
    /// For every tensor of the model that an operator gives or that comes in: its value in the graph.
    pub values: Vec<Option<Value>>,
    /// Its convolutions and dense layers, in the model's order.
    pub convs: Vec<ConvSite>,
}

/// Turns the main network of a model into a graph.
///
/// # Errors
/// [`TfliteImportError::Unsupported`] with all that is not supported; otherwise what does not fit, and where.
pub fn import(model: &Model<'_>, limits: Limits) -> Result<Imported, TfliteImportError> {
    let subgraph = model.subgraphs.first().ok_or(TfliteImportError::Empty)?;
    let unsupported = operators::unsupported(model, subgraph);
    if !unsupported.is_empty() {
        return Err(TfliteImportError::Unsupported(unsupported));
    }
    importer::Importer::new(model, subgraph, limits).run()
}
