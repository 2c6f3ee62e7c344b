//! What a compression says of itself.

use super::models::write;
use super::{
    AWQ, AWQ_BLOCK, Activations, Alpha, CompressOptions, CompressReport, LENGTH, Method, SAMPLES, Target,
    options, rotated, run, smooth, text,
};
use ounce_formats::ggml::GgmlType;
use ounce_kernels::ThreadPool;
use ounce_llm::compress::{CompressProgress, compress};
use std::ops::ControlFlow;
use std::path::Path;

fn report(case: &str, options: &CompressOptions, text: Option<&str>) -> CompressReport {
    let place = tempfile::tempdir().unwrap();
    let (source, target) = (place.path().join("source"), place.path().join("target"));
    write(case, &source, &|_, _| ());
    let report = run(&source, &target, options, text).unwrap();
    assert_eq!(report.bytes, size(&target), "{case}");
    report
}

/// Bytes of a file, or of all files of a folder.
fn size(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().unwrap().len();
    }
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn errors_fall_and_numbers_add_up() {
    let text = text(1, 2000);
    for (case, maps, groups) in
        [("llama", 7, 4), ("mixtral", 16, 7), ("falcon-7b", 6, 2), ("falcon-40b", 6, 3)]
    {
        for method in [AWQ, AWQ_BLOCK] {
            let report = report(case, &options(method, Target::AutoAwq, 4), Some(&text));
            let layer = (maps, groups);
            assert_eq!(report.method, "awq");
            assert_eq!(
                (report.bits_per_weight, report.calibration_tokens),
                (4.625, SAMPLES * LENGTH),
                "{case}"
            );
            assert_eq!(report.layers.len(), 2);
            let mut weights = 0;
            for (index, found) in report.layers.iter().enumerate() {
                assert_eq!(found.layer, index);
                assert_eq!((found.linears.len(), found.scales.len()), layer, "{case}: {found:?}");
                for scale in &found.scales {
                    assert!(scale.error_after <= scale.error_before * 1.0001, "{case}: {scale:?}");
                    assert!(scale.error_before > 0.0 && scale.error_before.is_finite(), "{case}: {scale:?}");
                    assert_eq!(scale.ratio.is_none(), scale.kind == "identity", "{case}: {scale:?}");
                }
                for linear in &found.linears {
                    let (before, after) = (linear.error_before.unwrap(), linear.error_after.unwrap());
                    assert!(before > 0.0 && before < 0.2 && after > 0.0 && after < 0.2, "{case}: {linear:?}");
                    assert!((0.0..0.05).contains(&linear.weight_error_before), "{case}: {linear:?}");
                    weights += (linear.shape[0] * linear.shape[1]) as u64;
                }
                let sum = |error: fn(&ounce_llm::compress::LinearReport) -> Option<f64>| -> f64 {
                    found.linears.iter().filter_map(error).sum()
                };
                let (before, after) = (sum(|linear| linear.error_before), sum(|linear| linear.error_after));
                assert!(after < before, "{case}: {before} {after}");
            }
            assert_eq!(report.quantized_weights, weights);
        }
    }
}

#[test]
fn rounding_to_nearest_reads_no_text() {
    let plain = options(Method::Nearest, Target::CompressedTensors, 4);
    let report = report("llama", &plain, None);
    assert_eq!((report.method, report.calibration_tokens, report.activations), ("rtn", 0, "float"));
    let linears = || report.layers.iter().flat_map(|layer| &layer.linears);
    assert!(linears().all(|linear| linear.error_before.is_none() && linear.error_after.is_none()));
    assert!(linears().all(|linear| linear.weight_error_before > 0.0));
    assert!(report.layers.iter().all(|layer| layer.scales.is_empty()));
}

#[test]
fn smoothing_lowers_errors_where_it_is_searched() {
    for (alpha, groups) in [(Alpha::Fixed(0.5), 2), (Alpha::Auto, 4)] {
        let report = report("llama", &smooth(alpha, Activations::PerToken), Some(&text(1, 2000)));
        assert_eq!((report.method, report.activations), ("smoothquant", "int8 per token"));
        for layer in &report.layers {
            assert_eq!(layer.scales.len(), groups);
            for scale in &layer.scales {
                let fixed = matches!(alpha, Alpha::Fixed(_));
                assert!(fixed || scale.error_after <= scale.error_before, "{scale:?}");
                assert!(!fixed || scale.ratio == Some(0.5));
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    write("mixtral", &source, &|_, _| ());
    let text = text(1, 2000);
    for options in [
        options(AWQ, Target::Gguf(GgmlType::Q4_0), 4),
        options(AWQ, Target::AutoAwq, 4),
        smooth(Alpha::Auto, Activations::PerTensor),
        rotated(Alpha::Auto),
    ] {
        let made = [1, 3].map(|threads| {
            let target = place.path().join(format!("{threads}"));
            let mut pool = ThreadPool::new(threads);
            let mut go_on = |_: CompressProgress| ControlFlow::Continue(());
            compress(&source, &target, &options, Some(&text), &mut pool, &mut go_on).unwrap();
            if target.is_dir() {
                let bytes = std::fs::read(target.join("model.safetensors")).unwrap();
                std::fs::remove_dir_all(&target).unwrap();
                bytes
            } else {
                let bytes = std::fs::read(&target).unwrap();
                std::fs::remove_file(&target).unwrap();
                bytes
            }
        });
        assert!(made[0] == made[1], "{options:?}");
    }
}

#[test]
fn progress_grows_to_the_end() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    write("llama", &source, &|_, _| ());
    let mut seen: Vec<CompressProgress> = Vec::new();
    let target = place.path().join("target");
    let options = options(AWQ, Target::AutoAwq, 4);
    compress(&source, &target, &options, Some(&text(1, 2000)), &mut ThreadPool::new(1), &mut |progress| {
        seen.push(progress);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(seen.iter().all(|p| p.layers == 2 && p.layers_done < 2 && (0.0..=1.0).contains(&p.share)));
    assert!(seen.is_sorted_by(|a, b| a.share <= b.share && a.layers_done <= b.layers_done));
    assert!(seen.len() > 2 * SAMPLES && seen.last().unwrap().share > 0.9);
}
