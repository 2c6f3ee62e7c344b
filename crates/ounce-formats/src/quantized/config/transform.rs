//! `transform_config` of compressed-tensors: rotations of what linear maps read.
//!
//! A transform at the location `input` is applied to the inputs when the model runs; one at `weight_input` or `weight_output` is in the stored
//! weights already. Source: `transform/{transform_args,transform_scheme,factory/hadamard}.py` of compressed-tensors 0.20.

use serde_json::{Map, Value, json};

use super::Pattern;
use super::compressed_tensors::patterns;
use super::fields::{Fields, shortened};
use crate::quantized::QuantizedError;

/// Inputs of linear maps are multiplied with the orthogonal Hadamard matrix (Sylvester's order) when the model runs; the stored weights are
/// those of the rotated inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputRotation {
    /// Columns of a block, each of which is rotated by itself; `None` for all columns in one.
    pub block: Option<usize>,
}

/// A rotation and the modules that it is for.
#[derive(Debug)]
pub(super) struct Rotated {
    targets: Vec<Pattern>,
    ignored: Vec<Pattern>,
    pub(super) rotation: InputRotation,
}

impl Rotated {
    pub(super) fn is_for(&self, module: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(module));
        any(&self.targets) && !any(&self.ignored)
    }
}

/// The rotations that a model applies when it runs.
pub(super) fn read(fields: &Fields<'_>, regexes: &mut usize) -> Result<Vec<Rotated>, QuantizedError> {
    let mut all = Vec::new();
    let Some(config) = fields.object("transform_config")? else { return Ok(all) };
    let Some(groups) = config.object("config_groups")? else { return Ok(all) };
    for name in groups.keys() {
        let Some(group) = groups.object(name)? else { continue };
        for apply in group.objects("apply")? {
            let location = apply.string("location")?;
            match apply.need("location", "a place in a module", location)? {
                // In the stored weights already.
                "weight_input" | "weight_output" => continue,
                "input" => {}
                other => {
                    return Err(QuantizedError::Unsupported {
                        what: format!("transforms at \"{}\" (transform_config)", shortened(other)),
                        advice: "rotations of the inputs of linear maps can be run",
                    });
                }
            }
            let kind = group.string("type")?;
            let kind = group.need("type", "a kind of transform", kind)?;
            let randomized = group.bool("randomize")? == Some(true);
            if kind != "hadamard" || randomized {
                let randomized = if randomized { "randomized " } else { "" };
                return Err(QuantizedError::Unsupported {
                    what: format!(
                        "{randomized}transforms of the type \"{}\" (transform_config)",
                        shortened(kind)
                    ),
                    advice: "rotations by a \"hadamard\" matrix without randomization can be run",
                });
            }
            all.push(Rotated {
                targets: patterns(&apply.strings("targets")?, regexes)?,
                ignored: patterns(&apply.strings("ignore")?, regexes)?,
                rotation: InputRotation { block: group.group("head_dim")?.flatten() },
            });
        }
    }
    Ok(all)
}

/// The `transform_config` of a folder whose `modules`, each with the columns of a block, read rotated inputs and hold weights to match.
pub(super) fn write(modules: &[(String, usize)]) -> Value {
    let mut blocks: Vec<usize> = modules.iter().map(|(_, block)| *block).collect();
    blocks.sort_unstable();
    blocks.dedup();
    let group = |block: usize| {
        let targets: Vec<&str> =
            modules.iter().filter(|(_, of)| *of == block).map(|(module, _)| module.as_str()).collect();
        let at = |location: &str, inverse: bool| json!({ "targets": targets, "location": location, "inverse": inverse, "ignore": [] });
        json!({
            "type": "hadamard",
            "apply": [at("input", false), at("weight_input", true)],
            "randomize": false,
            "requires_grad": false,
            "head_dim": block,
            "precision": "torch.float32",
        })
    };
    let groups: Map<String, Value> =
        blocks.into_iter().map(|block| (format!("hadamard_{block}"), group(block))).collect();
    json!({ "config_groups": groups })
}
