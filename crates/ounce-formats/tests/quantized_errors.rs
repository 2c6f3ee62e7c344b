//! Linear maps that cannot be packed or read, and shapes off the beaten track.

#![allow(clippy::unwrap_used)]

use ounce_formats::hugging_face::{Folder, SafetensorsType};
use ounce_formats::quantized::{
    Activations, GroupQuantized, LinearFormat, LinearScheme, OwnedTensor, QuantizedError, QuantizedLinear,
    pack, pack_as,
};
use ounce_formats::safetensors::Writer;

fn scheme(format: LinearFormat, bits: u8, group: Option<usize>, symmetric: bool) -> LinearScheme {
    LinearScheme { format, bits, group, symmetric, activations: Activations::Float }
}

/// A folder with these tensors, and its place.
fn folder(tensors: &[OwnedTensor]) -> (tempfile::TempDir, Folder) {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("config.json"), "{}").unwrap();
    let mut writer = Writer::create(&place.path().join("model.safetensors")).unwrap();
    for tensor in tensors {
        writer.tensor(&tensor.name, tensor.dtype, &tensor.shape, &tensor.bytes).unwrap();
    }
    writer.finish().unwrap();
    let folder = Folder::open(place.path()).unwrap();
    (place, folder)
}

fn tensor(suffix: &str, dtype: SafetensorsType, shape: &[usize], bytes: Vec<u8>) -> OwnedTensor {
    OwnedTensor { name: format!("m.{suffix}"), dtype, shape: shape.to_vec(), bytes }
}

fn error(tensors: &[OwnedTensor], scheme: &LinearScheme) -> QuantizedError {
    let (_place, folder) = folder(tensors);
    QuantizedLinear::open(&folder, "m", scheme).unwrap_err()
}

/// The tensors of a matrix of 32 x 64 in groups of 32.
fn tensors(format: LinearFormat, bits: u8, input_scale: Option<f32>) -> Vec<OwnedTensor> {
    let quants: Vec<u8> = (0..32 * 64).map(|i| (i % (1 << bits)) as u8).collect();
    let weight = GroupQuantized {
        rows: 32,
        cols: 64,
        group: 32,
        bits,
        symmetric: false,
        quants: &quants,
        scales: &[0.5; 64],
        zeros: &[1; 64],
    };
    pack("m", &weight, format, input_scale).unwrap()
}

#[test]
fn names_the_tensor_that_does_not_fit() {
    for (format, bits) in [
        (LinearFormat::AwqGemm, 4),
        (LinearFormat::AwqGemv, 4),
        (LinearFormat::Gptq, 8),
        (LinearFormat::PackQuantized, 3),
        (LinearFormat::IntQuantized, 8),
    ] {
        let (whole, scheme) = (tensors(format, bits, None), scheme(format, bits, Some(32), false));
        for (i, tensor) in whole.iter().enumerate() {
            // Without the quants there is no such module, and without g_idx nothing is missing.
            let mut without = whole.clone();
            without.remove(i);
            let (_place, folder) = folder(&without);
            match QuantizedLinear::open(&folder, "m", &scheme) {
                Ok(opened) => assert_eq!(opened.is_none(), i == 0, "{}", tensor.name),
                Err(QuantizedError::Missing { tensor: missing, .. }) => assert_eq!(missing, tensor.name),
                Err(other) => panic!("{other}"),
            }
            if i == 0 {
                continue;
            }
            let mut wrong_type = whole.clone();
            wrong_type[i].dtype = SafetensorsType::BOOL;
            wrong_type[i].shape = vec![tensor.bytes.len()];
            let error_of_type = error(&wrong_type, &scheme).to_string();
            assert!(
                error_of_type.contains("BOOL") && error_of_type.contains(&tensor.name),
                "{error_of_type}"
            );
            // Of weight_shape only the two numbers matter.
            if tensor.name != "m.weight_shape" {
                let mut wrong_shape = whole.clone();
                wrong_shape[i].shape.insert(0, 1);
                let error_of_shape = error(&wrong_shape, &scheme).to_string();
                assert!(error_of_shape.contains(&tensor.name), "{error_of_shape}");
            }
        }
        let mut other_group = scheme.clone();
        other_group.group = Some(64);
        let group_error = error(&whole, &other_group);
        let named = ["m.scales", "m.qzeros", "m.weight_scale", "m.weight_zero_point"];
        match (&group_error, format) {
            (QuantizedError::Shape { tensor, .. }, _) => {
                assert!(named.contains(&tensor.as_str()), "{tensor}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn refuses_an_order_of_columns() {
    let mut tensors = tensors(LinearFormat::Gptq, 4, None);
    let scheme = scheme(LinearFormat::Gptq, 4, Some(32), false);
    let order = tensors.iter_mut().find(|tensor| tensor.name == "m.g_idx").unwrap();
    order.bytes[4 * 5] = 1;
    let error = error(&tensors, &scheme);
    assert!(
        matches!(error, QuantizedError::ActivationOrder { column: 5, found: 1, expected: 0, .. }),
        "{error}"
    );
}

#[test]
fn refuses_schemes_that_do_not_exist() {
    let (_place, folder) = folder(&[]);
    for scheme in [
        scheme(LinearFormat::AwqGemm, 3, None, false),
        scheme(LinearFormat::AwqGemv, 4, Some(16), false),
        scheme(LinearFormat::Gptq, 5, None, false),
        scheme(LinearFormat::PackQuantized, 0, None, false),
        scheme(LinearFormat::IntQuantized, 9, None, false),
        scheme(LinearFormat::IntQuantized, 8, Some(0), false),
    ] {
        let error = QuantizedLinear::open(&folder, "m", &scheme).unwrap_err();
        assert!(matches!(error, QuantizedError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn a_fixed_scale_of_the_inputs_is_positive() {
    let scheme = LinearScheme {
        activations: Activations::Int8PerTensor,
        ..scheme(LinearFormat::IntQuantized, 8, Some(32), false)
    };
    let mut tensors = tensors(LinearFormat::IntQuantized, 8, Some(0.25));
    {
        let (_place, folder) = folder(&tensors);
        let linear = QuantizedLinear::open(&folder, "m", &scheme).unwrap().unwrap();
        assert_eq!(linear.input_scale(), Some(0.25));
    }
    let last = tensors.last_mut().unwrap();
    assert_eq!(last.name, "m.input_scale");
    last.bytes = vec![0, 0x80];
    assert!(matches!(error(&tensors, &scheme), QuantizedError::InputScale { .. }));
    tensors.pop();
    assert!(matches!(error(&tensors, &scheme), QuantizedError::Missing { .. }));
}

/// A float weight under the name of an int8 one is no quantized module.
#[test]
fn a_float_weight_is_not_quantized() {
    let (_place, folder) = folder(&[tensor("weight", SafetensorsType::F16, &[2, 2], vec![0; 8])]);
    let scheme = scheme(LinearFormat::IntQuantized, 8, None, true);
    assert!(QuantizedLinear::open(&folder, "m", &scheme).unwrap().is_none());
}

#[test]
fn one_scale_for_the_whole_matrix() {
    for shape in [&[][..], &[1], &[1, 1]] {
        let (_place, folder) = folder(&[
            tensor("weight", SafetensorsType::I8, &[2, 3], vec![0x80, 0, 1, 2, 3, 0x7F]),
            tensor("weight_scale", SafetensorsType::F32, shape, 0.5f32.to_le_bytes().to_vec()),
        ]);
        let scheme = scheme(LinearFormat::IntQuantized, 8, None, true);
        let linear = QuantizedLinear::open(&folder, "m", &scheme).unwrap().unwrap();
        let (mut quants, mut scales, mut zeros) = ([0; 6], [0.0; 2], [0; 2]);
        linear.unpack_rows(0, &mut quants, &mut scales, &mut zeros);
        assert_eq!((quants, scales, zeros), ([0, 128, 129, 130, 131, 255], [0.5; 2], [128; 2]));
        linear.unpack_row(1, &mut quants[..3], &mut scales[..1], &mut zeros[..1]);
        assert_eq!(quants[..3], [130, 131, 255]);
    }
}

/// Groups of 128 of 172 columns: the second is shorter, and scales are repeated for groups of 4, which divide both.
#[test]
fn a_last_group_may_be_shorter() {
    let scales: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|s| s.to_le_bytes()).collect();
    let shape = [2i64, 172].iter().flat_map(|d| d.to_le_bytes()).collect();
    let (_place, folder) = folder(&[
        tensor("weight_packed", SafetensorsType::I32, &[2, 22], vec![0x88; 2 * 22 * 4]),
        tensor("weight_scale", SafetensorsType::F32, &[2, 2], scales),
        tensor("weight_shape", SafetensorsType::I64, &[2], shape),
        // Zeros 2 and 5 of the first group, 7 and 9 of the second.
        tensor("weight_zero_point", SafetensorsType::I32, &[1, 2], vec![0x52, 0, 0, 0, 0x97, 0, 0, 0]),
    ]);
    let scheme = scheme(LinearFormat::PackQuantized, 4, Some(128), false);
    let linear = QuantizedLinear::open(&folder, "m", &scheme).unwrap().unwrap();
    assert_eq!((linear.cols(), linear.group()), (172, 4));
    let (mut quants, mut scales, mut zeros) = (vec![0; 344], vec![0.0; 86], vec![0; 86]);
    linear.unpack_rows(0, &mut quants, &mut scales, &mut zeros);
    let expected = |row: usize, group: usize| [[(1.0, 2), (2.0, 7)], [(3.0, 5), (4.0, 9)]][row][group / 32];
    for (i, (scale, zero)) in scales.iter().zip(&zeros).enumerate() {
        assert_eq!((*scale, *zero), expected(i / 43, i % 43));
    }
}

#[test]
fn says_why_it_cannot_pack() {
    let good = GroupQuantized {
        rows: 8,
        cols: 96,
        group: 32,
        bits: 4,
        symmetric: false,
        quants: &[3; 8 * 96],
        scales: &[1.0; 24],
        zeros: &[2; 24],
    };
    pack("m", &good, LinearFormat::AwqGemm, None).unwrap();
    let cannot = |weight: GroupQuantized<'_>, format, expected: &str| {
        let error = pack("m", &weight, format, None).unwrap_err().to_string();
        assert!(error.contains("\"m\"") && error.contains(expected), "{error}");
    };
    let any = LinearFormat::PackQuantized;
    cannot(GroupQuantized { group: 36, ..good }, any, "must divide");
    cannot(GroupQuantized { group: 0, ..good }, any, "must divide");
    cannot(GroupQuantized { bits: 9, ..good }, any, "9 bits");
    cannot(GroupQuantized { bits: 0, ..good }, any, "0 bits");
    cannot(GroupQuantized { bits: 1, ..good }, any, "more than 1 bits");
    cannot(GroupQuantized { quants: &[3; 8], ..good }, any, "8 quants");
    cannot(GroupQuantized { scales: &[1.0; 8], ..good }, any, "8 scales");
    cannot(GroupQuantized { zeros: &[], ..good }, any, "0 zeros");
    cannot(GroupQuantized { zeros: &[16; 24], ..good }, any, "is 16");
    cannot(GroupQuantized { symmetric: true, ..good }, any, "said to be symmetric");
    cannot(GroupQuantized { scales: &[7e4; 24], ..good }, any, "not finite as F16");
    cannot(GroupQuantized { scales: &[f32::NAN; 24], ..good }, any, "not finite");
    let (quants, few) = ([3; 4 * 96], [1.0; 12]);
    let narrow = GroupQuantized { rows: 4, quants: &quants, scales: &few, zeros: &[2; 12], ..good };
    cannot(narrow, LinearFormat::AwqGemm, "no multiple");
    cannot(narrow, LinearFormat::AwqGemv, "no multiple");
    cannot(narrow, LinearFormat::Gptq, "whole words");
    cannot(GroupQuantized { bits: 8, ..good }, LinearFormat::AwqGemm, "not 8");
    cannot(GroupQuantized { bits: 6, ..good }, LinearFormat::GptqV2, "not 6");
    cannot(
        GroupQuantized { group: 96, scales: &[1.0; 8], zeros: &[2; 8], ..good },
        LinearFormat::AwqGemv,
        "gemv",
    );
    assert!(pack("m", &good, LinearFormat::AwqGemm, Some(1.0)).is_err());
    assert!(pack("m", &good, LinearFormat::IntQuantized, Some(-1.0)).is_err());
    assert!(pack_as("m", &good, LinearFormat::AwqGemm, SafetensorsType::BF16, None).is_err());
    assert!(pack_as("m", &good, any, SafetensorsType::I8, None).is_err());
    pack_as("m", &GroupQuantized { scales: &[7e4; 24], ..good }, any, SafetensorsType::BF16, None).unwrap();
}
