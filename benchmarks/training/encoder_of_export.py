"""The encoder of an exported file as weights to train from, for a place where its ImageNet weights cannot be had.

    python benchmarks/training/encoder_of_export.py FILE.onnx --faces FOLDER --out encoder.safetensors
    efficientfan train RECIPE --set model.init=encoder.safetensors

An exported file holds each convolution with its batch normalization folded in. Here it is taken out again: its
statistics are measured on photos, so that the encoder computes the same as in the file, in training too.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from efficientfan.imaging.reading import read_rgb
from efficientfan.models import build_network
from efficientfan.predict.backends import open_backend

BEFORE, HALF = "deployed.network.encoder.backbone.", ".half"


def folded_weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    """The encoder's tensors in the file, under timm's names: a weight and a bias for each convolution."""
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    cast = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Cast"}
    tensors = {}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        weight, bias = (cast.get(name, name) for name in node.input[1:3])
        if weight.startswith(BEFORE):
            name = weight.removeprefix(BEFORE).removesuffix(HALF).removesuffix(".weight")
            tensors[f"{name}.weight"] = torch.from_numpy(arrays[weight].astype(np.float32))
            tensors[f"{name}.bias"] = torch.from_numpy(arrays[bias].astype(np.float32))
    return tensors


def unfold(backbone: nn.Module, folded: dict[str, Tensor], photos: Tensor) -> None:
    """Fill a timm encoder, whose normalizations follow their convolutions, with folded weights."""
    modules = list(backbone.named_modules())
    pairs = [
        (name, module, norm)
        for (name, module), (_, norm) in itertools.pairwise(modules)
        if isinstance(module, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]
    backbone.eval()
    for name, convolution, norm in pairs:
        convolution.weight.data.copy_(folded[f"{name}.weight"])
        norm.running_mean = torch.zeros_like(norm.bias.data)
        norm.running_var = torch.full_like(norm.bias.data, 1.0 - norm.eps)
        norm.weight.data.fill_(1.0)
        norm.bias.data.copy_(folded[f"{name}.bias"])

    def measure(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3))
        norm.bias.data += mean
        norm.weight.data.copy_((variance + norm.eps).sqrt())
        norm.running_mean, norm.running_var = mean, variance

    hooks = [norm.register_forward_pre_hook(measure) for _, _, norm in pairs]
    with torch.no_grad():
        backbone(photos)
    for hook in hooks:
        hook.remove()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="an .onnx file of `efficientfan export`")
    parser.add_argument("--faces", type=Path, required=True, help="folder of photos cut to one face")
    parser.add_argument("--count", type=int, default=128, help="photos that are looked at")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    spec = open_backend(arguments.file).spec
    options = dict(spec.network)
    network = build_network(options.pop("name"), spec.schema.n_landmarks, init="scratch", **options)
    paths = sorted(path for path in arguments.faces.rglob("*") if path.suffix in (".jpg", ".png"))
    chosen = paths[:: max(1, len(paths) // arguments.count)][: arguments.count]
    side = spec.input_size
    crops = [cv2.resize(read_rgb(path), (side, side), interpolation=cv2.INTER_AREA) for path in chosen]
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    photos = torch.from_numpy((np.stack(crops) / np.float32(255) - mean) / std).permute(0, 3, 1, 2)
    backbone = network.encoder.backbone
    folded = folded_weights(onnx.load(arguments.file))
    unfold(backbone, folded, photos)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"mean": json.dumps(list(spec.mean)), "std": json.dumps(list(spec.std))}
    save_file(dict(backbone.state_dict()), arguments.out, metadata=metadata)


if __name__ == "__main__":
    main()
