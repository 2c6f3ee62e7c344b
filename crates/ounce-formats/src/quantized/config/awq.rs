//! Configurations of AutoAWQ.

use super::fields::{Fields, shortened};
use super::{Pattern, QuantizationConfig};
use crate::quantized::{Activations, LinearFormat, LinearScheme, QuantizedError};

/// Reads `bits`, `group_size`, `zero_point`, `version` and `modules_to_not_convert`, or `w_bit` and `q_group_size` of the tool's own file.
pub(super) fn read(fields: &Fields<'_>) -> Result<QuantizationConfig, QuantizedError> {
    let version = fields.string("version")?.unwrap_or("gemm").to_ascii_lowercase();
    let format = match version.as_str() {
        // The last three are kernels for files in gemm's layout.
        "gemm" | "exllama" | "exllamav2" | "ipex" => LinearFormat::AwqGemm,
        "gemv" => LinearFormat::AwqGemv,
        other => {
            return Err(QuantizedError::Unsupported {
                what: format!("AWQ of version \"{}\"", shortened(other)),
                advice: "gemm and gemv can be read",
            });
        }
    };
    let bits = match fields.bits("bits")? {
        Some(bits) => bits,
        None => fields.need("bits", "a number of bits", fields.bits("w_bit")?)?,
    };
    if bits != 4 {
        return Err(QuantizedError::Unsupported {
            what: format!("AWQ of {bits} bits"),
            advice: "AWQ files of 4 bits can be read",
        });
    }
    let group = match fields.group("group_size")? {
        Some(group) => group,
        None => {
            let own = fields.group("q_group_size")?;
            fields.need("group_size", "a number of columns", own)?
        }
    };
    let symmetric = fields.bool("zero_point")? == Some(false);
    let parts = fields.strings("modules_to_not_convert")?;
    let scheme = LinearScheme { format, bits, group, symmetric, activations: Activations::Float };
    Ok(QuantizationConfig {
        method: "awq",
        groups: vec![(vec![Pattern::All], Some(scheme))],
        // An empty text would be part of every name.
        ignored: parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| Pattern::Part(part.to_owned()))
            .collect(),
        rotated: Vec::new(),
    })
}
