//! Readers of networks from other programs: ONNX, TensorFlow Lite, pickles and checkpoints. Their results borrow from the input.

use std::path::Path;

use ounce_formats::onnx::{Graph, Model, TensorData};
use ounce_formats::pickle::{Checkpoint, Pickle, Value};
use ounce_formats::tflite;

use super::targets::{Input, Parsed, describe_error};

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance").join(name)).unwrap()
}

fn outcome<T, E: ToString>(result: Result<T, E>) -> Parsed {
    Parsed::Borrowed(result.map(drop).map_err(|error| error.to_string()))
}

fn accepted(parsed: Parsed) -> bool {
    match parsed {
        Parsed::Borrowed(Ok(())) => true,
        Parsed::Borrowed(Err(message)) => describe_error(message),
        _ => false,
    }
}

fn bytes(input: &Input) -> &[u8] {
    (*input.bytes).as_ref()
}

/// A field of a message: bytes with a length below 2^28.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let len = [len as u8 | 128, (len >> 7) as u8 | 128, (len >> 14) as u8 | 128, (len >> 21) as u8 & 127];
    [&[number << 3 | 2], &len[..], content].concat()
}

pub(super) fn onnx_seeds(scale: usize) -> Vec<Vec<u8>> {
    let names = ["network", "tensors", "control", "external", "function"];
    let mut seeds: Vec<_> = names.iter().map(|name| golden(&format!("onnx/{name}.onnx"))).collect();
    let graph = |part: &[u8]| field(7, &part.repeat(1000 * scale));
    let node = |part: &[u8]| field(7, &field(1, &[b"\x22\x01a", &part.repeat(1000 * scale)[..]].concat()));
    let attribute = |ty: u8, part: &[u8]| {
        let attribute = [&[0xA0, 1, ty], part.repeat(1000 * scale).as_slice()].concat();
        field(7, &field(1, &[b"\x22\x01a", &field(5, &attribute)[..]].concat()))
    };
    // Small nodes, tensors, values; inputs and attributes of one node; tensors, graphs, numbers and texts of one attribute.
    seeds.extend([graph(b"\x0A\x03\x22\x01a"), graph(b"\x2A\x04\x08\x00\x10\x01"), graph(b"\x5A\x00")]);
    seeds.extend([
        node(b"\x0A\x00"),
        node(b"\x2A\x03\xA0\x01\x02"),
        attribute(9, b"\x52\x04\x08\x00\x10\x01"),
    ]);
    seeds.extend([attribute(10, b"\x5A\x00"), attribute(7, b"\x40\x00"), attribute(8, b"\x4A\x00")]);
    let packed = field(5, &[&b"\x10\x07\x08\x00"[..], &field(7, &vec![0; 2000 * scale])].concat());
    let dimensions = b"\x0A\x00".repeat(1000 * scale);
    let ty = field(2, &field(1, &[&b"\x08\x01"[..], &field(2, &dimensions)].concat()));
    seeds.extend([field(7, &packed), field(7, &field(11, &ty))]);
    seeds
}

pub(super) fn parse_onnx(input: &Input) -> Parsed {
    outcome(Model::parse(bytes(input)))
}

/// What was accepted is accepted again when it is written, and every tensor has the bytes that it needs.
pub(super) fn check_onnx(input: &Input, parsed: Parsed) -> bool {
    if !accepted(parsed) {
        return false;
    }
    let model = Model::parse(bytes(input)).unwrap();
    check_graph(&model.graph);
    let again = model.encode();
    // NaNs differ from themselves, so that texts are compared.
    assert_eq!(format!("{:?}", Model::parse(&again).unwrap()), format!("{model:?}"));
    true
}

fn check_graph(graph: &Graph<'_>) {
    for tensor in &graph.initializers {
        match &tensor.data {
            TensorData::Bytes(bytes) => {
                assert_eq!(tensor.element.bytes_of_shape(&tensor.shape), Some(bytes.len()));
                tensor.to_f32s();
                tensor.to_i64s();
            }
            TensorData::Strings(strings) => assert_eq!(tensor.shape.iter().product::<usize>(), strings.len()),
            TensorData::External(external) => assert!(external.read(Path::new("/no/such/folder")).is_err()),
        }
    }
}

pub(super) fn tflite_seeds(scale: usize) -> Vec<Vec<u8>> {
    vec![golden("tflite/operators.tflite"), tensors(1000 * scale as u32)]
}

/// A model of one subgraph with so many tensors that have nothing but defaults.
fn tensors(count: u32) -> Vec<u8> {
    let put =
        |bytes: &mut Vec<u8>, words: &[u32]| bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    // Halves of words: the vtables of the root (at 8), of empty tables (40) and of the subgraph (44).
    let mut bytes = [&24u32.to_le_bytes()[..], b"TFL3"].concat();
    put(&mut bytes, &[14 | 16 << 16, 4, 8, 12]);
    // The root: version, subgraphs at 64, buffers at 52.
    put(&mut bytes, &[16, 3, 64 - 32, 52 - 36, 4 | 4 << 16, 6 | 8 << 16, 4, 1, 4, 20]);
    put(&mut bytes, &[1, 4, 72 - 44, 4, count]);
    // Each table follows 4 * count bytes after the offset that points to it.
    (0..count).for_each(|_| put(&mut bytes, &[4 * count]));
    (0..count).for_each(|i| put(&mut bytes, &[84 + 4 * count + 4 * i - 40]));
    bytes
}

pub(super) fn parse_tflite(input: &Input) -> Parsed {
    outcome(tflite::Model::parse(bytes(input)))
}

pub(super) fn check_tflite(input: &Input, parsed: Parsed) -> bool {
    if !accepted(parsed) {
        return false;
    }
    let model = tflite::Model::parse(bytes(input)).unwrap();
    for graph in &model.subgraphs {
        for tensor in &graph.tensors {
            let (data, shape) = (model.data(tensor), tensor.dimensions());
            if let Some(scalar) = tensor.ty.scalar().filter(|_| !data.is_empty()) {
                assert_eq!(scalar.bytes_of_shape(&shape), Some(data.len()));
            }
        }
        for operator in &graph.operators {
            assert!(operator.inputs.iter().flatten().all(|number| number < graph.tensors.len()));
            assert!(operator.outputs.iter().all(|number| number.is_some()));
            assert!(operator.code < model.operator_codes.len());
        }
    }
    true
}

pub(super) fn pickle_seeds(scale: usize) -> Vec<Vec<u8>> {
    let values = (0..6).map(|protocol| golden(&format!("pickle/values.{protocol}.pkl")));
    let arrays = [2, 4, 5].map(|protocol| golden(&format!("pickle/numpy.{protocol}.pkl")));
    let many = |part: &[u8]| [b"(", part.repeat(2000 * scale).as_slice(), b"l."].concat();
    let parts: [&[u8]; 9] = [b"]", b"}", b"N", b"]\x94", b"K\x01", b"](Nt", b"]Na", b"}NNs", b"N)R"];
    let deep = ["(".repeat(2000 * scale), "l".repeat(2000 * scale), ".".to_owned()].concat().into_bytes();
    values.chain(arrays).chain(parts.map(many)).chain([deep]).collect()
}

pub(super) fn parse_pickle(input: &Input) -> Parsed {
    outcome(Pickle::parse(bytes(input)))
}

pub(super) fn check_pickle(input: &Input, parsed: Parsed) -> bool {
    if !accepted(parsed) {
        return false;
    }
    let pickle = Pickle::parse(bytes(input)).unwrap();
    assert!(pickle.end() <= bytes(input).len());
    walk(pickle.root(), 12, &mut 3000, &mut |value| drop(ounce_formats::pickle::numpy_array(value)));
    true
}

/// Visits values, down to a depth and up to a number, since they may contain themselves.
fn walk(value: Value<'_>, depth: usize, left: &mut usize, visit: &mut dyn FnMut(Value<'_>)) {
    if depth == 0 || *left == 0 {
        return;
    }
    *left -= 1;
    assert!(!value.describe().is_empty());
    visit(value);
    let mut inner = |value| walk(value, depth - 1, left, visit);
    if let Value::Object(object) = value {
        inner(object.class());
        object.args().into_iter().flat_map(|args| args.iter()).for_each(&mut inner);
        object.state().into_iter().for_each(&mut inner);
    } else if let Some(entries) = value.as_entries() {
        entries.iter().for_each(|(key, value)| {
            inner(key);
            inner(value);
        });
    } else if let Some(items) = value.as_items() {
        items.iter().for_each(&mut inner);
    }
}

pub(super) fn checkpoint_seeds(_: usize) -> Vec<Vec<u8>> {
    vec![golden("pickle/torch.pt"), golden("pickle/numpy.4.pkl")]
}

pub(super) fn parse_checkpoint(input: &Input) -> Parsed {
    let checkpoint = Checkpoint::from_bytes(input.bytes.clone());
    outcome(checkpoint.and_then(|checkpoint| checkpoint.pickle().map(drop)))
}

pub(super) fn check_checkpoint(input: &Input, parsed: Parsed) -> bool {
    if !accepted(parsed) {
        return false;
    }
    let checkpoint = Checkpoint::from_bytes(input.bytes.clone()).unwrap();
    let pickle = checkpoint.pickle().unwrap();
    walk(pickle.root(), 12, &mut 1000, &mut |value| {
        if let Ok(array) = checkpoint.array(value) {
            assert_eq!(array.scalar.bytes_of_shape(&array.shape), Some(array.data.len()));
            assert!(array.data.len() <= bytes(input).len());
        }
    });
    true
}
