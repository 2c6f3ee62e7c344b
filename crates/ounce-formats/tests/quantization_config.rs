//! Configurations as published checkpoints have them, and those that are written, which compressed-tensors itself reads
//! (`conformance/quantized/check_configs.py`).

#![allow(clippy::unwrap_used)]

use std::path::Path;

use ounce_formats::hugging_face::Folder;
use ounce_formats::quantized::{
    Activations, InputRotation, LinearFormat, LinearScheme, QuantizationConfig, QuantizedError,
    QuantizedLinear, awq_config, compressed_tensors_config,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const Q_PROJ: &str = "model.layers.0.self_attn.q_proj";

fn parse(value: &Value) -> QuantizationConfig {
    QuantizationConfig::from_json(value).unwrap()
}

fn refuse(value: &Value) -> String {
    QuantizationConfig::from_json(value).unwrap_err().to_string()
}

fn scheme(format: LinearFormat, bits: u8, group: Option<usize>, symmetric: bool) -> LinearScheme {
    LinearScheme { format, bits, group, symmetric, activations: Activations::Float }
}

#[test]
fn reads_awq() {
    // Qwen2.5-7B-Instruct-AWQ.
    let config =
        parse(&json!({"bits": 4, "group_size": 128, "modules_to_not_convert": null, "quant_method": "awq",
        "version": "gemm", "zero_point": true}));
    assert_eq!(config.method(), "awq");
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::AwqGemm, 4, Some(128), false)));
    // A vision model leaves its eye alone, by a part of the name.
    let config = parse(&json!({"bits": 4, "group_size": 64, "modules_to_not_convert": ["visual", ""],
        "quant_method": "awq", "version": "GEMV", "zero_point": true, "backend": "autoawq", "exllama_config": null}));
    assert_eq!(config.scheme("visual.blocks.0.attn.qkv"), None);
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::AwqGemv, 4, Some(64), false)));
    // quant_config.json of early repositories.
    let config = parse(&json!({"zero_point": true, "q_group_size": -1, "w_bit": 4, "version": "GEMM"}));
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::AwqGemm, 4, None, false)));
}

#[test]
fn reads_gptq() {
    // Qwen2.5-0.5B-Instruct-GPTQ-Int4.
    let mut sample = json!({"batch_size": 1, "bits": 4, "block_name_to_quantize": null, "cache_block_outputs": true,
        "damp_percent": 0.01, "dataset": null, "desc_act": false, "exllama_config": {"version": 1}, "group_size": 128,
        "max_input_length": null, "model_seqlen": null, "modules_in_block_to_quantize": null, "pad_token_id": null,
        "quant_method": "gptq", "sym": true, "tokenizer": null, "true_sequential": true, "use_cuda_fp16": false,
        "use_exllama": true});
    let config = parse(&sample);
    assert_eq!(config.method(), "gptq");
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::Gptq, 4, Some(128), true)));
    // GPTQModel.
    sample["checkpoint_format"] = json!("gptq_v2");
    sample["sym"] = json!(false);
    sample["dynamic"] = json!({"-:.*\\.mlp\\.gate$": {}, "-:model\\.visual": {}});
    sample["meta"] = json!({"quantizer": ["gptqmodel:2.2.0"]});
    let config = parse(&sample);
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::GptqV2, 4, Some(128), false)));
    assert_eq!(config.scheme("model.layers.0.mlp.gate"), None);
    assert!(config.scheme("model.layers.0.mlp.gate_proj").is_some());
    assert!(config.scheme("the.model.visual").is_some(), "patterns begin where names begin");
    // quantize_config.json of early repositories.
    let config =
        parse(&json!({"bits": 8, "group_size": -1, "damp_percent": 0.01, "desc_act": false, "sym": true,
        "true_sequential": true, "model_name_or_path": null, "model_file_base_name": "model"}));
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::Gptq, 8, None, true)));

    sample["dynamic"] = json!({"+:.*\\.18\\..*": {"bits": 8}});
    assert!(refuse(&sample).contains("scheme of its own"));
    sample["checkpoint_format"] = json!("marlin");
    assert!(refuse(&sample).contains("marlin"));
}

/// As llm-compressor 0.4 to 0.8 write them.
fn compressed(format: &str, weights: &Value, inputs: &Value, ignore: &Value) -> Value {
    json!({"config_groups": {"group_0": {"input_activations": inputs, "output_activations": null, "targets": ["Linear"],
        "weights": weights}}, "format": format, "global_compression_ratio": 1.8, "ignore": ignore,
        "kv_cache_scheme": null, "quant_method": "compressed-tensors", "quantization_status": "compressed",
        "sparsity_config": {}, "transform_config": {}, "version": "0.11.0"})
}

fn weights(bits: u8, symmetric: bool, strategy: &str, group: Option<u32>) -> Value {
    json!({"actorder": null, "block_structure": null, "dynamic": false, "group_size": group, "num_bits": bits,
        "observer": "minmax", "observer_kwargs": {}, "strategy": strategy, "symmetric": symmetric, "type": "int"})
}

#[test]
fn reads_compressed_tensors() {
    // W4A16.
    let sample = compressed(
        "pack-quantized",
        &weights(4, true, "group", Some(128)),
        &Value::Null,
        &json!(["lm_head"]),
    );
    let config = parse(&sample);
    assert_eq!(config.method(), "compressed-tensors");
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::PackQuantized, 4, Some(128), true)));
    assert_eq!(config.scheme("lm_head"), None);
    // W4A16_ASYM, with patterns, one of which looks around.
    let ignore = json!(["re:.*lm_head", "re:^(?!.*layers).*$", "model.layers.1.mlp.down_proj"]);
    let config =
        parse(&compressed("pack-quantized", &weights(4, false, "group", Some(128)), &Value::Null, &ignore));
    assert_eq!(config.scheme(Q_PROJ), Some(&scheme(LinearFormat::PackQuantized, 4, Some(128), false)));
    for ignored in ["lm_head", "model.lm_head", "vision.0", "model.layers.1.mlp.down_proj"] {
        assert_eq!(config.scheme(ignored), None, "{ignored}");
    }
    assert!(config.scheme("model.layers.11.mlp.down_proj").is_some());
    // INT8_W8A8: per channel, and per token.
    let mut inputs = json!({"actorder": null, "block_structure": null, "dynamic": true, "group_size": null, "num_bits": 8,
        "observer": null, "observer_kwargs": {}, "strategy": "token", "symmetric": true, "type": "int"});
    let w8a8 =
        |inputs: &Value| compressed("int-quantized", &weights(8, true, "channel", None), inputs, &json!([]));
    let expected = scheme(LinearFormat::IntQuantized, 8, None, true);
    let per_token = LinearScheme { activations: Activations::Int8PerToken, ..expected.clone() };
    assert_eq!(parse(&w8a8(&inputs)).scheme("lm_head"), Some(&per_token));
    inputs["strategy"] = json!("tensor");
    inputs["dynamic"] = json!(false);
    let fixed = LinearScheme { activations: Activations::Int8PerTensor, ..expected };
    assert_eq!(parse(&w8a8(&inputs)).scheme(Q_PROJ), Some(&fixed));

    inputs["symmetric"] = json!(false);
    assert!(refuse(&w8a8(&inputs)).contains("zero points"));
    inputs = json!({"type": "float", "num_bits": 8, "dynamic": true, "strategy": "token"});
    assert!(refuse(&w8a8(&inputs)).contains("\"float\""));
    assert!(
        refuse(&compressed("float-quantized", &weights(8, true, "channel", None), &Value::Null, &json!([])))
            .contains("float-quantized")
    );
    let block = weights(4, true, "block", None);
    assert!(refuse(&compressed("pack-quantized", &block, &Value::Null, &json!([]))).contains("\"block\""));
    for (key, value, expected) in [
        ("sparsity_config", json!({"format": "sparse-24-bitmask"}), "sparse"),
        ("transform_config", json!({"config_groups": {"R1": []}}), "R1 should be an object"),
        ("ignore", json!(["re:("]), "regular expression"),
        ("ignore", json!([format!("re:{}", "a".repeat(2000))]), "regular expression"),
        ("ignore", json!(vec!["re:a"; 100]), "patterns"),
        ("ignore", json!([1]), "array of strings"),
        ("config_groups", json!({"group_0": []}), "group_0 should be an object"),
        ("config_groups", Value::Null, "nothing found"),
    ] {
        let mut sample = sample.clone();
        sample[key] = value;
        let error = refuse(&sample);
        assert!(error.contains(expected), "{error}");
    }
}

/// As llm-compressor writes rotations: those in the weights, and one that is applied when the model runs.
#[test]
fn reads_rotations_of_inputs() {
    let at = |location: &str, targets: Value, inverse: bool| json!({"targets": targets, "location": location, "inverse": inverse, "ignore": ["re:.*9.*"]});
    let group = |kind: &str, apply: Value, head_dim: Value| {
        json!({"type": kind, "apply": apply, "randomize": false, "requires_grad": false,
        "head_dim": head_dim, "precision": "torch.float64"})
    };
    let parse_with = |groups: Value| {
        let mut sample =
            compressed("int-quantized", &weights(8, true, "channel", None), &Value::Null, &json!([]));
        sample["transform_config"] = json!({ "config_groups": groups });
        sample
    };
    let down = json!(["re:.*mlp.down_proj$"]);
    let r1 =
        group("random-hadamard", json!([at("weight_output", json!(["re:.*o_proj$"]), false)]), Value::Null);
    let online = json!([at("input", down.clone(), false), at("weight_input", down.clone(), true)]);
    let config = parse(&parse_with(json!({"R1": r1, "R4": group("hadamard", online.clone(), json!(512))})));
    let rotation = |module: &str| config.rotation(module).unwrap();
    assert_eq!(rotation("model.layers.0.mlp.down_proj"), Some(InputRotation { block: Some(512) }));
    assert_eq!(rotation("model.layers.9.mlp.down_proj"), None, "ignored");
    assert_eq!(rotation("model.layers.0.self_attn.o_proj"), None, "only in the weights");
    let whole = parse(&parse_with(json!({"R4": group("hadamard", online.clone(), Value::Null)})));
    let found = whole.rotation("model.layers.0.mlp.down_proj").unwrap();
    assert_eq!(found, Some(InputRotation { block: None }));

    let both = json!({"a": group("hadamard", online.clone(), json!(64)), "b": group("hadamard", online.clone(), json!(32))});
    let error = parse(&parse_with(both)).rotation("model.layers.0.mlp.down_proj").unwrap_err().to_string();
    assert!(error.contains("several rotations"), "{error}");
    let mut randomized = group("hadamard", online.clone(), json!(64));
    randomized["randomize"] = json!(true);
    let of =
        |location: &str| group("hadamard", json!([at(location, json!(["re:.*attn$"]), false)]), json!(64));
    for (group, expected) in [
        (group("random-hadamard", online.clone(), json!(64)), "random-hadamard"),
        (randomized, "randomized"),
        (of("k_cache"), "k_cache"),
        (of("output"), "output"),
        (of("q_attn"), "q_attn"),
        (group("hadamard", json!([{"targets": []}]), json!(64)), "location should be a place"),
        (group("hadamard", json!([1]), json!(64)), "apply.0 should be an object"),
        (group("hadamard", json!({}), json!(64)), "array of objects"),
        (group("hadamard", online, json!(0)), "head_dim should be a positive number"),
    ] {
        let error = refuse(&parse_with(json!({ "g": group })));
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn the_most_specific_target_decides() {
    let group = |targets: Value, bits: u8| json!({"targets": targets, "weights": weights(bits, true, "channel", None)});
    let config = parse(
        &json!({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {
        "a": group(json!(["Linear"]), 4), "b": group(json!(["re:.*down_proj"]), 8), "c": group(json!(["lm_head"]), 6),
        "d": group(json!(["re:.*down"]), 5), "e": {"targets": ["re:.*k_proj"], "weights": null}}}),
    );
    let bits = |module| config.scheme(module).map(|scheme| scheme.bits);
    assert_eq!(bits(Q_PROJ), Some(4));
    assert_eq!(bits("model.layers.0.mlp.down_proj"), Some(8));
    assert_eq!(bits("lm_head"), Some(6));
    assert_eq!(bits("model.layers.0.self_attn.k_proj"), None);
}

#[test]
fn refuses_other_methods() {
    let error = refuse(&json!({"quant_method": "bitsandbytes", "load_in_4bit": true}));
    assert!(error.contains("bitsandbytes") && error.contains("compressed-tensors"), "{error}");
    assert!(refuse(&json!({"quant_method": 4})).contains("quant_method should be a string, 4 found"));
    assert!(refuse(&json!({})).contains("quant_method"));
    assert!(refuse(&json!([])).contains("an object"));
    for (key, value, expected) in [
        ("bits", json!(3), "3 bits"),
        ("bits", json!("4"), "bits should be a number"),
        ("bits", Value::Null, "nothing found"),
        ("group_size", json!(0), "group_size should be a positive number"),
        ("group_size", json!(-2), "-2 found"),
        ("version", json!("gemv_fast"), "gemv_fast"),
        ("modules_to_not_convert", json!("lm_head"), "an array of strings"),
    ] {
        let mut sample = json!({"quant_method": "awq", "bits": 4, "group_size": 128});
        sample[key] = value;
        let error = refuse(&sample);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn is_found_in_a_folder() {
    let awq = r#"{"w_bit": 4, "q_group_size": 64, "zero_point": true, "version": "GEMM"}"#;
    let nested =
        r#"{"text_config": {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 64}}}"#;
    for (name, contents, group) in [
        ("config.json", "{}", None),
        ("config.json", r#"{"quantization_config": null}"#, None),
        ("config.json", nested, Some(64)),
        ("quant_config.json", awq, Some(64)),
        ("quantize_config.json", r#"{"bits": 4, "group_size": 32, "desc_act": true}"#, Some(32)),
    ] {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("config.json"), "{}").unwrap();
        std::fs::write(place.path().join(name), contents).unwrap();
        let weights = safetensors::serialize(Vec::<(&str, safetensors::tensor::TensorView<'_>)>::new(), None);
        std::fs::write(place.path().join("model.safetensors"), weights.unwrap()).unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let found = QuantizationConfig::parse(&folder).unwrap();
        assert_eq!(found.and_then(|config| config.scheme(Q_PROJ).unwrap().group), group, "{contents}");
        let scheme = scheme(LinearFormat::AwqGemm, 4, Some(32), false);
        assert!(QuantizedLinear::open(&folder, Q_PROJ, &scheme).unwrap().is_none());
    }
}

/// Every configuration that is written, with a name.
fn written() -> Vec<(&'static str, Value, LinearScheme)> {
    let pack = |bits, group, symmetric| scheme(LinearFormat::PackQuantized, bits, group, symmetric);
    let int = |activations| LinearScheme { activations, ..scheme(LinearFormat::IntQuantized, 8, None, true) };
    let (w4, w4_asymmetric, w3) = (pack(4, Some(128), true), pack(4, Some(64), false), pack(3, None, true));
    let (per_token, fixed) = (int(Activations::Int8PerToken), int(Activations::Int8PerTensor));
    let config =
        |scheme: &LinearScheme, head| compressed_tensors_config(scheme, &["re:.*gate".to_owned()], head, &[]);
    let rotated = [("q_proj", 64), ("model.layers.0.mlp.down_proj", 512), ("o_proj", 64)];
    let rotated = rotated.map(|(module, block)| (module.to_owned(), block));
    vec![
        ("awq", awq_config(64, &["gate".to_owned()]), scheme(LinearFormat::AwqGemm, 4, Some(64), false)),
        ("awq_channel", awq_config(0, &[]), scheme(LinearFormat::AwqGemm, 4, None, false)),
        ("w4a16", config(&w4, None), w4),
        ("w4a16_asym", config(&w4_asymmetric, Some(&pack(8, None, true))), w4_asymmetric),
        ("w3a16", config(&w3, None), w3),
        ("w8a8", config(&per_token, Some(&pack(8, Some(32), true))), per_token.clone()),
        ("w8a8_static", config(&fixed, None), fixed),
        (
            "w8a8_rotated",
            compressed_tensors_config(&per_token, &["re:.*gate".to_owned()], None, &rotated),
            per_token,
        ),
    ]
}

#[test]
fn reads_what_it_writes() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/quantized/configs.json");
    let all: serde_json::Map<_, _> =
        written().into_iter().map(|(name, value, _)| (name.to_owned(), value)).collect();
    // To make the file anew after a change: OUNCE_BLESS=1.
    if std::env::var_os("OUNCE_BLESS").is_some() {
        std::fs::write(&golden, format!("{:#}\n", Value::Object(all.clone()))).unwrap();
    }
    let checked: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    assert_eq!(Value::Object(all), checked, "what compressed-tensors has accepted");
    for (name, value, expected) in written() {
        let config = parse(&value);
        assert_eq!(config.scheme(Q_PROJ), Some(&expected), "{name}");
        match name {
            "awq_channel" => {}
            _ => assert_eq!(config.scheme("model.layers.0.mlp.gate"), None, "{name}"),
        }
        let block = |module| config.rotation(module).unwrap().map(|rotation| rotation.block);
        let (down, o) = (block("model.layers.0.mlp.down_proj"), block("o_proj"));
        let expected = if name == "w8a8_rotated" { [Some(Some(512)), Some(Some(64))] } else { [None; 2] };
        assert_eq!([down, o], expected, "{name}");
        assert_eq!(block("model.layers.1.mlp.down_proj"), None, "{name}");
        let head = config.scheme("lm_head").map(|scheme| (scheme.format, scheme.bits, scheme.group));
        match name {
            "w4a16_asym" => assert_eq!(head, Some((LinearFormat::PackQuantized, 8, None))),
            "w8a8" => assert_eq!(head, Some((LinearFormat::PackQuantized, 8, Some(32)))),
            "awq" | "awq_channel" => {}
            _ => assert_eq!(head, None),
        }
    }
}

/// JSON of any shape below the keys that matter.
fn json_value() -> impl Strategy<Value = Value> {
    let texts = [
        "awq",
        "gptq",
        "compressed-tensors",
        "pack-quantized",
        "group",
        "Linear",
        "re:.*",
        "re:(a|b)*",
        "int",
        "",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2..130i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(texts.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<String>().prop_map(|pattern| Value::from(format!("re:{pattern}"))),
    ];
    let keys = [
        "quant_method",
        "bits",
        "w_bit",
        "group_size",
        "config_groups",
        "g",
        "weights",
        "targets",
        "ignore",
        "format",
        "strategy",
        "num_bits",
        "input_activations",
        "dynamic",
        "desc_act",
        "version",
        "modules_to_not_convert",
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let entry = (proptest::sample::select(keys.to_vec()), inner.clone());
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            proptest::collection::vec(entry, 0..8)
                .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(value in json_value(), method in 0..4usize, samples in 0..7usize, key in 0..20usize) {
        let mut value = value;
        if let Value::Object(object) = &mut value
            && method > 0
        {
            object.insert("quant_method".into(), ["awq", "gptq", "compressed-tensors"][method - 1].into());
        }
        // And what is written, with one value replaced.
        let mut sample = written()[samples].1.clone();
        let keys: Vec<String> = sample.as_object().unwrap().keys().cloned().collect();
        sample[&keys[key % keys.len()]] = value.clone();
        for value in [value, sample] {
            match QuantizationConfig::from_json(&value) {
                Ok(config) => {
                    config.scheme(Q_PROJ);
                    config.scheme("");
                }
                Err(QuantizedError::Folder(_)) => prop_assert!(false),
                Err(error) => prop_assert!(error.to_string().len() < 2000),
            }
        }
    }
}
