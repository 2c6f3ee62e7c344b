//! The parsers, how each is called, and what must hold of what it accepts.

use std::sync::{Arc, OnceLock};

use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::{Gguf, GgufError};
use ounce_formats::hugging_face::{Folder, FolderError, ShardIndex, parse_json};
use ounce_formats::mmap::SharedOwner;
use ounce_formats::safetensors::{Safetensors, SafetensorsError};

use super::mutate::Random;
use super::{networks, quantized, seeds};

/// A parser under test.
pub(crate) struct Target {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Inputs to start from, some of them as many times longer as the number says.
    pub(crate) seeds: fn(usize) -> Vec<Vec<u8>>,
    /// Makes a mutated input reach deeper, some of the time.
    pub(crate) repair: fn(Vec<u8>, &mut Random) -> Vec<u8>,
    /// Puts the input where the parser expects it; not measured.
    pub(crate) prepare: fn(Vec<u8>) -> Input,
    /// Parses; the memory in use is measured.
    pub(crate) parse: fn(&Input) -> Parsed,
    /// Checks the result against the input, and says whether the input was accepted.
    pub(crate) check: fn(&Input, Parsed) -> bool,
    /// The most bytes in use for a byte of input.
    pub(crate) multiple: usize,
}

/// An input in memory, or a folder that holds it.
pub(crate) struct Input {
    pub(super) bytes: SharedOwner,
    pub(super) folder: Option<tempfile::TempDir>,
}

/// What a parser returned.
pub(crate) enum Parsed {
    Gguf(Result<Gguf, GgufError>),
    Safetensors(Result<Safetensors, SafetensorsError>),
    Index(Result<ShardIndex, serde_json::Error>),
    Config(Result<serde_json::Value, serde_json::Error>),
    Folder(Result<Folder, FolderError>),
    /// How many linear maps were opened, and whether the folder was.
    Linears(usize, bool),
    Blocks,
    /// Of a parser whose result borrows from the input: what it says.
    Borrowed(Result<(), String>),
}

/// All parsers.
pub(crate) const TARGETS: [Target; 11] = [
    Target {
        name: "gguf",
        seeds: seeds::gguf,
        repair: |input, _| input,
        prepare: in_memory,
        parse: |input| Parsed::Gguf(Gguf::from_bytes(input.bytes.clone())),
        check: check_gguf,
        multiple: 24,
    },
    Target {
        name: "safetensors",
        seeds: seeds::safetensors,
        repair: repair_safetensors,
        prepare: in_memory,
        parse: |input| Parsed::Safetensors(Safetensors::from_bytes(input.bytes.clone())),
        check: check_safetensors,
        multiple: 32,
    },
    Target {
        name: "index",
        seeds: seeds::index,
        repair: |input, _| input,
        prepare: in_memory,
        parse: |input| Parsed::Index(ShardIndex::parse((*input.bytes).as_ref())),
        check: check_index,
        multiple: 64,
    },
    Target {
        name: "config",
        seeds: seeds::config,
        repair: |input, _| input,
        prepare: in_memory,
        parse: |input| Parsed::Config(parse_json((*input.bytes).as_ref())),
        check: |_, parsed| matches!(parsed, Parsed::Config(Ok(value)) if value.is_object()),
        multiple: 128,
    },
    Target {
        name: "folder",
        seeds: |scale| [seeds::safetensors(scale), seeds::index(scale), seeds::config(scale)].concat(),
        repair: repair_safetensors,
        prepare: in_folder,
        parse: |input| Parsed::Folder(Folder::open(input.folder.as_ref().unwrap().path())),
        check: check_folder,
        multiple: 128,
    },
    Target {
        name: "quantized",
        seeds: |_| seeds::quantized(),
        repair: repair_safetensors,
        prepare: quantized::in_folder,
        parse: quantized::parse,
        check: quantized::check,
        multiple: 128,
    },
    Target {
        name: "blocks",
        seeds: |scale| GgmlType::ALL.map(|ty| vec![0x5A; 9 * scale * ty.block_bytes()]).to_vec(),
        repair: |input, _| input,
        prepare: in_memory,
        parse: unpack_all_types,
        check: |_, _| true,
        // The weights as f32 and as quants: F16 and the 2-bit type are largest.
        multiple: 24,
    },
    Target {
        name: "onnx",
        seeds: networks::onnx_seeds,
        repair: |input, _| input,
        prepare: in_memory,
        parse: networks::parse_onnx,
        check: networks::check_onnx,
        multiple: 128,
    },
    Target {
        name: "tflite",
        seeds: networks::tflite_seeds,
        repair: |input, _| input,
        prepare: in_memory,
        parse: networks::parse_tflite,
        check: networks::check_tflite,
        multiple: 32,
    },
    Target {
        name: "pickle",
        seeds: networks::pickle_seeds,
        repair: |input, _| input,
        prepare: in_memory,
        parse: networks::parse_pickle,
        check: networks::check_pickle,
        multiple: ounce_formats::pickle::MEMORY_MULTIPLE,
    },
    Target {
        name: "checkpoint",
        seeds: networks::checkpoint_seeds,
        repair: |input, _| input,
        prepare: in_memory,
        parse: networks::parse_checkpoint,
        check: networks::check_checkpoint,
        multiple: 128,
    },
];

fn in_memory(bytes: Vec<u8>) -> Input {
    Input { bytes: Arc::new(bytes), folder: None }
}

/// A folder whose configuration, index or weights are the input.
fn in_folder(bytes: Vec<u8>) -> Input {
    static WEIGHTS: OnceLock<Vec<u8>> = OnceLock::new();
    let folder = tempfile::tempdir().unwrap();
    let names = ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"];
    let which = match bytes.first() {
        Some(b'{') if bytes.windows(10).any(|w| w == b"weight_map") => 1,
        Some(b'{') => 0,
        _ => 2,
    };
    let index = br#"{"weight_map":{"ids":"model-00001-of-00002.safetensors"}}"#;
    let weights = WEIGHTS.get_or_init(|| seeds::safetensors(1).swap_remove(0));
    let usual: [&[u8]; 3] = [b"{}", index, weights];
    for (i, name) in names.into_iter().enumerate() {
        std::fs::write(folder.path().join(name), if i == which { &bytes } else { usual[i] }).unwrap();
    }
    Input { bytes: Arc::new(bytes), folder: Some(folder) }
}

/// Makes the lengths of header and data right again, half of the time each.
fn repair_safetensors(mut input: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if input.first() == Some(&b'{') || random.below(2) == 0 {
        return input;
    }
    let Some(end) = input.windows(2).position(|w| w == b"}}").map(|at| at + 2).filter(|&end| end > 8) else {
        return input;
    };
    input[..8].copy_from_slice(&(end as u64 - 8).to_le_bytes());
    if random.below(2) == 0
        && let Ok(serde_json::Value::Object(header)) = serde_json::from_slice(&input[8..end])
    {
        let ends = header.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
        input.resize(end + ends.max().unwrap_or(0).min(4096) as usize, 0x77);
    }
    input
}

fn check_gguf(_: &Input, parsed: Parsed) -> bool {
    let Parsed::Gguf(Ok(file)) = parsed else {
        return describe_error(match parsed {
            Parsed::Gguf(Err(error)) => error.to_string(),
            _ => String::new(),
        });
    };
    for (key, value) in file.metadata().iter() {
        assert_eq!(
            file.metadata().get(key).map(ounce_formats::gguf::Value::describe),
            Some(value.describe())
        );
        let found = [
            file.metadata().u64(key).is_ok(),
            file.metadata().f64(key).is_ok(),
            file.metadata().strings(key).is_ok(),
            file.metadata().i32s(key).is_ok(),
            file.metadata().u64s(key).is_ok(),
        ];
        assert!(found.iter().filter(|&&ok| ok).count() <= 3);
    }
    for tensor in file.tensors() {
        assert_eq!(file.tensor(&tensor.name).unwrap().name, tensor.name);
        let cols = tensor.shape.last().copied().unwrap_or(1);
        let row_bytes = tensor.ty.row_bytes(cols).unwrap();
        assert_eq!(file.data(tensor).len(), row_bytes * (tensor.elements() / cols));
        let mut row = vec![0.0; cols];
        for bytes in file.data(tensor).chunks(row_bytes) {
            tensor.ty.dequantize(bytes, &mut row);
        }
    }
    true
}

/// The crate of the format must accept the same files, apart from names that stand twice, and find the same tensors.
fn check_safetensors(input: &Input, parsed: Parsed) -> bool {
    let Parsed::Safetensors(ours) = parsed else { return false };
    let bytes = (*input.bytes).as_ref();
    let theirs = safetensors::SafeTensors::deserialize(bytes);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours.tensors().len(), theirs.len());
            for view in ours.tensors() {
                let other = theirs.tensor(view.name()).unwrap();
                assert_eq!(view.dtype().name(), other.dtype().to_string());
                assert_eq!((view.shape(), view.bytes()), (other.shape(), other.data()));
            }
        }
        (Err(SafetensorsError::Duplicate { .. }), Ok(_)) | (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("ours: {ours:?}\ntheirs: {theirs:?}\n{}", String::from_utf8_lossy(bytes)),
    }
    ours.is_ok() || describe_error(ours.unwrap_err().to_string())
}

fn check_index(_: &Input, parsed: Parsed) -> bool {
    let Parsed::Index(Ok(index)) = parsed else { return false };
    assert!(index.tensors().iter().all(|(_, shard)| (*shard as usize) < index.shards().len()));
    true
}

fn check_folder(_: &Input, parsed: Parsed) -> bool {
    match parsed {
        Parsed::Folder(Ok(folder)) => {
            assert!(folder.names().all(|name| folder.tensor(name).is_some_and(|view| view.name() == name)));
            true
        }
        Parsed::Folder(Err(error)) => describe_error(error.to_string()),
        _ => false,
    }
}

/// Every message can be made, and says something.
pub(super) fn describe_error(message: String) -> bool {
    assert!(message.len() > 10, "{message}");
    false
}

fn unpack_all_types(input: &Input) -> Parsed {
    let bytes = (*input.bytes).as_ref();
    for ty in GgmlType::ALL {
        let blocks = bytes.len() / ty.block_bytes();
        let bytes = &bytes[..blocks * ty.block_bytes()];
        let mut weights = vec![0.0; blocks * ty.block_len()];
        ty.dequantize(bytes, &mut weights);
        let Some(form) = ty.unpacking() else { continue };
        let mut quants = vec![0; weights.len()];
        let (mut scales, mut mins) =
            (vec![0.0; weights.len() / form.group], vec![0.0; weights.len() / form.group]);
        ty.unpack_row(bytes, &mut quants, &mut scales, &mut mins);
        let bounds =
            if form.four_bit { 0..=15 } else { -(i16::from(form.max_abs))..=i16::from(form.max_abs) };
        assert!(quants.iter().all(|&q| bounds.contains(&i16::from(q))), "{ty}");
    }
    Parsed::Blocks
}
