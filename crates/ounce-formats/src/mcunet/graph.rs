//! TinyEngine's training graph: the forward pass, the loss, the backward pass and the updates, as a list of operators in JSON.

use serde::{Deserialize, Serialize};

/// A graph: operators in the order in which they run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrainingGraph {
    /// The operators.
    pub operators: Vec<Operator>,
}

impl TrainingGraph {
    /// Reads a graph.
    ///
    /// # Errors
    /// Those of JSON, with line and column; operators of types that TinyEngine's graphs do not have are errors, too.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Its name, as `nn.mcuconv2d@0`.
    pub name: String,
    /// Its type, as `nn.mcuconv2d`.
    #[serde(rename = "type")]
    pub op: String,
    /// Its attributes.
    pub attrs: Attributes,
    /// What it takes.
    pub inputs: Vec<Variable>,
    /// What it makes.
    pub outputs: Vec<Variable>,
}

/// A tensor that an operator takes or makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(rename = "var_type")]
    pub kind: VariableKind,
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    /// Type of its elements: int8, int32, float32, bool.
    pub dtype: String,
    /// More about it.
    pub meta: Option<Meta>,
}

/// What a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VariableKind {
    /// The input of the network, a weight, a bias, a scale or a zero point.
    Parameter,
    /// The output of an operator.
    Activation,
    /// A number in the graph.
    Constant,
}

/// More about a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// How many operators take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<usize>,
    /// What output of the whole graph it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_info: Option<String>,
    /// Value of a constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<f64>,
}

/// Attributes of operators, those of all types in one: what a type does not have is `None`. They are those of TVM's Relay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names are those of Relay")]
pub struct Attributes {
    pub strides: Option<Vec<i64>>,
    pub padding: Option<Vec<i64>>,
    pub dilation: Option<Vec<i64>>,
    pub output_padding: Option<Vec<i64>>,
    pub groups: Option<i64>,
    pub channels: Option<i64>,
    pub kernel_size: Option<Vec<i64>>,
    pub data_layout: Option<String>,
    pub kernel_layout: Option<String>,
    pub out_layout: Option<String>,
    pub out_dtype: Option<String>,
    pub min: Option<i64>,
    pub max: Option<i64>,
    /// One axis or several.
    pub axis: Option<Axis>,
    pub axes: Option<Vec<i64>>,
    pub keepdims: Option<i64>,
    pub exclude: Option<i64>,
    pub begin: Option<Vec<i64>>,
    pub end: Option<Vec<i64>>,
    pub slice_mode: Option<SliceMode>,
    pub dtype: Option<String>,
    pub newshape: Option<Vec<i64>>,
    pub reps: Option<Vec<i64>>,
    pub shape: Option<Vec<i64>>,
}

/// One axis or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Axis {
    /// One.
    One(i64),
    /// Several.
    Several(Vec<i64>),
}

/// How `end` of a slice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SliceMode {
    /// The index after the last.
    End,
    /// The length.
    Size,
}
