//! The schemes that MCUNetV3 published (`compilation/mcu_ir_gen.py` of tiny-training), without those weights that they give a share of 0.

use super::{Scheme, TrainedWeight};

/// A published scheme.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Published {
    /// The network, as its file is called.
    pub network: &'static str,
    /// The memory that it is named for, in KB.
    pub budget: u32,
    biases: usize,
    weights: &'static [(usize, f64)],
}

impl Published {
    /// What is trained.
    pub fn scheme(&self) -> Scheme {
        let weights = self.weights.iter().map(|&(conv, share)| TrainedWeight { conv, share });
        Scheme { biases: self.biases, weights: weights.collect() }
    }
}

/// The published schemes of a network, by rising memory: `mcunet-5fps`, `mbv2-w0.35`, `proxyless-w0.3`.
pub fn published(network: &str) -> impl Iterator<Item = &'static Published> {
    PUBLISHED.iter().filter(move |scheme| scheme.network == network)
}

#[rustfmt::skip]
const PUBLISHED: &[Published] = &[
    Published { network: "mcunet-5fps", budget: 49, biases: 20, weights: &[(24, 0.25), (27, 0.5), (30, 0.5)] },
    Published { network: "mcunet-5fps", budget: 74, biases: 21, weights: &[(21, 1.0), (24, 1.0), (27, 0.5), (30, 1.0)] },
    Published { network: "mcunet-5fps", budget: 99, biases: 22, weights: &[(21, 1.0), (24, 1.0), (27, 1.0), (30, 1.0), (36, 0.125), (39, 0.25)] },
    Published { network: "mcunet-5fps", budget: 124, biases: 24, weights: &[(21, 0.25), (24, 1.0), (27, 1.0), (30, 1.0), (33, 0.5), (39, 0.5)] },
    Published { network: "mcunet-5fps", budget: 148, biases: 23, weights: &[(21, 1.0), (24, 1.0), (27, 1.0), (30, 1.0), (36, 1.0), (39, 0.5)] },
    Published { network: "mbv2-w0.35", budget: 49, biases: 16, weights: &[(36, 1.0), (39, 1.0), (41, 0.25), (42, 0.125), (45, 0.125), (48, 0.125), (49, 0.125)] },
    Published { network: "mbv2-w0.35", budget: 73, biases: 20, weights: &[(32, 0.125), (33, 0.5), (36, 0.5), (39, 1.0), (41, 0.25), (42, 0.125), (45, 0.125), (48, 1.0)] },
    Published { network: "mbv2-w0.35", budget: 99, biases: 25, weights: &[(27, 1.0), (30, 1.0), (33, 1.0), (36, 1.0), (39, 1.0), (42, 0.125), (45, 0.5), (48, 1.0)] },
    Published { network: "mbv2-w0.35", budget: 123, biases: 31, weights: &[(27, 1.0), (30, 1.0), (33, 1.0), (36, 1.0), (39, 1.0), (42, 0.5), (45, 1.0), (48, 1.0)] },
    Published { network: "mbv2-w0.35", budget: 138, biases: 34, weights: &[(27, 1.0), (30, 1.0), (33, 1.0), (36, 1.0), (39, 1.0), (42, 1.0), (45, 1.0), (48, 1.0)] },
    Published { network: "proxyless-w0.3", budget: 49, biases: 21, weights: &[(39, 0.25), (42, 1.0), (45, 1.0), (51, 0.125), (54, 0.25), (57, 0.25)] },
    Published { network: "proxyless-w0.3", budget: 74, biases: 28, weights: &[(33, 0.5), (36, 0.25), (39, 1.0), (42, 1.0), (45, 1.0), (51, 0.5), (54, 0.25), (57, 0.5)] },
    Published { network: "proxyless-w0.3", budget: 98, biases: 25, weights: &[(36, 1.0), (39, 0.5), (42, 1.0), (45, 1.0), (48, 0.25), (51, 0.5), (54, 1.0), (57, 1.0)] },
    Published { network: "proxyless-w0.3", budget: 120, biases: 32, weights: &[(36, 1.0), (39, 1.0), (42, 1.0), (45, 1.0), (48, 0.5), (51, 1.0), (54, 1.0), (57, 1.0)] },
    Published { network: "proxyless-w0.3", budget: 148, biases: 45, weights: &[(36, 1.0), (39, 1.0), (42, 1.0), (45, 1.0), (48, 1.0), (51, 1.0), (54, 1.0), (57, 1.0)] },
];
