"""`efficientfan evaluate`: the error of a model, or of any tool's predictions, on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from efficientfan.cli.options import (
    BackendOption,
    DeviceOption,
    PrecisionOption,
    ThreadsOption,
    plots_where_possible,
    progress_bar,
)
from efficientfan.errors import InputError

if TYPE_CHECKING:
    from efficientfan.schema import LandmarkSchema

__all__ = ["evaluate_command"]


def evaluate_command(
    dataset: Annotated[
        str,
        typer.Option(
            help="Data set by name, such as 300w, wflw, cofw, aflw, coco, csv, pts.", show_default=False
        ),
    ],
    root: Annotated[Path, typer.Option(help="Where it is unpacked.", show_default=False)],
    split: Annotated[
        str | None,
        typer.Option(
            help="Which faces: 300w has common, challenging, full, private.",
            show_default="the only one: of a single file, or of a folder with one",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A packaged model's name, an .onnx file or a checkpoint.", show_default="default"),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Score this .jsonl, .json or .csv file of any tool instead of a model."),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            help="Landmark schema, for data sets that have none of their own (coco, csv, pts).",
            show_default="the table's, else the model's",
        ),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            help="Boxes to use: gt (made from the true points, as in training), supplied (the data set's), "
            "or detector (found in the photo). With --predictions, only recorded in the results.",
            show_default="gt",
        ),
    ] = None,
    box_jitter: Annotated[
        float, typer.Option(help="Shift and scale boxes at random by up to this fraction, such as 0.1.")
    ] = 0.0,
    flip_test: Annotated[bool, typer.Option("--flip-test", help="Average with the mirrored crop.")] = False,
    roll: Annotated[
        float,
        typer.Option(help="With --box detector: turn the photos by so many degrees counter-clockwise first."),
    ] = 0.0,
    mean_shape: Annotated[
        bool,
        typer.Option("--mean-shape", help="Also show the error of the mean training face, as a baseline."),
    ] = False,
    normalizer: Annotated[
        list[str] | None,
        typer.Option(
            help="Divide errors by interocular, interpupil, box (sqrt of its area) or diagonal; may be "
            "repeated, the first is that of fr and auc.",
            show_default="the data set's own",
        ),
    ] = None,
    threshold: Annotated[
        list[float] | None,
        typer.Option(
            help="Threshold of fr and auc, as a fraction; may be repeated.", show_default="0.08 0.10"
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Also one row per value of this attribute of the faces, such as pose.")
    ] = None,
    detector: Annotated[
        str,
        typer.Option(
            help="Detector of --box detector: auto, facefinder, yunet, haar, or an .onnx file made by `export`."
        ),
    ] = "auto",
    batch_size: Annotated[int, typer.Option(help="Crops per call of the network.", min=1)] = 32,
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "f32",
    threads: ThreadsOption = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N faces.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the jitter and of the bootstrap intervals.", min=0)] = 0,
    label: Annotated[str | None, typer.Option(help="Name of the run in tables and plots.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for results.json, ced.png, landmarks.png, reliability.png and worst.png."),
    ] = None,
    task: Annotated[str, typer.Option(hidden=True)] = "landmarks",
    normaliser: Annotated[list[str] | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure landmarks on a data set: NME, failure rate and area under the error curve, with intervals.

    Examples:

        efficientfan evaluate --dataset 300w --root data/300w --split common --out runs/common

        efficientfan evaluate --model mine.onnx --dataset csv --root test.csv --box detector
    """
    from efficientfan.data.catalog import only_split
    from efficientfan.evaluation import (
        EvaluationSetup,
        load_test_set,
        match_predictions,
        mean_shape_points,
        read_predictions,
        results_table,
        score_points,
    )
    from efficientfan.evaluation.landmarks.score import DEFAULT_THRESHOLDS, check_measures
    from efficientfan.predict.output import check_folder

    if task != "landmarks":
        raise InputError("--task is gone; face detectors are measured by: efficientfan evaluate-detector")
    normalizers = [*(normalizer or []), *(normaliser or [])] or None
    if model is not None and predictions is not None:
        raise InputError("give --model or --predictions, not both")
    if predictions is not None and (box_jitter or flip_test or roll):
        raise InputError(
            "--box-jitter, --flip-test and --roll change how a model is run and do nothing with --predictions"
        )
    setup = EvaluationSetup(box=box or "gt", box_jitter=box_jitter, flip_test=flip_test, roll=roll, seed=seed)
    split = split or only_split(dataset, root)
    landmarks = schema or _schema_of(
        dataset, root, split, None if predictions is not None else model or "default"
    )
    test_set = load_test_set(dataset, root, split, schema=landmarks, by=by)
    if limit is not None:
        test_set = test_set.first(limit)
    check_measures(test_set, normalizers, threshold or DEFAULT_THRESHOLDS)
    if out is not None:
        check_folder(out)
    if box is None and predictions is None:
        typer.echo(
            "note: faces are cut in boxes that are made from the true points; a detector's boxes, as in use, give "
            "other figures (--box detector)",
            err=True,
        )
    settings = setup.to_dict()
    if predictions is not None:
        table = read_predictions(predictions, test_set.schema)
        predicted = match_predictions(table, test_set.annotations, root, str(predictions))
        subject = _file("predictions", predictions)
        settings["box"] = box or "not stated"
    else:
        predicted, subject, chosen = _run_model(
            model or "default",
            test_set,
            setup,
            detector=detector,
            batch_size=batch_size,
            engine={"backend": backend, "device": device, "precision": precision, "threads": threads},
        )
        settings |= chosen
    results = score_points(
        predicted.points,
        test_set,
        label=label or subject["name"],
        subject=subject,
        settings={**settings, "batch_size": batch_size, "limit": limit},
        normalizers=normalizers,
        thresholds=threshold or DEFAULT_THRESHOLDS,
        seed=seed,
        scores=predicted.scores,
        baseline=mean_shape_points(test_set, setup) if mean_shape else None,
    )
    typer.echo(results_table(results))
    if results.reliability is None:
        typer.echo(f"no reliability: {subject['file']} has no score for any face that was found", err=True)
    if out is not None:
        _write(out, results, test_set, predicted.points)


def _schema_of(dataset: str, root: Path, split: str, model: str | None) -> LandmarkSchema | str | None:
    """The schema of a data set without one of its own: what its table names, else the model's."""
    from efficientfan.data.catalog import get_dataset
    from efficientfan.formats.csv_tables import table_schema
    from efficientfan.formats.text import split_file
    from efficientfan.predict import load
    from efficientfan.schema import list_schemas
    from efficientfan.weights import find_model

    info = get_dataset(dataset)
    if info.schema is not None:
        return None
    if info.list_suffix == ".csv":
        named = table_schema(split_file(root, split, ".csv"))
        if named in list_schemas():
            return named
    return None if model is None else load(find_model(model), detector="whole").spec.schema


def _run_model(
    name: str, test_set: Any, setup: Any, *, detector: str, batch_size: int, engine: dict[str, Any]
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """What was predicted, what the model is, and what the settings gain by it."""
    from efficientfan.evaluation import predict_test_set
    from efficientfan.predict import load
    from efficientfan.weights import find_model

    path = find_model(name)
    chosen = detector if setup.box == "detector" else "whole"  # boxes are given: no detector runs
    predictor = load(path, detector=chosen, batch_size=batch_size, **engine)
    with progress_bar("faces", len(test_set.annotations)) as progress:
        predicted = predict_test_set(predictor, test_set, setup, batch_size=batch_size, progress=progress)
    subject = _file("model", path) | {"name": predictor.spec.name}
    used = {key: getattr(predictor.backend, key) for key in ("name", "device", "precision", "threads")}
    found = {"backend": used.pop("name"), **used}
    if setup.box == "detector":
        found["detector"] = predictor.detector.name
    return predicted, subject, found


def _file(kind: str, path: Path) -> dict[str, Any]:
    from efficientfan.files import sha256_of

    return {"kind": kind, "name": path.stem, "file": path.name, "sha256": sha256_of(path)}


def _write(out: Path, results: Any, test_set: Any, points: Any) -> None:
    from efficientfan.evaluation.landmarks.report import (
        plot_ced,
        plot_error_face,
        plot_reliability,
        write_worst_faces,
    )

    results.save(out / "results.json")
    write_worst_faces(out / "worst.png", results, test_set, points)
    with plots_where_possible():
        plot_ced(out / "ced.png", {results.label: results.errors}, results.settings["normalizer"])
        plot_error_face(out / "landmarks.png", results, test_set)
        if results.reliability is not None:
            plot_reliability(out / "reliability.png", results.reliability, results.settings["normalizer"])
    typer.echo(f"written to {out}", err=True)
