"""`TestSet`: the faces that a run is measured on, with their truth and their groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.errors import InputError
from efficientfan.evaluation.landmarks.results import dataset_digest
from efficientfan.metrics import default_normalizer
from efficientfan.schema import LandmarkSchema, get_schema
from efficientfan.structures import Annotation, tight_boxes

__all__ = [
    "BOX_KINDS",
    "TestSet",
    "annotation_boxes",
    "jitter_boxes",
    "load_test_set",
]

Array = NDArray[Any]

BOX_KINDS = ("gt", "supplied", "detector")
"""`gt`: tight box of the annotated points; `supplied`: the data set's own; `detector`: found in the photo."""


def annotation_boxes(annotations: Sequence[Annotation], kind: str) -> Array:
    """(N, 4) xyxy boxes of kind "gt" or "supplied".

    Raises:
        InputError: another kind, or a face without labeled points or without a supplied box (names it).
    """
    if kind == "gt":
        return tight_boxes(annotations)
    if kind != "supplied":
        raise InputError(f"boxes are of kind 'gt' or 'supplied', not {kind!r}")
    boxes = []
    for annotation in annotations:
        if annotation.box is None:
            raise InputError(
                f"{annotation.name}: the data set supplies no box; use --box gt or --box detector"
            )
        boxes.append(annotation.box)
    return np.array(boxes).reshape(-1, 4)


def jitter_boxes(boxes: Array, fraction: float, seed: int) -> Array:
    """Shift and scale (N, 4) xyxy boxes at random, to measure how sensitive a method is to its box.

    The center moves by up to +-`fraction` of the width and of the height, the size by a factor of up to
    1 +- `fraction`, each uniform and independent. The first faces get the same draws whatever N is.

    Raises:
        InputError: a fraction outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise InputError(f"box jitter is a fraction in [0, 1), such as 0.1, not {fraction}")
    draws = np.random.default_rng(seed).uniform(-fraction, fraction, (len(boxes), 3))
    size = boxes[:, 2:] - boxes[:, :2]
    center = (boxes[:, 2:] + boxes[:, :2]) / 2 + size * draws[:, :2]
    half = size / 2 * (1 + draws[:, 2:])
    return np.concatenate([center - half, center + half], axis=1)


@dataclass(frozen=True)
class TestSet:
    """Annotated faces to measure on.

    Attributes:
        name: of the data set.
        split: of the data set.
        root: folder that the faces' names are relative to.
        annotations: N faces.
        schema: of their points.
        normalizer: what papers divide the error by on this data set.
        official: number of faces of the complete split, or None where there is none.
        groups: subset -> indices of its faces; the whole split is not among them.
    """

    __test__ = False  # not a test class, whatever pytest makes of the name

    name: str
    split: str
    root: Path
    annotations: Sequence[Annotation]
    schema: LandmarkSchema
    normalizer: str
    official: int | None = None
    groups: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.annotations:
            raise InputError(f"data set '{self.name}', split '{self.split}': holds no face to measure on")

    @property
    def truth(self) -> Array:
        """(N, K, 2) annotated points, NaN where unlabeled."""
        return np.stack([annotation.points for annotation in self.annotations])

    @property
    def gt_boxes(self) -> Array:
        """(N, 4) xyxy tight boxes of the annotated points."""
        return annotation_boxes(self.annotations, "gt")

    @property
    def normalizer_boxes(self) -> Array:
        """(N, 4) xyxy boxes of the normalizers `box` and `diagonal`: supplied ones, else tight ones."""
        return annotation_boxes(self.annotations, "supplied") if self.supplies_boxes else self.gt_boxes

    @property
    def supplies_boxes(self) -> bool:
        """Whether the data set brings a box for every face."""
        return all(annotation.box is not None for annotation in self.annotations)

    def to_dict(self) -> dict[str, Any]:
        """What the results file says of the data."""
        return {
            "name": self.name,
            "split": self.split,
            "schema": self.schema.name,
            "faces": len(self.annotations),
            "official": self.official,
            "digest": dataset_digest(self.annotations),
        }

    def first(self, limit: int) -> TestSet:
        """The same test on its first `limit` faces."""
        if limit < 1:
            raise InputError(f"--limit must be at least 1, not {limit}")
        groups = {name: [i for i in rows if i < limit] for name, rows in self.groups.items()}
        return dataclasses.replace(self, annotations=self.annotations[:limit], groups=groups)


def load_test_set(
    name: str,
    root: str | Path,
    split: str,
    *,
    schema: LandmarkSchema | str | None = None,
    by: str | None = None,
) -> TestSet:
    """Read a split and sort its faces into the data set's own subsets.

    Args:
        name: the data set's name, as for `load_dataset`.
        root: its folder, or its file.
        split: the split's name.
        schema: needed for data sets without one of their own.
        by: an attribute of the annotations; each of its values becomes a further group.

    Raises:
        InputError: as `load_dataset`, or no face has the attribute `by`.
    """
    info = get_dataset(name)
    annotations = load_dataset(name, root, split, schema=schema)
    chosen = schema if isinstance(schema, LandmarkSchema) else get_schema(schema or info.schema or "")
    groups = {subset: _members(annotations, *rule) for subset, rule in info.subsets.items()}
    if by is not None:
        values = {str(a.attributes[by]) for a in annotations if by in a.attributes}
        if not values:
            known = sorted({key for a in annotations for key in a.attributes})
            raise InputError(
                f"no face of '{name}' has the attribute {by!r}; there are: {', '.join(known) or 'none'}"
            )
        for value in sorted(values):
            groups[f"{by} {value}"] = [
                i for i, a in enumerate(annotations) if str(a.attributes.get(by)) == value
            ]
    return TestSet(
        name=name,
        split=split,
        root=Path(root),
        annotations=annotations,
        schema=chosen,
        normalizer=info.normalizer if info.schema else default_normalizer(chosen),
        official=info.splits.get(split),
        groups={subset: rows for subset, rows in groups.items() if 0 < len(rows) < len(annotations)},
    )


def _members(annotations: Sequence[Annotation], attribute: str, wanted: Any) -> list[int]:
    """Indices of the faces whose attribute is `wanted`, or one of them where it is a tuple."""
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    return [
        i
        for i, a in enumerate(annotations)
        if attribute in a.attributes and a.attributes[attribute] in values
    ]
