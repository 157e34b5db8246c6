"""A float `.onnx` file to an int8 one, with a measurement of what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from efficientfan.errors import EfficientFanError, InputError
from efficientfan.evaluation import EvaluationSetup, Results, TestSet, compare_runs, score_points
from efficientfan.evaluation.landmarks.evaluate import predict_in_boxes
from efficientfan.export.calibration import Calibration
from efficientfan.export.fold_input import fold_normalization
from efficientfan.export.half_weights import widen_weights
from efficientfan.export.int8_tools import LARGEST_WEIGHT, QUANTIZED, TOOLS
from efficientfan.export.qdq import float_operators, int8_layers, layers
from efficientfan.export.rounding import round_weights
from efficientfan.export.sensitivity import choose_float_layers
from efficientfan.export.upsampling import split_upsampling
from efficientfan.export.usage import file_metadata
from efficientfan.files import atomic_path
from efficientfan.metrics import Estimate
from efficientfan.predict import Backend, BackendOutput, OnnxBackend, open_backend
from efficientfan.spec import ModelSpec

__all__ = ["MOST_GROWTH", "QuantizationReport", "quantize"]

Array = NDArray[Any]

MOST_GROWTH = 0.01
"""An int8 file whose NME is larger by more than this fraction is not written."""

MOST_SPLIT_SHIFT = 0.01
"""Crop pixels by which points may move when transposed convolutions are split, which is exact but for rounding."""

FEWEST_CROPS = 32
"""Fewer faces to calibrate on are refused: what they do not show is cut off in int8."""

ROUNDING_CROPS = 16
"""Calibration crops on which the weights' steps are chosen: thousands of places of each map."""

TRIAL_CROPS = 48
"""Calibration crops on which the sensitive layers are looked for; enough to rank layers, few enough to wait for."""

Progress = Callable[[str, int, int], None]
"""Told (what is being done, steps done, steps in all)."""


@dataclass(frozen=True)
class Cost:
    """What quantizing did to the landmarks of a test set.

    Attributes:
        split: data set and split.
        faces: how many.
        engine: that ran both files.
        nme_float, nme_int8: by the data set's normalizer, as fractions.
        difference: int8 minus float, with its 95 % interval over paired faces.
        shift_mean, shift_worst: distance of a landmark from the float file's, in crop pixels.
    """

    split: str
    faces: int
    engine: str
    nme_float: float
    nme_int8: float
    difference: Estimate
    shift_mean: float
    shift_worst: float

    @property
    def growth(self) -> float:
        """Of the NME, as a fraction of itself."""
        return self.nme_int8 / self.nme_float - 1


@dataclass(frozen=True)
class QuantizationReport:
    """What was written.

    Attributes:
        path: of the int8 file.
        spec: inside it; `provenance["quantization"]` holds the rest of this.
        layers: convolutions in all, and those in int8.
        float_layers: names of those that were put back to float because that helped.
        float_operators: kinds of operators between layers that have no int8 form and stay in float -> how many.
        size_float, size_int8: bytes of the files.
        cost: what it did on a test set; None where none was given.
    """

    path: Path
    spec: ModelSpec
    layers: tuple[int, int]
    float_layers: tuple[str, ...]
    float_operators: Mapping[str, int]
    size_float: int
    size_int8: int
    cost: Cost | None


def quantize(
    model: str | Path,
    out: str | Path,
    calibration: Calibration,
    test_set: TestSet | None,
    *,
    tool: str = "onnxruntime",
    backend: str = "onnxruntime",
    threads: int | None = None,
    most_float_layers: int = 4,
    force: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> QuantizationReport:
    """Write a model in int8 and say what that costs; decoding stays in float, the pixels go in as they are.

    Args:
        model: a float `.onnx` file of `efficientfan export`.
        out: the file to write; nothing appears there unless all is well.
        calibration: crops that the ranges are taken from.
        test_set: faces on which NME and shift are measured; None only with `force`.
        tool: "onnxruntime", or "nncf" (with bias correction); see `TOOLS`.
        backend: engine that measures the cost.
        threads: processor threads of whatever is run here; None takes all cores.
        most_float_layers: how many layers may be put back to float; see `choose_float_layers`.
        force: write even if the NME grows by more than `MOST_GROWTH` or is not known, or with fewer crops than
            `FEWEST_CROPS`.
        progress: told of the steps.

    Raises:
        InputError: a model that cannot be used or is quantized already, an unknown tool, too few crops, or no test set.
        MissingDependencyError: the tool or the engine is not installed.
        EfficientFanError: the NME grows by more than `MOST_GROWTH`.
    """
    if tool not in TOOLS:
        raise InputError(f"unknown tool {tool!r}; known are {', '.join(TOOLS)}")
    if test_set is None and not force:
        raise InputError("what quantizing costs is not known without a test set; give one, or force it")
    path = Path(model)
    before = open_backend(path, backend=backend, threads=threads)
    spec = before.spec
    if "quantization" in spec.provenance:
        raise InputError(f"{path}: is quantized already; start from the float file")
    whole = widen_weights(onnx.load(path))
    split = split_upsampling(whole)
    original = fold_normalization(split)

    crops = calibration.crops
    if len(crops) < FEWEST_CROPS and not force:
        raise InputError(
            f"{calibration.source}: gives {len(crops)} faces to calibrate on, too few for ranges that hold on others; "
            f"give {FEWEST_CROPS} or more, or force it"
        )
    expected = OnnxBackend(path, threads=threads).run(crops[:TRIAL_CROPS]).points
    if not (apart := _shift(split, crops[:TRIAL_CROPS], expected, threads)) <= MOST_SPLIT_SHIFT:
        raise EfficientFanError(
            f"{path}: its points move by {apart:.2g} when transposed convolutions are split"
        )
    samples = [crop[None] for crop in crops]
    few = samples[:ROUNDING_CROPS]
    rounded = round_weights(
        original, few, LARGEST_WEIGHT[tool], _counted(progress, "rounding weights", len(few))
    )
    quantized = TOOLS[tool](rounded, samples, _counted(progress, "calibrating", len(samples)))
    float_layers = choose_float_layers(
        quantized,
        lambda graph: _shift(graph, crops[:TRIAL_CROPS], expected, threads),
        most=most_float_layers,
        progress=lambda done, total: progress("sensitive layers", done, total),
    )
    graph = quantized(float_layers)

    record: dict[str, Any] = {
        "tool": f"{tool} {import_module(tool).__version__}",
        "calibration": calibration.source,
        "crops": len(crops),
        "seed": calibration.seed,
        "float_layers": list(float_layers),
    }
    cost = None
    with TemporaryDirectory() as folder:
        trial = Path(folder) / "int8.onnx"
        _write(graph, spec, record, trial)
        after = open_backend(trial, backend=backend, threads=threads)
        if test_set is not None:
            cost = _cost(before, after, test_set, progress)
            record |= asdict(cost)
    if cost is not None and cost.growth > MOST_GROWTH and not force:
        raise EfficientFanError(
            f"{out}: not written; in int8 the NME on {cost.split} is {100 * cost.nme_int8:.2f} % instead of "
            f"{100 * cost.nme_float:.2f} %, {100 * cost.growth:.1f} % more ({100 * MOST_GROWTH:g} % is allowed); allow "
            "more layers in float, calibrate on other faces, or force it"
        )
    with atomic_path(out) as temporary:
        final = _write(graph, spec, record, temporary)
        size = temporary.stat().st_size
    return QuantizationReport(
        path=Path(out),
        spec=final,
        layers=(len(layers(original)), len(int8_layers(graph))),
        float_layers=tuple(float_layers),
        float_operators=float_operators(original, QUANTIZED),
        size_float=path.stat().st_size,
        size_int8=size,
        cost=cost,
    )


def _counted(progress: Progress, what: str, total: int) -> Callable[[], None]:
    """To be called after each of `total` steps; tools that take more tell so no more."""
    steps = count(1)
    return lambda: progress(what, min(next(steps), total), total)


def _shift(graph: onnx.ModelProto, crops: Array, expected: Array, threads: int | None) -> float:
    """Root mean square distance in crop pixels of a graph's points from the expected ones."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    if threads is not None:
        settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    (points,) = session.run(["points"], {"crops": crops})
    return float(np.sqrt(((points - expected) ** 2).sum(axis=2).mean()))


def _write(model: onnx.ModelProto, spec: ModelSpec, record: Mapping[str, Any], path: Path) -> ModelSpec:
    name = spec.name if spec.name.endswith("_int8") else f"{spec.name}_int8"
    told = replace(spec, name=name, provenance={**spec.provenance, "quantization": dict(record)})
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, file_metadata(told))
    model.producer_name, model.producer_version = "efficientfan", spec.code_version
    model.doc_string = ""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return told


def _cost(before: Backend, after: Backend, test_set: TestSet, progress: Progress) -> Cost:
    runs, crop_points = [], []
    for backend, what in ((before, "NME of the float file"), (after, "NME of the int8 file")):
        results, points = _measure(backend, test_set, what, progress)
        runs.append(results)
        crop_points.append(points)
    (comparison,) = compare_runs(runs)
    shift = np.linalg.norm(crop_points[1] - crop_points[0], axis=2)
    metric = f"nme_{test_set.normalizer}"
    return Cost(
        split=f"{test_set.name} {test_set.split}",
        faces=len(test_set.annotations),
        engine=before.name,
        nme_float=runs[0].groups[test_set.split].metrics[metric].value,
        nme_int8=runs[1].groups[test_set.split].metrics[metric].value,
        difference=comparison.differences[metric],
        shift_mean=float(shift.mean()),
        shift_worst=float(shift.max()),
    )


def _measure(backend: Backend, test_set: TestSet, what: str, progress: Progress) -> tuple[Results, Array]:
    """The results, and the (N, K, 2) points in crop pixels, of a file on ground-truth boxes."""
    seen: list[Array] = []
    faces = len(test_set.annotations)
    counted = 0

    def run(crops: Array) -> BackendOutput:
        found = backend.run(crops)
        seen.append(found.points)
        return found

    def tell(count: int) -> None:
        nonlocal counted
        counted += count
        progress(what, counted, faces)

    setup = EvaluationSetup()
    predicted = predict_in_boxes(
        run,
        backend.spec,
        test_set.annotations,
        backend.spec.crop_boxes(setup.boxes(test_set)),
        schema=test_set.schema,
        progress=tell,
    )
    subject = {"kind": "model", "name": what}
    results = score_points(predicted.points, test_set, label=what, subject=subject, settings=setup.to_dict())
    return results, np.concatenate(seen)
