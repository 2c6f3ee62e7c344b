//! Updates of parameters in place.

use ounce_graph::ops::{Conv2dWeightGradient, Op, QuantizedSgd, Requantize, Rounding};
use ounce_graph::{DType, Node, TensorType, ValueId};

use super::conv::{Kind, extents};
use super::{EmitError, Lowering};
use crate::emit::interface::Argument;
use crate::emit::program::{Access, float, identifier, list};

/// Bytes of gradients of weights that are there at a time.
const ROWS_BYTES: usize = 2048;

/// The factors of an update.
enum Scaling {
    /// A table.
    Table(String),
    /// From the table of scales that the convolution's sums are requantized by.
    Computed { scale: String, factor: f32 },
}

/// By how much, relative, factors may differ that are computed.
const SCALING_ERROR: f64 = 1e-6;

/// Where the rows of a weight's gradient come from.
struct Rows {
    call: String,
    taps: usize,
    /// Input channels of the weight, and how many of them are trained.
    channels: [usize; 2],
    /// Rows that are trained.
    rows: usize,
}

impl Lowering<'_, '_> {
    pub(super) fn sgd(&mut self, node: &Node, op: &QuantizedSgd) -> Result<(), EmitError> {
        let parameter = node.inputs[0];
        if !self.graph.updates().contains(&(parameter, node.outputs[0])) {
            return Err(self.refuse("it must be the update of the parameter that it reads"));
        }
        let weights = self.graph.ty(parameter).dtype == DType::I8;
        let mode = self.mode(op.rounding, weights)?;
        self.shared.features.insert(mode);
        let rate = self.number(node.inputs[2])?;
        let (seed, step) = match op.rounding {
            Rounding::Stochastic { seed } => {
                // Every tensor has a key of its own.
                let key = (seed as u32).wrapping_add((parameter.index() as u32).wrapping_mul(0x9E37_79B9));
                (key, format!("(uint32_t){}", self.number(node.inputs[3])?))
            }
            _ => (0, "0U".to_owned()),
        };
        let block = self.graph.shape(node.inputs[1]).to_vec();
        let outputs = block[0];
        let factors: Vec<f32> =
            (0..outputs).map(|c| op.factor[if op.factor.len() == 1 { 0 } else { c }]).collect();
        // The channels of a depthwise kernel are its outputs.
        let of_outputs = op.channels.as_ref().is_some_and(|chosen| chosen.axis == 0);
        let scaling = if of_outputs {
            Scaling::Table(self.floats("qas", &factors))
        } else {
            self.scaling(parameter, &factors)
        };
        let name = self.parameter(parameter)?;
        let residual = match op.rounding {
            Rounding::ErrorFeedback => self.residual(node.inputs[3])?,
            _ => "NULL".to_owned(),
        };
        let mut call = self.call("");
        let mut text =
            format!("{{\n        const ounce_update update = {{OUNCE_{mode}, {rate}, {seed}U, {step}}};\n");
        // The factors, if they are computed, lie at the beginning of the scratch, gradients of rows behind them.
        let mut bytes = 0;
        let mut gw = "$s$".to_owned();
        let qas = match scaling {
            Scaling::Table(name) => name,
            Scaling::Computed { scale, factor } => {
                bytes = 4 * outputs;
                gw = format!("&qas[{outputs}]");
                text += &format!(
                    "        float *const qas = $s$;\n        ounce_scaling({outputs}, {scale}, {}, qas);\n",
                    float(factor)
                );
                "qas".to_owned()
            }
        };
        call.statement().scratch = bytes;
        if weights {
            let rows = self.weight_rows(node, &mut call, &gw)?;
            let row_bytes = 4 * rows.taps * rows.channels[1];
            let at_once = (ROWS_BYTES / row_bytes.max(1)).clamp(1, rows.rows.max(1));
            let selection = match &op.channels {
                Some(chosen) => self.selection(&chosen.channels)?,
                None => {
                    self.structure("ounce_selection", "selection", &format!("{}, NULL", rows.channels[1]))
                }
            };
            call.statement().scratch = bytes + at_once * row_bytes;
            let taps = rows.taps;
            let update = if of_outputs {
                format!("ounce_update_channels(&update, {taps}, &{selection}")
            } else {
                format!("ounce_update_weights(&update, {taps}, {}, &{selection}", rows.channels[0])
            };
            text += &format!(
                "        for (int32_t first = 0; first < {total}; first += {at_once}) {{\n            \
                 const int32_t rows = ({total} - first < {at_once}) ? ({total} - first) : {at_once};\n            \
                 {gradient}\n            \
                 {update}, first, rows, {gw}, {qas}, {name}, {residual});\n        }}\n    }}",
                total = rows.rows,
                gradient = rows.call,
            );
        } else {
            let g = self.computed(node.inputs[1])?;
            let g = call.operand(g, Access::Read);
            text += &format!(
                "        ounce_update_bias(&update, {outputs}, {g}, {qas}, {name}, {residual});\n    }}"
            );
        }
        call.statement().text = text;
        self.push(call);
        self.renewed.insert(parameter);
        Ok(())
    }

    /// Quantization-aware scaling is `(requantization scale * k)^-2` with one k for all channels, since that scale is in flash anyway; any other factors are a table.
    fn scaling(&mut self, parameter: ValueId, factors: &[f32]) -> Scaling {
        let scales =
            self.readers[parameter.index()].iter().find_map(|at| match &self.graph.nodes()[*at].op {
                Op::QuantizedConv2d(op) => match &op.requantize {
                    Requantize::Float(scales) | Requantize::FloatTruncated(scales) => Some(scales.clone()),
                    Requantize::Fixed(_) => None,
                },
                Op::QuantizedDense(op) => Some(op.scale.clone()),
                _ => None,
            });
        if let Some(scales) = scales.filter(|scales| scales.len() >= factors.len() && !factors.is_empty()) {
            let factor = (1.0 / f64::from(factors[0]).sqrt() / f64::from(scales[0])) as f32;
            let near = factors.iter().zip(&scales).all(|(wanted, scale)| {
                let step = scale * factor;
                let found = f64::from(1.0 / (step * step));
                (found / f64::from(*wanted) - 1.0).abs() < SCALING_ERROR
            });
            if near {
                return Scaling::Computed { scale: self.floats("scale", &scales), factor };
            }
        }
        Scaling::Table(self.floats("qas", factors))
    }

    fn mode(&self, rounding: Rounding, weights: bool) -> Result<&'static str, EmitError> {
        match rounding {
            Rounding::Truncate if weights => Ok("UPDATE_TRUNCATE"),
            Rounding::TruncateStep if !weights => Ok("UPDATE_TRUNCATE"),
            Rounding::Nearest => Ok("UPDATE_NEAREST"),
            Rounding::Stochastic { .. } => Ok("UPDATE_STOCHASTIC"),
            Rounding::ErrorFeedback => Ok("UPDATE_ERROR_FEEDBACK"),
            Rounding::Truncate | Rounding::TruncateStep => {
                Err(self.refuse("weights are truncated (Truncate), steps of biases (TruncateStep); the other way round has no kernel"))
            }
        }
    }

    /// What rounding took away, a byte an element; at first nothing.
    fn residual(&mut self, id: ValueId) -> Result<String, EmitError> {
        let value = self.graph.value(id);
        let name = format!("{}_{}", self.shared.prefix, identifier(&value.name));
        if self.shared.states.iter().all(|state| state.label != value.name) {
            let count = value.ty.elements();
            self.shared.tables.state(&name, "int8_t", count, &list(std::iter::repeat_n(0, count)));
            let (label, ty) = (value.name.clone(), TensorType::new(DType::I8, &[count]));
            let state = Argument { label, name: name.clone(), ty, channels_last: false, by_value: false };
            self.shared.states.push(state);
        }
        self.renewed.insert(id);
        Ok(name)
    }

    /// The gradient that an update takes, computed row by row.
    fn weight_rows(&mut self, node: &Node, call: &mut super::Call, gw: &str) -> Result<Rows, EmitError> {
        let refused = "the gradient of a weight must be that of a convolution, and go to one update alone";
        let mut at = self.graph.producer(node.inputs[1]).map(|(at, _)| at);
        if let Some(crop) = at
            && let Op::Crop(op) = &self.graph.nodes()[crop].op
        {
            let leading = op.starts.iter().all(|start| *start == 0) && op.steps.iter().all(|step| *step == 1);
            at = if leading {
                self.graph.producer(self.graph.nodes()[crop].inputs[0]).map(|(at, _)| at)
            } else {
                None
            };
        }
        let found = at.filter(|at| self.fused.contains(at)).map(|at| &self.graph.nodes()[at]);
        let Some((gradient, Op::Conv2dWeightGradient(op))) = found.map(|node| (node, &node.op)) else {
            return Err(self.refuse(refused));
        };
        let Conv2dWeightGradient { window, groups, kernel, x_zero } = op;
        let block = self.graph.shape(node.inputs[1]).to_vec();
        let full = self.graph.shape(node.inputs[0]).to_vec();
        if block[2..] != kernel[..] {
            return Err(self.refuse("a kernel is updated for whole channels"));
        }
        let (x, g) = (gradient.inputs[0], gradient.inputs[1]);
        let image = self.graph.shape(x);
        let w = [self.graph.shape(g)[1], image[1] / groups.max(&1), kernel[0], kernel[1]];
        let (shape, kind) = self.conv_shape(image, &w, *groups, *window)?;
        if kind == Kind::Grouped {
            return Err(self.refuse(super::backward::GROUPED));
        }
        // A depthwise kernel cut to one channel looks like one with a single group.
        let depthwise = kind == Kind::Depthwise || (full[1] == 1 && full[0] > 1 && *groups == shape.channels);
        let (x, g) = (self.image(x)?, self.image(g)?);
        let (x, g) = (call.operand(x, Access::Read), call.operand(g, Access::Read));
        let (rows, taps) = (block[0], kernel[0] * kernel[1]);
        if depthwise {
            let selection = self.structure("ounce_selection", "selection", &format!("{rows}, NULL"));
            let conv = self.structure("ounce_conv", "conv", &extents(&shape));
            let call = format!(
                "ounce_depthwise_weight_gradient(&{conv}, {x}, {x_zero}, {g}, &{selection}, first, rows, {gw});"
            );
            return Ok(Rows { call, taps, channels: [1, 1], rows });
        }
        let selection = self.structure("ounce_selection", "selection", &format!("{}, NULL", block[1]));
        let call = if kind == Kind::Pointwise {
            format!(
                "ounce_pointwise_weight_gradient({}, {}, {}, {x}, {x_zero}, {g}, &{selection}, first, rows, {gw});",
                shape.places_len(),
                shape.channels,
                shape.outputs
            )
        } else {
            let conv = self.structure("ounce_conv", "conv", &extents(&shape));
            format!(
                "ounce_conv_weight_gradient(&{conv}, {x}, {x_zero}, {g}, &{selection}, first, rows, {gw});"
            )
        };
        Ok(Rows { call, taps, channels: [full[1], block[1]], rows })
    }

    /// Every update must have been made.
    pub(super) fn check_updates(&self) -> Result<(), EmitError> {
        match self.graph.updates().iter().find(|(parameter, _)| !self.renewed.contains(parameter)) {
            None => Ok(()),
            Some((parameter, _)) => {
                let reason =
                    "its update has no kernel: bytes and their biases are updated by quantized descent";
                Err(self.value_error(*parameter, reason))
            }
        }
    }
}
