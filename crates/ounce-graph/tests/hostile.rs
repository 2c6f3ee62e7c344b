//! Operators with attributes and shapes as a broken file may give them: an error or a result, never a panic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use ounce_graph::ops::*;
use ounce_graph::plan::plan;
use ounce_graph::{
    DType, Executor, Graph, PlanOptions, Tensor, TensorType, ValueId, differentiate, evaluate, passes,
};
use ounce_kernels::ThreadPool;
use proptest::prelude::*;

/// Mostly small, sometimes zero or absurd.
fn extent() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 1usize..5, 1 => Just(0), 1 => Just(usize::MAX), 1 => Just(1 << 40), 1 => 5usize..40]
}

/// As [`extent`], not absurd.
fn small() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 1usize..5, 1 => Just(0), 1 => 5usize..12]
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![2 => prop::collection::vec(small(), 0..6), 3 => prop::collection::vec(small(), 4..=4)]
}

fn window() -> impl Strategy<Value = Window> {
    let pair = || (extent(), extent()).prop_map(|(a, b)| [a, b]);
    let near = || (0usize..3, 0usize..3).prop_map(|(a, b)| [a, b]);
    let padding = || prop_oneof![4 => near(), 1 => pair()];
    (pair(), padding(), padding(), pair()).prop_map(|(stride, before, after, dilation)| Window {
        stride,
        before,
        after,
        dilation,
    })
}

fn pair() -> impl Strategy<Value = [usize; 2]> {
    (extent(), extent()).prop_map(|(a, b)| [a, b])
}

/// An operator and which inputs (f32, i8, i32) it gets.
fn operator() -> impl Strategy<Value = (Op, Vec<u8>)> {
    let list = || prop::collection::vec(extent(), 0..6);
    let numbers = |op: Op| (op, vec![0]);
    prop_oneof![
        3 => (window(), extent(), any::<bool>()).prop_map(|(w, g, bytes)| (Conv2d::new(w).grouped(g).into(), vec![0, if bytes { 1 } else { 3 }])),
        2 => (window(), extent(), pair()).prop_map(|(window, groups, output)| (ConvTranspose2d { window, groups, output }.into(), vec![0, 3])),
        2 => (window(), extent(), pair(), any::<i32>()).prop_map(|(window, groups, kernel, x_zero)| {
            (Conv2dWeightGradient { window, groups, kernel, x_zero }.into(), vec![1, 3])
        }),
        2 => (window(), extent(), any::<i32>(), any::<f32>(), any::<i8>(), any::<i8>(), any::<bool>()).prop_map(
            |(window, groups, zero, factor, low, high, save_mask)| {
                let requantize = Requantize::Float(vec![factor]);
                let op = QuantizedConv2d { window, groups, x_zero: zero % 200, y_zero: zero % 100, requantize, low, high, save_mask };
                (op.into(), vec![1, 4, 2])
            },
        ),
        2 => (window(), pair(), 0usize..3).prop_map(move |(window, kernel, kind)| {
            let kind = [PoolKind::Max, PoolKind::Average, PoolKind::AverageInside][kind];
            numbers(Pool2d { kind, kernel, window }.into())
        }),
        1 => (pair(), prop::option::of((any::<f32>(), any::<f32>()))).prop_map(move |(output, scale)| {
            let scale = scale.map(|(a, b)| [a, b]);
            numbers(Resize { mode: ResizeMode::Bilinear, coordinates: Coordinates::HalfPixel, output, scale }.into())
        }),
        1 => (list(), list(), list()).prop_map(move |(starts, sizes, steps)| numbers(Crop { starts, sizes, steps }.into())),
        1 => (list(), list(), list()).prop_map(move |(before, after, between)| {
            numbers(Pad { before, after, between, value: 1.0 }.into())
        }),
        1 => (list(), any::<bool>(), 0usize..3).prop_map(move |(axes, keep_dims, kind)| {
            let kind = [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max][kind];
            numbers(Reduce { kind, axes, keep_dims }.into())
        }),
        1 => list().prop_map(move |axes| numbers(Transpose { axes }.into())),
        1 => list().prop_map(move |shape| numbers(Reshape { shape }.into())),
        1 => list().prop_map(move |shape| numbers(Expand { shape }.into())),
        1 => extent().prop_map(|axis| (Concat { axis }.into(), vec![0, 3, 0])),
        1 => extent().prop_map(|axis| (Gather { axis }.into(), vec![0, 2])),
        1 => (extent(), extent()).prop_map(|(axis, extent)| (ScatterAdd { axis, extent }.into(), vec![0, 2])),
        1 => (extent(), any::<bool>()).prop_map(move |(axis, log)| numbers(Softmax { axis, log }.into())),
        1 => (extent(), any::<f32>()).prop_map(move |(axes, eps)| numbers(Normalize { axes, eps }.into())),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(transpose_a, transpose_b)| (MatMul { transpose_a, transpose_b }.into(), vec![0, 3])),
        1 => Just((BinaryKind::Mul.into(), vec![0, 3])),
        1 => Just((CrossEntropy.into(), vec![0, 2])),
        1 => Just((QuantizedGlobalAvgPool.into(), vec![1])),
        1 => (any::<f32>(), any::<i32>(), extent()).prop_map(|(scale, zero_point, axis)| {
            (Quantize { scaling: Scaling { scale: vec![scale, 1.0], axis, zero_point }, to: DType::I8 }.into(), vec![0])
        }),
        1 => (any::<f32>(), any::<u64>()).prop_map(|(factor, seed)| {
            (QuantizedSgd { factor: vec![factor], rounding: Rounding::Stochastic { seed }, channels: None }.into(), vec![1, 3, 5, 6])
        }),
    ]
}

fn numbers(ty: TensorType) -> Tensor {
    let n = ty.elements();
    let value = |i: usize| (i * 37 % 19) as i32 - 9;
    match ty.dtype {
        DType::F32 => Tensor::f32(&ty.shape, (0..n).map(|i| value(i) as f32 * 0.3).collect()),
        DType::I8 => Tensor::i8(&ty.shape, (0..n).map(|i| value(i) as i8).collect()),
        _ => Tensor::i32(&ty.shape, (0..n).map(value).collect()),
    }
    .unwrap()
}

/// Builds the graph of one operator; `None` where it is refused.
fn build(op: Op, kinds: &[u8], shapes: [&[usize]; 3]) -> Option<(Graph, Vec<ValueId>)> {
    let mut graph = Graph::new();
    let mut inputs = Vec::new();
    for (i, kind) in kinds.iter().enumerate() {
        let ty = match kind {
            0 => TensorType::f32(shapes[0]),
            1 => TensorType::new(DType::I8, shapes[0]),
            2 => TensorType::new(DType::I32, shapes[2]),
            3 => TensorType::f32(shapes[1]),
            4 => TensorType::new(DType::I8, shapes[1]),
            5 => TensorType::f32(&[]),
            _ => TensorType::new(DType::I32, &[]),
        };
        inputs.push(graph.parameter(&format!("p{i}"), numbers(ty)).unwrap());
    }
    let out = graph.apply_all(op, &inputs).ok()?;
    if out.iter().any(|id| graph.ty(*id).elements() > 20_000) {
        return None;
    }
    for (i, id) in out.iter().enumerate() {
        graph.output(&format!("{i}"), *id).unwrap();
    }
    Some((graph, inputs))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20000) })]

    #[test]
    fn operators_never_panic((op, kinds) in operator(), a in shape(), b in shape(), c in prop::collection::vec(small(), 0..3)) {
        let Some((mut graph, inputs)) = build(op, &kinds, [&a, &b, &c]) else { return Ok(()) };
        let expected = evaluate(&graph, &[]).unwrap().outputs;
        let optimized = passes::optimize(&graph).unwrap();
        let plan = plan(&optimized, &PlanOptions { iterations: 10, ..PlanOptions::default() }).unwrap();
        let mut executor = Executor::new(&optimized, &plan).unwrap();
        executor.run(&mut ThreadPool::new(1));
        for (name, expected) in &expected {
            let found = executor.output(name).unwrap();
            prop_assert_eq!(found.ty(), expected.ty());
        }
        graph.node_cost(&graph.nodes()[0]);
        let out = graph.outputs()[0].1;
        if graph.ty(out).dtype == DType::F32 {
            let loss = graph.sum_all(out).unwrap();
            for input in inputs {
                if let Ok(result) = differentiate(&graph, loss, &[input]) {
                    prop_assert_eq!(result.graph.shape(result.gradients[0]), graph.shape(input));
                    evaluate(&result.graph, &[]).unwrap();
                }
            }
        }
    }
}
