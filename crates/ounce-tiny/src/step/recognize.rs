//! Networks of any file as networks to be trained.

use std::collections::HashSet;

use ounce_graph::ops::{Op, QuantizedAdd};
use ounce_graph::{Custom, DType, Graph, Node, Rewrite, Source, Tensor, TensorType, ValueId, passes};
use ounce_import::ConvSite;
use ounce_import::tflite::kernels::FixedAdd;

use super::network::{bias_name, weight_name};
use super::{IMAGE, Network, StepError};

/// The name of what the classifier gives.
const LOGITS: &str = "logits";

impl Network {
    /// Recognizes the classifier and the convolutions before it in a quantized graph of one picture, `convs` being what the graph's reader knows of its convolutions. They are numbered in the
    /// order in which they run. Whatever comes behind the classifier, as a softmax, is left out; the picture is taken in bytes; and where a clamp may be an activation, it saves its mask.
    ///
    /// # Errors
    /// [`StepError::Network`] if the graph does not classify single pictures by a convolution or dense layer of bytes at its end.
    pub fn recognize(graph: &Graph, convs: &[ConvSite]) -> Result<Self, StepError> {
        let last = classifier(graph)?;
        let needed = needed(graph, last);
        let (image, ty, conversions) = image(graph, &needed)?;
        let mut rewrite = Rewrite::bare(graph);
        let id = rewrite.graph.input(IMAGE, ty)?;
        rewrite.set(image, id);
        let mut sites = Vec::new();
        let mut taken = HashSet::from([IMAGE.to_owned()]);
        for (at, node) in graph.nodes().iter().enumerate().filter(|(at, _)| needed[*at]) {
            if conversions.contains(&at) {
                rewrite.set(node.outputs[0], id);
                continue;
            }
            if let Op::QuantizedConv2d(_) = &node.op {
                let site = convs.iter().find(|site| site.output == node.outputs[0]);
                let unknown = || StepError::Network(format!("the scales of {} are not known", node.name));
                let site = site.ok_or_else(unknown)?;
                let conv = sites.len();
                for (id, name) in [(site.weight, weight_name(conv)), (site.bias, bias_name(conv))] {
                    let new = rewrite.graph.parameter(&name, data(graph, id)?.clone())?;
                    rewrite.set(id, new);
                }
                sites.push(site.clone());
            }
            let node = Node { name: unique(&mut taken, &node.name), ..node.clone() };
            rewrite.copy(&node)?;
        }
        let mut graph_of_names = rewrite.graph;
        let site = sites.pop().ok_or_else(|| StepError::Network("it has no convolution".to_owned()))?;
        let unmasked = Self::located(graph_of_names.clone(), 0, sites.clone(), site.clone())?;
        graph_of_names.output(LOGITS, unmasked.classifier.output)?;
        // Padding that convolutions do themselves has no gradient to pass.
        let folded = passes::dead_code(&passes::fold_padding(&graph_of_names)?)?;
        Self::located(with_masks(&folded)?, 0, sites, site)
    }
}

/// The data of a weight or bias.
fn data(graph: &Graph, id: ValueId) -> Result<&std::sync::Arc<Tensor>, StepError> {
    let value = graph.value(id);
    match &value.source {
        Source::Parameter(data) | Source::Constant(data) => Ok(data),
        _ => Err(StepError::Network(format!("{} is computed, not constant", value.name))),
    }
}

/// A name that no other node has.
fn unique(taken: &mut HashSet<String>, name: &str) -> String {
    let mut own = name.to_owned();
    while !taken.insert(own.clone()) {
        own = format!("{name}.{}", taken.len());
    }
    own
}

/// The node of the classifier: what gives the only output, but for functions of its numbers behind it.
fn classifier(graph: &Graph) -> Result<usize, StepError> {
    let refused = |problem: String| Err(StepError::Network(problem));
    let [(_, output)] = graph.outputs() else {
        return refused(format!(
            "it has {} outputs; networks that classify pictures can be trained, which have one",
            graph.outputs().len()
        ));
    };
    let mut id = *output;
    loop {
        let Some((at, _)) = graph.producer(id) else {
            return refused("there is no convolution or dense layer before its output".to_owned());
        };
        let node = &graph.nodes()[at];
        let described = format!("{} ({})", node.name, node.op.name());
        match &node.op {
            Op::QuantizedConv2d(op) => {
                let places = |id: ValueId| matches!(graph.shape(id), [1, _, 1, 1]);
                let plain = op.groups <= 1 && [op.window.before, op.window.after] == [[0; 2]; 2];
                let kernel = graph.shape(node.inputs[1]);
                if plain && places(node.inputs[0]) && places(node.outputs[0]) && kernel[2..] == [1, 1] {
                    return Ok(at);
                }
                return refused(format!(
                    "{described} gives its output, but is no classifier: that is a dense layer, or a 1 x 1 convolution, of features of a whole picture"
                ));
            }
            Op::Softmax(_) | Op::Dequantize(_) | Op::Quantize(_) | Op::Reshape(_) => id = node.inputs[0],
            Op::Transpose(_) | Op::Unary(_) | Op::Clip(_) => id = node.inputs[0],
            _ => {
                return refused(format!(
                    "{described} gives its output, but a dense layer or 1 x 1 convolution of bytes must"
                ));
            }
        }
    }
}

/// The nodes that one needs, itself among them.
fn needed(graph: &Graph, last: usize) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    needed[last] = true;
    for at in (0..=last).rev() {
        if needed[at] {
            let inputs = &graph.nodes()[at].inputs;
            inputs.iter().filter_map(|id| graph.producer(*id)).for_each(|(before, _)| needed[before] = true);
        }
    }
    needed
}

/// The only input, its type in bytes, and the nodes that make bytes of it where it is of floats.
fn image(graph: &Graph, needed: &[bool]) -> Result<(ValueId, TensorType, Vec<usize>), StepError> {
    let nodes = || graph.nodes().iter().enumerate().filter(|(at, _)| needed[*at]);
    let read = |id: &&ValueId| nodes().any(|(_, node)| node.inputs.contains(id));
    let inputs: Vec<ValueId> = graph.inputs().iter().filter(read).copied().collect();
    let [image] = inputs[..] else {
        return Err(StepError::Network(format!("it takes {} inputs, not one picture", inputs.len())));
    };
    let ty = graph.ty(image);
    if !matches!(ty.shape[..], [1, _, _, _]) {
        return Err(StepError::Network(format!("it takes {ty}, not one picture at a time: [1, C, H, W]")));
    }
    let bytes = TensorType::new(DType::I8, &ty.shape);
    if ty.dtype == DType::I8 {
        return Ok((image, bytes, Vec::new()));
    }
    let readers: Vec<(usize, &Node)> = nodes().filter(|(_, node)| node.inputs.contains(&image)).collect();
    let converts = |node: &Node| matches!(&node.op, Op::Quantize(op) if op.to == DType::I8);
    if !readers.iter().all(|(_, node)| converts(node) && node.op == readers[0].1.op) {
        return Err(StepError::Network(format!(
            "it takes {ty} and computes with it; the picture must be bytes"
        )));
    }
    Ok((image, bytes, readers.into_iter().map(|(at, _)| at).collect()))
}

/// The graph with masks wherever a clamp may be an activation.
fn with_masks(graph: &Graph) -> Result<Graph, StepError> {
    let mut rewrite = Rewrite::bare(graph);
    for node in graph.nodes() {
        let op = match &node.op {
            Op::QuantizedConv2d(op) => {
                let mut op = op.clone();
                op.save_mask = true;
                op.into()
            }
            Op::QuantizedAdd(op) => QuantizedAdd { save_mask: true, ..*op }.into(),
            Op::Custom(custom) => match custom.downcast_ref::<FixedAdd>() {
                Some(op) => Custom::new(FixedAdd { save_mask: true, ..*op }).into(),
                None => node.op.clone(),
            },
            op => op.clone(),
        };
        // Results keep their places, masks come behind them.
        rewrite.copy_as(node, op, &node.inputs)?;
    }
    Ok(rewrite.finish()?)
}
