//! Linear maps of quantized folders: whatever the tensors are like, opening and unpacking neither panics nor takes much memory.

use std::sync::Arc;

use ounce_formats::hugging_face::Folder;
use ounce_formats::quantized::{Activations, LinearFormat, LinearScheme, QuantizedLinear};

use super::targets::{Input, Parsed};

const fn scheme(format: LinearFormat, bits: u8, group: Option<usize>, symmetric: bool) -> LinearScheme {
    LinearScheme { format, bits, group, symmetric, activations: Activations::Float }
}

/// Each format, with and without what is optional in it.
pub(super) const SCHEMES: [LinearScheme; 9] = [
    scheme(LinearFormat::AwqGemm, 4, Some(32), false),
    scheme(LinearFormat::AwqGemv, 4, Some(32), true),
    scheme(LinearFormat::Gptq, 4, Some(32), true),
    scheme(LinearFormat::GptqV2, 8, None, false),
    scheme(LinearFormat::Gptq, 3, Some(64), false),
    scheme(LinearFormat::PackQuantized, 4, Some(16), false),
    scheme(LinearFormat::PackQuantized, 3, None, true),
    scheme(LinearFormat::IntQuantized, 8, None, false),
    LinearScheme {
        activations: Activations::Int8PerTensor,
        ..scheme(LinearFormat::IntQuantized, 8, None, true)
    },
];

pub(super) fn in_folder(bytes: Vec<u8>) -> Input {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    std::fs::write(folder.path().join("model.safetensors"), &bytes).unwrap();
    Input { bytes: Arc::new(bytes), folder: Some(folder) }
}

pub(super) fn parse(input: &Input) -> Parsed {
    let Ok(folder) = Folder::open(input.folder.as_ref().unwrap().path()) else {
        return Parsed::Linears(0, false);
    };
    let mut opened = 0;
    for scheme in &SCHEMES {
        match QuantizedLinear::open(&folder, "m", scheme) {
            Ok(Some(linear)) => {
                opened += 1;
                unpack(&linear);
            }
            Ok(None) => {}
            Err(error) => assert!(error.to_string().len() > 10),
        }
    }
    Parsed::Linears(opened, true)
}

fn unpack(linear: &QuantizedLinear<'_>) {
    let (cols, groups) = (linear.cols(), linear.cols() / linear.group());
    for run in [1, 8] {
        for first in (0..linear.rows()).step_by(run) {
            let n = run.min(linear.rows() - first);
            let mut quants = vec![0; n * cols];
            let (mut scales, mut zeros) = (vec![0.0; n * groups], vec![0; n * groups]);
            linear.unpack_rows(first, &mut quants, &mut scales, &mut zeros);
            let top = u8::MAX >> (8 - linear.bits());
            assert!(quants.iter().chain(&zeros).all(|&q| q <= top));
        }
    }
}

pub(super) fn check(_: &Input, parsed: Parsed) -> bool {
    matches!(parsed, Parsed::Linears(opened, true) if opened > 0)
}
