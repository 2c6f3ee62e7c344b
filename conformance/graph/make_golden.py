"""Makes crates/ounce-graph/tests/golden/operators.safetensors: outputs and gradients of operators as PyTorch computes them.

For every case: inputs `CASE.in.NAME`, a random cotangent `CASE.cotangent`, the output `CASE.out`, and for every float input the gradient of
`sum(out * cotangent)`, `CASE.grad.NAME`. The cases have the names of the builders in crates/ounce-graph/tests/support/cases.rs.

Needs torch, safetensors, numpy. Run: python conformance/graph/make_golden.py
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(7)
torch.set_num_threads(1)

golden = {}


def rand(*shape):
    return torch.randn(*shape)


def apart(*shape):
    """Distinct values, so that no maximum is a tie and none is near a bound at a whole number."""
    count = 1
    for extent in shape:
        count *= extent
    values = (torch.randperm(count).float() - count / 2) * 0.0931 + 0.0417
    return values.reshape(shape)


def case(name, function, **inputs):
    leaves = {}
    for key, value in inputs.items():
        golden[f"{name}.in.{key}"] = value.clone()
        leaves[key] = value.clone().requires_grad_(value.is_floating_point())
    out = function(*leaves.values())
    cotangent = torch.randn(out.shape)
    golden[f"{name}.cotangent"] = cotangent
    golden[f"{name}.out"] = out.detach()
    (out * cotangent).sum().backward()
    for key, value in leaves.items():
        if value.requires_grad and value.grad is not None:
            golden[f"{name}.grad.{key}"] = value.grad


def conv(name, x, w, bias=True, pad=(0, 0, 0, 0), **options):
    """`pad` is left, right, top, bottom."""
    inputs = {"x": x, "w": w}
    if bias:
        inputs["b"] = rand(w.shape[0])
    case(name, lambda x, w, b=None: F.conv2d(F.pad(x, pad), w, b, **options), **inputs)


conv("conv2d_plain", rand(2, 3, 7, 6), rand(5, 3, 3, 2))
conv("conv2d_strided", rand(1, 4, 9, 11), rand(6, 4, 3, 3), stride=(2, 3), pad=(1, 1, 1, 1))
conv("conv2d_asymmetric", rand(1, 3, 8, 8), rand(4, 3, 3, 3), bias=False, stride=2, pad=(0, 1, 0, 1))
conv("conv2d_dilated", rand(1, 2, 11, 10), rand(3, 2, 3, 3), dilation=(2, 3), pad=(2, 1, 0, 3))
conv("conv2d_groups", rand(2, 6, 5, 7), rand(8, 3, 3, 3), groups=2, pad=(1, 1, 1, 1))
conv("conv2d_depthwise", rand(2, 5, 8, 7), rand(5, 1, 3, 3), groups=5, pad=(1, 1, 1, 1))
conv("conv2d_depthwise_strided", rand(1, 4, 13, 12), rand(4, 1, 7, 5), groups=4, stride=2, pad=(2, 3, 3, 3))
conv("conv2d_multiplier", rand(1, 3, 6, 6), rand(6, 1, 3, 3), groups=3)
conv("conv2d_pointwise", rand(2, 7, 5, 9), rand(19, 7, 1, 1))
conv("conv2d_wide", rand(1, 20, 9, 9), rand(33, 20, 3, 3), pad=(1, 1, 1, 1))


def transposed(name, x, w, channels, bias=True, **options):
    inputs = {"x": x, "w": w}
    if bias:
        inputs["b"] = rand(channels)
    case(name, lambda x, w, b=None: F.conv_transpose2d(x, w, b, **options), **inputs)


transposed("conv_transpose2d_plain", rand(2, 3, 4, 5), rand(3, 4, 3, 2), 4)
transposed("conv_transpose2d_strided", rand(1, 4, 5, 4), rand(4, 3, 4, 4), 3, stride=2, padding=1)
transposed("conv_transpose2d_output_padding", rand(1, 2, 4, 3), rand(2, 3, 3, 3), 3, False, stride=2, padding=1, output_padding=1)
transposed("conv_transpose2d_groups", rand(2, 4, 3, 5), rand(4, 3, 3, 3), 6, groups=2, stride=(1, 2), dilation=(2, 1))
transposed("conv_transpose2d_depthwise", rand(1, 4, 5, 5), rand(4, 1, 4, 4), 4, groups=4, stride=2, padding=1)

case("matmul_plain", torch.matmul, a=rand(5, 7), b=rand(7, 3))
case("matmul_batched", torch.matmul, a=rand(2, 3, 4, 5), b=rand(2, 3, 5, 6))
case("matmul_broadcast", torch.matmul, a=rand(2, 1, 4, 5), b=rand(3, 5, 6))
case("matmul_transpose_a", lambda a, b: a.transpose(-1, -2) @ b, a=rand(2, 5, 4), b=rand(2, 5, 3))
case("matmul_transpose_both", lambda a, b: a.transpose(-1, -2) @ b.transpose(-1, -2), a=rand(5, 4), b=rand(2, 3, 5))
case("linear", F.linear, input=rand(4, 9), weight=rand(17, 9), bias=rand(17))

for name, function in {
    "neg": torch.neg, "abs": torch.abs, "exp": torch.exp, "sin": torch.sin, "cos": torch.cos, "erf": torch.erf, "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "square": torch.square,
    "hard_sigmoid": F.hardsigmoid, "hard_swish": F.hardswish, "softplus": F.softplus,
}.items():
    case(f"unary_{name}", function, x=rand(3, 17) * 2)
for name, function in {"log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal}.items():
    case(f"unary_{name}", function, x=rand(3, 7).abs() + 0.3)
case("relu", F.relu, x=rand(4, 9))
case("relu6", F.relu6, x=rand(4, 9) * 5)
case("clip", lambda x: torch.clamp(x, -0.5, 0.75), x=rand(4, 9))

for name, function in {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div}.items():
    b = (lambda *shape: rand(*shape).abs() + 0.5) if name == "div" else rand
    case(f"{name}_same", function, a=rand(3, 4, 5), b=b(3, 4, 5))
    case(f"{name}_row", function, a=rand(3, 4, 5), b=b(5))
    case(f"{name}_channel", function, a=rand(2, 3, 4, 5), b=b(1, 3, 1, 1))
    case(f"{name}_both", function, a=rand(3, 1, 5), b=b(4, 1))
    case(f"{name}_scalar", function, a=rand(()), b=b(2, 3))
case("pow", torch.pow, a=rand(3, 4).abs() + 0.3, b=rand(3, 4))
case("pow_scalar", torch.pow, a=rand(3, 4).abs() + 0.3, b=torch.tensor(2.5))
case("max", torch.maximum, a=rand(3, 4), b=rand(3, 4))
case("min", torch.minimum, a=rand(3, 4), b=rand(4))

case("max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1), x=apart(2, 3, 7, 8))
case("max_pool2d_dilated", lambda x: F.max_pool2d(x, (2, 3), 1, 0, dilation=(2, 1)), x=apart(1, 2, 6, 7))
case("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1), x=rand(2, 3, 7, 8))
case("avg_pool2d_inside", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), x=rand(2, 3, 7, 8))
case("global_avg_pool", lambda x: F.adaptive_avg_pool2d(x, 1), x=rand(2, 3, 5, 4))
case("global_max_pool", lambda x: F.adaptive_max_pool2d(x, 1), x=apart(2, 3, 5, 4))

case(
    "batch_norm", lambda x, weight, bias, mean, var: F.batch_norm(x, mean.detach(), var.detach(), weight, bias, eps=1e-3),
    x=rand(2, 4, 3, 5), weight=rand(4), bias=rand(4), mean=rand(4), var=rand(4).abs() + 0.2,
)
case("layer_norm", lambda x, weight, bias: F.layer_norm(x, (7,), weight, bias), x=rand(3, 4, 7), weight=rand(7), bias=rand(7))
case("layer_norm_two_axes", lambda x, weight: F.layer_norm(x, (4, 7), weight), x=rand(3, 4, 7), weight=rand(4, 7))
case("group_norm", lambda x, weight, bias: F.group_norm(x, 2, weight, bias), x=rand(2, 6, 3, 4), weight=rand(6), bias=rand(6))

case("softmax", lambda x: F.softmax(x, 1), x=rand(3, 5, 4))
case("log_softmax", lambda x: F.log_softmax(x, 2), x=rand(3, 5, 4))
case("cross_entropy", F.cross_entropy, input=rand(6, 5), target=torch.tensor([0, 4, 2, 2, 1, 3], dtype=torch.int64))
case("cross_entropy_ignored", F.cross_entropy, input=rand(4, 5), target=torch.tensor([0, -100, 2, 4], dtype=torch.int64))
case("mse", F.mse_loss, input=rand(3, 4), target=rand(3, 4))

case("reduce_sum", lambda x: x.sum((0, 2)), x=rand(3, 4, 5))
case("reduce_mean", lambda x: x.mean((1, 2), keepdim=True), x=rand(3, 4, 5))
case("reduce_max", lambda x: x.amax(1), x=apart(3, 4, 5))
case("reduce_max_ties", lambda x: x.amax(1), x=torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))

case("reshape", lambda x: x.reshape(4, 6), x=rand(2, 3, 4))
case("transpose", lambda x: x.permute(2, 0, 3, 1), x=rand(2, 3, 4, 5))
case("expand", lambda x: x.expand(4, 2, 3), x=rand(2, 1))
case("concat", lambda a, b, c: torch.cat([a, b, c], 1), a=rand(2, 3, 4), b=rand(2, 1, 4), c=rand(2, 2, 4))
case("slice_steps", lambda x: x[1:, 1:6:2, ::3], x=rand(3, 7, 8))
case("pad", lambda x: F.pad(x, (1, 2, 0, 3), value=0.5), x=rand(2, 3, 4))
case("split", lambda x: torch.mul(*torch.split(x, [2, 2], 1)), x=rand(3, 4, 2))
case("squeeze", lambda x: x.squeeze(1).unsqueeze(0), x=rand(3, 1, 2))

case("resize_nearest", lambda x: F.interpolate(x, (7, 9), mode="nearest"), x=rand(1, 2, 4, 5))
case("resize_nearest_down", lambda x: F.interpolate(x, (3, 2), mode="nearest"), x=rand(1, 2, 7, 5))
case("resize_bilinear", lambda x: F.interpolate(x, (7, 9), mode="bilinear", align_corners=False), x=rand(1, 2, 4, 5))
case("resize_bilinear_down", lambda x: F.interpolate(x, (3, 4), mode="bilinear", align_corners=False), x=rand(1, 2, 8, 7))
case("resize_align_corners", lambda x: F.interpolate(x, (7, 3), mode="bilinear", align_corners=True), x=rand(2, 1, 4, 5))
case("resize_scale", lambda x: F.interpolate(x, scale_factor=(1.7, 2.3), mode="bilinear", align_corners=False), x=rand(1, 1, 5, 4))

indices = torch.tensor([[2, 0], [4, 2], [1, 2]], dtype=torch.int64)
case("embedding", lambda table, indices: F.embedding(indices, table), table=rand(5, 3), indices=indices)
case("gather", lambda x, indices: x[:, indices], x=rand(2, 5, 3), indices=indices)

case("resize_nearest_exact", lambda x: F.interpolate(x, (7, 3), mode="nearest-exact"), x=rand(1, 2, 4, 5))
case(
    "batch_norm_training", lambda x, weight, bias: F.batch_norm(x, None, None, weight, bias, training=True),
    x=rand(3, 4, 2, 5), weight=rand(4), bias=rand(4),
)
case("select_channels", lambda x: torch.index_select(x, 1, torch.tensor([0, 2, 3, 6])), x=rand(2, 7, 3, 2))
case(
    "batch_norm_training_relu6", lambda x, weight, bias: F.relu6(F.batch_norm(x, None, None, weight, bias, training=True)),
    x=rand(3, 4, 3, 7), weight=4 * rand(4), bias=2 + rand(4),
)

golden = {
    name: value.to(torch.int32) if value.dtype == torch.int64 else value.contiguous().clone() for name, value in golden.items()
}
target = pathlib.Path(__file__).resolve().parents[2] / "crates/ounce-graph/tests/golden/operators.safetensors"
save_file(golden, target)
print(f"{len(golden)} tensors, {target.stat().st_size} bytes")
