//! Plans of programs that infer and train, and the measuring of contributions.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::mcunet::Network;
use ounce_formats::pickle::Checkpoint;
use ounce_tiny::contribution::{Analysis, Contributions, Grid, Point, Prediction, Setting};
use ounce_tiny::emit::{Budget, EmitOptions};
use ounce_tiny::learn::{Dataset, LearnError, Selection};
use ounce_tiny::plan::Planner;
use ounce_tiny::rehearsal::emit_training;
use ounce_tiny::scheme::{Scheme, TrainedWeight, published};
use ounce_tiny::search::{SearchOptions, Verdict, evolve};
use ounce_tiny::step::{Channels, StepOptions};
use support::Random;
use support::learning::{scheme, small, whole};

const OPTIONS: StepOptions =
    StepOptions { channels: Channels::First, ..StepOptions::rounded(ounce_graph::ops::Rounding::Nearest) };

fn schemes() -> [Scheme; 4] {
    [
        Scheme::bias_only(0),
        Scheme::bias_only(5),
        scheme(6, &[(1, 0.5), (2, 1.0), (4, 0.4), (5, 1.0), (6, 1.0)]),
        Scheme::full(7),
    ]
}

#[test]
fn plans_are_those_of_the_emitted_program() {
    let network = whole(&small(&mut Random(7), 5));
    let planner = Planner::new(network.clone(), OPTIONS).unwrap();
    assert_eq!(planner.layers().len(), 7);
    for scheme in schemes() {
        let planned = planner.training(&scheme).unwrap();
        let emitted = emit_training(&network, &scheme, &OPTIONS, &EmitOptions::default()).unwrap();
        assert_eq!(planned.memory, emitted.memory, "{scheme:?}");
        for arena in &planned.arenas {
            let picture = &arena.picture;
            assert!(picture.lower_bound <= picture.arena_bytes && picture.arena_bytes <= arena.first_fit);
            assert!(picture.pieces.iter().all(|piece| piece.offset + piece.bytes <= picture.arena_bytes));
            // Pieces of one group begin at one offset; all others keep apart while both are needed.
            for (at, one) in picture.pieces.iter().enumerate() {
                for other in &picture.pieces[..at] {
                    let together = one.birth <= other.death && other.birth <= one.death;
                    let apart =
                        one.offset + one.bytes <= other.offset || other.offset + other.bytes <= one.offset;
                    assert!(!together || apart || one.offset == other.offset, "{one:?} and {other:?}");
                }
            }
        }
    }
}

#[test]
fn what_fits_is_what_the_plan_needs() {
    let network = whole(&small(&mut Random(7), 5));
    let planner = Planner::new(network.clone(), OPTIONS).unwrap();
    for scheme in schemes() {
        let memory = planner.training(&scheme).unwrap().memory;
        let exact = Budget { sram: memory.sram(512), flash: memory.flash(), stack: 512 };
        assert_eq!(planner.fits(&scheme, &exact).unwrap(), Verdict::Fits(exact.sram));
        for small in [Budget { sram: exact.sram - 1, ..exact }, Budget { flash: exact.flash - 1, ..exact }] {
            assert_eq!(planner.fits(&scheme, &small).unwrap(), Verdict::TooLarge, "{scheme:?}");
        }
    }
    assert!(planner.training(&Scheme::bias_only(8)).is_err());
}

#[test]
fn published_schemes_are_planned() {
    let Some(data) = std::env::var_os("OUNCE_TEST_DATA") else {
        eprintln!("skipped: OUNCE_TEST_DATA is not set");
        return;
    };
    let path = std::path::Path::new(&data).join("tiny/mcunet-5fps.pkl");
    let network = Network::read(&Checkpoint::open(&path).unwrap()).unwrap();
    let planner = Planner::new(whole(&network).with_classes(10, 0).unwrap(), OPTIONS).unwrap();
    for found in published("mcunet-5fps") {
        let measured = planner.training(&found.scheme()).unwrap();
        let (memory, step) = (measured.memory, &measured.arenas[1]);
        println!("{} KB: {memory:?}, first fit {}", found.budget, step.first_fit);
        // The larger ones keep whole tensors in RAM of which they train a part.
        assert!(memory.sram(4096) <= if found.budget < 99 { 200_000 } else { 320_000 });
        assert!(memory.flash() <= 1 << 20);
        assert!(step.picture.arena_bytes <= step.first_fit);
    }
}

/// Stripes that lie or stand, `folder/CLASS/N.png`.
fn pictures(folder: &std::path::Path) {
    let mut random = Random(11);
    for class in ["lying", "standing"] {
        let folder = folder.join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..60 {
            let phase = random.between(0, 3) as u32;
            let mut picture = image::RgbImage::new(11, 11);
            for (column, row, pixel) in picture.enumerate_pixels_mut() {
                let along = if class == "lying" { row } else { column };
                let value = if (along + phase) % 4 < 2 { 200 } else { 40 };
                *pixel = image::Rgb([0; 3].map(|_| (value + random.between(-30, 30)) as u8));
            }
            picture.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
}

#[test]
fn contributions_are_measured_and_a_scheme_is_found() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path());
    let network = whole(&small(&mut Random(7), 5));
    let selection = Selection { train: Some(50), validation: 40, ..Selection::default() };
    let data = Dataset::open(folder.path(), &selection).unwrap();
    let setting = Setting {
        network: "small".into(),
        data: "stripes".into(),
        size: 11,
        classes: data.classes.clone(),
        train: 50,
        validation: 40,
        epochs: 3,
        batch: 2,
        rate: 0.1,
        bias_rate: 0.05,
        seed: 0,
    };
    let weights = [3, 4, 6].map(|conv| [1.0, 0.5].map(|share| Point::Weights(TrainedWeight { conv, share })));
    let grid = Grid([&[5, 0, 2, 7].map(Point::Biases)[..], weights.as_flattened()].concat());
    let measured = |threads: usize| {
        let mut analysis = Analysis::new(&network, &data, &setting, threads);
        let mut found = Contributions::new(setting.clone(), 7, 5);
        for (point, seed) in grid.missing(&found, 1) {
            let accuracy = analysis.accuracy(&found.scheme(point), seed, &|| true).unwrap();
            found.record(point, accuracy);
        }
        found
    };
    let found = measured(1);
    assert_eq!(found, measured(2), "whatever the threads");
    println!("{}", found.to_text());
    let stopped = Analysis::new(&network, &data, &setting, 1).accuracy(&Scheme::full(7), 0, &|| false);
    assert!(matches!(stopped, Err(LearnError::Stopped)));

    // Within the memory of some scheme, what is found is no worse than it.
    let prediction = Prediction::of(&found).unwrap();
    let planner = Planner::new(network.with_classes(2, 0).unwrap(), OPTIONS).unwrap();
    let given = scheme(5, &[(3, 0.5), (6, 1.0)]);
    let memory = planner.training(&given).unwrap().memory;
    let budget = Budget { sram: memory.sram(512), flash: memory.flash(), stack: 512 };
    let options = SearchOptions { evaluations: 300, ..SearchOptions::default() };
    let best = evolve(&prediction, &options, |scheme| planner.fits(scheme, &budget)).unwrap().unwrap();
    assert!(best.accuracy >= prediction.accuracy(&given));
    budget.check(&planner.training(&best.scheme).unwrap().memory).unwrap();
}
