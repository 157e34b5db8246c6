"""Milliseconds of untrained designs, whole and by block, on both engines, in float and int8: a student by the clock.

`python benchmarks/speed/blocks.py --design timm/mobilenetv2_035:128:96 --out blocks.json`
A design is NETWORK:SIZE:DECODER_CHANNELS, with +lateral and +mixing behind it as wanted. Its weights are random, which
does not change its time. Processor time is counted. The four files of a design take turns, so their ratios hold on a
busy machine; designs are measured one after the other, so compare them on a quiet one.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import typer

from efficientfan.benchmark.macs import count_macs
from efficientfan.benchmark.profile import node_times
from efficientfan.benchmark.subjects import crop_job
from efficientfan.benchmark.timing import measure
from efficientfan.export import export_onnx, quantize
from efficientfan.export.calibration import Calibration
from efficientfan.export.parity import smooth_picture
from efficientfan.files import write_json
from efficientfan.models import build_network
from efficientfan.models.checkpoint import save_checkpoint
from efficientfan.predict import open_backend
from efficientfan.schema import get_schema
from efficientfan.spec import ModelSpec

ENGINES = ("onnxruntime", "openvino")
DESIGNS = (
    "timm/mobilenetv4_conv_small:128:96+mixing",
    "timm/mobilenetv2_035:128:96+mixing",
    "timm/mobilenetv4_conv_small_050:128:64+mixing",
    "timm/tf_efficientnet_lite0:128:96+lateral+mixing",
    "timm/tf_efficientnet_lite0:160:96+lateral+mixing",
    "timm/tf_efficientnet_lite0:192:128+lateral+mixing",
)


@dataclass(frozen=True)
class Design:
    """A network of `build_network`, its input size and the options of its decoder."""

    network: str
    size: int
    channels: int
    lateral: bool
    mixing: bool

    @classmethod
    def parse(cls, text: str) -> Design:
        name, *options = text.split("+")
        network, size, channels = name.split(":")
        return cls(network, int(size), int(channels), "lateral" in options, "mixing" in options)


@dataclass(frozen=True)
class Row:
    """What a design costs.

    Attributes:
        design: as it was given.
        mmac: million multiply-accumulates.
        ms: "onnxruntime float", "openvino int8", ... -> median milliseconds of one face, of processor time.
        blocks: "encoder 1/4", "decoder 1/8", "rest", ... -> milliseconds in ONNX Runtime, int8; the fraction is of the
            crop's side.
    """

    design: str
    mmac: float
    ms: dict[str, float]
    blocks: dict[str, float]


def files_of(design: Design, folder: Path) -> tuple[Path, Path]:
    """The float and the int8 file of a design."""
    options: dict[str, Any] = {
        "decoder_channels": design.channels,
        "lateral": design.lateral,
        "mixing": design.mixing,
    }
    network = build_network(design.network, 68, **options)
    spec = ModelSpec(
        name="design",
        network={"name": design.network, **options},
        schema=get_schema("ibug68"),
        input_size=design.size,
        stride=network.stride,
        crop_margin=0.25,
        decoder={"name": "softargmax"},
    )
    checkpoint, whole, int8 = (folder / name for name in ("m.safetensors", "float.onnx", "int8.onnx"))
    save_checkpoint(checkpoint, network, spec)
    export_onnx(checkpoint, whole, tolerance=1.0)
    rng = np.random.default_rng(0)
    crops = np.stack([smooth_picture(design.size, rng) for _ in range(8)])
    quantize(whole, int8, Calibration("drawn", crops, 0), None, threads=1, most_float_layers=0, force=True)
    return whole, int8


def blocks_of(whole: Path, int8: Path, size: int) -> dict[str, float]:
    """Milliseconds of the int8 file by the part of the network and the size of its maps."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(whole), data_prop=True).graph
    sides = {each.name: each.type.tensor_type.shape.dim for each in graph.value_info}
    place, part = {}, "encoder"
    for node in graph.node:
        if node.op_type == "ConvTranspose":
            part = "decoder"
        shape = sides.get(node.output[0], ())
        if len(shape) == 4 and node.op_type in ("Conv", "ConvTranspose", "Add") and shape[2].dim_value:
            place[node.name] = f"{part} 1/{size // shape[2].dim_value}"
    found: defaultdict[str, float] = defaultdict(float)
    crops = np.zeros((1, size, size, 3), np.uint8)
    for each in node_times(int8, crops):
        names = [
            name for name in place if each.name == name or each.name.startswith((f"{name}_", f"{name}."))
        ]
        found[place[max(names, key=len)] if names else "rest"] += each.ms
    return {name: round(ms, 4) for name, ms in found.items()}


def main(
    design: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    rounds: int = 10,
    out: Path | None = None,
) -> None:
    """Measure designs and print a table."""
    rows = []
    for text in design or DESIGNS:
        parsed = Design.parse(text)
        with tempfile.TemporaryDirectory() as folder:
            whole, int8 = files_of(parsed, Path(folder))
            crops = np.stack([smooth_picture(parsed.size, np.random.default_rng(0))] * 4)
            jobs = [
                crop_job(f"{engine} {kind}", open_backend(path, backend=engine, threads=1).run, crops, 1)
                for engine in ENGINES
                for kind, path in (("float", whole), ("int8", int8))
            ]
            times = measure(jobs, rounds=rounds, repeats=3, clock=time.process_time)
            row = Row(
                text,
                round(count_macs(whole) / 1e6, 1),
                {name: round(timing.median_ms, 3) for name, timing in times.items()},
                blocks_of(whole, int8, parsed.size),
            )
        rows.append(row)
        typer.echo(f"{row.design}: {row.mmac} MMAC; {row.ms}; {row.blocks}")
        if out is not None:
            write_json(out, [asdict(each) for each in rows])


if __name__ == "__main__":
    typer.run(main)
