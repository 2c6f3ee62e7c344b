//! Models of ONNX beside the node tests: errors, symbolic dimensions, shapes that a model computes, weights as parameters.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::onnx::{AttributeValue, Dimension, ElementType, Model, Node};
use ounce_graph::Tensor;
use ounce_import::onnx::{Fault, Imported, OnnxImportError, Options, import, operators, unsupported};
use ounce_import::{LimitError, Limits};
use support::executed;
use support::onnx::{floats, ints, model, node, with};

fn batch(extent: usize) -> Options {
    Options { batch: Some(extent), ..Options::default() }
}

/// A convolution, a clip, and the reshape that PyTorch writes for `x.view(x.size(0), -1)`.
fn network() -> Model<'static> {
    let shape = [Dimension::Named("n".into()), Dimension::Known(1), Dimension::Known(4), Dimension::Known(4)];
    let nodes = vec![
        with(node("Conv", &["x", "w"], &["a"]), "pads", AttributeValue::Ints(vec![1; 4])),
        node("Relu", &["a"], &["b"]),
        node("Shape", &["b"], &["s"]),
        with(node("Gather", &["s", "zero"], &["n"]), "axis", AttributeValue::Int(0)),
        node("Unsqueeze", &["n", "axes"], &["n1"]),
        with(node("Concat", &["n1", "rest"], &["target"]), "axis", AttributeValue::Int(0)),
        node("Reshape", &["b", "target"], &["y"]),
    ];
    let constants = vec![
        floats("w", &[2, 1, 3, 3], 0.5),
        ints("zero", &[], &[0]),
        ints("axes", &[1], &[0]),
        ints("rest", &[1], &[-1]),
    ];
    model(13, nodes, constants, vec![("x", ElementType::Float, shape.to_vec())], &["y"])
}

fn imported(model: &Model<'_>, options: &Options) -> Imported {
    import(model, options).unwrap()
}

#[test]
fn shapes_are_computed_for_the_batch_that_is_asked_for() {
    for n in [1, 3] {
        let result = imported(&network(), &batch(n));
        assert_eq!(result.outputs[0].ty.shape, [n, 32]);
        // Nothing of the arithmetic on shapes is left.
        let operators: Vec<&str> = result.graph.nodes().iter().map(|node| node.op.name()).collect();
        assert_eq!(operators, ["conv2d", "clip", "reshape"]);
        let parameters: Vec<&str> = result.graph.parameters().map(|(_, name, _)| name).collect();
        assert_eq!(parameters, ["w"]);
        let x = Tensor::f32(&[n, 1, 4, 4], vec![1.0; 16 * n]).unwrap();
        let y = &executed(&result.graph, &[("x", &x)])["y"];
        // A corner sees 4 of the 9 places.
        assert_eq!(y.as_f32().unwrap()[0], 2.0);
    }
    let named = Options { dimensions: [("n".to_owned(), 2)].into(), ..Options::default() };
    assert_eq!(imported(&network(), &named).outputs[0].ty.shape, [2, 32]);
    let given = Options { shapes: [("x".to_owned(), vec![1, 1, 6, 6])].into(), ..Options::default() };
    assert_eq!(imported(&network(), &given).outputs[0].ty.shape, [1, 72]);
    let error = import(&network(), &Options::default()).unwrap_err().to_string();
    assert_eq!(error, "\"x\" of the model: dimension 0 is called \"n\": give its extent");
}

#[test]
fn all_that_is_not_supported_is_named_at_once() {
    let mut model = network();
    model.graph.nodes.push(node("LSTM", &["y"], &["l"]));
    model.graph.nodes.push(with(
        node("Resize", &["b"], &["r"]),
        "mode",
        AttributeValue::String(b"cubic".to_vec().into()),
    ));
    let mut other = node("Fancy", &["y"], &["f"]);
    other.domain = "com.example".into();
    other.name = "last".into();
    model.graph.nodes.push(other);
    model.graph.nodes.push(with(node("Relu", &["y"], &["q"]), "steepness", AttributeValue::Int(1)));
    model.graph.nodes.push(node("MaxPool", &["b"], &["m", "indices"]));
    let found = unsupported(&model);
    let names: Vec<&str> = found.iter().map(|one| one.node.as_str()).collect();
    assert_eq!(names, ["l", "r", "last", "q", "m"]);
    // Before anything else: the batch is not known either.
    let error = import(&model, &Options::default()).unwrap_err();
    assert!(matches!(&error, OnnxImportError::Unsupported(all) if *all == found));
    let text = error.to_string();
    assert!(text.starts_with("5 nodes of the model are not supported:\n  node \"l\" (LSTM): "), "{text}");
    for part in ["only nearest, linear", "of domain \"com.example\"", "attributes steepness", "output 1"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(operators().is_sorted() && operators().contains(&"Conv"));
}

#[test]
fn versions_are_checked() {
    for (opset, is_known) in [(6, false), (13, true), (22, true), (23, false)] {
        let mut model = network();
        model.opsets[0].version = opset;
        let result = import(&model, &batch(1));
        assert_eq!(matches!(result, Err(OnnxImportError::Opset { found, .. }) if found == opset), !is_known);
    }
}

fn fault(
    nodes: Vec<Node<'static>>,
    constants: Vec<ounce_formats::onnx::Tensor<'static>>,
    limits: Limits,
) -> String {
    let shape = [2, 3].map(Dimension::Known).to_vec();
    let model = model(17, nodes, constants, vec![("x", ElementType::Float, shape)], &["y"]);
    let options = Options { limits, ..Options::default() };
    import(&model, &options).unwrap_err().to_string()
}

#[test]
fn errors_name_the_node_and_the_problem() {
    let check = |nodes: Vec<Node<'static>>, constants, expected: &str| {
        let text = fault(nodes, constants, Limits::default());
        assert!(text.contains(expected), "{text:?} has no {expected:?}");
    };
    check(
        vec![node("Relu", &["z"], &["y"])],
        vec![],
        "node \"y\" (Relu): it takes \"z\", which nothing before it gives",
    );
    check(vec![node("Relu", &[], &["y"])], vec![], "input 0 is missing");
    check(
        vec![node("Reshape", &["x", "x"], &["y"])],
        vec![],
        "input 1 must be constant or follow from shapes",
    );
    check(
        vec![node("Reshape", &["x", "s"], &["y"])],
        vec![ints("s", &[2], &[4, -1])],
        "[2, 3] cannot be cut into [4, 1]",
    );
    check(
        vec![node("MatMul", &["x", "w"], &["y"])],
        vec![floats("w", &[4, 2], 1.0)],
        "input 1 must have shape",
    );
    check(
        vec![node("Gather", &["x", "i"], &["y"])],
        vec![ints("i", &[1], &[2])],
        "axis 2 of a value of 2 axes",
    );
    check(
        vec![with(node("Softmax", &["x"], &["y"]), "axis", AttributeValue::Float(1.0))],
        vec![],
        "attribute axis: must be an integer, found a float",
    );
    check(vec![node("Relu", &["x"], &["z"])], vec![], "\"y\" of the model: it takes \"y\"");
}

#[test]
fn shapes_of_any_size_are_refused_by_limits() {
    let limits = Limits { value_bytes: 1 << 16, total_bytes: 1 << 18, folded_elements: 1 << 12 };
    let expand = |extent| {
        let nodes = vec![node("Expand", &["x", "s"], &["y"])];
        fault(nodes, vec![ints("s", &[3], &[extent, 1, 1])], limits)
    };
    assert!(expand(1 << 20).contains("more than the limit of 65536"));
    assert!(expand(i64::MAX).contains("large"));
    let filled = |extent| {
        let nodes = vec![node("ConstantOfShape", &["s"], &["y"])];
        fault(nodes, vec![ints("s", &[2], &[extent, extent])], limits)
    };
    assert!(filled(100).contains("constants computed from shapes take more than the limit of 4096"));
    assert!(filled(i64::MAX).contains("limit"));
    let range = vec![node("Range", &["a", "b", "c"], &["y"])];
    let constants = vec![ints("a", &[], &[i64::MIN]), ints("b", &[], &[i64::MAX]), ints("c", &[], &[1])];
    assert!(fault(range, constants, limits).contains("limit of 4096"));
    let mut many: Vec<Node<'static>> = (0..40).map(|_| node("Expand", &["x", "s"], &["z"])).collect();
    many.push(node("Relu", &["z"], &["y"]));
    assert!(fault(many, vec![ints("s", &[3], &[500, 1, 1])], limits).contains("262144 bytes together"));
    let model = network();
    let options =
        Options { shapes: [("x".to_owned(), vec![1 << 40, 1 << 40, 4, 4])].into(), ..Options::default() };
    assert!(matches!(import(&model, &options), Err(OnnxImportError::Limit(LimitError::Value { .. }))));
}

#[test]
fn tensors_are_converted_as_graphs_have_them() {
    let bytes = |element, data: &'static [u8]| ounce_formats::onnx::Tensor {
        name: "t".into(),
        element,
        shape: vec![2],
        data: ounce_formats::onnx::TensorData::Bytes(data.into()),
    };
    let convert = |element, data| ounce_import::onnx::tensor(&bytes(element, data));
    assert_eq!(convert(ElementType::Uint8, &[0, 255]).unwrap().as_i8().unwrap(), [-128, 127]);
    assert_eq!(convert(ElementType::Int8, &[128, 127]).unwrap().as_i8().unwrap(), [-128, 127]);
    assert_eq!(convert(ElementType::Bool, &[0, 1]).unwrap().as_f32().unwrap(), [0.0, 1.0]);
    assert_eq!(convert(ElementType::Float16, &[0, 0x3c, 0, 0xc0]).unwrap().as_f32().unwrap(), [1.0, -2.0]);
    let large = convert(ElementType::Int64, &[0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(large, Err(Fault::Range(4_294_967_296))));
    assert!(matches!(convert(ElementType::Float8e5m2, &[0, 0]), Err(Fault::Type(_))));
}
