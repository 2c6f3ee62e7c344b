//! Rotated inputs: what is written says so, is read so, and means the same without the rotation.

use super::models::write;
use super::{
    Activations, Alpha, CompressError, CompressOptions, Method, Target, distance, logits, options, rotated,
    run, smooth, text, unseen,
};
use ounce_formats::ggml::GgmlType;
use ounce_llm::checkpoint::Checkpoint;
use ounce_llm::{LoadError, Model};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A model of `case` whose inputs have a few large channels, its rotated folder and what it was told.
fn make(case: &str, place: &Path) -> (PathBuf, PathBuf, ounce_llm::compress::CompressReport) {
    let (source, target) = (place.join("source"), place.join("target"));
    write(case, &source, &|_, _| ());
    let report = run(&source, &target, &rotated(Alpha::Fixed(0.0)), Some(&text(1, 2000))).unwrap();
    (source, target, report)
}

fn change_config(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config["quantization_config"]);
    std::fs::write(path, config.to_string()).unwrap();
}

fn load(folder: &Path) -> Result<Model, LoadError> {
    Model::load(folder, &mut ounce_kernels::ThreadPool::new(1), &mut |_| ())
}

#[test]
fn a_rotation_is_reported_stored_and_needed() {
    let place = tempfile::tempdir().unwrap();
    let (source, target, report) = make("llama", place.path());
    let linears =
        || report.layers.iter().flat_map(|layer| layer.linears.iter().map(move |l| (layer.layer, l)));
    let turned: Vec<_> = linears().filter(|(_, linear)| linear.rotation.is_some()).collect();
    assert!(turned.len() >= 6, "{}", turned.len());
    for (layer, linear) in &turned {
        let width = linear.shape[1];
        assert_eq!(linear.rotation, Some(1 << width.trailing_zeros()), "the largest block of {width}");
        assert!(linear.error_after < linear.error_before, "layer {layer}: {linear:?}");
        let group = &report.layers[*layer].scales;
        let group = group.iter().find(|g| g.linears.split(' ').any(|name| name == linear.linear)).unwrap();
        assert_eq!(group.rotation, linear.rotation);
    }
    // The summary tells as many matrices, and no others.
    let checkpoint = Checkpoint::open(&target).unwrap();
    let named = checkpoint.tensors().into_iter().filter(|tensor| tensor.ty.contains("a8 rotated")).count();
    assert_eq!(named, turned.len());
    let expected = logits(&source, &unseen());
    let found = distance(&logits(&target, &unseen()), &expected);
    change_config(&target, |config| config["transform_config"] = json!({}));
    let without = distance(&logits(&target, &unseen()), &expected);
    assert!(found < 0.06 && without > 0.3, "{found} {without}");
}

/// Read in floats, and written anew, the weights are those of inputs that are not rotated.
#[test]
fn a_rotated_folder_can_be_the_source() {
    let place = tempfile::tempdir().unwrap();
    for case in ["llama", "gemma3"] {
        let place = place.path().join(case);
        std::fs::create_dir(&place).unwrap();
        let (source, target, _) = make(case, &place);
        let again = place.join("again.gguf");
        run(&target, &again, &options(Method::Nearest, Target::Gguf(GgmlType::Q8_0), 8), None).unwrap();
        let found = distance(&logits(&again, &unseen()), &logits(&source, &unseen()));
        assert!(found < 0.06, "{case}: {found}");
    }
}

/// Engines that read such files add no bias behind a rotation, and do not rotate inputs of experts.
#[test]
fn experts_and_maps_with_a_bias_are_left_alone() {
    let place = tempfile::tempdir().unwrap();
    for (case, alone) in [("qwen2", &["q", "k", "v"][..]), ("mixtral", &["gate", "up", "down"])] {
        let place = place.path().join(case);
        std::fs::create_dir(&place).unwrap();
        let (_, _, report) = make(case, &place);
        for linear in report.layers.iter().flat_map(|layer| &layer.linears) {
            let last = linear.linear.rsplit('.').next().unwrap();
            assert!(linear.rotation.is_none() || !alone.contains(&last), "{case}: {linear:?}");
        }
    }
}

#[test]
fn rotations_that_do_not_fit_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let (_, target, _) = make("llama", place.path());
    let refuse = |change: &dyn Fn(&mut Value)| {
        change_config(&target, change);
        load(&target).err().unwrap()
    };
    let down = "model.layers.0.mlp.down_proj";
    let rotate = |target: &str, block: Value| {
        json!({"config_groups": {"g": {"type": "hadamard", "head_dim": block,
            "apply": [{"targets": [target], "location": "input"}]}}})
    };
    for block in [3, 1, 1024] {
        let error = refuse(&|config| config["transform_config"] = rotate(down, json!(block)));
        let LoadError::Matrix { name, .. } = &error else { panic!("{error}") };
        assert!(name == down && error.to_string().contains(&format!("blocks of {block}")), "{error}");
    }
    let error = refuse(&|config| config["transform_config"] = rotate("lm_head", json!(32)));
    assert!(matches!(&error, LoadError::RotatedFloats { module } if module == "lm_head"), "{error}");

    let per_tensor = smooth(Alpha::Auto, Activations::PerTensor);
    let method = Method::SmoothQuant { alpha: Alpha::Auto, rotate: true };
    let options = CompressOptions { method, ..per_tensor };
    let error = run(&place.path().join("source"), &place.path().join("x"), &options, None).unwrap_err();
    assert!(matches!(&error, CompressError::Options(why) if why.contains("per token")), "{error}");
}
