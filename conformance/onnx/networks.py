"""Exports networks with random weights as PyTorch does it, with an input and the output that PyTorch computes, in the layout of the node tests.

Usage: python networks.py FOLDER. Needs torch, torchvision, onnx and onnxscript. Run the tests with
OUNCE_TEST_ONNX=FOLDER cargo test -p ounce-import --test onnx_nodes -- --nocapture
"""

import pathlib
import sys

import onnx
import torch
import torchvision
from onnx import numpy_helper
from torch import nn


class Double(nn.Sequential):
    def __init__(self, channels, out):
        super().__init__(
            nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.1),
        )


class UNet(nn.Module):
    """Down by pooling, up by transposed convolution and by interpolation."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([Double(3, 8), Double(8, 16), Double(16, 32)])
        self.up = nn.ConvTranspose2d(32, 16, 2, stride=2)
        self.right = nn.ModuleList([Double(32, 16), Double(24, 8)])
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.down[0](x)
        b = self.down[1](nn.functional.max_pool2d(a, 2))
        c = self.down[2](nn.functional.max_pool2d(b, 2))
        y = self.right[0](torch.cat([self.up(c), b], 1))
        y = nn.functional.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.head(self.right[1](torch.cat([y, a], 1))))


class Transformer(nn.Module):
    """Patches, positions, two layers of attention, a head."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 8, stride=8)
        self.position = nn.Parameter(torch.randn(1, 17, 32))
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.norm = nn.ModuleList([nn.LayerNorm(32) for _ in range(4)])
        self.qkv = nn.ModuleList([nn.Linear(32, 96) for _ in range(2)])
        self.out = nn.ModuleList([nn.Linear(32, 32) for _ in range(2)])
        self.mlp = nn.ModuleList([nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)) for _ in range(2)])
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        for i in range(2):
            n, t, d = x.shape
            q, k, v = self.qkv[i](self.norm[2 * i](x)).reshape(n, t, 3, 4, d // 4).permute(2, 0, 3, 1, 4).unbind(0)
            w = ((q @ k.transpose(-2, -1)) * (d // 4) ** -0.5).softmax(-1)
            x = x + self.out[i]((w @ v).transpose(1, 2).reshape(n, t, d))
            x = x + self.mlp[i](self.norm[2 * i + 1](x))
        return self.head(x[:, 0])


def randomize(net):
    """Statistics and weights of norms that are not those of a new network, so that a mistake in them shows."""
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def main(folder):
    torch.manual_seed(1)
    models = torchvision.models
    networks = {
        "mobilenet_v2": (lambda: models.mobilenet_v2(num_classes=10), 64),
        "mobilenet_v3_small": (lambda: models.mobilenet_v3_small(num_classes=10), 64),
        "resnet18": (lambda: models.resnet18(num_classes=10), 64),
        "squeezenet1_1": (lambda: models.squeezenet1_1(num_classes=10), 96),
        "shufflenet_v2_x0_5": (lambda: models.shufflenet_v2_x0_5(num_classes=10), 64),
        "densenet121": (lambda: models.densenet121(num_classes=10), 64),
        "efficientnet_b0": (lambda: models.efficientnet_b0(num_classes=10), 64),
        "vit": (lambda: models.VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=10), 32),
        "unet": (UNet, 32),
        "transformer": (Transformer, 32),
    }
    for name, (make, size) in networks.items():
        for way in ("dynamo", "script"):
            net = randomize(make()).eval()
            x = torch.randn(2, 3, size, size)
            with torch.no_grad():
                y = net(x)
            target = folder / f"{name}_{way}" / "test_data_set_0"
            target.mkdir(parents=True, exist_ok=True)
            try:
                file = str(target.parent / "model.onnx")
                if way == "dynamo":
                    torch.onnx.export(net, (x,), file, dynamo=True, external_data=False, opset_version=18, verbose=False)
                else:
                    torch.onnx.export(net, (x,), file, dynamo=False, opset_version=13, dynamic_axes={"x": {0: "n"}}, input_names=["x"])
            except Exception as error:  # noqa: BLE001 - an exporter that is missing is no fault of the network
                print(f"{name}_{way}: not exported: {error!r:.200}")
                continue
            for kind, tensor in (("input", x), ("output", y)):
                (target / f"{kind}_0.pb").write_bytes(numpy_helper.from_array(tensor.numpy()).SerializeToString())
            model = onnx.load(file)
            print(f"{name}_{way}: opset {model.opset_import[0].version}, {len(model.graph.node)} nodes", flush=True)


main(pathlib.Path(sys.argv[1]))
