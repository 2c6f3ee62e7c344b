//! ONNX models that the onnx package wrote (`conformance/onnx`), models written here, and models that are wrong.

#![allow(clippy::unwrap_used)]

mod support;

use std::borrow::Cow;
use std::path::PathBuf;

use ounce_formats::onnx::{
    AttributeValue, Dimension, ElementType, ExternalFault, Fault, Model, Onnx, OnnxError, Tensor, TensorData,
    ValueInfo, ValueType,
};
use serde_json::{Value, json};
use support::crc32;

fn folder() -> PathBuf {
    support::conformance("onnx")
}

fn golden(name: &str) -> Vec<u8> {
    support::golden(&format!("onnx/{name}"))
}

fn string(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn tensor(tensor: &Tensor<'_>) -> Value {
    let data = match &tensor.data {
        TensorData::Bytes(bytes) => json!(crc32(bytes)),
        TensorData::Strings(strings) => strings.iter().map(|s| json!(string(s))).collect(),
        TensorData::External(_) => Value::Null,
    };
    json!([tensor.name, tensor.element.number(), tensor.shape, data])
}

fn info(info: &ValueInfo<'_>) -> Value {
    match info.ty.as_ref().unwrap() {
        ValueType::Tensor { element, shape } => {
            let dimension = |d: &Dimension<'_>| match d {
                Dimension::Known(n) => json!(n),
                Dimension::Named(name) => json!(name),
                Dimension::Unknown => Value::Null,
            };
            let shape: Vec<_> = shape.iter().flatten().map(dimension).collect();
            json!([info.name, element.number(), shape])
        }
        ValueType::Sequence(_) => json!([info.name, "sequence_type"]),
        ValueType::Optional(_) => json!([info.name, "optional_type"]),
        other => panic!("{other:?}"),
    }
}

fn graph(graph: &ounce_formats::onnx::Graph<'_>) -> Value {
    let attribute = |a: &ounce_formats::onnx::Attribute<'_>| match &a.value {
        AttributeValue::Float(value) => json!([a.name, f64::from(*value)]),
        AttributeValue::Int(value) => json!([a.name, value]),
        AttributeValue::String(value) => json!([a.name, string(value)]),
        AttributeValue::Tensor(value) => json!([a.name, tensor(value)]),
        AttributeValue::Graph(value) => json!([a.name, self::graph(value)]),
        AttributeValue::Floats(values) => json!([a.name, values]),
        AttributeValue::Ints(values) => json!([a.name, values]),
        AttributeValue::Strings(values) => {
            json!([a.name, values.iter().map(|s| string(s)).collect::<Vec<_>>()])
        }
        other => panic!("{}", other.kind()),
    };
    let node = |n: &ounce_formats::onnx::Node<'_>| {
        json!({
            "name": n.name, "op": n.op, "domain": n.domain, "inputs": n.inputs, "outputs": n.outputs,
            "attributes": n.attributes.iter().map(attribute).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": graph.name,
        "nodes": graph.nodes.iter().map(node).collect::<Vec<_>>(),
        "initializers": graph.initializers.iter().map(tensor).collect::<Vec<_>>(),
        "inputs": graph.inputs.iter().map(info).collect::<Vec<_>>(),
        "outputs": graph.outputs.iter().map(info).collect::<Vec<_>>(),
        "values": graph.values.iter().map(info).collect::<Vec<_>>(),
    })
}

fn summary(model: &Model<'_>) -> Value {
    let opsets: Vec<_> = model.opsets.iter().map(|opset| json!([opset.domain, opset.version])).collect();
    json!({
        "ir_version": model.ir_version, "producer": model.producer_name, "doc": model.doc, "opsets": opsets,
        "metadata": model.metadata, "graph": graph(&model.graph),
    })
}

/// What the onnx package says is in the files, from the files and from what the writer makes of them.
#[test]
fn models_of_the_onnx_package() {
    let golden_summary: Value = serde_json::from_slice(&golden("summary.json")).unwrap();
    for (name, expected) in golden_summary.as_object().unwrap() {
        let bytes = golden(name);
        let model = Model::parse(&bytes).unwrap();
        assert_eq!(&summary(&model), expected, "{name}");
        assert_eq!(model.opset(), Some(17));
        let again = model.encode();
        assert_eq!(Model::parse(&again).unwrap(), model, "{name}");
    }
}

/// The same numbers come out of `raw_data` and of the fields for each type.
#[test]
fn data_in_fields_is_that_in_raw_data() {
    let bytes = golden("tensors.onnx");
    let model = Model::parse(&bytes).unwrap();
    let mut pairs = 0;
    for pair in model.graph.initializers.chunks_exact(2).take(19) {
        let (fields, raw) = (&pair[0], &pair[1]);
        assert_eq!(fields.name.strip_suffix(".fields"), raw.name.strip_suffix(".raw"));
        assert_eq!((&fields.data, fields.element), (&raw.data, raw.element), "{}", raw.name);
        assert!(matches!(raw.data, TensorData::Bytes(Cow::Borrowed(_))));
        pairs += 1;
    }
    assert_eq!(pairs, 19);
    let find = |name: &str| model.graph.initializers.iter().find(|tensor| tensor.name == name).unwrap();
    assert_eq!(find("FLOAT16.fields").to_f32s().unwrap(), [1.5, -2.0, 65504.0, 0.0]);
    assert_eq!(find("BFLOAT16.fields").to_f32s().unwrap(), [1.5, -2.0, 3.0, 0.0]);
    assert_eq!(find("INT64.fields").to_i64s().unwrap(), [i64::MIN, i64::MAX, 0, 1]);
    assert_eq!(find("UINT64.fields").to_i64s(), None);
    assert_eq!(find("INT4.fields").array(), None);
    assert!(matches!(&find("INT4.fields").data, TensorData::Bytes(bytes) if **bytes == [0x78, 0x10]));
}

#[test]
fn types_of_values_and_optional_inputs() {
    let bytes = golden("control.onnx");
    let model = Model::parse(&bytes).unwrap();
    let int64 =
        ValueType::Tensor { element: ElementType::Int64, shape: Some(vec![Dimension::Named("n".into())]) };
    assert_eq!(model.graph.inputs[2].ty, Some(ValueType::Sequence(Box::new(int64))));
    let float = ValueType::Tensor { element: ElementType::Float, shape: None };
    assert_eq!(model.graph.inputs[3].ty, Some(ValueType::Optional(Box::new(float))));
    let bytes = golden("network.onnx");
    let model = Model::parse(&bytes).unwrap();
    assert_eq!(model.graph.nodes[1].inputs, ["a", "", "six"]);
    let AttributeValue::Ints(pads) = model.graph.nodes[0].attribute("pads").unwrap() else { panic!() };
    assert_eq!(pads, &[1; 4]);
}

#[test]
fn external_data_is_read_from_beside_the_model() {
    let file = Onnx::open(&folder().join("external.onnx")).unwrap();
    let model = file.model().unwrap();
    let TensorData::External(external) = &model.graph.initializers[0].data else { panic!() };
    assert_eq!((&*external.location, external.needed), ("external.bin", 24));
    let data = external.read(&folder()).unwrap();
    assert_eq!(
        ounce_formats::scalar::ScalarType::F32.to_f32s(data.bytes()).unwrap(),
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    );
    let fault = |change: &dyn Fn(&mut ounce_formats::onnx::External<'static>)| {
        let mut external = ounce_formats::onnx::External {
            location: Cow::Owned(external.location.to_string()),
            offset: external.offset,
            length: external.length,
            needed: external.needed,
        };
        change(&mut external);
        match external.read(&folder()).unwrap_err() {
            OnnxError::External { fault, .. } => fault,
            other => panic!("{other}"),
        }
    };
    for path in ["../onnx/external.bin", "/etc/passwd", "", "a/../../b"] {
        let found = fault(&|external| external.location = path.into());
        assert!(matches!(found, ExternalFault::Path), "{path}: {found}");
    }
    assert!(matches!(fault(&|e| e.location = "missing.bin".into()), ExternalFault::Io { .. }));
    assert!(matches!(fault(&|e| e.length = Some(20)), ExternalFault::Size { given: 20, needed: 24 }));
    assert!(matches!(fault(&|e| e.offset = 1), ExternalFault::OutOfRange { available: 24, .. }));
    assert!(matches!(fault(&|e| e.offset = u64::MAX), ExternalFault::OutOfRange { .. }));
}

#[cfg(unix)]
#[test]
fn external_data_does_not_follow_links_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), [0; 24]).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("w")).unwrap();
    let external =
        ounce_formats::onnx::External { location: "w".into(), offset: 0, length: None, needed: 24 };
    let error = external.read(folder.path()).unwrap_err();
    assert!(matches!(error, OnnxError::External { fault: ExternalFault::Path, .. }), "{error}");
}

fn fault(bytes: &[u8]) -> (String, Fault) {
    match Model::parse(bytes).unwrap_err() {
        OnnxError::Malformed { place, fault, .. } => (place.to_string(), fault),
        other => panic!("{other}"),
    }
}

/// A message from fields: numbers and their bytes.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let field = |&(number, bytes): &(u8, &[u8])| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    fields.iter().flat_map(field).collect()
}

#[test]
fn wrong_models_are_refused_by_place() {
    let model = |graph: &[u8]| message(&[(7, graph)]);
    let place = |fields: &[(u8, &[u8])]| fault(&model(&message(fields)));
    assert_eq!(fault(b"").1, Fault::Missing("the graph"));
    assert_eq!(fault(&[model(b""), model(b"")].concat()).1, Fault::Twice("the graph"));
    let (at, what) = place(&[(2, b"g"), (1, &message(&[(3, b"n"), (1, b"x")]))]);
    assert_eq!((at.as_str(), what), ("ONNX model, graph \"g\", node 0 ( \"n\")", Fault::Missing("op_type")));
    let attribute = [&message(&[(1, b"a")])[..], &[0xA0, 1, 99]].concat();
    let (at, what) = place(&[(1, &message(&[(4, b"Op"), (5, &attribute)]))]);
    assert_eq!(what, Fault::AttributeType(99));
    assert_eq!(at, "ONNX model, graph \"\", node 0 (Op \"\"), attribute \"a\"");
    let tensor = |extra: &[u8]| place(&[(5, &[&message(&[(8, b"w")])[..], extra].concat())]).1;
    assert_eq!(tensor(&[]), Fault::Missing("data_type"));
    assert_eq!(tensor(&[16, 77]), Fault::Element(77));
    let size = |shape: &[usize], needed, given| Fault::Size {
        element: ElementType::Float,
        shape: shape.to_vec(),
        needed,
        given,
    };
    assert_eq!(tensor(&[16, 1, 8, 2, 0x4A, 4, 0, 0, 0, 0]), size(&[2], Some(8), 4));
    let huge = [16, 1, 8, 255, 255, 255, 255, 255, 255, 255, 127, 8, 4];
    assert_eq!(tensor(&huge), size(&[(1 << 56) - 1, 4], Some(((1 << 56) - 1) * 16), 0));
    assert!(matches!(
        tensor(&[&huge[..], &[8, 255, 255, 255, 15]].concat()),
        Fault::Size { needed: None, .. }
    ));
    assert_eq!(tensor(&[16, 1, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), Fault::Dimension(-1));
    assert_eq!(tensor(&[16, 3, 42, 2, 200, 1]), Fault::Range { value: 200, element: ElementType::Int8 });
    assert_eq!(
        tensor(&[16, 3, 58, 1, 1]),
        Fault::DataField { element: ElementType::Int8, field: "int64_data" }
    );
    assert_eq!(tensor(&[16, 3, 42, 1, 1, 0x4A, 1, 1]), Fault::Twice("the data"));
    let (_, what) = fault(&golden("function.onnx"));
    assert!(matches!(&what, Fault::Unsupported { what, .. } if what.contains("\"custom::Twice\"")), "{what}");
    let error = Model::parse(&model(&message(&[(5, &[16, 77])]))).unwrap_err().to_string();
    assert_eq!(
        error,
        "ONNX model, graph \"\", tensor \"\", at byte 4: element type 77 is unknown (1 to 26 are known)"
    );
}

/// The end of a message is not marked: what is cut between two fields is a shorter message, and everything else is an error.
#[test]
fn truncations_are_errors_or_shorter_models() {
    let bytes = golden("network.onnx");
    let whole = Model::parse(&bytes).unwrap();
    let mut accepted = 0;
    for len in 0..bytes.len() {
        if let Ok(model) = Model::parse(&bytes[..len]) {
            accepted += 1;
            assert_eq!(model.graph, whole.graph, "{len} bytes");
        }
    }
    assert!((1..10).contains(&accepted), "{accepted}");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let mut graph = ounce_formats::onnx::Graph::default();
        for _ in 1..depth {
            let attribute = ounce_formats::onnx::Attribute {
                name: "body".into(),
                value: AttributeValue::Graph(Box::new(graph)),
            };
            let node = ounce_formats::onnx::Node {
                op: "Loop".into(),
                attributes: vec![attribute],
                ..Default::default()
            };
            graph = ounce_formats::onnx::Graph { nodes: vec![node], ..Default::default() };
        }
        Model { graph, ..Default::default() }.encode()
    };
    assert!(Model::parse(&nested(16)).is_ok());
    assert_eq!(fault(&nested(17)).1, Fault::Depth(16));
}

#[test]
fn saved_models_are_whole() {
    let bytes = golden("network.onnx");
    let model = Model::parse(&bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.onnx");
    model.save(&path).unwrap();
    assert_eq!(Onnx::open(&path).unwrap().model().unwrap(), model);
    assert!(model.save(&folder.path().join("missing/again.onnx")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
