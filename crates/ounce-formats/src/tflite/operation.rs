//! Operators with their options.

use super::error::{Broken, Fault, Parsed};
use super::flatbuffer::{Table, Vector};
use super::names::NAMES;

/// How far a window may reach beyond the edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// As many zeros as make the output the input's size divided by the stride, rounded up; the odd one at the end.
    Same,
    /// Not at all.
    Valid,
}

/// Function of the output that is part of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the schema")]
pub enum Activation {
    None,
    Relu,
    ReluN1To1,
    Relu6,
    Tanh,
    SignBit,
}

/// A window of fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// What happens at the edges.
    pub padding: Padding,
    /// Steps along height and width.
    pub strides: [usize; 2],
    /// Height and width of the window.
    pub window: [usize; 2],
    /// Function of the output.
    pub activation: Activation,
}

/// What an operator does. Names and options are those of the schema; pairs are height, width.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "names and options are those of the schema")]
#[non_exhaustive]
pub enum Operation<'a> {
    Conv2d {
        padding: Padding,
        strides: [usize; 2],
        dilations: [usize; 2],
        activation: Activation,
    },
    /// The number of output channels per input channel is by the shapes; the field of the options need not be right.
    DepthwiseConv2d {
        padding: Padding,
        strides: [usize; 2],
        dilations: [usize; 2],
        activation: Activation,
    },
    TransposeConv {
        padding: Padding,
        strides: [usize; 2],
        activation: Activation,
    },
    FullyConnected {
        activation: Activation,
        keep_num_dims: bool,
    },
    Add {
        activation: Activation,
    },
    Sub {
        activation: Activation,
    },
    Mul {
        activation: Activation,
    },
    Div {
        activation: Activation,
    },
    Maximum,
    Minimum,
    AveragePool2d(Pool2d),
    MaxPool2d(Pool2d),
    Mean {
        keep_dims: bool,
    },
    Sum {
        keep_dims: bool,
    },
    ReduceMax {
        keep_dims: bool,
    },
    /// The shape is that of the second input where there is one.
    Reshape {
        shape: Option<Vector<'a, i32>>,
    },
    Softmax {
        beta: f32,
    },
    Logistic,
    Tanh,
    Relu,
    Relu6,
    ReluN1To1,
    HardSwish,
    LeakyRelu {
        alpha: f32,
    },
    Prelu,
    Pad,
    PadV2,
    Concatenation {
        axis: i32,
        activation: Activation,
    },
    Transpose,
    Squeeze {
        dims: Vector<'a, i32>,
    },
    StridedSlice {
        begin_mask: i32,
        end_mask: i32,
        ellipsis_mask: i32,
        new_axis_mask: i32,
        shrink_axis_mask: i32,
    },
    ResizeBilinear {
        align_corners: bool,
        half_pixel_centers: bool,
    },
    ResizeNearestNeighbor {
        align_corners: bool,
        half_pixel_centers: bool,
    },
    Quantize,
    Dequantize,
    Pack {
        count: i32,
        axis: i32,
    },
    Unpack {
        count: i32,
        axis: i32,
    },
    Split {
        count: i32,
    },
    /// An operator that this crate knows by name only, or a custom one.
    Other {
        name: &'a str,
    },
}

/// An operator of the model's list, before options are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorCode<'a> {
    /// Number of the built-in operator; 32 for custom ones.
    pub builtin: i32,
    /// Name of a custom operator, else "".
    pub custom: &'a str,
    /// Version of the operator.
    pub version: i32,
}

const CUSTOM: i32 = 32;

impl<'a> OperatorCode<'a> {
    /// Its name in the schema, or that of the custom operator.
    pub fn name(&self) -> &'a str {
        if self.builtin == CUSTOM && !self.custom.is_empty() {
            return self.custom;
        }
        usize::try_from(self.builtin)
            .ok()
            .and_then(|at| NAMES.get(at).copied())
            .unwrap_or("an unknown operator")
    }
}

/// The options of an operator, or nothing, which means defaults.
struct Options<'f, 'a> {
    table: Option<Table<'f, 'a>>,
    /// Where the operator stands.
    at: usize,
}

/// Reads the options of an operator, whose table is `operator`.
pub(super) fn read<'a>(code: &OperatorCode<'a>, operator: &Table<'_, 'a>) -> Parsed<Operation<'a>> {
    use Operation as O;
    let at = operator.at;
    let found = operator.u8(3)?;
    let table = operator.table(4)?;
    // Options of this kind of the union `BuiltinOptions`, or none.
    let of = |expected: u8| match found {
        0 => Ok(Options { table: None, at }),
        _ if found == expected => Ok(Options { table, at }),
        _ => Err(Broken::new(at, Fault::Options { found, expected })),
    };
    if code.builtin == CUSTOM {
        return Ok(O::Other { name: code.name() });
    }
    Ok(match code.name() {
        "CONV_2D" => {
            let options = of(1)?;
            O::Conv2d {
                padding: options.padding(0)?,
                strides: options.pair(2, 1, "stride", 0)?,
                dilations: options.pair(5, 4, "dilation", 1)?,
                activation: options.activation(3)?,
            }
        }
        "DEPTHWISE_CONV_2D" => {
            let options = of(2)?;
            O::DepthwiseConv2d {
                padding: options.padding(0)?,
                strides: options.pair(2, 1, "stride", 0)?,
                dilations: options.pair(6, 5, "dilation", 1)?,
                activation: options.activation(4)?,
            }
        }
        "TRANSPOSE_CONV" => {
            let options = of(49)?;
            let strides = options.pair(2, 1, "stride", 0)?;
            O::TransposeConv { padding: options.padding(0)?, strides, activation: options.activation(3)? }
        }
        "FULLY_CONNECTED" => {
            let options = of(8)?;
            if options.i8(1)? != 0 {
                return Err(Broken::new(at, Fault::Unsupported("shuffled weights")));
            }
            O::FullyConnected { activation: options.activation(0)?, keep_num_dims: options.bool(2)? }
        }
        "ADD" => O::Add { activation: of(11)?.activation(0)? },
        "SUB" => O::Sub { activation: of(28)?.activation(0)? },
        "MUL" => O::Mul { activation: of(21)?.activation(0)? },
        "DIV" => O::Div { activation: of(29)?.activation(0)? },
        "MAXIMUM" => O::Maximum,
        "MINIMUM" => O::Minimum,
        "AVERAGE_POOL_2D" => O::AveragePool2d(of(5)?.pool()?),
        "MAX_POOL_2D" => O::MaxPool2d(of(5)?.pool()?),
        "MEAN" => O::Mean { keep_dims: of(27)?.bool(0)? },
        "SUM" => O::Sum { keep_dims: of(27)?.bool(0)? },
        "REDUCE_MAX" => O::ReduceMax { keep_dims: of(27)?.bool(0)? },
        "RESHAPE" => O::Reshape { shape: of(17)?.vector(0)? },
        "SOFTMAX" => O::Softmax { beta: of(9)?.f32(0)? },
        "LOGISTIC" => O::Logistic,
        "TANH" => O::Tanh,
        "RELU" => O::Relu,
        "RELU6" => O::Relu6,
        "RELU_N1_TO_1" => O::ReluN1To1,
        "HARD_SWISH" => O::HardSwish,
        "LEAKY_RELU" => O::LeakyRelu { alpha: of(75)?.f32(0)? },
        "PRELU" => O::Prelu,
        "PAD" => O::Pad,
        "PADV2" => O::PadV2,
        "CONCATENATION" => {
            let options = of(10)?;
            O::Concatenation { axis: options.i32(0)?, activation: options.activation(1)? }
        }
        "TRANSPOSE" => O::Transpose,
        "SQUEEZE" => O::Squeeze { dims: of(30)?.vector(0)?.unwrap_or_default() },
        "STRIDED_SLICE" => {
            let options = of(32)?;
            if options.bool(5)? {
                return Err(Broken::new(
                    at,
                    Fault::Unsupported("slices whose end is an offset from their begin"),
                ));
            }
            O::StridedSlice {
                begin_mask: options.i32(0)?,
                end_mask: options.i32(1)?,
                ellipsis_mask: options.i32(2)?,
                new_axis_mask: options.i32(3)?,
                shrink_axis_mask: options.i32(4)?,
            }
        }
        "RESIZE_BILINEAR" => {
            let options = of(15)?;
            O::ResizeBilinear { align_corners: options.bool(2)?, half_pixel_centers: options.bool(3)? }
        }
        "RESIZE_NEAREST_NEIGHBOR" => {
            let options = of(74)?;
            O::ResizeNearestNeighbor { align_corners: options.bool(0)?, half_pixel_centers: options.bool(1)? }
        }
        "QUANTIZE" => O::Quantize,
        "DEQUANTIZE" => O::Dequantize,
        "PACK" => {
            let options = of(59)?;
            O::Pack { count: options.i32(0)?, axis: options.i32(1)? }
        }
        "UNPACK" => {
            let options = of(64)?;
            O::Unpack { count: options.i32(0)?, axis: options.i32(1)? }
        }
        "SPLIT" => O::Split { count: of(35)?.i32(0)? },
        name => O::Other { name },
    })
}

impl<'f, 'a> Options<'f, 'a> {
    /// A field of the table; the default of its type where there is no table.
    fn get<T: Default>(
        &self,
        read: impl FnOnce(&Table<'f, 'a>) -> Result<T, super::flatbuffer::Fell>,
    ) -> Parsed<T> {
        Ok(self.table.as_ref().map(read).transpose()?.unwrap_or_default())
    }

    fn i8(&self, slot: usize) -> Parsed<i8> {
        self.get(|table| table.i8(slot))
    }

    fn bool(&self, slot: usize) -> Parsed<bool> {
        self.get(|table| table.bool(slot))
    }

    fn i32(&self, slot: usize) -> Parsed<i32> {
        self.get(|table| table.i32(slot, 0))
    }

    fn f32(&self, slot: usize) -> Parsed<f32> {
        self.get(|table| table.f32(slot))
    }

    fn vector(&self, slot: usize) -> Parsed<Option<Vector<'a, i32>>> {
        self.get(|table| table.vector(slot))
    }

    fn padding(&self, slot: usize) -> Parsed<Padding> {
        match self.i8(slot)? {
            0 => Ok(Padding::Same),
            1 => Ok(Padding::Valid),
            found => Err(self.choice("padding", found)),
        }
    }

    fn activation(&self, slot: usize) -> Parsed<Activation> {
        Ok(match self.i8(slot)? {
            0 => Activation::None,
            1 => Activation::Relu,
            2 => Activation::ReluN1To1,
            3 => Activation::Relu6,
            4 => Activation::Tanh,
            5 => Activation::SignBit,
            found => return Err(self.choice("fused_activation_function", found)),
        })
    }

    fn choice(&self, field: &'static str, found: i8) -> Broken {
        Broken::new(self.at, Fault::Choice { field, found: found.into() })
    }

    /// Two numbers above 0: height, width.
    fn pair(&self, height: usize, width: usize, field: &'static str, default: i32) -> Parsed<[usize; 2]> {
        let one = |slot| {
            let found = self.table.as_ref().map_or(Ok(default), |table| table.i32(slot, default))?;
            match usize::try_from(found) {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(Broken::new(self.at, Fault::Positive { field, found })),
            }
        };
        Ok([one(height)?, one(width)?])
    }

    fn pool(&self) -> Parsed<Pool2d> {
        Ok(Pool2d {
            padding: self.padding(0)?,
            strides: self.pair(2, 1, "stride", 0)?,
            window: self.pair(4, 3, "filter", 0)?,
            activation: self.activation(5)?,
        })
    }
}
