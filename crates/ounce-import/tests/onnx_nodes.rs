//! The node tests of the onnx package, if the folder that `OUNCE_TEST_ONNX` names holds them: every operator that is supported gives what they say.
//!
//! Prints, for every operator, how many tests passed, were refused with an error, failed, and how many concern operators that are not supported.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ounce_formats::onnx::{ElementType, Model, Tensor as Stored};
use ounce_graph::{Data, Executor, PlanOptions, Tensor, evaluate, passes, plan};
use ounce_import::onnx::{self, Options};
use ounce_kernels::ThreadPool;

/// Tests that are not passed, by name or beginning of name, and why.
const KNOWN: &[(&str, &str)] = &[
    ("test_cast_BFLOAT16_to_FLOAT", "the data of the test is uint16, not bfloat16"),
    ("test_cast_FLOAT_to_BFLOAT16", "the data of the test is uint16, not bfloat16"),
    ("test_castlike_BFLOAT16_to_FLOAT", "the data of the test is uint16, not bfloat16"),
    ("test_castlike_FLOAT_to_BFLOAT16", "the data of the test is uint16, not bfloat16"),
    (
        "test_resize_downsample_scales_linear_align_corners",
        "the test aligns to 2.4 samples, PyTorch and onnxruntime to the 2 that there are",
    ),
];

/// The most nodes of a model that tests a single operator.
const NODES: usize = 24;

fn varint(mut n: usize, into: &mut Vec<u8>) {
    while n >= 128 {
        into.push(n as u8 | 128);
        n >>= 7;
    }
    into.push(n as u8);
}

/// A message as a field of another.
fn wrapped(field: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    varint(message.len(), &mut bytes);
    bytes.extend_from_slice(message);
    bytes
}

/// Files `{kind}_0.pb` and so on, each as the bytes of a model that has the tensor as its initializer.
fn data(folder: &Path, kind: &str) -> Vec<Vec<u8>> {
    let file = |i: usize| std::fs::read(folder.join(format!("test_data_set_0/{kind}_{i}.pb"))).ok();
    (0..).map_while(file).map(|bytes| wrapped(7, &wrapped(5, &bytes))).collect()
}

fn first(bytes: &[u8]) -> Result<Stored<'_>, String> {
    let model = Model::parse(bytes).map_err(|error| error.to_string())?;
    model.graph.initializers.into_iter().next().ok_or_else(|| "no tensor".to_owned())
}

fn stored(models: &[Vec<u8>]) -> Result<Vec<Stored<'_>>, String> {
    models.iter().map(|bytes| first(bytes)).collect()
}

/// What came of a test.
enum Outcome {
    Passed,
    Unsupported,
    Refused(String),
    Failed(String),
}

fn values(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::F32(data) => data.iter().map(|x| f64::from(*x)).collect(),
        Data::I8(data) => data.iter().map(|x| f64::from(*x)).collect(),
        Data::I32(data) => data.iter().map(|x| f64::from(*x)).collect(),
        Data::Bits(_) => panic!("no operator of ONNX gives bits"),
    }
}

/// `nodes` are those of the whole model: sums of many of them are held against the largest element.
fn compare(name: &str, found: &Tensor, expected: &Stored<'_>, nodes: usize) -> Result<(), String> {
    let wanted = onnx::tensor(expected).map_err(|fault| fault.to_string())?;
    if found.ty() != wanted.ty() {
        return Err(format!("{name} is {}, not {}", found.ty(), wanted.ty()));
    }
    let loose = matches!(expected.element, ElementType::Float16 | ElementType::Bfloat16);
    let wanted = values(&wanted);
    let largest = wanted.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let (absolute, relative) = match nodes {
        _ if loose => (1e-3, 1e-2),
        0..=NODES => (1e-6, 2e-5),
        _ => (2e-5 * largest, 0.0),
    };
    for (i, (a, b)) in values(found).into_iter().zip(wanted).enumerate() {
        let close = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= absolute + relative * b.abs();
        if !close {
            return Err(format!("{name}[{i}] is {a}, not {b}"));
        }
    }
    Ok(())
}

/// Which inputs of a test become constants of the model.
#[derive(Clone, Copy)]
enum Fixed {
    Integers,
    AllButFirst,
    All,
}

fn run(folder: &Path, fixed: Fixed, pool: &mut ThreadPool) -> Outcome {
    let bytes = std::fs::read(folder.join("model.onnx")).unwrap();
    let mut model = match Model::parse(&bytes) {
        Ok(model) => model,
        Err(_) => return Outcome::Unsupported,
    };
    let nodes = model.graph.nodes.len();
    let unsupported = onnx::unsupported(&model);
    if let Some(first) = unsupported.first() {
        let known = onnx::operators().contains(&&*first.operator);
        return if known { Outcome::Refused(first.to_string()) } else { Outcome::Unsupported };
    }
    let (inputs, outputs) = (data(folder, "input"), data(folder, "output"));
    let (inputs, outputs) = match (stored(&inputs), stored(&outputs)) {
        (Ok(inputs), Ok(outputs)) => (inputs, outputs),
        (Err(error), _) | (_, Err(error)) => return Outcome::Refused(error),
    };
    let mut options = Options::default();
    let mut given = Vec::new();
    for (i, (info, tensor)) in model.graph.inputs.iter().zip(&inputs).enumerate() {
        let is_float = onnx::tensor(tensor).is_ok_and(|tensor| tensor.as_f32().is_some());
        let is_fixed = match fixed {
            Fixed::Integers => !is_float || tensor.element == ElementType::Bool,
            Fixed::AllButFirst => i > 0,
            Fixed::All => true,
        };
        if is_fixed {
            model
                .graph
                .initializers
                .push(Stored { name: Cow::Owned(info.name.to_string()), ..tensor.clone() });
        } else {
            options.shapes.insert(info.name.to_string(), tensor.shape.clone());
            match onnx::tensor(tensor) {
                Ok(tensor) => given.push((info.name.to_string(), tensor)),
                Err(fault) => return Outcome::Refused(fault.to_string()),
            }
        }
    }
    let imported = match onnx::import(&model, &options) {
        Ok(imported) => imported,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    let given: Vec<(&str, &Tensor)> = given.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let by_the_book = evaluate(&imported.graph, &given).unwrap().outputs;
    for (port, expected) in imported.outputs.iter().zip(&outputs) {
        if let Err(error) = compare(&port.name, &by_the_book[&port.name], expected, nodes) {
            return Outcome::Failed(error);
        }
    }
    // What the passes make of it, on the arena.
    let mut graph = imported.graph.clone();
    graph.freeze_all();
    let graph = passes::optimize(&graph).unwrap();
    let mut executor = Executor::new(&graph, &plan::plan(&graph, &PlanOptions::default()).unwrap()).unwrap();
    given.iter().for_each(|(name, tensor)| executor.set_input(name, tensor).unwrap());
    executor.run(pool);
    for (port, expected) in imported.outputs.iter().zip(&outputs) {
        if let Err(error) = compare(&port.name, &executor.output(&port.name).unwrap(), expected, nodes) {
            return Outcome::Failed(format!("executed: {error}"));
        }
    }
    Outcome::Passed
}

fn operator(folder: &Path, name: &str) -> String {
    if name.ends_with("_expanded") || name.contains("_expanded_ver") {
        return "(functions)".to_owned();
    }
    let bytes = std::fs::read(folder.join("model.onnx")).unwrap();
    Model::parse(&bytes).map_or("(unreadable)".to_owned(), |model| {
        if model.graph.nodes.len() > NODES {
            return format!("({name})");
        }
        model.graph.nodes.first().map_or("(none)".to_owned(), |node| node.op.to_string())
    })
}

#[test]
fn node_tests_of_the_onnx_package_pass() {
    let Some(root) = std::env::var_os("OUNCE_TEST_ONNX").map(PathBuf::from) else {
        eprintln!("skipped: OUNCE_TEST_ONNX names no folder with the node tests of the onnx package");
        return;
    };
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("model.onnx").is_file());
    folders.sort();
    assert!(!folders.is_empty(), "no tests in {root:?}");
    let mut pool = ThreadPool::new(1);
    let mut table: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let (mut failures, mut reasons) = (Vec::new(), Vec::new());
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut outcome = run(&folder, Fixed::Integers, &mut pool);
        for fixed in [Fixed::AllButFirst, Fixed::All] {
            if matches!(outcome, Outcome::Refused(_)) {
                let other = run(&folder, fixed, &mut pool);
                if !matches!(other, Outcome::Refused(_)) {
                    outcome = other;
                }
            }
        }
        let row = table.entry(operator(&folder, &name)).or_default();
        match outcome {
            Outcome::Passed => row[0] += 1,
            Outcome::Refused(reason) => {
                row[1] += 1;
                reasons.push(format!("{name}: {reason}"));
            }
            Outcome::Failed(error) => {
                row[2] += 1;
                if !KNOWN.iter().any(|(known, _)| name.starts_with(known)) {
                    failures.push(format!("{name}: {error}"));
                }
            }
            Outcome::Unsupported => row[3] += 1,
        }
    }
    println!("{:<28} {:>7} {:>8} {:>7} {:>12}", "operator", "passed", "refused", "failed", "unsupported");
    let mut sum = [0; 4];
    for (operator, row) in &table {
        println!("{operator:<28} {:>7} {:>8} {:>7} {:>12}", row[0], row[1], row[2], row[3]);
        (0..4).for_each(|i| sum[i] += row[i]);
    }
    println!("{:<28} {:>7} {:>8} {:>7} {:>12}", "all", sum[0], sum[1], sum[2], sum[3]);
    println!("refused:\n{}", reasons.join("\n"));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
