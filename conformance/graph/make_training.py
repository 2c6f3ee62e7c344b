"""Makes crates/ounce-graph/tests/golden/training.safetensors: small networks trained for some steps by PyTorch, and quantized networks run forward and
backward with rounding passed straight through, as MCUNetV3 simulates them on a GPU (arithmetic of its quantized_ops_diff.py, written anew).

For every trained network: first parameters `NET.first.PARAMETER`, batches `NET.x [steps, batch, ..]` and `NET.labels [steps, batch]`, losses `NET.losses`, and the
parameters after the last step, `NET.last.PARAMETER`. The networks are built again in crates/ounce-graph/tests/training.rs and quantized.rs.

Needs torch, safetensors, numpy. Run: python conformance/graph/make_training.py
"""

import pathlib

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(11)
torch.set_num_threads(1)

golden = {}


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5, padding=2)
        self.conv2 = nn.Conv2d(4, 8, 3)
        self.fc1 = nn.Linear(8 * 2 * 2, 20)
        self.fc2 = nn.Linear(20, 5)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class MobileBlock(nn.Module):
    """A stem, an inverted residual block with batch norm in evaluation mode, and a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1, bias=False)
        self.stem_bn = nn.BatchNorm2d(6)
        self.expand = nn.Conv2d(6, 18, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(18)
        self.depthwise = nn.Conv2d(18, 18, 3, 1, 1, groups=18, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(18)
        self.project = nn.Conv2d(18, 6, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 4)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
        self.eval()

    def forward(self, x):
        x = F.relu6(self.stem_bn(self.stem(x)))
        y = F.relu6(self.expand_bn(self.expand(x)))
        y = F.relu6(self.depthwise_bn(self.depthwise(y)))
        x = x + self.project_bn(self.project(y))
        return self.head(x.mean((2, 3)))


class Normalized(nn.Module):
    """Convolutions with batch norm in training mode."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3, stride=2, bias=False)
        self.bn2 = nn.BatchNorm2d(5)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.head(x.mean((2, 3)))


def train(name, net, optimizer, shape, classes, steps):
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            golden[f"{name}.first.{key}"] = value.clone()
    x = torch.randn(steps, 3, *shape)
    labels = torch.randint(classes, (steps, 3))
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[step]), labels[step])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    golden[f"{name}.x"], golden[f"{name}.labels"] = x, labels.to(torch.int32)
    golden[f"{name}.losses"] = torch.tensor(losses)
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            golden[f"{name}.last.{key}"] = value.clone()


net = LeNet()
train("lenet", net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3), (1, 12, 12), 5, 8)
net = MobileBlock()
train("mobile", net, torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.02), (3, 9, 9), 4, 8)


net = Normalized()
train("normalized", net, torch.optim.SGD(net.parameters(), lr=0.1), (2, 7, 6), 3, 6)


class Through(torch.autograd.Function):
    """The second argument, with the gradient of the first."""

    @staticmethod
    def forward(_context, _x, y):
        return y.clone()

    @staticmethod
    def backward(_context, gradient):
        return gradient, None


def round_through(x):
    return Through.apply(x, x.detach().round())


def clamp(y):
    """To bytes; the gradient passes where nothing was changed, the bounds included."""
    inside = (y >= -128) & (y <= 127)
    return Through.apply(y * inside.detach(), y.detach().clamp(-128, 127))


def integers(low, high, *shape):
    return torch.randint(low, high + 1, shape).float()


def quantized_conv(x, w, b, x_zero, y_zero, factor, **options):
    # In double precision, so that the integers are exact whatever algorithm is chosen.
    total = F.conv2d((x - x_zero).double(), w.double(), b.double(), **options).float()
    y = round_through(total * factor.reshape(1, -1, 1, 1)) + y_zero
    return clamp(y)


torch.manual_seed(12)
# A stem, a depthwise and two pointwise convolutions, a residual sum, the mean, and a dense head, all in bytes.
x = integers(-128, 127, 2, 3, 9, 8)
leaves = {
    "w0": integers(-127, 127, 6, 3, 3, 3), "b0": integers(-3000, 3000, 6),
    "w1": integers(-127, 127, 6, 1, 3, 3), "b1": integers(-3000, 3000, 6),
    "w2": integers(-127, 127, 6, 6, 1, 1), "b2": integers(-3000, 3000, 6),
    "w3": integers(-127, 127, 5, 6, 1, 1), "b3": integers(-300, 300, 5),
}
factors = [(torch.rand(count) + 0.5) * scale for count, scale in [(6, 0.0025), (6, 0.008), (6, 0.006), (5, 0.02)]]
golden["quantized.x"] = x.to(torch.int8)
for key, value in leaves.items():
    golden[f"quantized.{key}"] = value.to(torch.int8 if key.startswith("w") else torch.int32)
for i, factor in enumerate(factors):
    golden[f"quantized.factor{i}"] = factor.clone()
labels = torch.tensor([3, 1])
golden["quantized.labels"] = labels.to(torch.int32)
leaves = {key: value.requires_grad_() for key, value in leaves.items()}
x.requires_grad_()
y0 = quantized_conv(x, leaves["w0"], leaves["b0"], 4, -11, factors[0], stride=2, padding=1)
y1 = quantized_conv(y0, leaves["w1"], leaves["b1"], -11, 7, factors[1], padding=1, groups=6)
y2 = quantized_conv(y1, leaves["w2"], leaves["b2"], 7, -3, factors[2])
total = ((y0 + 11) * 0.05 + (y2 + 3) * 0.04) / 0.06
# The gradient of the sum is not masked where it was clamped.
y = Through.apply(total, (total.detach().round() + 5).clamp(-128, 127))
pooled = round_through(y.mean((2, 3), keepdim=True))
logits = quantized_conv(pooled, leaves["w3"], leaves["b3"], 5, 2, factors[3]).flatten(1)
loss = F.cross_entropy(logits * 0.05, labels)
loss.backward()
golden["quantized.logits"] = logits.detach().to(torch.int8)
golden["quantized.loss"] = loss.detach()
for key, value in {**leaves, "x": x}.items():
    golden[f"quantized.grad.{key}"] = value.grad

# A classifier of bytes whose logits are floats.
x = integers(-128, 127, 3, 9, 1, 1)
leaves = {"w": integers(-127, 127, 4, 9, 1, 1), "b": integers(-30000, 30000, 4)}
scale = (torch.rand(4) + 0.5) * 1e-4
labels = torch.tensor([2, 0, 3])
golden["dense.x"], golden["dense.scale"], golden["dense.labels"] = x.to(torch.int8), scale.clone(), labels.to(torch.int32)
for key, value in leaves.items():
    golden[f"dense.{key}"] = value.to(torch.int8 if key == "w" else torch.int32)
leaves = {**{key: value.requires_grad_() for key, value in leaves.items()}, "x": x.requires_grad_()}
logits = F.conv2d(leaves["x"] + 17, leaves["w"], leaves["b"]).flatten(1) * scale
loss = F.cross_entropy(logits, labels)
loss.backward()
golden["dense.logits"], golden["dense.loss"] = logits.detach(), loss.detach()
for key, value in leaves.items():
    golden[f"dense.grad.{key}"] = value.grad

golden = {name: value.contiguous().clone() for name, value in golden.items()}
target = pathlib.Path(__file__).resolve().parents[2] / "crates/ounce-graph/tests/golden/training.safetensors"
save_file(golden, target)
print(f"{len(golden)} tensors, {target.stat().st_size} bytes")
