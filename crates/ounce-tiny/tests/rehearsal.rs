//! Training on a simulated device.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_graph::ops::Rounding;
use ounce_graph::{DType, Tensor, TensorType};
use ounce_tiny::emit::Budget;
use ounce_tiny::learn::{Dataset, Part, Selection};
use ounce_tiny::pictures;
use ounce_tiny::rehearsal::{Example, Rehearsal};
use ounce_tiny::scheme::published;
use ounce_tiny::simulate::Target;
use ounce_tiny::step::StepOptions;
use support::emitted::data;
use support::learning::{network, scheme, small, whole};
use support::{Random, simulation_is_possible};

/// Noise around a colour for each of two classes.
fn example(random: &mut Random, label: i32) -> Example {
    let pixels = (0..3 * 11 * 11).map(|_| (random.between(-60, 60) + 60 * (2 * label - 1)) as i8).collect();
    Example { image: Tensor::i8(&[1, 3, 11, 11], pixels).unwrap(), label }
}

#[test]
fn a_small_network_learns_two_colours() {
    if !simulation_is_possible() {
        return;
    }
    let mut random = Random(21);
    let network = whole(&small(&mut random, 2));
    let scheme = scheme(4, &[(4, 0.5), (5, 0.4), (6, 1.0)]);
    let train: Vec<Example> = (0..40).map(|i| example(&mut random, i % 2)).collect();
    let held_out: Vec<Example> = (0..20).map(|i| example(&mut random, i % 2)).collect();
    for target in Target::ALL {
        let rehearsal = Rehearsal {
            network: &network,
            scheme: &scheme,
            options: StepOptions::rounded(Rounding::Nearest),
            rates: [0.05, 0.02],
            target,
            budget: Budget { sram: 32 << 10, flash: 64 << 10, stack: 2048 },
        };
        let folder = tempfile::tempdir().unwrap();
        let outcome = rehearsal.run(&train, &held_out, folder.path()).unwrap();
        println!("{outcome:?}");
        assert!(outcome.same_here);
        assert_eq!(outcome.same_as_executor, held_out.len());
        assert!(outcome.right_after >= 18 && outcome.right_after > outcome.right_before, "{outcome:?}");
        assert!(outcome.step.mean > outcome.inference.mean && outcome.stack_peak < 2048);
        // The first losses are those of the executor; later ones may part by a step of a weight.
        let differ = outcome.losses[0] - outcome.executor_losses[0];
        assert!(differ.abs() < 1e-5, "{outcome:?}");
        let tight = Rehearsal { budget: Budget { sram: 4 << 10, ..rehearsal.budget }, ..rehearsal };
        let error = tight.run(&train, &held_out, folder.path()).unwrap_err().to_string();
        assert!(error.contains("SRAM") && error.contains("too many"), "{error}");
    }
}

fn examples(part: &Part, size: usize) -> Vec<Example> {
    let ty = TensorType::new(DType::I8, &[1, 3, size, size]);
    let labels = part.labels().into_iter().enumerate();
    labels
        .map(|(index, label)| {
            let image = pictures::image(&part.load(index).unwrap(), &ty).unwrap();
            Example { image, label }
        })
        .collect()
}

/// Two classes of CIFAR-10 on a Cortex-M7 with 225 KB.
#[test]
fn a_published_network_learns_from_pictures() {
    let (Some(path), Some(archive)) = (data("tiny/mcunet-5fps.pkl"), data("tiny/cifar10-jpg.zip")) else {
        return;
    };
    if !simulation_is_possible() {
        return;
    }
    let classes = ["airplane", "frog"].map(str::to_owned).to_vec();
    let selection = Selection { classes, train: Some(24), test: Some(12), ..Selection::default() };
    let set = Dataset::open(&archive, &selection).unwrap();
    let network = whole(&network(&path, 10)).with_classes(2, 0).unwrap();
    let scheme = published("mcunet-5fps").find(|scheme| scheme.budget == 49).unwrap().scheme();
    let rehearsal = Rehearsal {
        network: &network,
        scheme: &scheme,
        options: StepOptions::default(),
        rates: [8e-4, 4e-4],
        target: Target::CortexM7,
        budget: Budget { sram: 225_000, flash: 1 << 20, stack: 4096 },
    };
    let folder = tempfile::tempdir().unwrap();
    let outcome =
        rehearsal.run(&examples(&set.train, 128), &examples(&set.test, 128), folder.path()).unwrap();
    println!("{outcome:?}");
    assert!(outcome.same_here);
    assert_eq!(outcome.same_as_executor, 12);
    assert!(outcome.inference.most <= 65_000_000 && outcome.step.most <= 106_000_000, "{outcome:?}");
}
