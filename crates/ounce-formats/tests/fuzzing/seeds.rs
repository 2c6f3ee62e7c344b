//! Valid files, and inputs that make parsers use the most memory for their length; these grow with `scale`.

use std::path::Path;

use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::{Array, Value, Writer};
use ounce_formats::hugging_face::SafetensorsType;
use ounce_formats::quantized::{Activations, GroupQuantized, LinearScheme};

pub(crate) fn gguf(scale: usize) -> Vec<Vec<u8>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/formats/package.gguf");
    let mut all_types = Writer::new();
    all_types.alignment(64).unwrap();
    for ty in GgmlType::ALL {
        all_types.tensor(ty.name(), &[2, 256], ty).unwrap();
    }
    let strings = vec![String::new(); 3000 * scale];
    let nested = vec![Array::Array(vec![Array::U8(vec![]); 40]); 40 * scale];
    let dense = [
        Value::Array(Array::String(strings)),
        Value::Array(Array::Array(nested)),
        Value::Array(Array::U8(vec![7; 5000 * scale])),
    ];
    let mut seeds = vec![std::fs::read(golden).unwrap(), write(all_types)];
    for value in dense {
        let mut writer = Writer::new();
        writer.metadata("", value).unwrap();
        seeds.push(write(writer));
    }
    let (mut keys, mut scalars) = (Writer::new(), Writer::new());
    for i in 0..2000 * scale {
        keys.metadata(&format!("{i:x}"), Value::U8(0)).unwrap();
    }
    for i in 0..500 * scale {
        scalars.tensor(&format!("{i:x}"), &[], GgmlType::F32).unwrap();
    }
    seeds.extend([write(keys), write(scalars)]);
    seeds
}

fn write(writer: Writer) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.gguf");
    let mut stream = writer.create(&path).unwrap();
    while let Some((_, shape, ty)) = stream.current() {
        let elements: usize = shape.iter().product();
        stream.write(&vec![0x35; elements / ty.block_len() * ty.block_bytes()]).unwrap();
    }
    stream.finish().unwrap();
    std::fs::read(path).unwrap()
}

pub(crate) fn safetensors(scale: usize) -> Vec<Vec<u8>> {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let data: Vec<u8> = (0..200).collect();
    let view = |dtype, shape: &[usize], len| TensorView::new(dtype, shape.to_vec(), &data[..len]).unwrap();
    let tensors = [
        ("model.embed_tokens.weight", view(Dtype::F32, &[4, 5], 80)),
        ("model.norm.weight", view(Dtype::BF16, &[7], 14)),
        ("ids", view(Dtype::I64, &[], 8)),
        ("packed", view(Dtype::F4, &[2, 5], 5)),
        ("nothing", view(Dtype::F16, &[0, 3], 0)),
        ("a \"quoted\" näme\n", view(Dtype::BOOL, &[3], 3)),
    ];
    let about = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    let no_name = [("", view(Dtype::U8, &[1], 1))];
    let shape = vec!["0"; 2000 * scale].join(",");
    let metadata: Vec<_> = (0..700 * scale).map(|i| format!("\"{i:x}\":\"\"")).collect();
    let empty: Vec<_> = (0..100 * scale)
        .map(|i| format!("\"{i:x}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"))
        .collect();
    vec![
        serialize(tensors, Some(about)).unwrap(),
        serialize(no_name, None).unwrap(),
        with_header(&format!("{{\"a\":{{\"dtype\":\"U8\",\"shape\":[{shape}],\"data_offsets\":[0,0]}}}}")),
        with_header(&format!("{{\"__metadata__\":{{{}}}}}", metadata.join(","))),
        with_header(&format!("{{{}}}", empty.join(","))),
    ]
}

fn with_header(json: &str) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat()
}

pub(crate) fn index(scale: usize) -> Vec<Vec<u8>> {
    let usual = br#"{"metadata":{"total_size":1234},"weight_map":{"lm_head.weight":"model-00002-of-00002.safetensors",
        "model.embed_tokens.weight":"model-00001-of-00002.safetensors","model.norm.weight":"model-00002-of-00002.safetensors"}}"#;
    let many: Vec<_> = (0..900 * scale).map(|i| format!("\"{i:x}\":\"\"")).collect();
    let shards: Vec<_> = (0..900 * scale).map(|i| format!("\"{i:x}\":\"{i:x}\"")).collect();
    let map = |entries: Vec<String>| format!("{{\"weight_map\":{{{}}}}}", entries.join(",")).into_bytes();
    vec![usual.to_vec(), map(many), map(shards)]
}

pub(crate) fn config(scale: usize) -> Vec<Vec<u8>> {
    let usual = br#"{"architectures":["LlamaForCausalLM"],"hidden_size":576,"rms_norm_eps":1e-05,"rope_scaling":null,"tie_word_embeddings":true,
        "rope_theta":100000.0,"quantization_config":{"bits":4,"group_size":128,"modules_to_not_convert":[]},"torch_dtype":"bfloat16"}"#;
    let digits = format!("{{\"a\":[{}]}}", vec!["0"; 5000 * scale].join(","));
    let objects = format!("{{\"a\":[{}]}}", vec!["{}"; 3000 * scale].join(","));
    let arrays = format!("{{\"a\":[{}]}}", vec!["[0]"; 3000 * scale].join(","));
    let keys: Vec<_> = (0..1000 * scale).map(|i| format!("\"{i:x}\":0")).collect();
    let nested = format!("{}{}", "{\"\":".repeat(120), "[");
    vec![
        usual.to_vec(),
        digits.into(),
        objects.into(),
        arrays.into(),
        format!("{{{}}}", keys.join(",")).into(),
        nested.into(),
    ]
}

/// A file per format of quantized linear maps, with the module `m`.
pub(crate) fn quantized() -> Vec<Vec<u8>> {
    use ounce_formats::quantized::pack;
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let make = |scheme: &LinearScheme| {
        let (rows, cols) = (32, 64);
        let group = scheme.group.unwrap_or(cols);
        let quants: Vec<u8> = (0..rows * cols).map(|i| (i * 7 % (1 << scheme.bits)) as u8).collect();
        let groups = rows * cols / group;
        let zeros = vec![1 << (scheme.bits - 1); groups];
        let weight = GroupQuantized {
            rows,
            cols,
            group,
            bits: scheme.bits,
            symmetric: scheme.symmetric,
            quants: &quants,
            scales: &vec![0.25; groups],
            zeros: &zeros,
        };
        let input_scale = (scheme.activations == Activations::Int8PerTensor).then_some(0.5);
        let tensors = pack("m", &weight, scheme.format, input_scale).unwrap();
        let dtype = |ty: SafetensorsType| match ty {
            SafetensorsType::I8 => Dtype::I8,
            SafetensorsType::I32 => Dtype::I32,
            SafetensorsType::I64 => Dtype::I64,
            _ => Dtype::F16,
        };
        let views = tensors.iter().map(|tensor| {
            let view = TensorView::new(dtype(tensor.dtype), tensor.shape.clone(), &tensor.bytes).unwrap();
            (tensor.name.as_str(), view)
        });
        serialize(views, None).unwrap()
    };
    super::quantized::SCHEMES.iter().map(make).collect()
}
