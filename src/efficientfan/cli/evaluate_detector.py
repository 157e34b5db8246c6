"""`efficientfan evaluate-detector`: which faces a detector, or the whole predictor, finds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from efficientfan.cli.options import (
    BackendOption,
    DeviceOption,
    PrecisionOption,
    ThreadsOption,
    plots_where_possible,
    progress_bar,
    refuse_options,
)

__all__ = ["evaluate_detector_command"]

_PREDICTOR_ONLY = ("model", "backend", "device", "precision", "threads")


def evaluate_detector_command(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Option(
            help="Photos with face boxes, by name: scenes, boxes, aflw68_framed, noise.", show_default=False
        ),
    ],
    root: Annotated[Path, typer.Option(help="Where it is unpacked.", show_default=False)],
    split: Annotated[str, typer.Option(help="Which photos, such as test.", show_default=False)],
    detector: Annotated[
        str, typer.Option(help="auto, facefinder, yunet, haar, or an .onnx file made by `export`.")
    ] = "auto",
    min_score: Annotated[
        float | None,
        typer.Option(
            help="Leave out detections that score below this; a low value shows more of the curve.",
            show_default="the detector's own",
        ),
    ] = None,
    overlap: Annotated[
        list[float] | None,
        typer.Option(
            help="Intersection over union from which a face is found; may be repeated.",
            show_default="0.4 0.5",
        ),
    ] = None,
    unchecked: Annotated[
        bool,
        typer.Option(
            "--unchecked",
            help="Count boxes of a detector that nobody checked as faces too: recall is then agreement with it.",
        ),
    ] = False,
    through_predictor: Annotated[
        bool,
        typer.Option(
            "--through-predictor",
            help="Count the faces that the whole predictor reports, after pruning by landmarks.",
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            help="Landmark model of --through-predictor: a packaged name, an .onnx file or a checkpoint.",
            show_default="default",
        ),
    ] = None,
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "f32",
    threads: ThreadsOption = None,
    limit: Annotated[
        int | None, typer.Option(help="Only N photos, spread evenly over the split.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap intervals.", min=0)] = 0,
    label: Annotated[str | None, typer.Option(help="Name of the run in tables and plots.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for results.json, recall.png, sizes.png, missed.png, alarms.png and mistakes.json."
        ),
    ] = None,
) -> None:
    """Measure which faces a detector finds: recall, false alarms per photo and average precision, with intervals.

    Example: efficientfan evaluate-detector --dataset scenes --root data/scenes --split test --detector yunet
    """
    from efficientfan.data.scenes.catalog import load_scenes
    from efficientfan.evaluation import detection_table, score_detections, search_photos
    from efficientfan.evaluation.detection.evaluate import OVERLAPS
    from efficientfan.predict.output import check_folder

    if not through_predictor:
        refuse_options(context, _PREDICTOR_ONLY, "sets the landmark model, which needs --through-predictor")
    scenes = load_scenes(dataset, root, split)
    if unchecked:
        scenes = scenes.with_unchecked()
    if limit is not None:
        scenes = scenes.spread(limit)
    if out is not None:
        check_folder(out)
    engine = {"backend": backend, "device": device, "precision": precision, "threads": threads}
    chosen, subject = _open_detector(detector, model, engine, min_score, through_predictor)
    with progress_bar("photos", len(scenes)) as progress:
        searched = search_photos(chosen, scenes, progress=progress)
    results = score_detections(
        searched,
        scenes,
        label=label or chosen.name,
        subject=subject,
        settings={
            "min_score": min_score,
            "through_predictor": through_predictor,
            "unchecked": unchecked,
            "limit": limit,
        },
        overlaps=overlap or OVERLAPS,
        seed=seed,
    )
    typer.echo(detection_table(results))
    if out is not None:
        _write(out, results, searched, scenes)


def _open_detector(
    name: str, model: str | None, engine: dict[str, Any], min_score: float | None, through_predictor: bool
) -> tuple[Any, dict[str, Any]]:
    """The detector, or the predictor in its place, and what the results file says of it."""
    from efficientfan.evaluation.detection.evaluate import PredictorAsDetector
    from efficientfan.files import sha256_of
    from efficientfan.predict import load
    from efficientfan.predict.detectors import detector_file, open_detector
    from efficientfan.weights import find_model

    detector = open_detector(name, min_score=None if through_predictor else min_score)
    own = detector_file(name)
    file = {} if own is None else {"file": own.name, "sha256": sha256_of(own)}
    if not through_predictor:
        return detector, {"kind": "detector", "name": detector.name, **file}
    path = find_model(model or "default")
    predictor = load(path, detector=detector, **engine)
    whole = PredictorAsDetector(predictor, min_score)
    landmarks = {"name": predictor.spec.name, "file": path.name, "sha256": sha256_of(path)}
    return whole, {"kind": "predictor", "name": whole.name, **file, "model": landmarks}


def _write(out: Path, results: Any, searched: Any, scenes: Any) -> None:
    from efficientfan.evaluation.detection.evaluate import OVERLAPS
    from efficientfan.evaluation.detection.mistakes import write_mistakes
    from efficientfan.evaluation.detection.report import plot_recall_by_size, plot_recall_over_alarms

    results.save(out / "results.json")
    write_mistakes(out, searched, scenes, overlap=OVERLAPS[0])
    if results.curves:
        with plots_where_possible():
            plot_recall_over_alarms(out / "recall.png", {results.label: results})
            plot_recall_by_size(out / "sizes.png", results)
    typer.echo(f"written to {out}", err=True)
