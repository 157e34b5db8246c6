"""`efficientfan quantize`: convert a float model to int8, and measure the loss of accuracy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from efficientfan.cli.options import ThreadsOption, bars, message_console
from efficientfan.errors import InputError, needs_extra

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.progress import TaskID

    from efficientfan.evaluation import TestSet
    from efficientfan.export import QuantizationReport
    from efficientfan.export.calibration import Calibration

__all__ = ["quantize_command"]

Array: TypeAlias = "NDArray[Any]"

SPEED_ROUNDS = 10
"""Of the comparison of speeds: a few seconds at most."""


def quantize_command(
    model: Annotated[
        str, typer.Argument(help="A packaged model's name, or a float .onnx file of `efficientfan export`.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write.", show_default="the model's name with _int8.onnx, here"),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Calibrate on the faces found in this folder of photos, such as those the model will meet, "
            "instead of --split.",
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Annotated data set by name, as for `efficientfan evaluate`.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where it is unpacked.")] = None,
    split: Annotated[str, typer.Option(help="Of the data set: the faces to calibrate on.")] = "train",
    evaluate: Annotated[
        str | None,
        typer.Option(
            help="Split of the data set on which the NME before and after is measured. Needed unless --force."
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(help="Landmark schema, for data sets that have none of their own (coco, csv, pts)."),
    ] = None,
    tool: Annotated[
        str,
        typer.Option(
            help="onnxruntime: a file that is fast in both engines. nncf: with bias correction; fast in OpenVINO only."
        ),
    ] = "onnxruntime",
    crops: Annotated[int, typer.Option(min=1, help="Most faces to calibrate on.")] = 300,
    max_float_layers: Annotated[
        int,
        typer.Option(min=0, help="Most layers to leave in float; only those whose return helps are."),
    ] = 4,
    backend: Annotated[
        str, typer.Option(help="Engine that measures the NME: onnxruntime or openvino.")
    ] = "onnxruntime",
    threads: ThreadsOption = None,
    detector: Annotated[
        str,
        typer.Option(
            help="For --calibration: auto, facefinder, yunet, haar, whole, or an .onnx file made by `export`."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of faces.")] = 0,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Write even if the NME grows by more than 1 % or is not known, or faces to calibrate on are few.",
        ),
    ] = False,
) -> None:
    """Write an int8 file (static, per channel) for ONNX Runtime and OpenVINO; measure its error and its speed.

    Ranges come from real crops. Normalization is folded into the first convolution, which takes uint8 pixels. Layers
    that lose too much in int8 are found by trial and stay in float, like the decoding and what has no int8 form.
    Refuses if the NME grows by more than 1 % of itself.

    Examples:

        efficientfan quantize default --dataset 300w --root data/300w --evaluate common

        efficientfan quantize my.onnx --calibration photos/ --dataset 300w --root data/300w --evaluate common
    """
    from efficientfan.weights import find_model

    if (dataset is None) != (root is None):
        raise InputError("--dataset NAME and --root FOLDER belong together")
    data = _Data(dataset, root, schema) if dataset is not None and root is not None else None
    if evaluate is None and not force:
        raise InputError(
            "--evaluate SPLIT of a --dataset is missing: it measures the loss by int8; --force skips it"
        )
    if evaluate is not None and data is None:
        raise InputError("--evaluate needs --dataset NAME and --root FOLDER")
    path = find_model(model)
    with needs_extra("quantize", "quantization needs"):
        from efficientfan.export import quantize
    test_set = data.test_set(evaluate) if data is not None and evaluate is not None else None
    console = message_console()
    chosen = _calibration(
        path,
        calibration,
        data,
        split,
        count=crops,
        seed=seed,
        detector=detector,
        threads=threads,
        console=console,
    )
    with bars(console) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        report = quantize(
            path,
            out or Path(f"{path.stem}_int8.onnx"),
            chosen,
            test_set,
            tool=tool,
            backend=backend,
            threads=threads,
            most_float_layers=max_float_layers,
            force=force,
            progress=tell,
        )
    typer.echo(_table(report))
    typer.echo(_speeds(path, report.path, chosen.crops))


@dataclass(frozen=True)
class _Data:
    """An annotated data set on disk."""

    name: str
    root: Path
    schema: str | None

    def test_set(self, split: str) -> TestSet:
        from efficientfan.evaluation import load_test_set
        from efficientfan.evaluation.landmarks.score import check_measures

        test_set = load_test_set(self.name, self.root, split, schema=self.schema)
        check_measures(test_set)
        return test_set


def _calibration(
    path: Path,
    photos: Path | None,
    data: _Data | None,
    split: str,
    *,
    count: int,
    seed: int,
    detector: str,
    threads: int | None,
    console: Console,
) -> Calibration:
    from efficientfan.data.catalog import load_dataset
    from efficientfan.export.calibration import crops_of_dataset, crops_of_photos
    from efficientfan.predict import load

    predictor = load(path, detector=detector if photos is not None else "whole", threads=threads)
    if photos is not None:
        return crops_of_photos(photos, predictor, count=count, seed=seed, tell=console.print)
    if data is None:
        raise InputError(
            "no faces to calibrate on: give --calibration FOLDER, or --dataset NAME --root FOLDER"
        )
    faces = load_dataset(data.name, data.root, split, schema=data.schema)
    return crops_of_dataset(f"{data.name} {split}", faces, predictor.spec, count=count, seed=seed)


def _table(report: QuantizationReport) -> str:
    in_all, in_int8 = report.layers
    floats = f"; back in float: {', '.join(report.float_layers)}" if report.float_layers else ""
    lines = [
        f"{report.path}: {report.size_int8 / 1e6:.2f} MB instead of {report.size_float / 1e6:.2f}",
        f"layers in int8: {in_int8} of {in_all}{floats}",
    ]
    if report.float_operators:
        named = ", ".join(f"{count} {kind}" for kind, count in report.float_operators.items())
        lines.append(f"in float between layers, for lack of an int8 form: {named}")
    cost = report.cost
    if cost is None:
        return "\n".join([*lines, "its error was not measured"])
    low, high = 100 * cost.difference.low, 100 * cost.difference.high
    of_128 = 128 / report.spec.input_size
    return "\n".join(
        [
            *lines,
            f"{cost.split}, {cost.faces} faces, ground-truth boxes, {cost.engine}:",
            f"  NME {100 * cost.nme_float:.3f} % before, {100 * cost.nme_int8:.3f} % after: "
            f"{100 * cost.difference.value:+.3f} [{low:+.3f}, {high:+.3f}], {100 * cost.growth:+.2f} % of itself",
            f"  landmarks move by {cost.shift_mean:.3f} crop pixels in the mean, {cost.shift_worst:.2f} at most "
            f"({of_128 * cost.shift_mean:.3f} and {of_128 * cost.shift_worst:.2f} of a crop of 128)",
        ]
    )


def _speeds(before: Path, after: Path, crops: Array) -> str:
    """Milliseconds of one face on each installed engine, in interleaved rounds, by one thread.

    Of processor time: the wall clock of a busy machine tells more about the other programs.
    """
    from efficientfan.benchmark.subjects import crop_job
    from efficientfan.benchmark.timing import measure
    from efficientfan.predict.backends import ENGINES, open_backend

    engines = [name for name, (_, _, suffix) in ENGINES.items() if suffix == ".onnx" and find_spec(name)]
    jobs = [
        crop_job(f"{engine} {when}", open_backend(path, backend=engine, threads=1).run, crops[:8], 1)
        for engine in engines
        for when, path in (("before", before), ("after", after))
    ]
    times = measure(jobs, rounds=SPEED_ROUNDS, repeats=3, clock=time.process_time)
    lines = [
        "one face, one thread, network with decoding, ms of processor time before and after (median; ratio by rounds):"
    ]
    for engine in engines:
        old, new = (times[f"{engine} {when}"] for when in ("before", "after"))
        ratio = old.ratio_to(new)
        lines.append(f"  {engine}: {old.median_ms:.2f}, {new.median_ms:.2f}: {ratio:.2f} times as fast")
    return "\n".join(lines)
