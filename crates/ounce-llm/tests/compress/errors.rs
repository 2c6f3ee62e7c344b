//! What cannot be compressed is refused with a reason, and nothing is left at the target.

use super::models::{golden, write};
use super::{
    AWQ, Activations, Alpha, CompressError, CompressOptions, Method, Target, entries, options, run, smooth,
    text,
};
use ounce_formats::ggml::GgmlType;
use ounce_kernels::ThreadPool;
use ounce_llm::compress::compress;
use std::ops::ControlFlow;

#[test]
fn options_that_exclude_each_other_are_refused() {
    use Target::{AutoAwq, CompressedTensors as Tensors};
    let place = tempfile::tempdir().unwrap();
    let source = golden("llama");
    let text = text(1, 1000);
    let awq = |bits| CompressOptions { group: None, ..options(AWQ, AutoAwq, bits) };
    let w8a8 = smooth(Alpha::Auto, Activations::PerToken);
    let q8 = Target::Gguf(GgmlType::Q8_0);
    let cases = [
        ("4 bits", awq(3)),
        ("4 bits", CompressOptions { symmetric: true, ..awq(4) }),
        ("float activations", CompressOptions { target: AutoAwq, ..w8a8 }),
        ("head", CompressOptions { int8_head: true, ..awq(4) }),
        ("compressed-tensors", CompressOptions { target: q8, ..w8a8 }),
        (
            "compressed-tensors",
            CompressOptions { activations: Activations::PerTensor, ..options(AWQ, q8, 8) },
        ),
        ("8-bit weights", CompressOptions { bits: 4, ..w8a8 }),
        ("scale per channel", CompressOptions { group: Some(32), ..w8a8 }),
        ("SmoothQuant", CompressOptions { activations: Activations::Float, ..w8a8 }),
        ("0 to 1", smooth(Alpha::Fixed(1.5), Activations::PerToken)),
        ("0 to 1", smooth(Alpha::Fixed(f32::NAN), Activations::PerToken)),
        ("2 to 8 bits", CompressOptions { target: Tensors, ..awq(9) }),
        ("2 to 8 bits", CompressOptions { target: Tensors, ..awq(1) }),
        ("divides the widths [36, 36, 86]", options(AWQ, Tensors, 4)),
        ("divides the widths", CompressOptions { group: Some(0), ..options(AWQ, Tensors, 4) }),
    ];
    for (words, options) in cases {
        let error = run(&source, &place.path().join("x"), &options, Some(&text)).unwrap_err();
        assert!(matches!(error, CompressError::Options(_)), "{options:?}: {error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(entries(place.path()).is_empty());
    }
}

#[test]
fn a_text_is_asked_for_and_must_be_long_enough() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    write("llama", &source, &|_, _| ());
    let target = place.path().join("target");
    let per_tensor =
        CompressOptions { method: Method::Nearest, ..smooth(Alpha::Auto, Activations::PerTensor) };
    let awq = options(AWQ, Target::AutoAwq, 4);
    for options in [awq, smooth(Alpha::Auto, Activations::PerToken), per_tensor] {
        let error = run(&source, &target, &options, None).unwrap_err();
        assert!(matches!(error, CompressError::NoText), "{error}");
        for (length, needed) in [(0, 32), (31, 32)] {
            let error = run(&source, &target, &options, Some(&text(1, length))).unwrap_err();
            let CompressError::TooShort { found, needed: asked } = error else { panic!("{error}") };
            assert!(found <= length && asked == needed);
        }
        assert_eq!(entries(place.path()), ["source"]);
    }
    // Sequences that the model cannot take are refused; one sequence is enough to run, and without a length it is what the model takes.
    for asked in [0, 65, 10_000] {
        let odd = CompressOptions { sequence: Some(asked), ..awq };
        let error = run(&source, &target, &odd, Some(&text(1, 100))).unwrap_err();
        assert!(matches!(error, CompressError::Sequence { most: 64, .. }), "{error}");
        assert!(error.to_string().contains(&format!("{asked} tokens")), "{error}");
        assert_eq!(entries(place.path()), ["source"]);
    }
    let long = CompressOptions { sequence: None, ..awq };
    assert_eq!(run(&source, &target, &long, Some(&text(1, 100))).unwrap().calibration_tokens, 64);
}

#[test]
fn what_stands_at_the_target_is_not_touched() {
    let place = tempfile::tempdir().unwrap();
    let source = golden("mixtral");
    let (file, folder) = (place.path().join("file.gguf"), place.path().join("folder"));
    std::fs::write(&file, "precious").unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("note"), "precious").unwrap();
    let blocks = options(Method::Nearest, Target::Gguf(GgmlType::Q8_0), 8);
    let channels = CompressOptions { group: None, ..options(Method::Nearest, Target::CompressedTensors, 8) };
    for (options, target) in [(blocks, &file), (blocks, &folder), (channels, &folder), (channels, &file)] {
        let error = run(&source, target, &options, None).unwrap_err();
        assert!(matches!(error, CompressError::Export(_)), "{error}");
        assert!(error.to_string().contains("exists"), "{error}");
    }
    let nowhere = place.path().join("no/such/folder/x.gguf");
    assert!(matches!(run(&source, &nowhere, &blocks, None), Err(CompressError::Export(_))));
    let missing = place.path().join("missing");
    assert!(matches!(run(&missing, &place.path().join("x"), &blocks, None), Err(CompressError::Load(_))));
    assert_eq!(entries(place.path()), ["file.gguf", "folder"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    assert_eq!(entries(&folder), ["note"]);
}

#[test]
fn an_interrupt_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    write("qwen2", &source, &|_, _| ());
    let text = text(1, 2000);
    for target in [Target::AutoAwq, Target::CompressedTensors, Target::Gguf(GgmlType::Q4_0)] {
        let options = options(AWQ, target, 4);
        for patience in [0, 3, 16, 17, 18, 30, 35] {
            let mut calls = 0;
            let path = place.path().join("target");
            let result =
                compress(&source, &path, &options, Some(&text), &mut ThreadPool::new(1), &mut |_| {
                    calls += 1;
                    if calls > patience { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
            assert!(matches!(result, Err(CompressError::Stopped)), "{patience}: {result:?}");
            assert_eq!(calls, patience + 1, "no call after the refusal");
            assert_eq!(entries(place.path()), ["source"], "{target:?} {patience}");
        }
    }
}

#[test]
fn a_damaged_model_is_named() {
    for damage in [f32::NAN, f32::INFINITY] {
        let place = tempfile::tempdir().unwrap();
        let source = place.path().join("source");
        write("llama", &source, &|name, values| {
            if name == "model.layers.1.mlp.up_proj.weight" {
                values[7] = damage;
            }
        });
        for options in [options(AWQ, Target::AutoAwq, 4), smooth(Alpha::Auto, Activations::PerToken)] {
            let error = run(&source, &place.path().join("x"), &options, Some(&text(1, 1000))).unwrap_err();
            let CompressError::NotFinite { layer, .. } = &error else { panic!("{error}") };
            assert_eq!(*layer, 1, "{error}");
            assert_eq!(entries(place.path()), ["source"]);
        }
    }
}

/// Before the first layer is read: the target does not even begin.
#[test]
fn outputs_that_autoawq_cannot_pack_are_found_at_once() {
    let place = tempfile::tempdir().unwrap();
    let source = golden("llama");
    let per_row = CompressOptions { group: None, ..options(AWQ, Target::AutoAwq, 4) };
    let mut asked = 0;
    let mut pool = ThreadPool::new(1);
    let error =
        compress(&source, &place.path().join("x"), &per_row, Some(&text(1, 1000)), &mut pool, &mut |_| {
            asked += 1;
            ControlFlow::Continue(())
        });
    let error = error.unwrap_err();
    assert!(matches!(error, CompressError::Export(_)), "{error}");
    for word in ["model.layers.0.", "multiple of 8", "compressed-tensors"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!((asked, entries(place.path())), (0, vec![]));
}
