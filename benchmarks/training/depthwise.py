"""What `train/depthwise.py` gains on a CPU: the gradients of an encoder's depthwise layers, and a whole training step.

`python benchmarks/training/depthwise.py --out depthwise.json`
bf16 autocast, channels last, as in training. Plain autograd and the mode take turns, so ratios hold on a busy machine.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

from efficientfan.benchmark.timing import TimedJob, measure, timed
from efficientfan.files import write_json
from efficientfan.models import LandmarkNet, build_network, channels_last
from efficientfan.train.depthwise import Float32DepthwiseGradients

MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "plain": nullcontext,
    "float32": Float32DepthwiseGradients,
}
LANDMARKS = 68


@dataclass(frozen=True)
class Kind:
    """A depthwise convolution: what its map is like, and its kernel."""

    channels: int
    side: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class Row:
    """A kind of layer, how often the encoder has it, and one gradient's milliseconds (medians)."""

    kind: Kind
    layers: int
    plain_ms: float
    float32_ms: float


def autocast() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def depthwise_layers(network: LandmarkNet, images: Tensor) -> list[tuple[Kind, nn.Conv2d]]:
    """The encoder's depthwise layers in order, by what reaches them."""
    found: list[tuple[Kind, nn.Conv2d]] = []

    def note(layer: nn.Conv2d, inputs: tuple[Tensor, ...]) -> None:
        kind = Kind(layer.in_channels, inputs[0].shape[2], layer.kernel_size[0], layer.stride[0])
        found.append((kind, layer))

    hooks = [
        layer.register_forward_pre_hook(note)
        for layer in network.encoder.modules()
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels == layer.out_channels
    ]
    with torch.no_grad(), autocast():
        network.encoder(images)
    for hook in hooks:
        hook.remove()
    return found


def gradient(kind: Kind, layer: nn.Conv2d, batch: int, mode: str) -> Callable[[], object]:
    """The gradients of a layer's map and weights, its forward pass being done."""
    image = torch.randn(batch, kind.channels, kind.side, kind.side, dtype=torch.bfloat16)
    image = image.to(memory_format=torch.channels_last).requires_grad_()
    with autocast(), MODES[mode]():
        output = layer(image)
    above = torch.randn_like(output)
    return lambda: torch.autograd.grad(output, (image, layer.weight), above, retain_graph=True)


def step(network: LandmarkNet, images: Tensor, mode: str) -> Callable[[], object]:
    """Forward, backward and optimizer step on a batch of noise."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)

    def run() -> None:
        with MODES[mode]():
            with autocast():
                loss = network(images).heatmaps.float().square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def main(
    encoder: Annotated[str, typer.Option(help="timm's name.")] = "tf_efficientnet_lite0",
    size: Annotated[int, typer.Option(help="Side of the crops in pixels.", min=32)] = 128,
    batch: Annotated[int, typer.Option(help="Crops in a batch.", min=1)] = 32,
    threads: Annotated[int, typer.Option(help="Processor threads.", min=1)] = 1,
    rounds: Annotated[int, typer.Option(help="Each visits every candidate once.", min=1)] = 9,
    out: Annotated[Path | None, typer.Option(help="Write the figures here, as JSON.")] = None,
) -> None:
    """Time depthwise gradients, and a training step, with and without the float32 mode.

    Example: python benchmarks/training/depthwise.py --encoder mobilenetv2_100 --rounds 3
    """
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    network = channels_last(build_network(f"timm/{encoder}", LANDMARKS))
    images = torch.randn(batch, 3, size, size).to(memory_format=torch.channels_last)
    layers = depthwise_layers(network, images)
    if not layers:
        raise typer.BadParameter(f"{encoder} has no depthwise layers")
    rows = []
    for kind, layer in dict(layers).items():
        jobs = [TimedJob(mode, timed(gradient(kind, layer, batch, mode))) for mode in MODES]
        times = measure(jobs, rounds=rounds, repeats=1)
        number = Counter(each for each, _ in layers)[kind]
        rows.append(Row(kind, number, *(round(times[mode].median_ms, 2) for mode in MODES)))
    jobs = [TimedJob(mode, timed(step(network, images, mode)), batch) for mode in MODES]
    steps = measure(jobs, rounds=rounds, repeats=1)
    rates = {mode: round(steps[mode].faces_per_second, 1) for mode in MODES}

    print("channels  side  kernel  stride  layers  plain ms  float32 ms  ratio")
    for row in rows:
        kind, ratio = row.kind, row.plain_ms / row.float32_ms
        print(
            f"{kind.channels:8}  {kind.side:4}  {kind.kernel:6}  {kind.stride:6}  {row.layers:6}  "
            f"{row.plain_ms:8.2f}  {row.float32_ms:10.2f}  {ratio:5.1f}"
        )
    plain, mended = (sum(row.layers * getattr(row, f"{mode}_ms") for row in rows) for mode in MODES)
    print(f"all {len(layers)} layers: {plain:.0f} ms plain, {mended:.0f} ms in float32")
    gain = steps["plain"].ratio_to(steps["float32"])
    print(
        f"training step: {rates['plain']} faces/s plain, {rates['float32']} in float32, {gain:.2f} times as many"
    )
    if out is not None:
        settings = {"encoder": encoder, "size": size, "batch": batch, "threads": threads, "rounds": rounds}
        made = {"torch": torch.__version__, "machine": platform.machine()}
        figures = {"layers": [asdict(row) for row in rows], "faces_per_second": rates, "gain": round(gain, 2)}
        write_json(out, {**settings, **made, **figures})


if __name__ == "__main__":
    typer.run(main)
