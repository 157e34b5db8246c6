"""Running a model, and the mean-shape baseline, over a test set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.errors import InputError
from efficientfan.evaluation.boxes import BOX_KINDS, boxes_of, jitter_boxes
from efficientfan.evaluation.located import Located
from efficientfan.evaluation.mean_shape import fit_mean_shape, place_shape
from efficientfan.evaluation.model_points import FaceFinder, points_from_boxes, points_from_detector
from efficientfan.evaluation.test_set import TestSet
from efficientfan.predict import BackendOutput
from efficientfan.spec import ModelSpec

__all__ = ["CropBackend", "Model", "Setup", "mean_shape_points", "model_points"]

Array = NDArray[Any]


class CropBackend(Protocol):
    """Runs the network on crops."""

    def run(self, crops: Array, /) -> BackendOutput:
        """(N, S, S, 3) uint8 RGB crops to what they hold."""


class Model(FaceFinder, Protocol):
    """What is evaluated; `efficientfan.predict.LandmarkPredictor` is one."""

    @property
    def spec(self) -> ModelSpec:
        """Crop size, margin and schema."""

    @property
    def backend(self) -> CropBackend:
        """The network alone, for crops from given boxes."""


@dataclass(frozen=True)
class Setup:
    """How faces are looked for.

    Attributes:
        box: one of `BOX_KINDS`.
        box_jitter: shift and scale of the boxes, as a fraction of their size (`jitter_boxes`).
        flip_test: average with the mirrored crop.
        seed: of the jitter and of the bootstrap.
    """

    box: str = "gt"
    box_jitter: float = 0.0
    flip_test: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.box not in BOX_KINDS:
            raise InputError(f"--box is one of {', '.join(BOX_KINDS)}, not {self.box!r}")
        if self.box == "detector" and (self.box_jitter or self.flip_test):
            raise InputError("--box-jitter and --flip-test need given boxes: --box gt or --box supplied")

    def to_dict(self) -> dict[str, Any]:
        """As the results file holds it."""
        return asdict(self)

    def boxes(self, test_set: TestSet) -> Array:
        """(N, 4) given boxes, jittered if asked for; for `detector` the ground-truth ones."""
        kind = "supplied" if self.box == "supplied" else "gt"
        return jitter_boxes(boxes_of(test_set.annotations, kind), self.box_jitter, self.seed)


def model_points(
    model: Model,
    test_set: TestSet,
    setup: Setup,
    *,
    batch_size: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> Located:
    """What a model says of the N faces of a test set.

    Raises:
        InputError: an unreadable photo, no box of the wanted kind, or schemas without a conversion.
    """
    if setup.box == "detector":
        return points_from_detector(model, test_set.annotations, test_set.schema, progress=progress)
    return points_from_boxes(
        model.backend.run,
        model.spec,
        test_set.annotations,
        setup.boxes(test_set),
        schema=test_set.schema,
        flip_test=setup.flip_test,
        batch_size=batch_size,
        progress=progress,
    )


def mean_shape_points(test_set: TestSet, setup: Setup, *, split: str = "train") -> Array:
    """The mean training face in each test box, (N, K, 2): what an answer that looks at no pixel scores.

    Raises:
        InputError: the data set has no such split, or it cannot be read.
    """
    info = get_dataset(test_set.name)
    if info.splits and split not in info.splits:
        raise InputError(f"--mean-shape needs a training split, and '{test_set.name}' has no {split!r}")
    faces = load_dataset(test_set.name, test_set.root, split, schema=test_set.schema)
    kind = "supplied" if setup.box == "supplied" else "gt"
    return place_shape(fit_mean_shape(faces, boxes_of(faces, kind)), setup.boxes(test_set))
