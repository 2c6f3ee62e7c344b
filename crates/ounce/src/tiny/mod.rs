//! What the commands of `ounce tiny` share.

pub(crate) mod parity;
pub(crate) mod training;

use crate::failure::{Context as _, Failure, Result};
use clap::Args;
use ounce_formats::pickle::Checkpoint;
use ounce_formats::{mcunet::Network as Mcunet, tflite::Model};
use ounce_graph::Graph;
use ounce_import::{Limits as ImportLimits, mcunet, onnx, tflite};
use ounce_tiny::emit::Budget;
use std::path::PathBuf;

/// A network of a file.
#[derive(Debug, Args)]
pub(crate) struct Network {
    /// A quantized network: of MCUNetV3 (.pkl), TensorFlow Lite (.tflite) or ONNX (.onnx)
    #[arg(value_name = "MODEL.pkl|.tflite|.onnx")]
    model: PathBuf,
    /// Height and width of images of a .pkl [default: what it was made for]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
}

/// The memory of a device.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// RAM for activations and stack, in bytes, or with K or M
    #[arg(long, value_name = "BYTES", default_value = "256K", value_parser = bytes)]
    sram: u64,
    /// Flash for weights and code, likewise
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = bytes)]
    flash: u64,
    /// The part of RAM that is the stack
    #[arg(long, value_name = "BYTES", default_value = "4K", value_parser = bytes)]
    stack: u64,
}

impl Limits {
    /// The memory that there is.
    pub(crate) fn budget(&self) -> Budget {
        Budget { sram: self.sram, flash: self.flash, stack: self.stack }
    }
}

/// A number of bytes, `K` being 1024 and `M` 1024 of them.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number: u64 =
        digits.parse().map_err(|_| "a whole number, with K or M behind it or not".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "too large".to_owned())
}

impl Network {
    /// The network for inference.
    pub(crate) fn graph(&self) -> Result<Graph> {
        let path = &self.model;
        let cannot = || format!("cannot import {}", path.display());
        let mut graph = match path.extension().and_then(|extension| extension.to_str()) {
            Some("pkl") => {
                let checkpoint = Checkpoint::open(path).context(cannot)?;
                let network = Mcunet::read(&checkpoint).context(cannot)?;
                let options = mcunet::Options { size: self.size, ..mcunet::Options::default() };
                let imported = mcunet::import(&network, &options).context(cannot)?;
                let mut graph = imported.graph;
                graph.clear_outputs();
                graph.output("logits", imported.classifier.output).context(cannot)?;
                graph
            }
            Some("tflite") => {
                let bytes = std::fs::read(path).context(|| format!("cannot read {}", path.display()))?;
                let model = Model::parse(&bytes).context(cannot)?;
                tflite::import(&model, ImportLimits::default()).context(cannot)?.graph
            }
            Some("onnx") => {
                let bytes = std::fs::read(path).context(|| format!("cannot read {}", path.display()))?;
                let model = ounce_formats::onnx::Model::parse(&bytes).context(cannot)?;
                onnx::import(&model, &onnx::Options::default()).context(cannot)?.graph
            }
            _ => {
                let cause = format!("{} is of no known kind", path.display());
                return Err(Failure::usage(cause).hint("its name must end in .pkl, .tflite or .onnx"));
            }
        };
        graph.freeze_all();
        Ok(graph)
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("256K"), Ok(262_144));
        assert_eq!(bytes("1m"), Ok(1 << 20));
        assert_eq!(bytes("100"), Ok(100));
        assert!(bytes("K").is_err() && bytes("").is_err() && bytes("99999999999999999M").is_err());
    }
}
