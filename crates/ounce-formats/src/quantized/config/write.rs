//! Making a `quantization_config`.

use serde_json::{Map, Value, json};

use super::transform;
use crate::quantized::{Activations, LinearFormat, LinearScheme};

/// The `quantization_config` of an AutoAWQ `gemm` checkpoint: 4 bits with zeros. `group` 0 stands for one scale per row. Modules whose name
/// contains one of `not_converted` are kept in floats.
pub fn awq_config(group: usize, not_converted: &[String]) -> Value {
    json!({
        "quant_method": "awq",
        "bits": 4,
        "group_size": if group == 0 { json!(-1) } else { json!(group) },
        "zero_point": true,
        "version": "gemm",
        "modules_to_not_convert": if not_converted.is_empty() { Value::Null } else { json!(not_converted) },
    })
}

/// The `quantization_config` of a compressed-tensors checkpoint whose linear maps all have `scheme`, except those in `ignore` (names, or
/// patterns after `re:`), which are floats, and `lm_head`, which has the scheme `head` if there is one and is a float otherwise.
///
/// The inputs of `rotated` modules are rotated in blocks of so many columns before their product, and their stored weights are those of the
/// rotated inputs.
///
/// Schemes of AWQ and GPTQ are described as the `pack-quantized` ones that mean the same.
pub fn compressed_tensors_config(
    scheme: &LinearScheme,
    ignore: &[String],
    head: Option<&LinearScheme>,
    rotated: &[(String, usize)],
) -> Value {
    let mut groups = Map::new();
    groups.insert("group_0".to_owned(), group(scheme, "Linear"));
    let mut ignore = ignore.to_vec();
    match head {
        Some(head) => {
            groups.insert("group_1".to_owned(), group(head, "lm_head"));
            ignore.retain(|name| name != "lm_head");
        }
        None if !ignore.iter().any(|name| name == "lm_head") => ignore.push("lm_head".to_owned()),
        None => {}
    }
    let mixed = head.is_some_and(|head| format(head) != format(scheme));
    let mut config = json!({
        "quant_method": "compressed-tensors",
        "format": if mixed { "mixed-precision" } else { format(scheme) },
        "quantization_status": "compressed",
        "global_compression_ratio": null,
        "config_groups": groups,
        "ignore": ignore,
        "kv_cache_scheme": null,
    });
    if !rotated.is_empty() {
        config["transform_config"] = transform::write(rotated);
    }
    config
}

fn format(scheme: &LinearScheme) -> &'static str {
    match scheme.format {
        LinearFormat::IntQuantized => "int-quantized",
        _ => "pack-quantized",
    }
}

fn group(scheme: &LinearScheme, target: &str) -> Value {
    let integers = |bits: u8, symmetric: bool, strategy: &str, group: Option<usize>, dynamic: bool| {
        json!({
            "num_bits": bits,
            "type": "int",
            "symmetric": symmetric,
            "strategy": strategy,
            "group_size": group,
            "dynamic": dynamic,
        })
    };
    let strategy = if scheme.group.is_some() { "group" } else { "channel" };
    let inputs = match scheme.activations {
        Activations::Float => Value::Null,
        Activations::Int8PerToken => integers(8, true, "token", None, true),
        Activations::Int8PerTensor => integers(8, true, "tensor", None, false),
    };
    json!({
        "targets": [target],
        "weights": integers(scheme.bits, scheme.symmetric, strategy, scheme.group, false),
        "input_activations": inputs,
        "output_activations": null,
        "format": format(scheme),
    })
}
