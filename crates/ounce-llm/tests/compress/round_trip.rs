//! Every architecture, method and format: the logits of what was written are those of the original, as far as its bits go. A scale that is
//! multiplied into weights and not taken out elsewhere, or in the wrong place, is seen at 8 bits, where rounding does next to nothing.

use super::models::{ARCHITECTURES, golden, write};
use super::{
    AWQ, AWQ_BLOCK, Activations, Alpha, CompressOptions, Method, Target, distance, logits, options, rotated,
    run, smooth, text, unseen,
};
use ounce_formats::ggml::GgmlType;

/// What 8 bits may do to the logits.
const EIGHT: f64 = 0.06;
/// The same with inputs of 8 bits and one scale for all of them.
const PER_TENSOR: f64 = 0.13;
/// What 4 bits may do to the logits.
const FOUR: f64 = 0.4;
/// What 3 bits may do to the logits, with all that AWQ does against it.
const THREE: f64 = 0.5;

fn methods() -> Vec<(&'static str, CompressOptions, f64)> {
    use Target::{AutoAwq, CompressedTensors as Tensors};
    let q8 = Target::Gguf(GgmlType::Q8_0);
    let q4 = Target::Gguf(GgmlType::Q4_0);
    let symmetric = |options| CompressOptions { symmetric: true, ..options };
    let head = |options| CompressOptions { int8_head: true, ..options };
    let per_token = CompressOptions {
        group: None,
        activations: Activations::PerToken,
        ..options(Method::Nearest, Tensors, 8)
    };
    vec![
        ("rtn 8", options(Method::Nearest, Tensors, 8), EIGHT),
        ("rtn 8 symmetric", symmetric(options(Method::Nearest, Tensors, 8)), EIGHT),
        ("rtn 4 symmetric", symmetric(options(Method::Nearest, Tensors, 4)), FOUR),
        ("rtn autoawq", options(Method::Nearest, AutoAwq, 4), FOUR),
        ("rtn q8_0", options(Method::Nearest, q8, 8), EIGHT),
        ("rtn q4_0", options(Method::Nearest, q4, 4), FOUR),
        ("rtn w8a8", per_token, EIGHT),
        ("awq 8", options(AWQ, Tensors, 8), EIGHT),
        ("awq autoawq", options(AWQ, AutoAwq, 4), FOUR),
        ("awq q8_0", options(AWQ, q8, 8), EIGHT),
        ("awq q4_0", options(AWQ, q4, 4), FOUR),
        ("awq block 8", options(AWQ_BLOCK, Tensors, 8), EIGHT),
        ("awq block autoawq", options(AWQ_BLOCK, AutoAwq, 4), FOUR),
        ("awq block q8_0", options(AWQ_BLOCK, q8, 8), EIGHT),
        ("head 8", head(options(Method::Nearest, Tensors, 8)), EIGHT),
        ("head q8_0", head(options(Method::Nearest, q8, 8)), EIGHT),
        ("awq 3", options(AWQ, Tensors, 3), THREE),
        ("smooth 0.5", smooth(Alpha::Fixed(0.5), Activations::PerToken), EIGHT),
        ("smooth auto", smooth(Alpha::Auto, Activations::PerToken), EIGHT),
        ("smooth auto rotated", rotated(Alpha::Auto), EIGHT),
        ("smooth 0.5 rotated", rotated(Alpha::Fixed(0.5)), EIGHT),
        ("smooth 0.5 per tensor", smooth(Alpha::Fixed(0.5), Activations::PerTensor), PER_TENSOR),
        ("smooth auto per tensor", smooth(Alpha::Auto, Activations::PerTensor), PER_TENSOR),
    ]
}

#[test]
fn every_architecture_survives_every_method_in_every_format() {
    let place = tempfile::tempdir().unwrap();
    let text = text(1, 2000);
    let mut failures = Vec::new();
    for case in ARCHITECTURES {
        let source = place.path().join(case);
        write(case, &source, &|_, _| ());
        let expected = logits(&source, &unseen());
        for (name, options, most) in methods() {
            let gguf = matches!(options.target, Target::Gguf(_));
            if gguf && case == "falcon-sequential" {
                continue; // GGUF has no words for it.
            }
            let extension = if gguf { ".gguf" } else { "" };
            let target = place.path().join(format!("{case} {name}{extension}"));
            let report = match run(&source, &target, &options, Some(&text)) {
                Ok(report) => report,
                Err(error) => {
                    failures.push(format!("{case}, {name}: {error}"));
                    continue;
                }
            };
            let found = distance(&logits(&target, &unseen()), &expected);
            println!("{case}, {name}: {found:.4}");
            if found > most {
                failures.push(format!("{case}, {name}: {found}"));
            }
            let scaled = report.layers.iter().flat_map(|layer| &layer.scales);
            if options.method != Method::Nearest
                && scaled.filter(|scale| scale.kind != "identity").count() < 2
            {
                failures
                    .push(format!("{case}, {name}: too few scales to show that they are taken out again"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The golden checkpoints as they are: no group fits their widths, so every row has one scale.
#[test]
fn odd_widths_take_a_scale_per_channel() {
    let place = tempfile::tempdir().unwrap();
    let text = text(1, 1000);
    let mut failures = Vec::new();
    let cases = ARCHITECTURES.into_iter().chain(["llama-quantized-gguf", "mixtral-gguf", "gemma3-gguf"]);
    for case in cases {
        let source = golden(case);
        let expected = logits(&source, &unseen());
        let per_channel = CompressOptions { group: None, ..options(AWQ, Target::CompressedTensors, 8) };
        let smooth = smooth(Alpha::Auto, Activations::PerToken);
        let blocks = options(AWQ, Target::Gguf(GgmlType::Q8_0), 8);
        for (name, options) in [("awq", per_channel), ("smooth", smooth), ("q8_0", blocks)] {
            if name == "q8_0" && case == "falcon-sequential" {
                continue;
            }
            let target =
                place.path().join(format!("{case} {name}{}", if name == "q8_0" { ".gguf" } else { "" }));
            match run(&source, &target, &options, Some(&text)) {
                Err(error) => failures.push(format!("{case}, {name}: {error}")),
                Ok(_) => {
                    let found = distance(&logits(&target, &unseen()), &expected);
                    println!("{case}, {name}: {found:.4}");
                    if found > EIGHT {
                        failures.push(format!("{case}, {name}: {found}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The test above is worth something only if scales that are not taken out would be seen.
#[test]
fn a_scale_that_is_lost_would_be_seen() {
    let place = tempfile::tempdir().unwrap();
    let mut distances = Vec::new();
    for case in ["llama", "mixtral", "qwen2", "gemma3", "falcon-40b"] {
        let source = place.path().join(case);
        write(case, &source, &|_, _| ());
        let expected = logits(&source, &unseen());
        // Where scales are folded: a third of the channels is 1.5 times as large.
        let places = match case {
            "falcon-40b" => vec!["ln_attn.weight", "ln_mlp.weight"],
            "mixtral" => vec![
                "input_layernorm.weight",
                "post_attention_layernorm.weight",
                "v_proj.weight",
                ".w3.weight",
            ],
            "gemma3" => vec![
                "input_layernorm.weight",
                "pre_feedforward_layernorm.weight",
                "v_proj.weight",
                "up_proj.weight",
            ],
            "qwen2" => vec!["v_proj.bias", "v_proj.weight", "up_proj.weight"],
            _ => vec![
                "input_layernorm.weight",
                "post_attention_layernorm.weight",
                "v_proj.weight",
                "up_proj.weight",
            ],
        };
        for lost in places {
            let damaged = place.path().join(format!("{case} {lost}"));
            write(case, &damaged, &|name, values| {
                if name.ends_with(lost) {
                    let cols = if lost.contains("ln_") || lost.contains("norm") || lost.ends_with("bias") {
                        1
                    } else {
                        64
                    };
                    let add = if case == "gemma3" && cols == 1 { 1.0 } else { 0.0 };
                    for value in values.chunks_mut(cols).step_by(3).flatten() {
                        *value = (*value + add) * 1.5 - add;
                    }
                }
            });
            let found = distance(&logits(&damaged, &unseen()), &expected);
            println!("{case}, {lost}: {found:.4}");
            distances.push(found);
        }
    }
    assert!(distances.iter().all(|found| *found > EIGHT), "{distances:?}");
}
