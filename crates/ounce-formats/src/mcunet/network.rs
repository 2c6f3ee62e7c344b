//! A quantized network of MCUNet: a first convolution, inverted bottlenecks, a classifier.

use super::error::NetworkError;
use super::parameters::Part;
use crate::pickle::Checkpoint;

/// Scale and zero point of 8-bit numbers: `real = scale * (quantized - zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Scale, above 0.
    pub scale: f64,
    /// Zero point.
    pub zero: i8,
}

/// A convolution, with its bias and the quantization of its input and output. The clamp to 8 bits is its activation function.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Height and width of the kernel, which is odd and padded by half on every side.
    pub kernel: [usize; 2],
    /// Step in both directions.
    pub stride: usize,
    /// Groups: 1, or as many as channels (depthwise).
    pub groups: usize,
    /// Height and width of the input; `None` for the classifier, which takes the mean over them.
    pub in_size: Option<usize>,
    /// Height and width of the output.
    pub out_size: Option<usize>,
    /// Weights, `[out_channels][in_channels / groups][kernel height][kernel width]`.
    pub weight: Vec<i8>,
    /// Biases, in units of `input.scale * weight_scales[channel]`.
    pub bias: Vec<i32>,
    /// Scale of the weights of each output channel.
    pub weight_scales: Vec<f32>,
    /// Quantization of the input.
    pub input: Quantization,
    /// Quantization of the output.
    pub output: Quantization,
}

impl Conv {
    /// What a sum of products is multiplied by to give the output, per output channel: `input.scale * weight_scales / output.scale`, rounded
    /// once, which gives the numbers of TinyEngine bit for bit.
    pub fn effective_scales(&self) -> Vec<f32> {
        let ratio = self.input.scale / self.output.scale;
        self.weight_scales.iter().map(|&scale| (f64::from(scale) * ratio) as f32).collect()
    }

    /// Multiplications and additions for one input; those of the classifier for one position.
    pub fn macs(&self) -> usize {
        self.weight.len() * self.out_size.map_or(1, |size| size * size)
    }
}

/// The sum of a block's input and output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// Quantization of the block's input.
    pub input: Quantization,
    /// Quantization of the sum.
    pub output: Quantization,
}

/// An inverted bottleneck.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Expansion; `None` where the depthwise convolution takes the input as it is.
    pub pointwise1: Option<Conv>,
    /// One filter per channel.
    pub depthwise: Conv,
    /// Projection.
    pub pointwise2: Conv,
    /// The sum with the input; `None` where shapes differ.
    pub residual: Option<Residual>,
}

impl Block {
    /// Its convolutions in order.
    pub fn convs(&self) -> impl Iterator<Item = &Conv> {
        self.pointwise1.iter().chain([&self.depthwise, &self.pointwise2])
    }
}

/// A whole network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The convolution that takes the picture.
    pub first_conv: Conv,
    /// The inverted bottlenecks in order.
    pub blocks: Vec<Block>,
    /// A convolution after the blocks; the published networks have none.
    pub feature_mix: Option<Conv>,
    /// The map to the classes, after a mean over all positions.
    pub classifier: Conv,
}

impl Network {
    /// Reads a network from an open file, and checks that shapes agree and that each layer takes what the one before it gives.
    ///
    /// # Errors
    /// [`NetworkError`].
    pub fn read(checkpoint: &Checkpoint) -> Result<Self, NetworkError> {
        let pickle = checkpoint.pickle()?;
        let root = Part::root(checkpoint, pickle.root())?;
        let blocks = root.field("blocks")?;
        let network = Self {
            first_conv: conv(&root.field("first_conv")?)?,
            blocks: blocks.items()?.iter().map(block).collect::<Result<_, _>>()?,
            feature_mix: root.optional("feature_mix")?.as_ref().map(conv).transpose()?,
            classifier: conv(&root.field("classifier")?)?,
        };
        network.check()?;
        Ok(network)
    }

    /// All convolutions from input to output, the classifier last: the numbering of MCUNetV3's update schemes.
    pub fn convs(&self) -> impl Iterator<Item = &Conv> {
        let blocks = self.blocks.iter().flat_map(Block::convs);
        std::iter::once(&self.first_conv).chain(blocks).chain(&self.feature_mix).chain([&self.classifier])
    }

    /// The same, to be changed.
    pub fn convs_mut(&mut self) -> impl Iterator<Item = &mut Conv> {
        let blocks = self.blocks.iter_mut().flat_map(|block| {
            block.pointwise1.iter_mut().chain([&mut block.depthwise, &mut block.pointwise2])
        });
        let last = self.feature_mix.iter_mut().chain([&mut self.classifier]);
        std::iter::once(&mut self.first_conv).chain(blocks).chain(last)
    }

    fn check(&self) -> Result<(), NetworkError> {
        let (mut channels, mut size) = (self.first_conv.out_channels, self.first_conv.out_size);
        let mut follow = |place: &dyn Fn() -> String, conv: &Conv| {
            if conv.in_channels != channels || (conv.in_size.is_some() && conv.in_size != size) {
                let say = |channels, size: Option<usize>| {
                    let size = size.map_or("any size".to_owned(), |size| format!("{size} x {size}"));
                    format!("{channels} channels of {size}")
                };
                let (needed, found) = (say(channels, size), say(conv.in_channels, conv.in_size));
                return Err(NetworkError::Chain { place: place(), needed, found });
            }
            (channels, size) = (conv.out_channels, conv.out_size);
            Ok(())
        };
        for (i, block) in self.blocks.iter().enumerate() {
            let first = block.convs().next().map(|conv| (conv.in_channels, conv.in_size));
            for (j, conv) in block.convs().enumerate() {
                follow(&|| format!("convolution {j} of blocks[{i}]"), conv)?;
            }
            let last = (block.pointwise2.out_channels, block.pointwise2.out_size);
            if block.residual.is_some() && first != Some(last) {
                let place = format!("blocks[{i}].residual");
                let (needed, found) = (format!("{first:?}"), format!("{last:?}"));
                return Err(NetworkError::Chain { place, needed, found });
            }
        }
        if let Some(conv) = &self.feature_mix {
            follow(&|| "feature_mix".to_owned(), conv)?;
        }
        follow(&|| "classifier".to_owned(), &self.classifier)
    }
}

fn block(part: &Part<'_>) -> Result<Block, NetworkError> {
    if let Some(se) = part.optional("se")? {
        return Err(NetworkError::Unsupported { place: se.place, what: "squeeze-and-excitation layers" });
    }
    let residual = part.optional("residual")?.map(|part| {
        let params = part.field("params")?;
        let (input, output) = (quantization(&params, "x")?, quantization(&params, "y")?);
        Ok::<_, NetworkError>(Residual { input, output })
    });
    Ok(Block {
        pointwise1: part.optional("pointwise1")?.as_ref().map(conv).transpose()?,
        depthwise: conv(&part.field("depthwise")?)?,
        pointwise2: conv(&part.field("pointwise2")?)?,
        residual: residual.transpose()?,
    })
}

fn quantization(params: &Part<'_>, which: &str) -> Result<Quantization, NetworkError> {
    let (scale, zero) = (params.field(&format!("{which}_scale"))?, params.field(&format!("{which}_zero"))?);
    let scale = match scale.value.as_f64() {
        Some(value) if value > 0.0 && value.is_finite() => value,
        _ => return Err(scale.wrong("a scale above 0")),
    };
    let value = zero.value.as_i64().and_then(|value| i8::try_from(value).ok());
    Ok(Quantization { scale, zero: value.ok_or_else(|| zero.wrong("a zero point from -128 to 127"))? })
}

fn conv(part: &Part<'_>) -> Result<Conv, NetworkError> {
    let positive = |name| part.field(name)?.positive();
    let (in_channels, out_channels) = (positive("in_channel")?, positive("out_channel")?);
    let (stride, groups) = (positive("stride")?, positive("groups")?);
    let kernel_part = part.field("kernel_size")?;
    let kernel = match kernel_part.value.as_items() {
        Some(items) if items.len() == 2 => {
            let sides = kernel_part.items()?;
            [sides[0].positive()?, sides[1].positive()?]
        }
        Some(_) => return Err(kernel_part.wrong("one or two numbers")),
        None => [kernel_part.positive()?; 2],
    };
    if kernel.iter().any(|side| side % 2 == 0) {
        return Err(kernel_part.wrong("a kernel of odd height and width"));
    }
    if in_channels % groups != 0 || out_channels % groups != 0 {
        return Err(part.field("groups")?.wrong("a divisor of the numbers of channels"));
    }
    if let Some(act) = part.optional("act")? {
        return Err(act.wrong("None, the clamp being the activation function"));
    }
    let size = |name: &str| part.optional(name)?.map(|part| part.positive()).transpose();
    let (in_size, out_size) = (size("in_shape")?, size("out_shape")?);
    if let (Some(input), Some(output)) = (in_size, out_size)
        && input.div_ceil(stride) != output
    {
        return Err(part.field("out_shape")?.wrong("in_shape / stride, rounded up"));
    }
    let params = part.field("params")?;
    let weight_shape = [out_channels, in_channels / groups, kernel[0], kernel[1]];
    Ok(Conv {
        in_channels,
        out_channels,
        kernel,
        stride,
        groups,
        in_size,
        out_size,
        weight: params.field("weight")?.i8s(&weight_shape)?,
        bias: params.field("bias")?.i32s(&[out_channels])?,
        weight_scales: params.field("w_scales")?.f32s(&[out_channels])?,
        input: quantization(&params, "x")?,
        output: quantization(&params, "y")?,
    })
}
