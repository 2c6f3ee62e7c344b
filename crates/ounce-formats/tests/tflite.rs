//! TensorFlow Lite models against what the reader generated from the schema says (`conformance/tflite`), and models that are wrong.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::tflite::{
    Activation, Fault, FlatFault, Model, Operation, Padding, Pool2d, Subgraph, Tensor, TensorType,
    TfliteError, Vector,
};
use serde_json::{Value, json};
use support::{crc32, data, golden};

fn padding(padding: Padding) -> u8 {
    u8::from(padding == Padding::Valid)
}

fn conv(edges: Padding, strides: [usize; 2], dilations: [usize; 2], function: Activation) -> Value {
    json!([padding(edges), strides[0], strides[1], dilations[0], dilations[1], function as u8])
}

fn pool(pool: &Pool2d) -> Value {
    let ([h, w], [window_h, window_w]) = (pool.strides, pool.window);
    json!([padding(pool.padding), h, w, window_h, window_w, pool.activation as u8])
}

fn ints(vector: Vector<'_, i32>) -> Value {
    vector.iter().collect()
}

/// The options in the order of the golden file.
fn options(operation: &Operation<'_>) -> Value {
    use Operation as O;
    match operation {
        O::Conv2d { padding, strides, dilations, activation }
        | O::DepthwiseConv2d { padding, strides, dilations, activation } => {
            conv(*padding, *strides, *dilations, *activation)
        }
        O::TransposeConv { padding: edges, strides, activation } => {
            json!([padding(*edges), strides[0], strides[1], *activation as u8])
        }
        O::FullyConnected { activation, keep_num_dims } => json!([*activation as u8, keep_num_dims]),
        O::Add { activation } | O::Sub { activation } | O::Mul { activation } | O::Div { activation } => {
            json!([*activation as u8])
        }
        O::AveragePool2d(options) | O::MaxPool2d(options) => pool(options),
        O::Mean { keep_dims } | O::Sum { keep_dims } | O::ReduceMax { keep_dims } => json!([keep_dims]),
        O::Reshape { shape } => json!([ints(shape.unwrap_or_default())]),
        O::Softmax { beta: number } | O::LeakyRelu { alpha: number } => json!([f64::from(*number)]),
        O::Concatenation { axis, activation } => json!([axis, *activation as u8]),
        O::Squeeze { dims } => json!([ints(*dims)]),
        O::StridedSlice { begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask } => {
            json!([begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask])
        }
        O::ResizeBilinear { align_corners, half_pixel_centers }
        | O::ResizeNearestNeighbor { align_corners, half_pixel_centers } => {
            json!([align_corners, half_pixel_centers])
        }
        O::Pack { count, axis } | O::Unpack { count, axis } => json!([count, axis]),
        O::Split { count } => json!([count]),
        _ => json!([]),
    }
}

fn tensor(model: &Model<'_>, tensor: &Tensor<'_>) -> Value {
    let number = TensorType::ALL.iter().position(|&ty| ty == tensor.ty);
    let quantization = tensor.quantization.map(|q| {
        let scales: Vec<u8> = q.scales.iter().flat_map(f32::to_le_bytes).collect();
        json!([q.scales.len(), crc32(&scales), q.zero_points.iter().sum::<i64>(), q.dimension])
    });
    let data = model.data(tensor);
    let data = if data.is_empty() { None } else { Some(crc32(data)) };
    json!([tensor.name, number, tensor.dimensions(), quantization, data])
}

fn subgraph(model: &Model<'_>, graph: &Subgraph<'_>) -> Value {
    let list = |list: ounce_formats::tflite::TensorList<'_>| -> Value {
        list.iter().map(|number| number.map_or(json!(-1), |number| json!(number))).collect()
    };
    let operators = graph.operators.iter().map(|operator| {
        let name = model.operator_codes[operator.code].name();
        json!([name, list(operator.inputs), list(operator.outputs), options(&operator.operation)])
    });
    json!({
        "inputs": list(graph.inputs), "outputs": list(graph.outputs),
        "tensors": graph.tensors.iter().map(|t| tensor(model, t)).collect::<Vec<_>>(),
        "operators": operators.collect::<Vec<_>>(),
    })
}

#[test]
fn models_are_as_the_schema_says() {
    let golden_summary: Value = serde_json::from_slice(&golden("tflite/summary.json")).unwrap();
    for (file, expected) in golden_summary.as_object().unwrap() {
        let bytes = match file.as_str() {
            "operators.tflite" => golden("tflite/operators.tflite"),
            _ => match data(&format!("tiny/{file}")) {
                Some(path) => std::fs::read(path).unwrap(),
                None => continue,
            },
        };
        let model = Model::parse(&bytes).unwrap();
        let subgraphs: Vec<_> = model.subgraphs.iter().map(|graph| subgraph(&model, graph)).collect();
        let found = json!({"description": model.description, "subgraphs": subgraphs});
        assert_eq!(&found, expected, "{file}");
    }
}

#[test]
fn operators_are_known_by_kind() {
    let bytes = golden("tflite/operators.tflite");
    let model = Model::parse(&bytes).unwrap();
    let graph = &model.subgraphs[0];
    assert_eq!(graph.name, "main");
    let others = graph.operators.iter().filter_map(|operator| match operator.operation {
        Operation::Other { name } => Some(name),
        _ => None,
    });
    assert_eq!(others.collect::<Vec<_>>(), ["CUMSUM", "Special"]);
    let first = &graph.operators[0];
    assert_eq!((first.inputs.get(1), first.inputs.get(2), first.inputs.len()), (Some(1), None, 3));
    let weight = &graph.tensors[1];
    let quantization = weight.quantization.unwrap();
    assert_eq!((quantization.at(2), graph.tensors[0].quantization.unwrap().at(2)), ((0.125, 0), (0.5, 3)));
    assert_eq!(model.data(weight), (0..12).collect::<Vec<u8>>());
    let array = model.array(weight).unwrap();
    assert_eq!((array.shape.as_slice(), array.to_i8s().unwrap()[11]), (&[1, 2, 2, 3][..], 11));
    assert!(model.array(&graph.tensors[0]).is_none());
    assert!(graph.tensors[2].quantization.is_none());
}

/// The golden model with `from` replaced by `to`, of the same length, where it stands for the `nth` time.
fn changed(from: &[u8], to: &[u8], nth: usize) -> Result<(), (String, Fault)> {
    let mut bytes = golden("tflite/operators.tflite");
    let at = (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).nth(nth).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    let error = Model::parse(&bytes).err();
    error.map_or(Ok(()), |error| match error {
        TfliteError::Malformed { place, fault, .. } => Err((place, fault)),
        other => panic!("{other}"),
    })
}

#[test]
fn wrong_models_are_refused_by_place() {
    let magic = Model::parse(b"\x08\0\0\0TFL2").unwrap_err().to_string();
    assert_eq!(magic, "this is no TensorFlow Lite model: bytes 4 to 7 are [54, 46, 4c, 32], not \"TFL3\"");
    assert!(matches!(Model::parse(b"abc"), Err(TfliteError::Magic { .. })));
    let truncated = Model::parse(b"\xff\0\0\0TFL3").unwrap_err();
    assert!(matches!(
        truncated,
        TfliteError::Malformed { fault: Fault::Flat(FlatFault::Truncated { needed: 255, remaining: 8 }), .. }
    ));
    // The shape of the weight, which stands after that of the output.
    let shape = [4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];
    let mut longer = shape;
    longer[12] = 9;
    let mut negative = shape;
    negative[12..16].fill(255);
    let faults: Vec<_> = (0..3).map(|nth| changed(&shape, &longer, nth)).collect();
    let size = (
        "TensorFlow Lite model, subgraph 0, tensor 1, \"weight\"".to_owned(),
        Fault::Size { needed: Some(54), given: 12 },
    );
    assert_eq!(faults, [Ok(()), Err(size), Ok(())]);
    assert_eq!(changed(&shape, &negative, 0).unwrap_err().1, Fault::Dimension(-1));
    // The inputs of the first operator.
    let inputs = [3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255];
    let mut beyond = inputs;
    beyond[8] = 3;
    let (place, fault) = changed(&inputs, &beyond, 0).unwrap_err();
    assert_eq!(fault, Fault::Index { what: "tensor", index: 3, count: 3 });
    assert!(place.starts_with("TensorFlow Lite model, subgraph 0, operator "), "{place}");
    beyond[8..12].fill(254);
    assert!(matches!(changed(&inputs, &beyond, 0), Err((_, Fault::Index { index: -16_843_010, .. }))));
    // Three scales become two.
    let scales = [3, 0, 0, 0, 0, 0, 0, 63, 0, 0, 128, 62];
    let mut two = scales;
    two[0] = 2;
    assert!(matches!(
        changed(&scales, &two, 0),
        Err((_, Fault::Quantization { scales: 2, zero_points: 0, .. }))
    ));
    assert_eq!(changed(b"weight", b"weigh\xff", 0).unwrap_err().1, Fault::Flat(FlatFault::NotUtf8));
}

/// Tables stand at the end of the files that builders make, down to the last byte.
#[test]
fn every_truncation_is_an_error() {
    let bytes = golden("tflite/operators.tflite");
    for len in 0..bytes.len() {
        assert!(Model::parse(&bytes[..len]).is_err(), "{len} bytes");
    }
}

/// A model with a list of subgraphs that are all one, which has a list of tensors that are all one.
fn shared(count: u32) -> Vec<u8> {
    let halves: Vec<u8> =
        [14u16, 16, 4, 0, 8, 0, 12, 0, 4, 4, 6, 8, 4, 0].into_iter().flat_map(u16::to_le_bytes).collect();
    let (root_vtable, rest) = halves.split_at(16);
    let mut bytes = [&24u32.to_le_bytes()[..], b"TFL3", root_vtable].concat();
    let put =
        |bytes: &mut Vec<u8>, words: &[u32]| bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    // The root: its vtable at 8, version, subgraphs at 64, buffers at 52. Then the vtables of empty tables (40) and of subgraphs (44).
    put(&mut bytes, &[16, 3, 64 - 32, 52 - 36]);
    bytes.extend(rest);
    put(&mut bytes, &[1, 4, 20]);
    for vtable in [44, 40] {
        let vector = bytes.len() as u32;
        let table = vector + 4 + 4 * count;
        put(&mut bytes, &[count]);
        (0..count).for_each(|i| put(&mut bytes, &[table - (vector + 4 + 4 * i)]));
        put(&mut bytes, &[table - vtable]);
        if vtable == 44 {
            put(&mut bytes, &[4]);
        }
    }
    bytes
}

#[test]
fn shared_parts_do_not_multiply() {
    let bytes = shared(1);
    let model = Model::parse(&bytes).unwrap();
    assert_eq!((model.subgraphs.len(), model.subgraphs[0].tensors.len()), (1, 1));
    let bytes = shared(2000);
    let error = Model::parse(&bytes).unwrap_err();
    assert!(matches!(error, TfliteError::Malformed { fault: Fault::Flat(FlatFault::Shared), .. }), "{error}");
}
