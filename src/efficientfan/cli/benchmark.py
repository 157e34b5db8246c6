"""`efficientfan benchmark`: the speed of models on this machine, beside the machine's peak and other tools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from efficientfan.cli.options import bars, plots_where_possible

if TYPE_CHECKING:
    from efficientfan.benchmark import Report

__all__ = ["benchmark_command"]


def benchmark_command(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            help="Packaged names, exported .onnx or .param files, or .safetensors checkpoints; the first is the "
            "reference of ratios, and the model that is timed on photos.",
            show_default="default",
        ),
    ] = None,
    all_models: Annotated[
        bool, typer.Option("--all", help="Every packaged model, on every engine, in every precision it has.")
    ] = False,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="Engine: onnxruntime, openvino, torch or ncnn; may be repeated.",
            show_default="all that are installed",
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="Precision of float layers: f32 or bf16; may be repeated.", show_default="f32"),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or another device of the engines, such as cuda.")] = "cpu",
    threads: Annotated[
        list[int] | None,
        typer.Option(help="Processor threads; may be repeated.", min=1, show_default="1 and all"),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photos with faces.", show_default="made here: 1080p with 1, 5 and 50 faces"
        ),
    ] = None,
    faces: Annotated[
        list[int] | None,
        typer.Option(
            help="Faces in a photo that is made; may be repeated.", min=1, show_default="1, 5 and 50"
        ),
    ] = None,
    end_to_end: Annotated[
        bool,
        typer.Option(
            "--end-to-end",
            help="Only photos from the file to the drawn faces, by every model, engine and number of threads.",
        ),
    ] = False,
    detector: Annotated[
        str, typer.Option(help="Face detector for photos: auto, facefinder, yunet, haar, or an .onnx file.")
    ] = "auto",
    against: Annotated[
        list[str] | None,
        typer.Option(help="Another tool on the same faces: dlib or mediapipe; may be repeated."),
    ] = None,
    mediapipe_python: Annotated[
        Path | None, typer.Option(help="The Python of an environment with mediapipe 0.10.21.")
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            help="A results.json of `efficientfan evaluate`, of a model or a peer: adds its error to the "
            "tables. May be repeated; all files must be of one split and normalizer.",
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(
            help="Batch size to try for throughput; may be repeated.", min=2, show_default="2 4 8 ... 64"
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(help="Rounds; each measures every candidate once.", min=1, show_default="30; quick: 3"),
    ] = None,
    processor_time: Annotated[
        bool,
        typer.Option(
            "--processor-time",
            help="Count processor time, of all threads together: steadier on a busy machine.",
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few rounds and one batch size, under a minute.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of the order within rounds, and of drawn photos.", min=0)
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for benchmark.json, latency.png and front.png.")
    ] = None,
) -> None:
    """Time models in interleaved rounds: latency, throughput, share of the machine's peak, start-up, memory.

    Ratios also hold on a busy machine; milliseconds depend on the load. Photos are taken from the file to the drawn
    faces, each stage (read, detect, crop, network, choose, draw) measured on the way.

    Examples:

        efficientfan benchmark --all --against dlib --out runs/benchmark

        efficientfan benchmark fast default --end-to-end --threads 1 --faces 50
    """
    from efficientfan.benchmark import Plan, choose_subjects, report_text, run_benchmark
    from efficientfan.predict.many import usable_cores
    from efficientfan.predict.output import check_folder

    subjects = choose_subjects(
        models or ([] if all_models else ["default"]),
        backend or (),
        precision or (),
        device,
        every_model=all_models,
    )
    plan = Plan(
        threads=tuple(dict.fromkeys(threads or (1, usable_cores()))),
        rounds=rounds or (3 if quick else 30),
        repeats=3 if quick else 5,
        batches=tuple(batch or ((8,) if quick else (2, 4, 8, 16, 32, 64))),
        starts=1 if quick else 3,
        seed=seed,
        detector=detector,
        photos=photos,
        faces=tuple(faces or (1, 5, 50)),
        end_to_end=end_to_end,
        processor_time=processor_time,
        against=tuple(dict.fromkeys(against or ())),
        mediapipe_python=mediapipe_python,
        results=tuple(results or ()),
    )
    if out is not None:
        check_folder(out)
    report = run_benchmark(subjects, plan, track=_track)
    typer.echo(report_text(report))
    if out is not None:
        _write(out, report)


def _track(what: str, steps: Sequence[int]) -> Iterable[int]:
    with bars() as progress:
        yield from progress.track(steps, description=what)


def _write(out: Path, report: Report) -> None:
    from efficientfan.benchmark.tables import plot_error_against_time, plot_latencies

    report.save(out / "benchmark.json")
    if report.candidates:
        with plots_where_possible():
            plot_latencies(out / "latency.png", report)
            plot_error_against_time(out / "front.png", report)
    typer.echo(f"written to {out}", err=True)
