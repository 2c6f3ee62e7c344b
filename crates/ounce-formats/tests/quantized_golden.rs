//! Packing and unpacking of quantized linear maps against what AutoAWQ, AutoGPTQ and compressed-tensors pack
//! (`conformance/quantized/make_golden.py`).

#![allow(clippy::unwrap_used)]

use std::path::Path;

use ounce_formats::hugging_face::{Folder, SafetensorsType, TensorView};
use ounce_formats::quantized::{
    Activations, GroupQuantized, LinearFormat, LinearScheme, QuantizedLinear, pack_as,
};

struct Case {
    name: String,
    rows: usize,
    cols: usize,
    group: usize,
    bits: u8,
    symmetric: bool,
    format: LinearFormat,
    /// A packing that is read but not written.
    old: bool,
}

fn golden() -> Folder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/quantized/golden");
    Folder::open(&path).unwrap()
}

/// Cases are told by their names: `format-ROWSxCOLS-gGROUP[-bBITS][-sym]`.
fn cases(folder: &Folder) -> Vec<Case> {
    let names = folder.names().filter_map(|name| name.strip_suffix("/quants"));
    let case = |name: &str| {
        let parts: Vec<&str> = name.split('-').collect();
        let (rows, cols) = parts[1].split_once('x').unwrap();
        let bits = parts.get(3).and_then(|bits| bits.strip_prefix('b')).unwrap_or("4");
        Case {
            name: name.to_owned(),
            rows: rows.parse().unwrap(),
            cols: cols.parse().unwrap(),
            group: parts[2][1..].parse().unwrap(),
            bits: bits.parse().unwrap(),
            symmetric: parts.contains(&"sym"),
            format: match parts[0] {
                "awq_gemm" => LinearFormat::AwqGemm,
                "awq_gemv" => LinearFormat::AwqGemv,
                "gptq" => LinearFormat::Gptq,
                "pack" | "old_pack" => LinearFormat::PackQuantized,
                "int" => LinearFormat::IntQuantized,
                other => panic!("{other}"),
            },
            old: parts[0] == "old_pack",
        }
    };
    names.map(case).collect()
}

fn floats(view: TensorView<'_>) -> Vec<f32> {
    let bytes = view.bytes();
    match view.dtype() {
        SafetensorsType::F16 => {
            bytes.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect()
        }
        SafetensorsType::BF16 => {
            bytes.as_chunks().0.iter().map(|&b| half::bf16::from_le_bytes(b).to_f32()).collect()
        }
        _ => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
    }
}

#[test]
fn packs_as_the_tools_do() {
    let folder = golden();
    let cases = cases(&folder);
    assert!(cases.len() >= 30, "{}", cases.len());
    for case in cases.iter().filter(|case| !case.old) {
        let plain = |what: &str| folder.tensor(&format!("{}/{what}", case.name)).unwrap();
        let scales = floats(plain("scales"));
        let weight = GroupQuantized {
            rows: case.rows,
            cols: case.cols,
            group: case.group,
            bits: case.bits,
            symmetric: case.symmetric,
            quants: plain("quants").bytes(),
            scales: &scales,
            zeros: plain("zeros").bytes(),
        };
        let without_zeros = GroupQuantized { zeros: &[], ..weight };
        for weight in [&weight, &without_zeros][..1 + usize::from(case.symmetric)].iter() {
            let packed = pack_as(&case.name, weight, case.format, plain("scales").dtype(), None).unwrap();
            let prefix = format!("{}.", case.name);
            let expected: Vec<_> = folder.names().filter(|name| name.starts_with(&prefix)).collect();
            let mut found: Vec<_> = packed.iter().map(|tensor| tensor.name.as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, expected);
            for tensor in &packed {
                let expected = folder.tensor(&tensor.name).unwrap();
                assert_eq!(tensor.dtype, expected.dtype(), "{}", tensor.name);
                assert_eq!(tensor.shape, expected.shape(), "{}", tensor.name);
                assert!(tensor.bytes == expected.bytes(), "{}", tensor.name);
            }
        }
    }
}

#[test]
fn unpacks_what_the_tools_packed() {
    let folder = golden();
    for case in cases(&folder) {
        let plain = |what: &str| folder.tensor(&format!("{}/{what}", case.name)).unwrap();
        let scheme = LinearScheme {
            format: case.format,
            bits: case.bits,
            group: (case.group != case.cols).then_some(case.group),
            symmetric: case.symmetric,
            activations: Activations::Float,
        };
        let linear = QuantizedLinear::open(&folder, &case.name, &scheme).unwrap().unwrap();
        assert_eq!((linear.rows(), linear.cols()), (case.rows, case.cols), "{}", case.name);
        assert_eq!((linear.group(), linear.bits()), (case.group, case.bits), "{}", case.name);
        assert_eq!(linear.symmetric(), case.symmetric, "{}", case.name);
        let (groups, scales) = (case.cols / case.group, floats(plain("scales")));
        // In runs of all lengths from all rows on, so that every way of reading is taken.
        for run in [1, 2, 8, 16, case.rows] {
            let starts = (0..case.rows).step_by(if run == 1 { 1 } else { 3 }).chain([8, 16]);
            for first in starts.filter(|&first| first < case.rows) {
                let n = run.min(case.rows - first);
                let mut quants = vec![255; n * case.cols];
                let (mut found, mut zeros) = (vec![0.0; n * groups], vec![255; n * groups]);
                linear.unpack_rows(first, &mut quants, &mut found, &mut zeros);
                let part = |width: usize| first * width..(first + n) * width;
                assert!(quants == plain("quants").bytes()[part(case.cols)], "{}, {first}", case.name);
                assert_eq!(zeros, plain("zeros").bytes()[part(groups)], "{}, {first}", case.name);
                assert_eq!(found, scales[part(groups)], "{}, {first}", case.name);
                linear.unpack_rows(first, &mut quants, &mut found, &mut []);
            }
        }
    }
}
