//! Pickles and checkpoints that Python, numpy and torch wrote (`conformance/pickle`), and pickles that are wrong.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::sync::Arc;

use ounce_formats::pickle::{ArrayError, Checkpoint, CheckpointError, Fault, Pickle, Value, numpy_array};
use ounce_formats::scalar::{Array, ScalarType};
use support::{crc32, data};

fn golden(name: &str) -> Vec<u8> {
    support::golden(&format!("pickle/{name}"))
}

fn ints(value: Value<'_>) -> Vec<i64> {
    value.as_items().unwrap().iter().map(|item| item.as_i64().unwrap()).collect()
}

#[test]
fn values_of_every_protocol() {
    for protocol in 0..6 {
        let bytes = golden(&format!("values.{protocol}.pkl"));
        let pickle = Pickle::parse(&bytes).unwrap();
        assert_eq!(pickle.end(), bytes.len());
        let root = pickle.root().as_entries().unwrap();
        let get = |key: &str| root.get(key).unwrap();
        assert!(matches!(get("none"), Value::None));
        let bools = get("bools").as_items().unwrap();
        assert!(matches!((bools.get(0), bools.get(1)), (Some(Value::Bool(true)), Some(Value::Bool(false)))));
        let expected = [0, 255, 256, 65535, 65536, -1, -(1 << 31), 1 << 31, 1 << 62, i64::MIN];
        assert_eq!(ints(get("ints")), expected);
        if protocol >= 2 {
            let Value::Long(long) = get("long") else { panic!() };
            assert_eq!((long.len(), long[12], long[0]), (13, 16, 0));
        }
        let floats: Vec<_> = get("floats").as_items().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(floats, [0.1, -2.5e300]);
        if protocol >= 3 {
            assert!(matches!(get("bytes"), Value::Bytes(b"a\0\xff'\"\\\n")));
        }
        assert_eq!(get("text").as_str(), Some("häß € 😀 \\ \n"));
        assert_eq!(get("ordered").as_entries().map(|e| e.len()), Some(2));
        assert_eq!(get("ordered").as_entries().unwrap().get("b").unwrap().as_i64(), Some(2));
        let Value::Object(point) = get("object") else { panic!() };
        let state = point.state().unwrap().as_entries().unwrap();
        assert_eq!(
            (state.get("x").unwrap().as_i64(), state.get("y").unwrap().as_str()),
            (Some(3), Some("y"))
        );
        if protocol >= 2 {
            assert!(point.is("geometry.shapes", "Point"));
            assert!(point.args().unwrap().is_empty());
        }
        assert_eq!(ints(get("shared").as_items().unwrap().get(1).unwrap()), [1, 2]);
        let cyclic = get("cyclic").as_items().unwrap().get(0).unwrap();
        assert_eq!(cyclic.as_items().unwrap().get(0).unwrap().as_items().unwrap().len(), 1);
        assert!(get("class").is_global("collections", "OrderedDict"));
        if protocol >= 4 {
            assert!(matches!(get("set"), Value::Set(items) if items.len() == 1));
            assert!(
                matches!(get("frozen"), Value::Set(items) if items.get(0).unwrap().as_str() == Some("x"))
            );
        }
        assert_eq!(get("empty").as_items().unwrap().len(), 4);
    }
}

fn check_counting(array: &Array<'_>, name: &str) {
    assert_eq!(array.shape, [2, 3], "{name}");
    match array.to_i64s() {
        Some(ints) if name == "bool" => assert_eq!(ints, [0, 1, 1, 1, 1, 1]),
        Some(ints) => assert_eq!(ints, [0, 1, 2, 3, 4, 5], "{name}"),
        None => assert_eq!(array.to_f32s().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{name}"),
    }
}

#[test]
fn arrays_of_numpy() {
    for protocol in [2, 4, 5] {
        let bytes = golden(&format!("numpy.{protocol}.pkl"));
        let pickle = Pickle::parse(&bytes).unwrap();
        let mut seen = 0;
        for (key, value) in pickle.root().as_entries().unwrap().iter() {
            let (name, array) = (key.as_str().unwrap(), numpy_array(value).unwrap());
            seen += 1;
            match name {
                "fortran" => {
                    assert_eq!(array.shape, [2, 3, 4]);
                    assert_eq!(array.to_i64s().unwrap(), (0..24).collect::<Vec<_>>());
                }
                "scalar" => assert_eq!((array.shape.len(), array.to_f32s().unwrap()), (0, vec![1.5])),
                "point" => assert_eq!((array.shape.len(), array.to_f32s().unwrap()), (0, vec![2.5])),
                "empty" => assert_eq!((array.shape.clone(), array.elements()), (vec![0, 3], 0)),
                "big" => {
                    assert_eq!(array.scalar, ScalarType::I32);
                    check_counting(&array, name);
                }
                _ => {
                    assert_eq!(array.scalar.name(), name);
                    check_counting(&array, name);
                }
            }
        }
        assert_eq!(seen, 17);
    }
}

#[test]
fn tensors_of_torch() {
    let checkpoint = Checkpoint::from_bytes(Arc::new(golden("torch.pt"))).unwrap();
    let pickle = checkpoint.pickle().unwrap();
    let root = pickle.root().as_entries().unwrap();
    let get = |name: &str| checkpoint.array(root.get(name).unwrap()).unwrap();
    let base = get("base");
    assert_eq!((base.scalar, base.shape.as_slice()), (ScalarType::F32, &[2, 3, 4][..]));
    let values = base.to_f32s().unwrap();
    assert_eq!(values, (0..24u8).map(f32::from).collect::<Vec<_>>());
    assert!(matches!(base.data, std::borrow::Cow::Borrowed(_)));
    let transposed = get("transposed");
    assert_eq!(transposed.shape, [4, 2, 3]);
    let expected: Vec<_> = (0..24).map(|i| values[i / 6 + i / 3 % 2 * 12 + i % 3 * 4]).collect();
    assert_eq!(transposed.to_f32s().unwrap(), expected);
    assert_eq!(get("slice").to_f32s().unwrap(), [13.0, 14.0, 17.0, 18.0, 21.0, 22.0]);
    assert_eq!(get("half").to_f32s().unwrap(), [1.5, -2.0]);
    let bfloat16 = get("bfloat16");
    assert_eq!((bfloat16.scalar, bfloat16.to_f32s().unwrap()), (ScalarType::BF16, vec![1.5, -2.0]));
    assert_eq!(get("int8").to_i8s().unwrap(), [-128, 127]);
    assert_eq!(get("int64").to_i64s().unwrap(), [1 << 40]);
    assert_eq!(get("bool").to_i64s().unwrap(), [1, 0]);
    assert_eq!(get("uint16").to_i64s().unwrap(), [1, 65535]);
    assert_eq!(get("parameter").to_f32s().unwrap(), [3.0]);
    assert_eq!(get("empty").shape, [0, 5]);
    let state = root.get("state").unwrap().as_entries().unwrap();
    assert_eq!(checkpoint.array(state.get("weight").unwrap()).unwrap().shape, [1, 2]);
    let expanded = checkpoint.array(root.get("expanded").unwrap()).unwrap_err();
    assert!(matches!(expanded, ArrayError::Strides { elements: 1, .. }), "{expanded}");
}

/// Everything that Python finds in the published networks is found, with the same bytes.
#[test]
fn published_networks_have_the_checksums_that_python_finds() {
    let golden: serde_json::Value = serde_json::from_slice(&golden("checksums.json")).unwrap();
    for (file, rows) in golden.as_object().unwrap() {
        let Some(path) = data(&format!("tiny/{file}")) else { continue };
        let checkpoint = Checkpoint::open(&path).unwrap();
        let pickle = checkpoint.pickle().unwrap();
        let mut found = Vec::new();
        walk(&checkpoint, pickle.root(), "", &mut found);
        assert_eq!(&serde_json::Value::Array(found), rows, "{file}");
    }
}

fn walk(checkpoint: &Checkpoint, value: Value<'_>, path: &str, found: &mut Vec<serde_json::Value>) {
    if let Value::Float(value) = value {
        found.push(serde_json::json!([path, "float", value]));
    } else if let Value::Object(_) = value {
        let array = checkpoint.array(value).unwrap();
        found.push(serde_json::json!([path, array.scalar.name(), array.shape, crc32(&array.data)]));
    } else if let Some(entries) = value.as_entries() {
        for (key, item) in entries.iter() {
            walk(checkpoint, item, &format!("{path}/{}", key.as_str().unwrap()), found);
        }
    } else if let Some(items) = value.as_items() {
        for (index, item) in items.iter().enumerate() {
            walk(checkpoint, item, &format!("{path}/{index}"), found);
        }
    }
}

fn fault(bytes: &[u8]) -> Fault {
    Pickle::parse(bytes).unwrap_err().fault
}

#[test]
fn bad_pickles_are_refused() {
    let truncated = |needed, remaining| Fault::Truncated { needed, remaining };
    assert_eq!(fault(b""), truncated(1, 0));
    assert_eq!(fault(b"N"), truncated(1, 0));
    assert_eq!(fault(b"X\xff\xff\xff\xffab."), truncated(u64::from(u32::MAX), 3));
    assert_eq!(fault(b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffab."), truncated(u64::MAX, 3));
    assert_eq!(fault(b"\x95\x09\0\0\0\0\0\0\0N."), truncated(9, 2));
    assert_eq!(fault(b"\x80\x06N."), Fault::Protocol(6));
    assert_eq!(fault(b"z"), Fault::Unknown);
    assert_eq!(fault(b"\x82\x01."), Fault::Unsupported("codes of Python's extension registry"));
    assert_eq!(fault(b"."), Fault::Stack);
    assert_eq!(fault(b"N(a."), Fault::Stack);
    assert_eq!(fault(b"N(R."), Fault::Stack);
    assert_eq!(fault(b"e."), Fault::Mark);
    assert_eq!(fault(b"h\x05."), Fault::Memo(5));
    assert_eq!(fault(b"NNa."), Fault::Target { found: "None".to_owned() });
    assert_eq!(fault(b"}(Nu."), Fault::Pairs);
    assert_eq!(fault(b"NN."), Fault::Left(1));
    assert_eq!(fault(b"X\x01\0\0\0\xff."), Fault::Text);
    assert_eq!(fault(b"I12x\n."), Fault::Number);
    assert_eq!(fault(b"Vabc"), Fault::Line);
    assert_eq!(fault(b"cos\nsystem\n)RNbNb."), Fault::State);
    let error = Pickle::parse(b"N\x95").unwrap_err();
    assert_eq!((error.offset, error.opcode), (1, Some(0x95)));
}

#[test]
fn every_truncation_is_an_error() {
    for name in ["values.0.pkl", "values.2.pkl", "values.5.pkl", "numpy.2.pkl", "numpy.5.pkl"] {
        let bytes = golden(name);
        for len in 0..bytes.len() {
            assert!(Pickle::parse(&bytes[..len]).is_err(), "{name}, {len} bytes");
        }
    }
}

/// What would run a command in Python is a description of that call here.
#[test]
fn calls_are_described_and_not_made() {
    let pickle = Pickle::parse(b"cos\nsystem\n(S'echo pwned'\ntR.").unwrap();
    let Value::Object(object) = pickle.root() else { panic!() };
    assert!(object.is("os", "system"));
    assert_eq!(object.args().unwrap().get(0).unwrap().as_str(), Some("echo pwned"));
    assert!(matches!(numpy_array(pickle.root()), Err(ArrayError::Kind { .. })));
}

#[test]
fn bad_checkpoints_are_refused() {
    let open = |bytes: Vec<u8>| Checkpoint::from_bytes(Arc::new(bytes));
    let whole = golden("torch.pt");
    assert!(matches!(open(whole[..whole.len() / 2].to_vec()), Err(CheckpointError::Zip(_))));
    let plain = open(b"N.N.".to_vec()).unwrap();
    assert!(matches!(plain.pickle(), Err(CheckpointError::Trailing { trailing: 2 })));
    let missing = Checkpoint::open(Path::new("/no/such/file"));
    assert!(matches!(missing, Err(CheckpointError::Io(_))));
    // A tensor whose storage is elsewhere.
    let bytes = b"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'7'\nS'cpu'\nI4\ntQI0\n(I4\nt(I1\nttR.";
    let checkpoint = open(bytes.to_vec()).unwrap();
    let pickle = checkpoint.pickle().unwrap();
    let error = checkpoint.array(pickle.root()).unwrap_err();
    assert_eq!(error, ArrayError::Storage { key: "7".to_owned() });
}
