//! A quantized network computed in floats: every byte is a number that is neither rounded nor clamped, but where its clamp is an activation.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use std::collections::HashMap;

use ounce_graph::ops::{Binary, BinaryKind, Clip, Conv2d, Op, Pool2d, PoolKind, Reduce, ReduceKind};
use ounce_graph::{DType, Graph, Source, Tensor, TensorType, ValueId};
use ounce_import::tflite::kernels::{FixedAdd, FixedAveragePool, FixedMean};

/// The twin under construction.
struct Twin<'a> {
    old: &'a Graph,
    new: Graph,
    map: HashMap<ValueId, ValueId>,
}

fn real(tensor: &Tensor) -> Tensor {
    let numbers: Vec<f32> = match (tensor.as_i8(), tensor.as_i32(), tensor.as_f32()) {
        (Some(data), ..) => data.iter().map(|x| f32::from(*x)).collect(),
        (_, Some(data), _) => data.iter().map(|x| *x as f32).collect(),
        (.., Some(data)) => data.to_vec(),
        _ => panic!("numbers"),
    };
    Tensor::f32(tensor.shape(), numbers).unwrap()
}

impl Twin<'_> {
    fn get(&mut self, id: ValueId) -> ValueId {
        if let Some(new) = self.map.get(&id) {
            return *new;
        }
        let value = self.old.value(id);
        let new = match &value.source {
            Source::Input if value.ty.dtype == DType::I8 => {
                self.new.input(&value.name, TensorType::f32(&value.ty.shape)).unwrap()
            }
            Source::Input => self.new.input(&value.name, value.ty.clone()).unwrap(),
            Source::Parameter(data) => self.new.parameter(&value.name, real(data)).unwrap(),
            Source::Constant(data) => self.new.constant(real(data)),
            Source::Node { .. } => panic!("{} comes too late", value.name),
        };
        self.map.insert(id, new);
        new
    }

    fn with(&mut self, kind: BinaryKind, x: ValueId, number: f32) -> ValueId {
        let number = self.new.scalar(number);
        self.new.apply(Binary { kind }, &[x, number]).unwrap()
    }

    /// `(x - zero) factor`.
    fn shifted(&mut self, x: ValueId, zero: i32, factor: f32) -> ValueId {
        let x = self.with(BinaryKind::Sub, x, zero as f32);
        self.with(BinaryKind::Mul, x, factor)
    }

    fn bounded(&mut self, x: ValueId, zero: i32, low: i8, high: i8) -> ValueId {
        let x = self.with(BinaryKind::Add, x, zero as f32);
        self.new.apply(Clip { low: low.into(), high: high.into() }, &[x]).unwrap()
    }

    fn sum(&mut self, inputs: &[ValueId], zeros: [i32; 2], factors: [f32; 2]) -> ValueId {
        let [a, b] = [0, 1].map(|i| {
            let x = self.get(inputs[i]);
            self.shifted(x, zeros[i], factors[i])
        });
        self.new.apply(Binary { kind: BinaryKind::Add }, &[a, b]).unwrap()
    }

    fn mean(&mut self, x: ValueId, axes: Vec<usize>, keep_dims: bool) -> ValueId {
        self.new.apply(Reduce { kind: ReduceKind::Mean, axes, keep_dims }, &[x]).unwrap()
    }

    fn node(&mut self, node: &ounce_graph::Node) -> ValueId {
        let x = self.get(node.inputs[0]);
        match &node.op {
            Op::QuantizedConv2d(op) => {
                let x = self.with(BinaryKind::Sub, x, op.x_zero as f32);
                let (w, b) = (self.get(node.inputs[1]), self.get(node.inputs[2]));
                let conv = Conv2d { window: op.window, groups: op.groups, activation: None };
                let sum = self.new.apply(conv, &[x, w, b]).unwrap();
                let factors = op.requantize.factors();
                let factors = Tensor::f32(&[1, factors.len(), 1, 1], factors).unwrap();
                let factors = self.new.constant(factors);
                let y = self.new.apply(Binary { kind: BinaryKind::Mul }, &[sum, factors]).unwrap();
                self.bounded(y, op.y_zero, op.low, op.high)
            }
            Op::QuantizedDense(op) => {
                let x = self.with(BinaryKind::Sub, x, op.x_zero as f32);
                let (w, b) = (self.get(node.inputs[1]), self.get(node.inputs[2]));
                let conv = Conv2d { window: Default::default(), groups: 1, activation: None };
                let sum = self.new.apply(conv, &[x, w, b]).unwrap();
                let factors = Tensor::f32(&[1, op.scale.len(), 1, 1], op.scale.clone()).unwrap();
                let factors = self.new.constant(factors);
                self.new.apply(Binary { kind: BinaryKind::Mul }, &[sum, factors]).unwrap()
            }
            Op::QuantizedAdd(op) => {
                let y = self.sum(&node.inputs, op.zeros, op.scales.map(|scale| scale / op.y_scale));
                self.bounded(y, op.y_zero, -128, 127)
            }
            Op::QuantizedGlobalAvgPool(_) => self.mean(x, vec![2, 3], true),
            Op::QuantizedPool2d(op) => {
                let pool = Pool2d { kind: op.kind, kernel: op.kernel, window: op.window };
                self.new.apply(pool, &[x]).unwrap()
            }
            Op::Custom(op) => {
                if let Some(op) = op.downcast_ref::<FixedAdd>() {
                    let factor =
                        |i: usize| (op.scales[i].factor() * f64::from(1 << 20) * op.y_scale.factor()) as f32;
                    let y = self.sum(&node.inputs, op.zeros, [factor(0), factor(1)]);
                    self.bounded(y, op.y_zero, op.bounds.low, op.bounds.high)
                } else if let Some(op) = op.downcast_ref::<FixedAveragePool>() {
                    let kind = PoolKind::AverageInside;
                    self.new.apply(Pool2d { kind, kernel: op.kernel, window: op.window }, &[x]).unwrap()
                } else if let Some(op) = op.downcast_ref::<FixedMean>() {
                    let rank = self.old.shape(node.inputs[0]).len();
                    let extents = &self.old.shape(node.inputs[0])[rank - op.axes..];
                    let count = extents.iter().product::<usize>() as f64;
                    let mean = self.mean(x, (rank - op.axes..rank).collect(), false);
                    let y = self.shifted(mean, op.x_zero, (op.scale.factor() * count) as f32);
                    self.with(BinaryKind::Add, y, op.y_zero as f32)
                } else {
                    panic!("{} has no twin", node.name)
                }
            }
            // What moves elements, and the loss.
            op => {
                let inputs: Vec<ValueId> = node.inputs.iter().map(|id| self.get(*id)).collect();
                self.new.apply(op.clone(), &inputs).unwrap()
            }
        }
    }
}

/// The graph in floats, with inputs and parameters of the same names, and the value that stands for one of the given graph.
pub(crate) fn float_twin(graph: &Graph, value: ValueId) -> (Graph, ValueId) {
    let mut twin = Twin { old: graph, new: Graph::new(), map: HashMap::new() };
    for node in graph.nodes() {
        let y = twin.node(node);
        twin.map.insert(node.outputs[0], y);
    }
    let value = twin.get(value);
    (twin.new, value)
}
