"""`efficientfan evaluate --task detection`: which faces a detector, or the whole predictor, finds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from efficientfan.cli.options import plots_where_possible, progress_bar
from efficientfan.errors import InputError

__all__ = ["DETECTION_ONLY", "evaluate_detection", "refuse_options"]

DETECTION_ONLY = ("min_score", "through_predictor")
_LANDMARKS_ONLY = (
    *("predictions", "schema", "box", "box_jitter", "flip_test", "mean_shape"),
    *("normaliser", "threshold", "by", "batch_size"),
)
_PREDICTOR_ONLY = ("model", "backend", "device", "precision", "threads")


def refuse_options(context: typer.Context, names: Iterable[str], reason: str) -> None:
    """Refuse options that were typed but would change nothing.

    Raises:
        InputError: names the first of them.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name.replace('_', '-')} {reason}")


def evaluate_detection(
    context: typer.Context,
    dataset: str,
    root: Path,
    split: str,
    *,
    detector: str,
    model: str | None,
    engine: dict[str, Any],
    min_score: float | None,
    through_predictor: bool,
    limit: int | None,
    seed: int,
    label: str | None,
    out: Path | None,
) -> None:
    """Search the scenes, print the table, write what `--out` asks for."""
    from efficientfan.data.scenes.catalog import load_scenes
    from efficientfan.evaluation.detection.evaluate import find_faces, score_detections
    from efficientfan.evaluation.detection.report import detection_table
    from efficientfan.predict.output import check_folder

    refuse_options(context, _LANDMARKS_ONLY, "is of landmarks; it does nothing under --task detection")
    if not through_predictor:
        refuse_options(context, _PREDICTOR_ONLY, "is of the landmark model: it needs --through-predictor")
    scenes = load_scenes(dataset, root, split)
    if limit is not None:
        scenes = scenes.spread(limit)
    if out is not None:
        check_folder(out)
    finder, subject = _finder(detector, model, engine, min_score, through_predictor)
    with progress_bar("photos", len(scenes)) as progress:
        searched = find_faces(finder, scenes, progress=progress)
    results = score_detections(
        searched,
        scenes,
        label=label or finder.name,
        subject=subject,
        settings={"min_score": min_score, "through_predictor": through_predictor, "limit": limit},
        seed=seed,
    )
    typer.echo(detection_table(results))
    if out is not None:
        _write(out, results, searched, scenes)


def _finder(
    detector: str, model: str | None, engine: dict[str, Any], min_score: float | None, through_predictor: bool
) -> tuple[Any, dict[str, Any]]:
    """What finds faces, and what the results file says of it."""
    from efficientfan.evaluation.detection.subjects import ThroughPredictor, build_finder, detector_file
    from efficientfan.files import sha256_of
    from efficientfan.predict import load
    from efficientfan.weights import find_model

    finder = build_finder(detector, None if through_predictor else min_score)
    own = detector_file(detector)
    file = {} if own is None else {"file": own.name, "sha256": sha256_of(own)}
    if not through_predictor:
        return finder, {"kind": "detector", "name": finder.name, **file}
    path = find_model(model or "default")
    predictor = load(path, detector=finder, **engine)
    whole = ThroughPredictor(predictor, min_score)
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
