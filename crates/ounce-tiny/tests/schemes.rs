//! The published update schemes on the published networks.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use ounce_formats::mcunet::Network;
use ounce_formats::pickle::Checkpoint;
use ounce_import::mcunet::{Options, import};
use ounce_tiny::scheme::{Scheme, extra_memory, layers, published};

/// Budgets and memory in KB as the original's formula gives it (its `partial_backward.py` on its networks), with those schemes that train nothing in parts.
const MCUNET: [(u32, f64); 5] = [(49, 49.6), (74, 74.7), (99, 99.7), (124, 124.8), (148, 148.2)];

#[test]
fn memory_is_that_of_the_originals_formula() {
    let Some(data) = std::env::var_os("OUNCE_TEST_DATA") else {
        eprintln!("skipped: OUNCE_TEST_DATA is not set");
        return;
    };
    for name in ["mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"] {
        let path = Path::new(&data).join("tiny").join(format!("{name}.pkl"));
        let network = Network::read(&Checkpoint::open(&path).unwrap()).unwrap();
        let imported = import(&network, &Options::default()).unwrap();
        let layers = layers(&imported.graph, &imported.convs);
        assert_eq!(layers.len(), imported.convs.len());
        let found = |scheme: &Scheme| extra_memory(&layers, scheme).kib();
        for scheme in published(name) {
            scheme.scheme().check(layers.len()).unwrap();
            println!("{name} {}: {:.1} KB", scheme.budget, found(&scheme.scheme()));
            // They fill the budgets that they are named for.
            assert!(
                (found(&scheme.scheme()) - f64::from(scheme.budget)).abs() < 1.1,
                "{name} {}",
                scheme.budget
            );
        }
        if name == "mcunet-5fps" {
            for (scheme, (budget, memory)) in published(name).zip(MCUNET) {
                assert_eq!(scheme.budget, budget);
                assert!(
                    (found(&scheme.scheme()) - memory).abs() < 0.06,
                    "{budget}: {}",
                    found(&scheme.scheme())
                );
            }
            let near =
                |scheme: Scheme, memory: f64| assert!((found(&scheme) - memory).abs() < 0.06, "{scheme:?}");
            near(Scheme::last(42, 12), 447.9);
            near(Scheme::last(42, 6), 276.2);
            near(Scheme::bias_only(42), 121.1);
        }
    }
}
