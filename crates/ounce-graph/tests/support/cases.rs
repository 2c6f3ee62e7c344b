//! One graph for every case of `conformance/graph/make_golden.py`.

use ounce_graph::ops::*;
use ounce_graph::{Graph, GraphError, Tensor, TensorType, ValueId};

/// Builds the output of a case from its inputs.
pub(crate) type Build = fn(&mut Graph, &dyn Fn(&str) -> ValueId) -> Result<ValueId, GraphError>;

type In<'a> = &'a dyn Fn(&str) -> ValueId;

fn window(stride: [usize; 2], before: [usize; 2], after: [usize; 2], dilation: [usize; 2]) -> Window {
    Window { stride, before, after, dilation }
}

fn resize(
    g: &mut Graph,
    i: In<'_>,
    mode: ResizeMode,
    coordinates: Coordinates,
    output: [usize; 2],
) -> Result<ValueId, GraphError> {
    g.apply(Resize { mode, coordinates, output, scale: None }, &[i("x")])
}

macro_rules! unary_cases {
    ($($name:literal $kind:ident),* $(,)?) => {
        [$((concat!("unary_", $name), (|g, i| g.apply(UnaryKind::$kind, &[i("x")])) as Build)),*]
    };
}

macro_rules! binary_cases {
    ($($op:literal $kind:ident: $($name:literal)*;)*) => {
        [$($((concat!($op, $name), (|g, i| g.apply(BinaryKind::$kind, &[i("a"), i("b")])) as Build),)*)*]
    };
}

/// All cases.
pub(crate) fn cases() -> Vec<(&'static str, Build)> {
    let mut cases: Vec<(&'static str, Build)> = vec![
        ("conv2d_plain", |g, i| g.conv2d(i("x"), i("w"), Some(i("b")), Window::default(), 1)),
        ("conv2d_strided", |g, i| {
            g.conv2d(i("x"), i("w"), Some(i("b")), window([2, 3], [1, 1], [1, 1], [1, 1]), 1)
        }),
        ("conv2d_asymmetric", |g, i| {
            g.conv2d(i("x"), i("w"), None, window([2, 2], [0, 0], [1, 1], [1, 1]), 1)
        }),
        ("conv2d_dilated", |g, i| {
            g.conv2d(i("x"), i("w"), Some(i("b")), window([1, 1], [0, 2], [3, 1], [2, 3]), 1)
        }),
        ("conv2d_groups", |g, i| g.conv2d(i("x"), i("w"), Some(i("b")), Window::square(1, 1), 2)),
        ("conv2d_depthwise", |g, i| g.conv2d(i("x"), i("w"), Some(i("b")), Window::square(1, 1), 5)),
        ("conv2d_depthwise_strided", |g, i| {
            g.conv2d(i("x"), i("w"), Some(i("b")), window([2, 2], [3, 2], [3, 3], [1, 1]), 4)
        }),
        ("conv2d_multiplier", |g, i| g.conv2d(i("x"), i("w"), Some(i("b")), Window::default(), 3)),
        ("conv2d_pointwise", |g, i| g.conv2d(i("x"), i("w"), Some(i("b")), Window::default(), 1)),
        ("conv2d_wide", |g, i| g.conv2d(i("x"), i("w"), Some(i("b")), Window::square(1, 1), 1)),
        ("conv_transpose2d_plain", |g, i| {
            g.conv_transpose2d(i("x"), i("w"), Some(i("b")), Window::default(), 1, [0, 0])
        }),
        ("conv_transpose2d_strided", |g, i| {
            g.conv_transpose2d(i("x"), i("w"), Some(i("b")), Window::square(2, 1), 1, [0, 0])
        }),
        ("conv_transpose2d_output_padding", |g, i| {
            g.conv_transpose2d(i("x"), i("w"), None, Window::square(2, 1), 1, [1, 1])
        }),
        ("conv_transpose2d_groups", |g, i| {
            let window = window([1, 2], [0, 0], [0, 0], [2, 1]);
            g.conv_transpose2d(i("x"), i("w"), Some(i("b")), window, 2, [0, 0])
        }),
        ("conv_transpose2d_depthwise", |g, i| {
            g.conv_transpose2d(i("x"), i("w"), Some(i("b")), Window::square(2, 1), 4, [0, 0])
        }),
        ("matmul_plain", |g, i| g.matmul(i("a"), i("b"))),
        ("matmul_batched", |g, i| g.matmul(i("a"), i("b"))),
        ("matmul_broadcast", |g, i| g.matmul(i("a"), i("b"))),
        ("matmul_transpose_a", |g, i| {
            g.apply(MatMul { transpose_a: true, transpose_b: false }, &[i("a"), i("b")])
        }),
        ("matmul_transpose_both", |g, i| {
            g.apply(MatMul { transpose_a: true, transpose_b: true }, &[i("a"), i("b")])
        }),
        ("linear", |g, i| g.linear(i("input"), i("weight"), Some(i("bias")))),
        ("relu", |g, i| g.relu(i("x"))),
        ("relu6", |g, i| g.relu6(i("x"))),
        ("clip", |g, i| g.apply(Clip { low: -0.5, high: 0.75 }, &[i("x")])),
        ("max_pool2d", |g, i| g.max_pool2d(i("x"), [3, 3], Window::square(2, 1))),
        ("max_pool2d_dilated", |g, i| g.max_pool2d(i("x"), [2, 3], window([1, 1], [0, 0], [0, 0], [2, 1]))),
        ("avg_pool2d", |g, i| g.avg_pool2d(i("x"), [3, 3], Window::square(2, 1))),
        ("avg_pool2d_inside", |g, i| {
            let pool = Pool2d { kind: PoolKind::AverageInside, kernel: [3, 3], window: Window::square(2, 1) };
            g.apply(pool, &[i("x")])
        }),
        ("global_avg_pool", |g, i| g.global_avg_pool(i("x"))),
        ("global_max_pool", |g, i| g.global_max_pool(i("x"))),
        ("batch_norm", |g, i| g.batch_norm(i("x"), [i("weight"), i("bias"), i("mean"), i("var")], 1e-3)),
        ("layer_norm", |g, i| g.layer_norm(i("x"), i("weight"), Some(i("bias")), 1e-5)),
        ("layer_norm_two_axes", |g, i| g.layer_norm(i("x"), i("weight"), None, 1e-5)),
        ("group_norm", |g, i| g.group_norm(i("x"), 2, i("weight"), i("bias"), 1e-5)),
        ("batch_norm_training", |g, i| {
            let stats = ["mean", "var"].map(|name| g.parameter(name, Tensor::zeros(&TensorType::f32(&[4]))));
            let [mean, var] = stats;
            g.batch_norm_training(i("x"), [i("weight"), i("bias"), mean?, var?], 1e-5, 0.1)
        }),
        ("softmax", |g, i| g.softmax(i("x"), 1)),
        ("log_softmax", |g, i| g.log_softmax(i("x"), 2)),
        ("cross_entropy", |g, i| g.cross_entropy(i("input"), i("target"))),
        ("cross_entropy_ignored", |g, i| g.cross_entropy(i("input"), i("target"))),
        ("mse", |g, i| g.mse(i("input"), i("target"))),
        ("reduce_sum", |g, i| g.reduce(i("x"), ReduceKind::Sum, vec![0, 2], false)),
        ("reduce_mean", |g, i| g.reduce(i("x"), ReduceKind::Mean, vec![1, 2], true)),
        ("reduce_max", |g, i| g.reduce(i("x"), ReduceKind::Max, vec![1], false)),
        ("reduce_max_ties", |g, i| g.reduce(i("x"), ReduceKind::Max, vec![1], false)),
        ("reshape", |g, i| g.reshape(i("x"), &[4, 6])),
        ("transpose", |g, i| g.transpose(i("x"), &[2, 0, 3, 1])),
        ("expand", |g, i| g.apply(Expand { shape: vec![4, 2, 3] }, &[i("x")])),
        ("concat", |g, i| g.concat(&[i("a"), i("b"), i("c")], 1)),
        ("slice_steps", |g, i| {
            g.apply(Crop { starts: vec![1, 1, 0], sizes: vec![2, 3, 3], steps: vec![1, 2, 3] }, &[i("x")])
        }),
        ("pad", |g, i| {
            let pad = Pad { before: vec![0, 0, 1], after: vec![0, 3, 2], between: vec![0; 3], value: 0.5 };
            g.apply(pad, &[i("x")])
        }),
        ("split", |g, i| {
            let parts = g.split(i("x"), 1, &[2, 2])?;
            g.mul(parts[0], parts[1])
        }),
        ("squeeze", |g, i| {
            let y = g.squeeze(i("x"), 1)?;
            g.unsqueeze(y, 0)
        }),
        ("resize_nearest", |g, i| resize(g, i, ResizeMode::NearestFloor, Coordinates::Asymmetric, [7, 9])),
        ("resize_nearest_down", |g, i| {
            resize(g, i, ResizeMode::NearestFloor, Coordinates::Asymmetric, [3, 2])
        }),
        ("resize_nearest_exact", |g, i| {
            resize(g, i, ResizeMode::NearestRoundUp, Coordinates::HalfPixel, [7, 3])
        }),
        ("resize_bilinear", |g, i| resize(g, i, ResizeMode::Bilinear, Coordinates::HalfPixel, [7, 9])),
        ("resize_bilinear_down", |g, i| {
            resize(g, i, ResizeMode::Bilinear, Coordinates::PytorchHalfPixel, [3, 4])
        }),
        ("resize_align_corners", |g, i| {
            resize(g, i, ResizeMode::Bilinear, Coordinates::AlignCorners, [7, 3])
        }),
        ("resize_scale", |g, i| {
            let op = Resize {
                mode: ResizeMode::Bilinear,
                coordinates: Coordinates::HalfPixel,
                output: [8, 9],
                scale: Some([1.7, 2.3]),
            };
            g.apply(op, &[i("x")])
        }),
        ("embedding", |g, i| g.embedding(i("table"), i("indices"))),
        ("gather", |g, i| g.apply(Gather { axis: 1 }, &[i("x"), i("indices")])),
        ("batch_norm_training_relu6", |g, i| {
            let mean = g.parameter("mean", Tensor::f32(&[4], vec![0.0; 4])?);
            let var = g.parameter("var", Tensor::f32(&[4], vec![1.0; 4])?);
            let y = g.batch_norm_training(i("x"), [i("weight"), i("bias"), mean?, var?], 1e-5, 0.1)?;
            g.relu6(y)
        }),
        ("select_channels", |g, i| {
            g.apply(SelectChannels { axis: 1, channels: vec![0, 2, 3, 6] }, &[i("x")])
        }),
    ];
    cases.extend(unary_cases![
        "neg" Neg, "abs" Abs, "exp" Exp, "sin" Sin, "cos" Cos, "erf" Erf, "sigmoid" Sigmoid, "tanh" Tanh, "gelu" Gelu,
        "gelu_tanh" GeluTanh, "silu" Silu, "square" Square, "hard_sigmoid" HardSigmoid, "hard_swish" HardSwish,
        "softplus" Softplus, "log" Log, "sqrt" Sqrt, "rsqrt" Rsqrt, "reciprocal" Reciprocal,
    ]);
    cases.extend(binary_cases! {
        "add" Add: "_same" "_row" "_channel" "_both" "_scalar";
        "sub" Sub: "_same" "_row" "_channel" "_both" "_scalar";
        "mul" Mul: "_same" "_row" "_channel" "_both" "_scalar";
        "div" Div: "_same" "_row" "_channel" "_both" "_scalar";
        "pow" Pow: "" "_scalar";
        "max" Max: "";
        "min" Min: "";
    });
    cases
}
