//! Folders that cannot be used say why.

use super::{folder_of, load};
use ounce_formats::quantized::QuantizedError;
use ounce_llm::arch::ConfigError;
use ounce_llm::{LoadError, LoadOptions};
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A copy of a case with changes to its tensors and its configuration.
fn changed(
    case: &str,
    test: &str,
    change_tensors: impl FnOnce(&mut BTreeMap<String, TensorView>),
    change_config: impl FnOnce(&mut Value),
) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("quantized-{test}"));
    std::fs::create_dir_all(&folder).unwrap();
    let source = folder_of(case);
    std::fs::copy(source.join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    let mut config = serde_json::from_slice(&std::fs::read(source.join("config.json")).unwrap()).unwrap();
    change_config(&mut config);
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let bytes = std::fs::read(source.join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = file.tensors().into_iter().collect();
    change_tensors(&mut tensors);
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(tensors, None).unwrap()).unwrap();
    folder
}

fn error(folder: &Path) -> LoadError {
    load(folder, LoadOptions::default()).err().unwrap_or_else(|| panic!("{} loads", folder.display()))
}

#[test]
fn a_missing_scale_is_named() {
    let cases = [
        ("awq-llama", "model.layers.1.mlp.up_proj.scales"),
        ("awq-llama", "model.layers.0.self_attn.v_proj.qzeros"),
        ("compressed-falcon", "transformer.h.0.self_attention.query_key_value.weight_scale"),
        ("w8a8-llama", "model.layers.0.self_attn.q_proj.weight_scale"),
        ("w8a8-static-gemma3", "model.layers.0.self_attn.q_proj.input_scale"),
    ];
    for (number, (case, name)) in cases.into_iter().enumerate() {
        let remove = |tensors: &mut BTreeMap<String, TensorView<'_>>| {
            assert!(tensors.remove(name).is_some(), "{name}")
        };
        let error = error(&changed(case, &format!("missing-{number}"), remove, |_| ()));
        assert!(
            matches!(&error, LoadError::Quantized(inner)
                if matches!(&**inner, QuantizedError::Missing { tensor, .. } if tensor == name)),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_matrix_of_another_shape_is_named_with_both_shapes() {
    let error =
        error(&changed("awq-llama", "shape", |_| (), |config| config["intermediate_size"] = json!(128)));
    assert!(
        matches!(&error, LoadError::TensorShape { name, expected, found }
            if name == "model.layers.0.mlp.gate_proj" && expected[..] == [128, 64] && found[..] == [96, 64]),
        "{error}"
    );
}

#[test]
fn tensors_that_do_not_belong_together_are_refused() {
    let swap = |tensors: &mut BTreeMap<String, TensorView>| {
        let other = tensors["model.layers.0.mlp.down_proj.scales"].clone();
        tensors.insert("model.layers.0.mlp.up_proj.scales".into(), other);
    };
    let error = error(&changed("awq-llama", "swapped", swap, |_| ()));
    assert!(
        matches!(&error, LoadError::Quantized(inner) if matches!(**inner, QuantizedError::Shape { .. })),
        "{error}"
    );
}

#[test]
fn quants_without_a_description_are_refused() {
    let forget = |config: &mut Value| config["quantization_config"] = Value::Null;
    let error = error(&changed("awq-llama", "undescribed", |_| (), forget));
    assert!(
        matches!(&error, LoadError::UndescribedQuants { module } if module == "model.layers.0.self_attn.q_proj"),
        "{error}"
    );
    assert!(error.to_string().contains("quantization_config"));
}

#[test]
fn a_method_that_is_not_known_is_refused() {
    let change = |config: &mut Value| config["quantization_config"]["quant_method"] = json!("fp7");
    let error = error(&changed("awq-llama", "method", |_| (), change));
    assert!(matches!(&error, LoadError::Config(ConfigError::Quantization(_))), "{error}");
    assert!(error.to_string().contains("fp7"), "{error}");
}

#[test]
fn a_module_in_floats_is_loaded_as_floats() {
    // The scheme covers all linear maps, but this one was left as it was.
    let weight = vec![0u8; 96 * 64 * 2];
    let module = "model.layers.0.mlp.up_proj";
    let replace = |tensors: &mut BTreeMap<String, TensorView<'_>>| {
        tensors.retain(|name, _| !name.starts_with(module));
    };
    let folder = changed("awq-llama", "float", replace, |_| ());
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
    let view = TensorView::new(safetensors::Dtype::F16, vec![96, 64], &weight).unwrap();
    tensors.insert(format!("{module}.weight"), view);
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(tensors, None).unwrap()).unwrap();
    let model = load(&folder, LoadOptions::default()).unwrap();
    let whole = load(&folder_of("awq-llama"), LoadOptions::default()).unwrap();
    assert!(model.weight_bytes() > whole.weight_bytes());
}
