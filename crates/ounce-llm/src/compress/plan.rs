//! How each map will be stored.

use super::{Activations, Alpha, CompressError, CompressOptions, Method, Target};
use crate::config::Config;
use crate::export::stored_type;
use ounce_formats::ggml::GgmlType;
use ounce_formats::quantized::{self, LinearFormat, LinearScheme};
use ounce_quant::{Granularity, Nearest, Rounding, Scheme};

/// How the maps of a model will be stored, checked against its widths.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// In groups of integers.
    Groups {
        scheme: Scheme,
        /// `None`: a scale per output channel.
        group: Option<usize>,
    },
    /// In blocks of a GGUF type.
    Blocks(GgmlType),
}

/// What a row of weights will be after storing, as far as its error goes.
pub(super) enum Rounder {
    Groups(Nearest),
    Blocks(GgmlType),
}

impl Plan {
    /// # Errors
    /// [`CompressError::Options`] if the options exclude each other or no group fits, [`CompressError::Sequence`].
    pub(crate) fn new(config: &Config, options: &CompressOptions) -> Result<Self, CompressError> {
        let refuse = |why: &str| Err(CompressError::Options(why.to_owned()));
        if let Some(asked) = options.sequence.filter(|asked| !(1..=config.context).contains(asked)) {
            return Err(CompressError::Sequence { asked, most: config.context });
        }
        let int8 = options.activations != Activations::Float;
        let smooth = matches!(options.method, Method::SmoothQuant { .. });
        match options.target {
            Target::Gguf(_) if int8 || smooth => {
                return refuse("GGUF has no 8-bit activations; write SmoothQuant as compressed-tensors");
            }
            Target::Gguf(ty) => return Ok(Self::Blocks(ty)),
            Target::AutoAwq if options.bits != 4 || options.symmetric || int8 || smooth => {
                return refuse(
                    "AutoAWQ holds 4 bits with zero points and float activations only; write compressed-tensors",
                );
            }
            Target::AutoAwq if options.int8_head => {
                return refuse("AutoAWQ cannot hold a head of 8 bits; write compressed-tensors or GGUF");
            }
            _ => {}
        }
        if int8 && (options.bits != 8 || options.group.is_some()) {
            return refuse("8-bit activations need 8-bit weights with a scale per channel");
        }
        if smooth && !int8 {
            return refuse("SmoothQuant is for 8-bit activations");
        }
        if matches!(options.method, Method::SmoothQuant { rotate: true, .. })
            && options.activations == Activations::PerTensor
        {
            return refuse("rotated inputs need a scale per token, not one per tensor");
        }
        if let Method::SmoothQuant { alpha: Alpha::Fixed(alpha), .. } = options.method
            && !(0.0..=1.0).contains(&alpha)
        {
            return refuse("the migration strength alpha goes from 0 to 1");
        }
        if !(2..=8).contains(&options.bits) {
            return refuse("weights take 2 to 8 bits");
        }
        let widths = [config.hidden, config.q_width(), config.feed_forward];
        let group = match options.group {
            None => None,
            Some(wanted) => match Scheme::fitting_group(&widths, wanted) {
                Some(group) => Some(group),
                None => {
                    return Err(CompressError::Options(format!(
                        "no group of at most {wanted} weights, in steps of 32, divides the widths {widths:?}; use one scale per channel (group 0)"
                    )));
                }
            },
        };
        let scheme = Scheme {
            bits: options.bits,
            symmetric: options.symmetric || int8,
            granularity: group.map_or(Granularity::Channel, Granularity::Group),
        };
        Ok(Self::Groups { scheme, group })
    }

    pub(super) fn rounder(&self, cols: usize) -> Rounder {
        match self {
            Self::Groups { scheme, group } => {
                Rounder::Groups(Nearest { scheme: *scheme, group: group.unwrap_or(cols) })
            }
            Self::Blocks(ty) => Rounder::Blocks(stored_type(*ty, cols)),
        }
    }

    /// Columns whose weights are compared with their largest in AWQ's second kind of scale.
    pub(super) fn group(&self, cols: usize) -> usize {
        match self.rounder(cols) {
            Rounder::Groups(nearest) => nearest.group,
            Rounder::Blocks(ty) => ty.unpacking().map_or(cols, |form| form.group),
        }
    }

    /// As the files describe it.
    pub(super) fn linear_scheme(&self, options: &CompressOptions) -> Option<LinearScheme> {
        let Self::Groups { scheme, group } = self else { return None };
        let activations = match options.activations {
            Activations::Float => quantized::Activations::Float,
            Activations::PerToken => quantized::Activations::Int8PerToken,
            Activations::PerTensor => quantized::Activations::Int8PerTensor,
        };
        let format = match (options.target, options.activations) {
            (Target::AutoAwq, _) => LinearFormat::AwqGemm,
            (_, Activations::Float) => LinearFormat::PackQuantized,
            _ => LinearFormat::IntQuantized,
        };
        Some(LinearScheme {
            format,
            bits: scheme.bits,
            group: *group,
            symmetric: scheme.symmetric,
            activations,
        })
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Blocks(ty) => ty.name().to_owned(),
            Self::Groups { scheme, group } => {
                let zeros = if scheme.symmetric { "symmetric" } else { "zero points" };
                match group {
                    Some(group) => format!("{} bits, groups of {group}, {zeros}", scheme.bits),
                    None => format!("{} bits, a scale per channel, {zeros}", scheme.bits),
                }
            }
        }
    }
}

impl Rounding for Rounder {
    fn round_row(&self, weights: &[f32], out: &mut [f32]) {
        match self {
            Self::Groups(nearest) => nearest.round_row(weights, out),
            Self::Blocks(ty) => {
                let mut bytes = Vec::new();
                match ty.quantize(weights, &mut bytes) {
                    Ok(()) => ty.dequantize(&bytes, out),
                    // A type that cannot be written is refused before anything is rounded to it.
                    Err(_) => out.copy_from_slice(weights),
                }
            }
        }
    }
}
